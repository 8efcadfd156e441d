"""Anybody's script, notebook or function as a recorded run; what runs inside of it imports little."""
