"""Signs of life and of use. Not cluster state: no number, no watch, written in batches."""

from __future__ import annotations

from django.db import models


class Heartbeat(models.Model):
    """When a node's agent was last heard, and over which of its connections: the newest one speaks for the
    node."""

    node = models.CharField(max_length=253, primary_key=True)
    at = models.DateTimeField()
    connection = models.CharField(max_length=36, blank=True)

    def __str__(self) -> str:
        return f"{self.node} at {self.at}"


class Sample(models.Model):
    """The latest of what a node and its containers use, as its agent sent it."""

    node = models.CharField(max_length=253, primary_key=True)
    at = models.DateTimeField()
    text = models.TextField()

    def __str__(self) -> str:
        return f"{self.node} at {self.at}"
