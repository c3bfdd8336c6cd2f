"""The dashboard's views and their pure parts, without a browser."""
