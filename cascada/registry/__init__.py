"""Models on disk and in the registry."""
