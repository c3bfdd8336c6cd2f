"""Machines within this machine: what ``up --nodes n`` stands on when n is more than one.

Each has a network, processes, mounts and a container engine of its own; ending one process of it is a power cut. All
they are called derives from STATE, so what is there can be found again and removed after any crash.
"""
