"""What a node proves itself with, on its disk: put in place whole, given up whole."""

from __future__ import annotations

from pathlib import Path

import msgspec

from apps.cluster.types.agent import Identity
from node_agent import disk

WAITING = "identity.new"
FILES = {"token": "token", "certificate": "agent.crt", "authority": "ca.crt", "key": "agent.key"}


class Complete(Identity, kw_only=True):
    """An identity with its key, PEM."""

    key: str


def put(state: Path, identity: Identity, key: str) -> None:
    """Take the identity, all of it: what a crash cuts short, ``finish`` completes."""
    whole = Complete(**{field: getattr(identity, field) for field in identity.__struct_fields__}, key=key)
    disk.write(state / WAITING, msgspec.json.encode(whole))
    finish(state)


def finish(state: Path) -> None:
    """Put in place what waits."""
    waiting = state / WAITING
    if not waiting.exists():
        return
    whole = msgspec.json.decode(waiting.read_bytes(), type=Complete)
    for field, name in FILES.items():
        disk.write(state / name, getattr(whole, field).encode())
    waiting.unlink()


def forget(state: Path) -> None:
    """The node has left: nothing of its identity stays."""
    for name in (WAITING, *FILES.values()):
        (state / name).unlink(missing_ok=True)
