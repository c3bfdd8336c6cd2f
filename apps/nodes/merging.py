"""Brings what an agent observed together with what the server keeps. Pure; ``now`` is the caller's."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from apps.cluster import types

KEPT_BY_SERVER = "PodScheduled"


def pod_status(old: types.PodStatus, seen: types.PodStatus, now: datetime) -> types.PodStatus | None:
    """The status to store; None when the report would take an ended pod back to life.

    The server's own condition stays, a condition keeps its time while its status stays, and restarts only count up:
    an agent that lost its memory must not make them fewer.
    """
    if old.is_finished and seen.phase != old.phase:
        return None
    merged = types.decode(types.PodStatus, types.encode(seen))
    merged.phase = seen.phase or old.phase
    merged.qos_class = old.qos_class or seen.qos_class
    merged.start_time = old.start_time or seen.start_time
    own = [condition for condition in old.conditions if condition.type == KEPT_BY_SERVER]
    reported = [condition for condition in merged.conditions if condition.type != KEPT_BY_SERVER]
    merged.conditions = [*conditions(old.conditions, reported, now), *own]
    restarts = {container.name: container.restart_count for container in old.all_containers()}
    for container in merged.all_containers():
        container.restart_count = max(container.restart_count, restarts.get(container.name, 0))
    return merged


def node_status(
    old: types.NodeStatus, seen: types.NodeStatus, door_port: int, now: datetime
) -> types.NodeStatus:
    """The status to store. Equal to ``old`` when nothing but the time moved on: signs of life are no writes."""
    merged = types.decode(types.NodeStatus, types.encode(seen))
    if door_port:
        merged.daemon_endpoints = types.NodeDaemonEndpoints(
            kubelet_endpoint=types.DaemonEndpoint(port=door_port)
        )
    if not any(condition.type == "Ready" for condition in merged.conditions):
        words = "the agent is connected and reports"
        merged.conditions = [
            *merged.conditions,
            types.Condition(type="Ready", status="True", reason="AgentReady", message=words),
        ]
    beats = {condition.type: condition.last_heartbeat_time for condition in old.conditions}
    merged.conditions = conditions(old.conditions, merged.conditions, now)
    for condition in merged.conditions:
        condition.last_heartbeat_time = beats.get(condition.type) or now
    if types.encode(merged) == types.encode(old):
        return merged
    for condition in merged.conditions:
        condition.last_heartbeat_time = now
    return merged


def conditions(
    old: Iterable[types.Condition], new: Iterable[types.Condition], now: datetime
) -> list[types.Condition]:
    """``new``, each with the time at which its status last changed."""
    known = {condition.type: condition for condition in old}
    merged = []
    for condition in new:
        before = known.get(condition.type)
        same = (
            before is not None
            and before.status == condition.status
            and before.last_transition_time is not None
        )
        if before is not None and same:
            condition.last_transition_time = before.last_transition_time
        elif condition.last_transition_time is None or (
            before is not None and before.last_transition_time == condition.last_transition_time
        ):
            condition.last_transition_time = now
        merged.append(condition)
    return merged
