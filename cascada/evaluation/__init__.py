"""Judging: predictions, metrics with intervals, figures and gates."""
