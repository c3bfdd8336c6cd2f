"""The node agent: its pure parts by tables and properties, the rest on a real engine (marker ``docker``)."""
