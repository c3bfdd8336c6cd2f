"""The whole platform as one sealed file, and back."""
