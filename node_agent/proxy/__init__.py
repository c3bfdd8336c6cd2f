"""Services as packet filter rules, kept in place by a process of their own.

The agent's side is ``client.ProxyProcess``. What the rules must do is planned in ``rules`` (pure); a backend
brings the kernel there. The rules outlive the process: while it is away, services go on working as they were.
"""

from __future__ import annotations

from typing import Protocol

from node_agent.proxy.rules import Wanted


class ProxyError(Exception):
    """The rules could not be applied; the message is for users. It is tried again."""


class ProxyBackend(Protocol):
    """One way of writing rules. Used by one thread only. What is not ours is never touched."""

    @property
    def name(self) -> str:
        """What writes them, as people call it."""

    def sync(self, wanted: Wanted) -> None:
        """Make the kernel hold these rules: all of them or, when it raises, those of before."""

    def verify(self) -> list[str]:
        """Restore what somebody removed since the last ``sync``, and name it. Cheap when nothing changed."""

    def remove(self) -> None:
        """Take away every rule of this instance, and nothing else."""
