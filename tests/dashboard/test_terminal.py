"""The terminal's socket: who gets one, what it lets through, and when it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from apps.accounts import policy
from apps.cluster import store, types
from apps.cluster.kinds import EVENT, POD, ROLE_BINDING
from apps.cluster.types import streams as frames
from apps.cluster.work import in_db
from apps.dashboard import terminal
from apps.nodes import streams
from tests.browser.sample import WRITER
from tests.builders import build
from tests.calm import PATIENCE
from tests.dashboard.conftest import signed_in
from tests.harness import create, install_roles, objects
from tests.nodes.fake_node import FakeNode
from tests.nodes.wire import Wire

pytestmark = pytest.mark.usefixtures("cluster")
TICKETS = "/actions/terminal/pods/default/web"


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> FakeNode:
    fake = FakeNode()
    monkeypatch.setattr(streams, "opened", fake.opened)
    return fake


@pytest.fixture
def pod() -> types.Pod:
    install_roles()
    made: types.Pod = create(POD, build(POD, name="web"))
    store.write(WRITER, lambda tx: tx.bind("default", "web", "n1"))
    return made


def person(name: str, *, admin: bool = True) -> Client:
    policy.forget()
    return signed_in(User.objects.create_user(name, is_superuser=admin))


def container(pod: types.Pod) -> str:
    return pod.spec.containers[0].name


def ticket(client: Client, pod: types.Pod) -> str:
    answer = client.post(TICKETS, {"container": container(pod)}, headers={"HX-Request": "true"})
    assert answer.status_code == 200, answer.content
    text: str = answer.json()["ticket"]
    return text


def wire(client: Client, origin: str = "http://drover:8000") -> Wire:
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
    headers = [(b"host", b"drover:8000"), (b"origin", origin.encode()), (b"cookie", cookies.encode())]
    scope: dict[str, Any] = {"type": "websocket", "path": "/terminal", "headers": headers, "scheme": "ws"}
    return Wire(terminal.TerminalConsumer.as_asgi(), scope)


async def opened(client: Client, pod: types.Pod) -> Wire:
    tab = wire(client)
    assert (await tab.connect())["type"] == "websocket.accept"
    text = await in_db(ticket, client, pod)
    await tab.say(json.dumps({"ticket": text, "columns": 100, "rows": 30}))
    return tab


async def ended(tab: Wire) -> tuple[str, int]:
    """The last words and the close code."""
    words = ""
    while (message := await tab.get())["type"] != "websocket.close":
        if message["bytes"][0] == frames.STATUS:
            words = json.loads(message["bytes"][1:]).get("message", "")
    return words, message["code"]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


async def test_what_is_typed_goes_in_and_what_is_said_comes_out(node: FakeNode, pod: types.Pod) -> None:
    tab = await opened(await in_db(person, "ana"), pod)
    await tab.put({"type": "websocket.receive", "bytes": b"\0ls\r"})
    await until(lambda: len(node.heard) == 2)
    assert node.heard == [b'\4{"Width":100,"Height":30}', b"\0ls\r"]
    name, path, *query = node.asked[0]
    assert (name, path) == ("n1", f"/exec/default/web/{container(pod)}")
    assert ("tty", "true") in query and ("stdin", "true") in query
    node.says.put_nowait(b"\1notes.txt\r\n")
    assert (await tab.get())["bytes"] == b"\1notes.txt\r\n"
    node.says.put_nowait(frames.exited(3))
    words, code = await ended(tab)
    assert "exit status 3" in words and code == terminal.OVER
    await tab.leave()


async def test_opening_and_closing_are_events_of_the_pod(node: FakeNode, pod: types.Pod) -> None:
    tab = await opened(await in_db(person, "ana"), pod)
    node.says.put_nowait(frames.exited(0))
    await ended(tab)
    await tab.leave()

    def told() -> set[str]:
        events = objects(EVENT)
        return {
            f"{event.reason}: {event.message}" for event in events if event.source.component == "dashboard"
        }

    where = f"in container {container(pod)}"
    assert await in_db(told) == {
        f"TerminalOpened: ana opened a terminal {where}", f"TerminalClosed: ana closed a terminal {where}",
    }  # fmt: skip


async def test_a_page_of_another_site_gets_no_terminal(pod: types.Pod) -> None:
    tab = wire(await in_db(person, "ana"), "https://evil.example")
    assert (await tab.connect())["type"] == "websocket.close"
    await tab.leave()


async def test_without_a_ticket_of_ones_own_nothing_opens(node: FakeNode, pod: types.Pod) -> None:
    ana, bo = await in_db(person, "ana"), await in_db(person, "bo")
    spent = await in_db(ticket, ana, pod)
    for client, text in ((ana, "guessed"), (bo, spent), (ana, spent)):
        tab = wire(client)
        await tab.connect()
        await tab.say(json.dumps({"ticket": text, "columns": 80, "rows": 24}))
        words, code = await ended(tab)
        assert "ticket" in words and code == terminal.REFUSED
        await tab.leave()
    assert node.asked == []


def test_who_may_not_exec_gets_no_ticket_and_sees_why(pod: types.Pod) -> None:
    viewer = person("bo", admin=False)
    assert viewer.post(TICKETS, {"container": "x"}).status_code == 404
    bound = types.RoleBinding(
        metadata=types.ObjectMeta(name="bo-views", namespace="default"),
        role_ref=types.RoleRef(api_group="rbac.authorization.k8s.io", kind="ClusterRole", name="view"),
        subjects=[types.Subject(kind="User", name="bo", api_group="rbac.authorization.k8s.io")],
    )
    store.write(WRITER, lambda tx: tx.create(ROLE_BINDING, bound))
    policy.forget()
    assert viewer.post(TICKETS, {"container": "x"}).status_code == 403
    page = viewer.get("/kinds/pods/default/web?tab=terminal").content.decode()
    assert "You may not run commands here" in page and "data-terminal=" not in page


@pytest.mark.parametrize(("name", "status"), [("nosuch", 400), ("", 400)])
def test_a_container_that_is_not_there_is_refused(pod: types.Pod, name: str, status: int) -> None:
    assert person("ana").post(TICKETS, {"container": name}).status_code == status


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"bytes": b"\0" + b"x" * terminal.MOST_TEXT}, "Too much at once."),
        ({"text": "{}"}, "drawn: a number of bytes"),
        ({"text": "[]"}, "not a message of this socket"),
    ],
)
async def test_nonsense_ends_it(node: FakeNode, pod: types.Pod, message: dict[str, Any], words: str) -> None:
    tab = await opened(await in_db(person, "ana"), pod)
    await tab.put({"type": "websocket.receive", **message})
    assert await ended(tab) == (words, terminal.TOO_MUCH)
    await tab.leave()
    await until(lambda: node.open == 0)


async def test_who_types_faster_than_anyone_can_is_cut_off(node: FakeNode, pod: types.Pod) -> None:
    tab = await opened(await in_db(person, "ana"), pod)
    for _ in range(5 * terminal.MOST_A_SECOND):
        await tab.put({"type": "websocket.receive", "bytes": b"\0x"})
        await asyncio.sleep(0)
    assert (await ended(tab))[1] == terminal.TOO_MUCH
    await tab.leave()


async def test_a_program_waits_for_who_reads(node: FakeNode, pod: types.Pod) -> None:
    tab = await opened(await in_db(person, "ana"), pod)
    piece = b"\1" + b"x" * terminal.MOST_UNDRAWN
    for _ in range(3):
        node.says.put_nowait(piece)
    await tab.get()
    await tab.get()
    await asyncio.sleep(0.05)
    assert node.says.qsize() == 1
    await tab.say(json.dumps({"drawn": 2 * terminal.MOST_UNDRAWN}))
    assert (await tab.get())["bytes"] == piece
    await tab.leave()


async def test_rights_that_end_end_the_terminal(
    node: FakeNode, pod: types.Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "LOOK_AGAIN", 0.1)
    tab = await opened(await in_db(person, "ana"), pod)
    await until(lambda: node.open)
    await in_db(lambda: User.objects.filter(username="ana").update(is_superuser=False))
    words, code = await ended(tab)
    assert "your groups have changed" in words and code == terminal.REFUSED
    await tab.leave()


async def test_another_pod_of_the_same_name_is_another_pod(node: FakeNode, pod: types.Pod) -> None:
    ana = await in_db(person, "ana")
    text = await in_db(ticket, ana, pod)
    await in_db(
        lambda: store.write(
            WRITER, lambda tx: tx.delete(POD, "default", "web", types.DeleteOptions(grace_period_seconds=0))
        )
    )
    await in_db(lambda: create(POD, build(POD, name="web")))
    tab = wire(ana)
    await tab.connect()
    await tab.say(json.dumps({"ticket": text, "columns": 80, "rows": 24}))
    assert "another one by now" in (await ended(tab))[0]
    await tab.leave()
