"""What the form asks about a component's health: when it is ready, alive and started. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import QueryDict

from apps.dashboard.compose import entries
from apps.dashboard.compose.edits import Data
from apps.dashboard.compose.entries import Entry
from apps.dashboard.compose.forks import Branch, Fork


def _probe(kind: str, label: str, none: str, page: str, port: str, command: str) -> Fork:
    at = f"probes.{kind}"
    return Fork(
        at, label,
        {
            "http": Branch(page, (Entry(f"{at}.http", "Path", example="/"),
                                  Entry(f"{at}.port", "Port", "number", "its only one")), paired=True),
            "tcp": Branch(port, (Entry(f"{at}.tcp", "Port", "number"),)),
            "exec": Branch(command, (Entry(f"{at}.exec", "Command", "command", "/bin/shop healthy"),)),
        },
        (Entry(f"{at}.every", "Every", example="10s"), Entry(f"{at}.timeout", "Answers within", example="1s"),
         Entry(f"{at}.wait", "First asked after", example="0s"),
         Entry(f"{at}.failures", "Failures in a row", "number", "3")),
        none,
    )  # fmt: skip


PROBES: Mapping[str, Fork] = {
    "ready": _probe("ready", "Ready when", "it has started", "a page answers", "a port answers", "a command ends well"),
    "live": _probe(
        "live", "Restarted when", "it has ended",
        "a page answers no longer", "a port answers no longer", "a command ends badly",
    ),
    "start": _probe(
        "start", "Has started when", "it runs", "a page answers", "a port answers", "a command ends well",
    ),
}  # fmt: skip
"""``ready`` decides on requests, ``live`` on restarts, and both wait for ``start``."""
ENTRIES = tuple(entry for one in PROBES.values() for entry in one.entries)


def typed(content: Data, sent: QueryDict) -> Data:
    """The component with its probes as the form says; what asks anew begins with the port that was asked before."""
    made = content
    for kind, fork in PROBES.items():
        was: Data = entries.get(content, f"probes.{kind}") or {}
        ports = content.get("ports", {})
        port = was.get("tcp") or was.get("port") or next(iter(ports), "")
        named = {"port": port} if port and (len(ports) != 1 or port not in ports) else {}
        begun: dict[str, Data] = {"http": {"http": "/", **named}, "tcp": {"tcp": port}, "exec": {"exec": []}}
        made = fork.taken(made, sent, begun)
    return made
