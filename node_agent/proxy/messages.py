"""What the agent and the proxy's process say to each other: one JSON object per line."""

from __future__ import annotations

from msgspec import Struct

from node_agent.proxy.rules import Wanted


class Order(Struct, frozen=True):
    """From the agent: make it so. A higher number replaces all lower ones."""

    number: int
    wanted: Wanted


class Answer(Struct, frozen=True, omit_defaults=True):
    """From the proxy: what it did."""

    applied: int = 0
    """Everything up to this order's number is in the kernel."""
    error: str = ""
    """Why the newest order is not applied yet; it is tried again without asking."""
    restored: tuple[str, ...] = ()
    """What somebody had removed."""
    backend: str = ""
    """What writes the rules now."""
