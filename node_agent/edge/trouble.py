"""Why something is not served, in words that say what to do."""

from __future__ import annotations

from typing import Final, NamedTuple

from apps.cluster.types import ways


class Trouble(NamedTuple):
    """Why the newest plan is not served."""

    reason: str
    message: str


class Unserved(Exception):
    """Nothing of it is."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.trouble = Trouble(reason, message)


MISSING: Final = Trouble(
    "CaddyMissing",
    "the program caddy is not installed on this node: install it (apt-get install caddy), or make other nodes the edge "
    "(kubectl label node NAME drover.dev/edge=true)",
)


def in_use(port: int | str, owner: str) -> Trouble:
    return Trouble(
        "PortInUse",
        f"port {port} of this node is taken by {owner}: end that one, or serve at another port "
        f"(kubectl annotate ingressclass edge {ways.HTTP_PORT}=... {ways.HTTPS_PORT}=...)",
    )
