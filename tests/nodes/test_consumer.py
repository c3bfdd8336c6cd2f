"""The agents' socket end to end: real store, real hub, real tokens; only the transport is in memory."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from apps.accounts import tokens
from apps.cluster import seal, store, types
from apps.cluster.actors import node as node_actor
from apps.cluster.actors import system
from apps.cluster.kinds import NODE, POD, SECRET, SERVICE
from apps.cluster.types import agent
from apps.cluster.work import in_db
from apps.nodes import consumer, heartbeats, samples
from apps.nodes.models import Heartbeat
from tests.builders import build
from tests.calm import PATIENCE
from tests.nodes.wire import Wire

pytestmark = pytest.mark.usefixtures("cluster")
TEST = system("test")


@pytest.fixture(autouse=True)
async def quiet_end(cluster: None) -> AsyncIterator[None]:
    yield
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def token_of(name: str) -> str:
    actor = node_actor(name)
    return tokens.issue(actor.name, actor.groups, purpose=tokens.NODE)


def socket(token: str, subprotocol: str = agent.SUBPROTOCOL) -> Wire:
    headers = [(b"host", b"localhost"), *([(b"authorization", f"Bearer {token}".encode())] if token else [])]
    scope = {"type": "websocket", "path": agent.PATH, "headers": headers, "subprotocols": [subprotocol]}
    return Wire(consumer.AgentConsumer.as_asgi(), scope)


class Agent:
    """Speaks the protocol, and remembers what it was told."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.seq = 0

    async def say(self, message: agent.Message) -> None:
        await self.wire.say(agent.frame(message))

    async def hear(self) -> Any:
        return agent.from_server(await self.wire.hear())

    async def until(self, wanted: type[agent.Message]) -> list[Any]:
        heard = [await self.hear()]
        while not isinstance(heard[-1], wanted):
            heard.append(await self.hear())
        return heard

    async def report(self, *pods: types.Pod, **rest: Any) -> Any:
        """Report pods as running; returns the answer."""
        self.seq += 1
        status = types.PodStatus(phase="Running")
        items = [
            agent.PodReport(
                namespace="default", name=pod.metadata.name, uid=pod.metadata.uid, status=status, **rest
            )
            for pod in pods
        ]
        await self.say(agent.StatusBatch(seq=self.seq, items=items))
        while True:
            answer = await self.hear()
            if getattr(answer, "seq", None) == self.seq:
                return answer


@asynccontextmanager
async def connected(name: str = "n1", token: str = "") -> AsyncIterator[Agent]:
    wire = socket(token or await in_db(token_of, name))
    accepted = await wire.connect()
    assert accepted == {"type": "websocket.accept", "subprotocol": agent.SUBPROTOCOL}
    one = Agent(wire)
    await one.say(agent.Hello(node=name, version="1"))
    yield one
    await wire.leave()


def bound(name: str = "web", on: str = "n1") -> types.Pod:
    def write(tx: Any) -> types.Pod:
        tx.create(POD, build(POD, name=name))
        pod: types.Pod = tx.bind("default", name, on)
        return pod

    return store.write(TEST, write)


def phase(name: str = "web") -> str:
    found: str = store.get(POD, "default", name).object.status.phase
    return found


async def test_an_agent_that_waits_hears_when_the_rules_of_every_node_follow() -> None:
    async with connected("n1") as one, connected("n2") as two:
        await two.say(agent.Ping(seq=1, programmed=4))
        await one.say(agent.Ping(seq=1, programmed=5))
        await one.say(agent.Waiting(number=5))
        await two.until(agent.Pong)
        await two.say(agent.Ping(seq=2, programmed=6))
        assert (await one.until(agent.Everywhere))[-1] == agent.Everywhere(number=5)


@pytest.mark.parametrize("which", ["none", "unknown", "a person's", "another protocol"])
async def test_whoever_is_no_agent_is_not_let_in(which: str) -> None:
    person = await in_db(tokens.issue, "ana", ["system:masters"])
    wire = {
        "none": socket(""),
        "unknown": socket("drv_unknown"),
        "a person's": socket(person),
        "another protocol": socket(await in_db(token_of, "n1"), "something.else"),
    }[which]
    assert (await wire.connect())["type"] == "websocket.close"


async def test_the_reason_reaches_the_agent_where_the_server_can_carry_it() -> None:
    wire = socket("drv_unknown")
    wire.scope["extensions"] = {"websocket.http.response": {}}
    start, body = await wire.connect(), await wire.get()
    assert start["status"] == 401
    assert b"token" in body["body"]


async def test_a_node_speaks_for_itself_only() -> None:
    wire = socket(await in_db(token_of, "n1"))
    await wire.connect()
    await Agent(wire).say(agent.Hello(node="n2", version="1"))
    assert await wire.closed() == consumer.UNAUTHORIZED


@pytest.mark.parametrize("text", ["", "{", "[]", '{"t":"unheard"}', '{"t":"hello"}', '{"t":"ping","seq":1}'])
async def test_what_cannot_be_understood_ends_the_connection(text: str) -> None:
    wire = socket(await in_db(token_of, "n1"))
    await wire.connect()
    await wire.say(text)
    assert await wire.closed() == consumer.GARBLED


async def test_hello_is_answered_with_the_whole_state_and_a_number() -> None:
    await in_db(bound, "mine")
    await in_db(bound, "theirs", "n2")
    async with connected() as one:
        *objects, synced = await one.until(agent.Synced)
        assert [frame.kind for frame in objects] == [
            "nodes",
            "peers",
            "services",
            "endpointslices",
            "configmaps",
            "secrets",
            "persistentvolumeclaims",
            "ingressclasses",
            "ingresses",
            "persistentvolumes",
            "tokens",
            "pods",
        ]
        assert [json.loads(bytes(item))["metadata"]["name"] for item in objects[-1].items] == ["mine"]
        assert synced.number == await in_db(store.clock)


async def test_a_secret_is_told_by_a_process_that_never_used_its_key() -> None:
    """Whoever made it was another process: the key must be looked up where the database may be asked."""

    def write(tx: Any) -> None:
        tx.create(SECRET, build(SECRET, name="login"))
        given = [types.EnvFromSource(secret_ref=types.EnvSource(name="login"))]
        tx.create(POD, build(POD, name="web", spec__containers__0__env_from=given))
        tx.bind("default", "web", "n1")

    await in_db(store.write, TEST, write)
    seal.keyring.forget()
    async with connected() as one:
        told = {frame.kind: frame.items for frame in await one.until(agent.Synced) if isinstance(frame, agent.Objects)}
        (secret,) = [json.loads(bytes(item)) for item in told["secrets"]]
        assert secret["data"] == build(SECRET).data


async def test_a_new_service_and_a_new_pod_are_told_in_their_order() -> None:
    async with connected() as one:
        await one.until(agent.Synced)
        await in_db(store.write, TEST, lambda tx: tx.create(SERVICE, build(SERVICE, name="front")))
        pod = await in_db(bound)
        heard: list[Any] = []
        while not any(isinstance(frame, agent.Changed) and frame.kind == "pods" for frame in heard):
            heard += await one.until(agent.Synced)
        kinds = [frame.kind for frame in heard if isinstance(frame, agent.Changed)]
        assert kinds.index("services") < kinds.index("pods")
        assert heard[-1].number >= int(pod.metadata.resource_version)


async def test_a_report_is_accepted_once_it_is_stored() -> None:
    pod = await in_db(bound)
    async with connected() as one:
        assert isinstance(await one.report(pod), agent.Accepted)
        assert await in_db(phase) == "Running"


async def test_a_report_about_another_nodes_pod_changes_nothing() -> None:
    theirs = await in_db(bound, "theirs", "n2")
    async with connected() as one:
        assert isinstance(await one.report(theirs), agent.Accepted)
        assert await in_db(phase, "theirs") == "Pending"


async def test_pings_are_answered_at_once_and_noted_in_batches() -> None:
    async with connected() as one:
        await one.until(agent.Synced)
        first = await in_db(lambda: Heartbeat.objects.get(node="n1").at)
        before = await in_db(store.clock)
        await one.say(agent.Ping(seq=7))
        assert await one.hear() == agent.Pong(seq=7)
        async with asyncio.timeout(PATIENCE):
            while await in_db(lambda: Heartbeat.objects.get(node="n1").at) == first:
                await heartbeats.book().flush()
        assert await in_db(store.clock) == before, "a sign of life is no write"


def described() -> agent.NodeReport:
    addresses = [types.NodeAddress(type="InternalIP", address="192.0.2.5")]
    return agent.NodeReport(seq=50, status=types.NodeStatus(addresses=addresses), door_port=10250)


def ready() -> str:
    status: str = store.get(NODE, "", "n1").object.status.conditions[0].status
    return status


def lose(tx: Any) -> None:
    node = tx.get(NODE, "", "n1")
    node.status.conditions = [types.Condition(type="Ready", status="Unknown")]
    tx.update(NODE, node, part="status")


async def test_a_connected_node_that_was_judged_lost_is_ready_again() -> None:
    async with connected() as one:
        await one.until(agent.Synced)
        await one.say(described())
        await one.until(agent.Accepted)

        await in_db(store.write, TEST, lose)
        await one.until(agent.Accepted)
        assert await in_db(ready) == "True"


async def test_a_silent_node_that_was_judged_lost_is_not_heard_by_its_old_connection_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither when it lost its power and ended none, nor when the network brings late what it said long ago."""
    async with connected() as one:
        await one.until(agent.Synced)
        await one.say(described())
        await one.until(agent.Accepted)
        await heartbeats.book().flush()
        monkeypatch.setattr(consumer, "FRESH_PINGS", -1.0)
        await in_db(store.write, TEST, lose)
        assert await one.wire.closed() == consumer.SILENT

        before = await in_db(lambda: Heartbeat.objects.get(node="n1").at)
        await one.say(agent.Ping(seq=1))
        await one.say(described())
        async with connected() as anew:
            await anew.until(agent.Synced)
            await heartbeats.book().flush()
            assert await in_db(ready) == "Unknown"
            assert await in_db(lambda: Heartbeat.objects.get(node="n1").at) == before
            await anew.say(described())
            await anew.until(agent.Accepted)
            assert await in_db(ready) == "True"


async def test_the_newer_connection_of_a_node_wins() -> None:
    token = await in_db(token_of, "n1")
    async with connected(token=token) as old:
        await old.until(agent.Synced)
        async with connected(token=token) as new:
            await new.until(agent.Synced)
            assert await old.wire.closed() == consumer.SUPERSEDED
            await new.say(agent.Ping(seq=1))
            assert await new.hear() == agent.Pong(seq=1)


async def test_a_newer_connection_to_another_server_wins_too() -> None:
    async with connected() as one:
        await one.until(agent.Synced)
        await in_db(lambda: Heartbeat.objects.update(connection="made elsewhere"))
        await one.say(agent.Ping(seq=1))
        assert await one.hear() == agent.Pong(seq=1)
        await heartbeats.book().flush()
        assert await one.wire.closed() == consumer.SUPERSEDED


async def test_a_revoked_token_ends_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "TOKEN_CHECKED_EVERY", 0.0)
    async with connected() as one:
        await one.until(agent.Synced)
        await in_db(tokens.revoke, actor="system:node:n1")
        assert await one.wire.closed() == consumer.UNAUTHORIZED


async def test_a_silent_connection_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "SILENCE", 0.5)
    async with connected() as one:
        await one.until(agent.Synced)
        assert await one.wire.closed() == consumer.SILENT


async def test_samples_are_kept_without_an_answer_and_without_a_change() -> None:
    async with connected() as one:
        await one.until(agent.Synced)
        before = await in_db(store.clock)
        await one.say(agent.Samples(window=10, cpu=5, memory=6, containers=[]))
        async with asyncio.timeout(PATIENCE):
            while not (kept := await in_db(samples.latest, types.now())):
                await asyncio.sleep(0.05)
        assert [(used.node, used.samples.cpu, used.samples.memory) for used in kept] == [("n1", 5, 6)]
        assert await in_db(store.clock) == before
