"""Joining: ready the machine, ask to be let in, keep the identity, start the agent. Safe to run again."""

from __future__ import annotations

import http.client
import os
import platform
import socket
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from apps.cluster.types.joining import PATH, Joined, JoinRequest, Route
from node_agent import identity, keys
from node_agent.joining import equipment, service
from node_agent.joining.refusal import Refused
from node_agent.names import Names
from node_agent.network import links

TOKEN = "DROVER_JOIN_TOKEN"  # noqa: S105 - the variable that holds it
ASK_SECONDS = 30.0
ASKED_TIMES = 3
ARRIVE_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the line and the person who pasted it say; an empty ``node`` or ``address`` is found out."""

    server: str  # host:port
    authority: Path
    root: Path
    docker: str
    door_port: int
    node: str = ""
    address: str = ""

    @property
    def layout(self) -> service.Layout:
        return service.Layout(self.root)


def join(wish: Wish) -> None:
    """Become a node, or be the same node again. Raises Refused in one sentence."""
    layout = wish.layout
    layout.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    equipment.ensure(wish.docker, layout.engine_log, say)
    address = wish.address or _address_towards(wish.server)
    key = keys.kept(layout.state)
    node = wish.node or platform.node().partition(".")[0].lower()
    _check_door(layout, address, wish.door_port)
    joined = _ask(
        wish,
        JoinRequest(
            node=node,
            address=address,
            request=keys.request(node, key),
            clock=datetime.now(UTC),
            routes=[
                Route(network=str(each.network), link=each.link, direct=each.direct)
                for each in links.foreign_routes(Names.of(layout.state))
            ],
        ),
    )
    identity.put(layout.state, joined.identity, key)
    arrived = partial(_await_arrival, layout, joined.node, time.time())
    service.install(layout, _arguments(wish, joined, address), say, arrived)
    say(f"node {joined.node} has joined the cluster of {wish.server}")


def say(text: str) -> None:
    print(f"join: {text}", flush=True)


def _arguments(wish: Wish, joined: Joined, address: str) -> list[str]:
    words = {
        "--server": f"https://{wish.server}",
        "--state": str(wish.layout.state),
        "--node-name": joined.node,
        "--address": address,
        "--service-cidr": joined.service_cidr,
        "--cluster-cidr": joined.cluster_cidr,
        "--pod-network": joined.pod_network,
        "--docker": wish.docker,
        "--door-port": str(wish.door_port),
    }
    if joined.mirror:
        words["--mirror"] = f"http://{joined.mirror}"
    return [f"{name}={value}" for name, value in words.items()]


def _ask(wish: Wish, request: JoinRequest) -> Joined:
    """An answer that is lost on its way is asked for again: for the same key the server gives it again."""
    token = os.environ.pop(TOKEN, "")
    for attempt in range(1, ASKED_TIMES + 1):
        try:
            return _post(wish, token, msgspec.json.encode(request))
        except (OSError, http.client.HTTPException) as error:
            if attempt == ASKED_TIMES:
                raise Refused(f"{wish.server} cannot be reached: {error}") from None
            time.sleep(attempt)
    raise AssertionError("unreachable")


def _post(wish: Wish, token: str, body: bytes) -> Joined:
    trusted = ssl.create_default_context(cafile=str(wish.authority))
    connection = http.client.HTTPSConnection(wish.server, timeout=ASK_SECONDS, context=trusted)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        connection.request("POST", PATH, body=body, headers=headers)
        answer = connection.getresponse()
        said = answer.read()
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise Refused(said.decode("utf-8", "replace").strip())
    return msgspec.json.decode(said, type=Joined)


def _address_towards(server: str) -> str:
    """The address that this machine uses towards the server; no packet is sent to find out."""
    place = urlsplit(f"//{server}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((place.hostname, place.port or 443))
        except OSError as error:
            raise Refused(f"there is no way to {server}: {error.strerror}") from None
        found: str = probe.getsockname()[0]
    return found


def _check_door(layout: service.Layout, address: str, port: int) -> None:
    if layout.arguments.exists():
        return  # an agent of this very node may hold it
    with socket.socket() as probe:
        try:
            probe.bind((address, port))
        except OSError as error:
            raise Refused(
                f"the agent's door cannot listen on {address}:{port} ({error.strerror}): stop what uses it, or choose "
                "another with --door-port"
            ) from None


def _await_arrival(layout: service.Layout, node: str, began: float) -> None:
    """The agent has arrived once the server told it about its own node."""
    told = layout.state / "view" / "number"
    deadline = time.monotonic() + ARRIVE_SECONDS
    while not (told.exists() and told.stat().st_mtime >= began):
        if time.monotonic() > deadline:
            raise Refused(
                f"node {node} was let in, but its agent has not reached the server yet; its words are in "
                f"{layout.log} or in journalctl -u {layout.unit}"
            )
        time.sleep(0.1)
