"""Determinism lint of anybody's code: rules over syntax trees, nothing is run or imported."""
