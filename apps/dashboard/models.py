"""What people have begun and not yet applied. Not cluster state: no number, no watch."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Draft(models.Model):
    """One person's draft of one application, there already or not."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="drafts")
    namespace = models.CharField(max_length=253)
    name = models.CharField(max_length=253)
    text = models.TextField(blank=True)
    before = models.TextField(blank=True)
    """The text before the last step, to go back to."""
    number = models.PositiveIntegerField(default=1)
    """Goes up with every step: what was sent from an older one, by another tab, is not taken."""
    base_uid = models.CharField(max_length=36, blank=True)
    base_revision = models.PositiveIntegerField(default=0)
    """What the application was when the draft began; empty when it was not there."""
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=("user", "namespace", "name"), name="one_draft_each")]

    def __str__(self) -> str:
        return f"draft of {self.namespace}/{self.name} by {self.user}"
