"""Where a stream leads: who asks, what they may, which container on which node. Asks the database."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from apps.api import containers
from apps.api.calls import Call
from apps.cluster import store, types
from apps.cluster.errors import BadRequest, Unavailable
from apps.nodes import streams

ASK_SECONDS = 1.8
STREAMS = ("stdin", "stdout", "stderr")


@dataclass(frozen=True, slots=True)
class Target:
    """An address of a node's door."""

    part: str
    node: str
    path: str
    query: tuple[tuple[str, str], ...] = ()

    async def refusal(self) -> AsyncIterator[bytes]:
        """What plain HTTP gets: the reason why the stream would not open, or else that it needs a websocket."""
        yield await self._why_not()

    async def _why_not(self) -> bytes:
        try:
            async with asyncio.timeout(ASK_SECONDS):
                await streams.ask(self.node, self.path)
        except TimeoutError:
            raise Unavailable(f"node {self.node} does not answer") from None
        raise BadRequest(
            f"{self.part} is served over websockets only: use kubectl 1.31 or newer, or a client that speaks "
            "v5.channel.k8s.io or v4.channel.k8s.io"
        )


def process(call: Call) -> Target:
    """Of exec and attach."""
    pod, node = _pod(call)
    query, part = call.query, call.target.subresource
    container = containers.named(pod, query.get("container"))
    wanted = [name for name in STREAMS if query.flag(name)]
    if not wanted:
        raise BadRequest("you must specify at least 1 of stdin, stdout, stderr")
    asked = [(name, "true") for name in (*wanted, *(["tty"] if query.flag("tty") else []))]
    if part == "exec":
        command = query.all("command")
        if not command or not command[0]:
            raise BadRequest("command: Required value: exec needs a command")
        asked += [("command", word) for word in command]
    return Target(part, node, streams.path_of(part, call.namespace, call.name, container), tuple(asked))


def ports(call: Call) -> Target:
    """Of port-forward."""
    _, node = _pod(call)
    return Target("port-forward", node, streams.path_of("portforward", call.namespace, call.name))


def _pod(call: Call) -> tuple[types.Pod, str]:
    # Running a command creates something, however it is asked for: who may only read may not.
    call.require("create")
    pod: types.Pod = store.get(call.kind, call.namespace, call.name).object
    if not pod.spec.node_name:
        raise BadRequest(f"pod {call.name} does not have a host assigned")
    return pod, pod.spec.node_name
