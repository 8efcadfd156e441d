"""The checks behind the specification, and the checklist that they make of a project."""
