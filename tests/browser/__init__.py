"""The dashboard in a real Chromium, on a server of its own with a sample cluster: no Docker, no agents."""
