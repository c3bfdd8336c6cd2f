"""Composing: what the canvas does to a draft."""
