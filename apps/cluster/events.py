"""Events: what happened to an object, told once and then counted."""

import hashlib
from datetime import datetime
from typing import Any

from apps.cluster import types

_LONGEST = 1024


def told(
    about: Any, reason: str, message: str, *, type: str, component: str, host: str, field_path: str, now: datetime
) -> types.Event:  # fmt: skip
    """The event as it is when told for the first time.

    ``about`` is any object's struct, or an ObjectReference. An event's name is derived from what it says, so equal
    ones meet. Events about cluster-scoped objects live in ``default``, as in Kubernetes.
    """
    subject = about if isinstance(about, types.ObjectReference) else _reference(about)
    message = message[:_LONGEST]
    said = "\0".join((subject.uid, subject.name, type, reason, message, component, host, field_path))
    name = f"{subject.name[:200]}.{hashlib.sha256(said.encode()).hexdigest()[:16]}"
    return types.Event(
        metadata=types.ObjectMeta(name=name, namespace=subject.namespace or "default"),
        involved_object=types.ObjectReference(
            api_version=subject.api_version, kind=subject.kind, namespace=subject.namespace, name=subject.name,
            uid=subject.uid, resource_version=subject.resource_version, field_path=field_path,
        ),
        reason=reason, message=message, type=type, count=1, first_timestamp=now, last_timestamp=now,
        source=types.EventSource(component=component, host=host), reporting_component=component,
        reporting_instance=host,
    )  # fmt: skip


def again(known: types.Event, event: types.Event) -> types.Event:
    """A stored event that is told once more."""
    known.count += 1
    known.last_timestamp = event.last_timestamp
    return known


def _reference(obj: Any) -> types.ObjectReference:
    meta = obj.metadata
    return types.ObjectReference(
        api_version=obj.api_version, kind=obj.kind, namespace=meta.namespace, name=meta.name, uid=meta.uid,
        resource_version=meta.resource_version,
    )  # fmt: skip
