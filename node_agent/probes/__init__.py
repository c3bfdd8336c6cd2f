"""Asking containers how they are, and running their hooks: one thread and one event loop for the whole node."""
