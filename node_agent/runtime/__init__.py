"""Containers: what the agent asks of a container engine (``base``) and the engines that answer."""
