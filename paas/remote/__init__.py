"""Machines that are reached over ssh: the file that lists them, and what `up-nodes` does with each."""
