"""The REST API: a core without transport, and thin adapters that carry requests to it."""
