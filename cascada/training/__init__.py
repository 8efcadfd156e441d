"""Fitting: data set, scaling and the one place that builds a Trainer."""
