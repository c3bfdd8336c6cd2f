"""Tables of identity. None of them is cluster state: no number, no watch."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Token(models.Model):
    """A bearer token, known by its digest only."""

    digest = models.CharField(max_length=64, unique=True)
    purpose = models.CharField(max_length=32)
    actor = models.CharField(max_length=253, db_index=True)
    groups = models.JSONField(default=list)
    uid = models.CharField(max_length=36)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="tokens")
    description = models.CharField(max_length=200, blank=True)
    key_digest = models.CharField(max_length=64, blank=True)
    """Of a node's token: the key of the certificate that was issued with it."""
    node_left = models.BooleanField(default=False)
    """Of a revoked node's token: the node was taken out of the cluster, its machine must stop what it runs."""
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.purpose} token of {self.actor}"


class SetupLink(models.Model):
    """The one link that may make the first administrator."""

    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"set-up link of {self.created_at}"


class Throttle(models.Model):
    """How often logging in went wrong for one user name, address or known browser."""

    key = models.CharField(max_length=320, unique=True)
    failures = models.IntegerField(default=0)
    last_at = models.DateTimeField()
    until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.key}: {self.failures} failures"


class Ticket(models.Model):
    """What opens one stream, once, within moments."""

    digest = models.CharField(max_length=64, unique=True)
    actor = models.CharField(max_length=253)
    what = models.CharField(max_length=1024)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"ticket of {self.actor}"
