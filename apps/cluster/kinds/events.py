"""The kind Event: something that happened to an object, told in words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from apps.cluster import names, types
from apps.cluster.kinds import ages, meta, refusals
from apps.cluster.registry import Column, Kind, register
from apps.cluster.types import Problem

TYPES = ("Normal", "Warning")
MESSAGE_LIMIT = 16 * 1024
SUBJECT = ("api_version", "kind", "namespace", "name", "uid", "resource_version", "field_path")
WHERE_CLUSTER_WIDE = "default"


def _default(event: types.Event) -> None:
    event.type = event.type or "Normal"
    if not event.reporting_component:
        event.reporting_component = event.source.component
    if not event.source.component:
        event.source.component = event.reporting_component


def _problems(event: types.Event) -> Iterator[Problem]:
    about = event.involved_object
    home = about.namespace or WHERE_CLUSTER_WIDE
    if home != event.metadata.namespace:
        why = f"does not match event.namespace {event.metadata.namespace!r}"
        yield refusals.invalid("involvedObject.namespace", about.namespace, why)
    yield from refusals.one_of("type", event.type, TYPES)
    for field in SUBJECT:
        yield from refusals.plain(f"involvedObject.{types.wire_name(field)}", getattr(about, field))
    for field in ("reason", "reporting_component", "reporting_instance", "action"):
        yield from refusals.plain(types.wire_name(field), getattr(event, field))
    yield from refusals.plain("source.component", event.source.component)
    yield from refusals.plain("source.host", event.source.host)
    if len(event.message) > MESSAGE_LIMIT:
        yield refusals.too_long("message", MESSAGE_LIMIT, "characters")


def _first_seen(event: types.Event, now: datetime) -> str:
    return ages.since(event.first_timestamp or event.event_time, now)


def _last_seen(event: types.Event, now: datetime) -> str:
    if event.series is not None:
        return ages.since(event.series.last_observed_time, now)
    return ages.since(event.last_timestamp, now) if event.last_timestamp else _first_seen(event, now)


def _count(event: types.Event, now: datetime) -> int:
    return event.series.count if event.series is not None else event.count or 1


def _object(event: types.Event, now: datetime) -> str:
    about = event.involved_object
    return f"{about.kind.lower()}/{about.name}" if about.name else about.kind.lower()


def _source(event: types.Event, now: datetime) -> str:
    parts = (event.source.component, event.source.host)
    return ", ".join(part for part in parts if part)


EVENT = register(
    Kind(
        name="Event",
        plural="events",
        short=("ev",),
        schema=types.Event,
        default=_default,
        validate=meta.checked(names.dns_subdomain_problem, _problems),
        validate_update=meta.checked_update(),
        fields={
            "involvedObject.kind": lambda event: event.involved_object.kind,
            "involvedObject.namespace": lambda event: event.involved_object.namespace,
            "involvedObject.name": lambda event: event.involved_object.name,
            "involvedObject.uid": lambda event: event.involved_object.uid,
            "involvedObject.apiVersion": lambda event: event.involved_object.api_version,
            "involvedObject.resourceVersion": lambda event: event.involved_object.resource_version,
            "involvedObject.fieldPath": lambda event: event.involved_object.field_path,
            "reason": lambda event: event.reason,
            "reportingComponent": lambda event: event.reporting_component,
            "source": lambda event: event.source.component,
            "type": lambda event: event.type,
        },
        sifted=frozenset(
            {
                "involvedObject.kind", "involvedObject.namespace", "involvedObject.apiVersion",
                "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason", "reportingComponent", "source",
                "type",
            }  # fmt: skip
        ),
        columns=(
            Column("Last Seen", _last_seen, description="How long ago it happened last."),
            Column("Type", lambda event, now: event.type, description="Normal, or Warning."),
            Column("Reason", lambda event, now: event.reason, description="Why, in one word."),
            Column("Object", _object, description="To what it happened."),
            Column(
                "Subobject",
                lambda event, now: event.involved_object.field_path,
                wide=True,
                description="To which part of it.",
            ),
            Column("Source", _source, wide=True, description="Who says so."),
            Column(
                "Message", lambda event, now: event.message.strip(), description="What happened, in words."
            ),
            Column("First Seen", _first_seen, wide=True, description="How long ago it happened first."),
            Column("Count", _count, "integer", wide=True, description="How often it happened."),
            Column("Name", ages.name, wide=True, description="The event's own name."),
        ),
    )
)
