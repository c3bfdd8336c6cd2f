"""The pages. Each view is a page and its fragment at once."""
