"""Prefect flows: the only composition of stages."""
