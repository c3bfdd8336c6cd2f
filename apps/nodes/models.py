"""Signs of life, of nodes and servers, and of use, written in batches; who may join. Not cluster state: no number."""

from __future__ import annotations

from django.db import models


class Heartbeat(models.Model):
    """When a node's agent was last heard, and over which of its connections: the newest one speaks for the
    node."""

    node = models.CharField(max_length=253, primary_key=True)
    at = models.DateTimeField()
    connection = models.CharField(max_length=36, blank=True)
    programmed = models.BigIntegerField(null=True)
    """The node's service rules follow the log up to there; null where nothing makes rules."""

    def __str__(self) -> str:
        return f"{self.node} at {self.at}"


class Sample(models.Model):
    """The latest of what a node and its containers use, as its agent sent it."""

    node = models.CharField(max_length=253, primary_key=True)
    at = models.DateTimeField()
    text = models.TextField()

    def __str__(self) -> str:
        return f"{self.node} at {self.at}"


class Server(models.Model):
    """When a web process last said that it serves, and where nodes and pods reach it (host:port)."""

    place = models.CharField(max_length=300, primary_key=True)
    at = models.DateTimeField()
    version = models.CharField(max_length=64, default="")
    """Of its program."""

    def __str__(self) -> str:
        return f"{self.place} at {self.at}"


class Invitation(models.Model):
    """A token with which one machine may join, once and soon; known by its digest only."""

    digest = models.CharField(max_length=64, unique=True)
    made_by = models.CharField(max_length=253)
    name = models.CharField(max_length=253, blank=True)
    """The node that it is for; empty for a machine that names itself."""
    labels = models.JSONField(default=dict)
    taints = models.JSONField(default=list)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    node = models.CharField(max_length=253, blank=True)
    """Who came."""

    def __str__(self) -> str:
        return f"invitation by {self.made_by}, until {self.expires_at}"
