"""A node's identity over its socket: ended with its node, renewed before its time is over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from apps.accounts import tokens
from apps.accounts.models import Token
from apps.cluster import store
from apps.cluster.kinds import NODE
from apps.cluster.types import agent
from apps.cluster.work import in_db
from apps.nodes import consumer
from node_agent import keys
from tests.builders import build
from tests.nodes.test_consumer import TEST, Agent, connected, quiet_end, socket, token_of

__all__ = ["quiet_end"]
pytestmark = pytest.mark.usefixtures("cluster")


def make(name: str = "n1") -> None:
    store.write(TEST, lambda tx: tx.create(NODE, build(NODE, name=name)))


def remove(name: str = "n1") -> None:
    store.write(TEST, lambda tx: tx.delete(NODE, "", name))


async def test_the_socket_of_a_removed_node_ends_at_once_and_says_why() -> None:
    await in_db(make)
    async with connected() as one:
        await one.until(agent.Synced)
        await in_db(remove)
        assert await one.wire.closed() == agent.REMOVED_CODE


async def test_a_node_of_the_same_name_that_follows_at_once_saves_nobody() -> None:
    await in_db(make)
    async with connected() as one:
        await one.until(agent.Synced)
        await in_db(store.write, TEST, lambda tx: (tx.delete(NODE, "", "n1"), tx.create(NODE, build(NODE, name="n1"))))
        assert await one.wire.closed() == agent.REMOVED_CODE


@pytest.mark.parametrize(("removed", "status"), [(True, agent.REMOVED_STATUS), (False, 401)])
async def test_an_agent_that_was_away_learns_whether_its_node_was_removed(removed: bool, status: int) -> None:
    token = await in_db(token_of, "n1")
    if removed:
        await in_db(make)
        await in_db(remove)
    else:
        await in_db(tokens.revoke, text=token)
    wire = socket(token)
    wire.scope["extensions"] = {"websocket.http.response": {}}
    assert (await wire.connect())["status"] == status


async def pong(one: Agent) -> agent.Pong:
    await one.say(agent.Ping(seq=1))
    answer: agent.Pong = (await one.until(agent.Pong))[-1]
    return answer


async def test_an_identity_is_renewed_on_the_open_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "TOKEN_CHECKED_EVERY", 0)
    old = await in_db(token_of, "n1")
    await in_db(lambda: Token.objects.update(expires_at=datetime.now(UTC) + timedelta(days=30)))
    request = keys.request("n1", keys.new())
    async with connected(token=old) as one:
        while not (await pong(one)).renew:
            pass
        await one.say(agent.Renew(request=request))
        identity = (await one.until(agent.Renewed))[-1].identity
        assert await in_db(tokens.check, old), "until the new one is used, the old one holds"
        async with connected(token=identity.token) as again:
            await again.until(agent.Synced)
            assert await in_db(tokens.check, old) is None
            assert not (await pong(again)).renew


async def test_nobody_gets_a_new_identity_before_the_time() -> None:
    async with connected() as one:
        await one.say(agent.Renew(request=keys.request("n1", keys.new())))
        await pong(one)
    assert await in_db(Token.objects.count) == 1
