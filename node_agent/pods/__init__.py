"""Pods: what should run here, what does, and the one step from the one to the other."""
