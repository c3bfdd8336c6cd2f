"""Events are news: they go after a while. What they told of is unaffected."""

from datetime import datetime, timedelta

from django.conf import settings

from apps.cluster import models, store
from apps.cluster.actors import system
from apps.cluster.kinds import EVENT
from apps.cluster.rows import COLUMNS, Stored
from apps.cluster.transaction import Transaction

KEEP = timedelta(hours=1)
AT_ONCE = 100


def expire_events(now: datetime) -> int:
    """Delete events last seen longer ago than settings.EVENT_KEEP seconds; returns how many."""
    edge = now - timedelta(seconds=getattr(settings, "EVENT_KEEP", KEEP.total_seconds()))
    created = models.Object.objects.filter(kind=EVENT.key, created_at__lt=edge).order_by("created_at")
    old = [
        row
        for row in (Stored(EVENT, *values) for values in created.values_list(*COLUMNS))
        if (row.object.last_timestamp or row.object.metadata.creation_timestamp) < edge
    ]
    for start in range(0, len(old), AT_ONCE):
        batch = old[start : start + AT_ONCE]
        store.write(system("controller:gc"), lambda tx, batch=batch: _delete(tx, batch))  # type: ignore[misc]
    return len(old)


def _delete(tx: Transaction, batch: list[Stored]) -> None:
    for row in batch:
        if tx.find(EVENT, row.namespace, row.name) is not None:
            tx.delete(EVENT, row.namespace, row.name)
