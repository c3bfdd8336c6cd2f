"""The tables of cluster state. Only the store writes the first five."""

from django.db import models


class Clock(models.Model):
    """One row: the number of the latest write. Locked first in every write, so numbers commit in order."""

    number = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.number)


class Object(models.Model):
    """One object of any kind. ``text`` is the object as served (sealed fields encrypted)."""

    kind = models.CharField(max_length=128)
    namespace = models.CharField(max_length=63, blank=True)
    name = models.CharField(max_length=253)
    uid = models.CharField(max_length=36, unique=True)
    node = models.CharField(max_length=253, blank=True)
    number = models.BigIntegerField()
    created_at = models.DateTimeField()
    deleting = models.BooleanField(default=False)
    text = models.TextField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("kind", "namespace", "name"), name="one_name_per_kind"),
        )
        indexes = (models.Index(fields=("kind", "node"), name="objects_of_a_node"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


class Index(models.Model):
    """What selectors ask for: labels under ``l:<key>``, selectable fields under ``f:<path>``."""

    # The store alone writes both rows, in one transaction: a check of each again would cost more than writing them.
    object = models.ForeignKey(Object, models.CASCADE, related_name="entries", db_constraint=False)
    key = models.CharField(max_length=320)
    value = models.CharField(max_length=512)

    class Meta:
        indexes = (models.Index(fields=("key", "value"), name="objects_by_entry"),)

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


class Owner(models.Model):
    """An owner reference: which objects go when an owner goes."""

    object = models.ForeignKey(Object, models.CASCADE, related_name="owners", db_constraint=False)
    owner_uid = models.CharField(max_length=36, db_index=True)

    def __str__(self) -> str:
        return self.owner_uid


class Change(models.Model):
    """One write: the whole object as served after it, and what selectors saw before it."""

    number = models.BigIntegerField(primary_key=True)
    type = models.CharField(max_length=8)
    kind = models.CharField(max_length=128)
    namespace = models.CharField(max_length=63, blank=True)
    name = models.CharField(max_length=253)
    uid = models.CharField(max_length=36)
    node = models.CharField(max_length=253, blank=True)
    actor = models.CharField(max_length=253)
    at = models.DateTimeField(db_index=True)
    text = models.TextField()
    before = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"{self.number} {self.type} {self.kind} {self.namespace}/{self.name}"


class Cursor(models.Model):
    """How far a durable reader of the log has come."""

    name = models.CharField(max_length=63, primary_key=True)
    number = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name} at {self.number}"


class Wakeup(models.Model):
    """A controller's key that must be looked at again at ``due``."""

    controller = models.CharField(max_length=63)
    key = models.CharField(max_length=320)
    due = models.DateTimeField(db_index=True)
    attempts = models.IntegerField(default=0)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("controller", "key"), name="one_wakeup_per_key"),)

    def __str__(self) -> str:
        return f"{self.controller} {self.key} at {self.due}"


class SealedKey(models.Model):
    """A key or platform secret, wrapped by the key that lives outside the database."""

    name = models.CharField(max_length=63, unique=True)
    wrapped = models.BinaryField()

    def __str__(self) -> str:
        return self.name
