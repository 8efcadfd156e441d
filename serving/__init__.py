"""The HTTP service that answers predictions."""
