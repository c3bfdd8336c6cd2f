"""Exec, attach and port-forward: who may, what is refused before a websocket opens, and the pipe behind it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import pytest
from asgiref.testing import ApplicationCommunicator

from apps.accounts import tokens
from apps.api import asgi
from apps.cluster import types
from apps.cluster.errors import BadRequest, Unavailable
from apps.cluster.kinds import POD, ROLE, ROLE_BINDING
from apps.cluster.types import streams as frames
from apps.cluster.work import in_db
from apps.nodes import streams
from apps.watch import socket
from tests.api.doors import AsgiDoor
from tests.api.test_bad_input import status
from tests.api.test_contract import created, place
from tests.nodes.fake_node import FakeNode

EXEC = place(POD, "sample") + "/exec"
ONE = "?command=ls&command=-l%20a&stdout=true&stderr=True"
V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> FakeNode:
    fake = FakeNode()
    monkeypatch.setattr(streams, "ask", fake.ask)
    monkeypatch.setattr(streams, "opened", fake.opened)
    return fake


@pytest.fixture
async def admin_door(admin: str) -> AsgiDoor:
    """An administrator, and a pod of one container on node n1."""
    door = AsgiDoor(admin)
    await created(door, POD)
    await door.ask("POST", place(POD, "sample") + "/binding", {"target": {"name": "n1"}})
    return door


class Socket:
    """A client's websocket at an address of the API."""

    def __init__(self, path: str, token: str = "", offered: Sequence[str] = (V5,), **headers: str) -> None:
        bare, _, query = path.partition("?")
        if token:
            headers["authorization"] = f"Bearer {token}"
        scope = {
            "type": "websocket",
            "path": bare,
            "raw_path": quote(bare).encode(),
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "subprotocols": list(offered),
            "extensions": {"websocket.http.response": {}},
        }
        communicator: Any = ApplicationCommunicator

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await socket.serve(scope, receive, send, asgi.open_stream)

        self._wire = communicator(application, scope)

    async def open(self) -> str:
        """The sub-protocol chosen."""
        await self._wire.send_input({"type": "websocket.connect"})
        message = await self.hear()
        assert message["type"] == "websocket.accept", message
        chosen: str = message["subprotocol"]
        return chosen

    async def refused(self) -> tuple[int, str]:
        """The code and the message it is refused with."""
        await self._wire.send_input({"type": "websocket.connect"})
        head, body = await self.hear(), await self.hear()
        told = json.loads(body["body"])
        assert (told["kind"], told["code"]) == ("Status", head["status"])
        return head["status"], told["message"]

    async def say(self, **message: Any) -> None:
        await self._wire.send_input({"type": "websocket.receive", **message})

    async def hear(self) -> dict[str, Any]:
        message: dict[str, Any] = await self._wire.receive_output(10)
        return message

    async def leave(self) -> None:
        await self._wire.send_input({"type": "websocket.disconnect", "code": 1000})
        await self._wire.wait(10)


async def test_a_pipe_passes_frames_untouched_and_ends_with_the_status(
    node: FakeNode, admin_door: AsgiDoor
) -> None:
    client = Socket(EXEC + ONE, admin_door.token, [V4, V5])
    assert await client.open() == V5
    assert node.asked == [
        ("n1", "/exec/default/sample/app", ("stdout", "true"), ("stderr", "true"), ("command", "ls"),
         ("command", "-l a")),
    ]  # fmt: skip
    await client.say(bytes=b"\0typed")
    await client.say(text="\0as text: \xe9")
    await client.say(bytes=b"\x09of no channel")
    await client.say(bytes=frames.END_OF_INPUT)
    node.says.put_nowait(b"\x01said\xff")
    assert (await client.hear())["bytes"] == b"\x01said\xff"
    assert node.heard == [b"\0typed", "\0as text: \xe9".encode(), frames.END_OF_INPUT]
    node.says.put_nowait(frames.exited(3))
    assert json.loads((await client.hear())["bytes"][1:])["details"]["causes"][0]["message"] == "3"
    assert await client.hear() == {"type": "websocket.close", "code": 1000}
    await client.leave()
    assert node.open == 0


async def test_who_leaves_takes_the_stream_with_them(node: FakeNode, admin_door: AsgiDoor) -> None:
    client = Socket(EXEC + ONE, admin_door.token, [V4])
    assert await client.open() == V4
    await client.leave()
    assert node.open == 0


async def test_a_node_that_is_lost_is_told_in_words(node: FakeNode, admin_door: AsgiDoor) -> None:
    client = Socket(EXEC + ONE, admin_door.token)
    await client.open()
    node.says.put_nowait(None)
    told = await client.hear()
    assert told["bytes"][0] == frames.STATUS
    assert json.loads(told["bytes"][1:])["message"] == "the connection to node n1 was lost"
    await client.leave()


@pytest.mark.parametrize(
    ("path", "offered", "code", "words"),
    [
        (EXEC + "?stdout=1", [V5], 400, "command: Required value"),
        (EXEC + "?command=ls", [V5], 400, "at least 1 of stdin, stdout, stderr"),
        (EXEC + ONE + "&container=x", [V5], 400, "container x is not valid for pod sample, choose one of: [app]"),
        (EXEC + ONE, ["v3.channel.k8s.io"], 400, "v5.channel.k8s.io, v4.channel.k8s.io"),
        (EXEC + ONE, [], 400, "none of the sub-protocols offered (none)"),
        (EXEC.replace("sample", "nosuch") + ONE, [V5], 404, 'pods "nosuch" not found'),
        (place(POD, "sample") + "/portforward", [V4], 400, "ports: Required value"),
        (place(POD, "sample") + "/portforward?ports=0", [V4], 400, 'ports: Invalid value: "0"'),
        (place(POD, "loose") + "/portforward", [V4], 400, "does not have a host assigned"),
    ],
)
async def test_what_cannot_be_is_refused_before_it_opens(
    node: FakeNode, admin_door: AsgiDoor, path: str, offered: list[str], code: int, words: str
) -> None:
    await created(admin_door, POD, "loose")
    got, message = await Socket(path, admin_door.token, offered).refused()
    assert got == code and words in message
    assert node.open == 0


@pytest.mark.parametrize("part", ["exec", "attach", "portforward"])
async def test_the_nodes_words_come_through_both_ways_to_ask(
    node: FakeNode, admin_door: AsgiDoor, part: str
) -> None:
    path = f"{place(POD, 'sample')}/{part}{ONE}&ports=80"
    node.refuses = BadRequest('container "app" in pod "sample" is not running: it ended with exit code 1')
    code, message = await Socket(path, admin_door.token).refused()
    assert (code, message) == (400, node.refuses.message)
    for method in ("GET", "POST"):
        status(await admin_door.ask(method, path), 400, "it ended with exit code 1")
    node.refuses = Unavailable("node n1 cannot be reached")
    assert (await Socket(path, admin_door.token).refused())[0] == 503
    node.refuses = None
    for method in ("GET", "POST"):
        status(await admin_door.ask(method, path), 400, "served over websockets only")


@pytest.mark.parametrize("part", ["exec", "attach", "portforward"])
async def test_to_run_something_one_must_be_allowed_to_create_it(
    node: FakeNode, admin_door: AsgiDoor, part: str
) -> None:
    path = f"{place(POD, 'sample')}/{part}{ONE}&ports=80"
    await allow(admin_door, "reader", ["get", "list"], part)
    reader = await in_db(tokens.issue, "reader", ["system:authenticated"])
    code, message = await Socket(path, reader).refused()
    assert code == 403 and f'cannot create resource "pods/{part}"' in message
    await allow(admin_door, "runner", ["create"], part)
    runner = await in_db(tokens.issue, "runner", ["system:authenticated"])
    client = Socket(path, runner)
    assert await client.open() == V5
    await client.leave()
    assert (await Socket(path).refused())[0] == 401
    assert (await Socket(path, await in_db(tokens.issue, "stranger", [])).refused())[0] == 404
    assert all(len(each) > 1 for each in node.asked)


async def test_a_cookie_opens_nothing_for_a_page_of_another_site(node: FakeNode, admin_door: AsgiDoor) -> None:
    foreign = Socket(EXEC + ONE, cookie="sessionid=x", origin="https://elsewhere.example", host="here")
    assert await foreign.refused() == (403, "this request comes from a page of another site")
    assert (await Socket(EXEC + ONE, cookie="sessionid=x", origin="https://here", host="here").refused())[0] == 401
    assert node.asked == []


async def allow(door: AsgiDoor, name: str, verbs: list[str], part: str) -> None:
    """A role of the actor's own name."""
    rule = types.PolicyRule(verbs=verbs, api_groups=[""], resources=[f"pods/{part}"])
    await created(door, ROLE, name, rules=[rule])
    subject = types.Subject(kind="User", name=name, api_group="rbac.authorization.k8s.io")
    ref = types.RoleRef(api_group="rbac.authorization.k8s.io", kind="Role", name=name)
    await created(door, ROLE_BINDING, name, role_ref=ref, subjects=[subject])
