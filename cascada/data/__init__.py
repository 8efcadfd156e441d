"""From a source to a validated, versioned snapshot and its split."""
