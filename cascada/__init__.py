"""Reproducible machine learning for cosmic-ray air showers."""

__version__ = "0.1.0"
