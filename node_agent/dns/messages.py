"""What the agent and the process that answers names say to each other: one JSON object per line."""

from __future__ import annotations

from msgspec import Struct

from node_agent.dns.records import Key, Listed


class Order(Struct, frozen=True, omit_defaults=True):
    """From the agent: what has changed since the order before. A fresh process knows no service."""

    number: int
    put: tuple[Listed, ...] = ()
    gone: tuple[Key, ...] = ()


class Answer(Struct, frozen=True):
    """From the process: names are answered as of this order's number."""

    applied: int
