"""Live streams over websockets: what the API streams over HTTP, one message per event."""
