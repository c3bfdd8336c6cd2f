"""The agent's identity: put in place whole, renewed on the open connection, given up when the node has left."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from websockets import Subprotocol
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from apps.cluster.types import agent
from node_agent import identity, keys
from node_agent.connection import Connection, Identity, Left
from node_agent.outbox import Outbox
from node_agent.renewal import Renewal
from node_agent.servers import Servers
from node_agent.view import View
from tests.calm import PATIENCE

FRESH = agent.Identity(token="drv_new", certificate="certificate", authority="authority")
FILES = {"token": "drv_new", "agent.crt": "certificate", "ca.crt": "authority", "agent.key": "key"}


def held(state: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in state.iterdir()}


def test_an_identity_is_whole_and_for_root_only(tmp_path: Path) -> None:
    identity.put(tmp_path, FRESH, "key")
    assert held(tmp_path) == FILES
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    identity.forget(tmp_path)
    assert held(tmp_path) == {}


@pytest.mark.parametrize("written", range(len(FILES) + 1))
def test_what_a_crash_cuts_short_is_completed(written: int, tmp_path: Path) -> None:
    old = dict.fromkeys(FILES, "old")
    for name, text in {**old, **dict(list(FILES.items())[:written])}.items():
        (tmp_path / name).write_text(text)
    whole = identity.Complete(token="drv_new", certificate="certificate", authority="authority", key="key")
    (tmp_path / identity.WAITING).write_bytes(msgspec.json.encode(whole))
    identity.finish(tmp_path)
    assert held(tmp_path) == FILES


def test_a_key_is_kept_and_asks_for_its_own_certificate(tmp_path: Path) -> None:
    key = keys.kept(tmp_path)
    assert keys.kept(tmp_path) == key
    asked = x509.load_pem_x509_csr(keys.request("n1", key).encode())
    assert asked.is_signature_valid
    (tmp_path / "agent.key").write_text("spoilt")
    assert keys.kept(tmp_path) != key


class Server:
    """Answers the first ping with a wish, and the request that follows with a new identity."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.requests: list[str] = []
        self.again = asyncio.Event()

    async def talk(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.tokens.append(socket.request.headers["Authorization"])
        if len(self.tokens) > 1:
            self.again.set()
        async for text in socket:
            match agent.from_agent(text):
                case agent.Hello():
                    await socket.send(agent.frame(agent.Synced(number=1)))
                case agent.Ping(seq=seq):
                    await socket.send(agent.frame(agent.Pong(seq=seq, renew=not self.requests)))
                case agent.Renew(request=request):
                    self.requests.append(request)
                    await socket.send(agent.frame(agent.Renewed(identity=FRESH)))


def connection(state: Path, port: int, taken: list[str]) -> Connection:
    (state / "token").write_text("drv_old")
    who = Identity(
        node="n1", version="1", boot_id="b", token=state / "token", ca=state / "ca"
    )
    renewal = Renewal(state, "n1", lambda: taken.append((state / "agent.crt").read_text()))
    servers = Servers(f"http://127.0.0.1:{port}")
    return Connection(who, servers, View(None), Outbox(), lambda touched: None, renewal=renewal)


async def test_an_agent_renews_its_identity_without_a_restart(tmp_path: Path) -> None:
    server, taken = Server(), list[str]()
    async with serve(server.talk, "127.0.0.1", 0, subprotocols=[Subprotocol(agent.SUBPROTOCOL)]) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        running = asyncio.create_task(connection(tmp_path, port, taken).run())
        async with asyncio.timeout(PATIENCE):
            await server.again.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert server.tokens == ["Bearer drv_old", "Bearer drv_new"]
    assert taken == ["certificate"], "the door was told once the files were there"
    own = x509.load_pem_x509_csr(server.requests[0].encode()).public_key()
    kept = keys.request("n1", (tmp_path / "agent.key").read_text()).encode()
    assert x509.load_pem_x509_csr(kept).public_key() == own


def _removed(socket: ServerConnection, request: Request) -> Response:
    return socket.respond(agent.REMOVED_STATUS, "node n1 was removed from the cluster")


async def test_an_agent_whose_node_was_removed_while_it_was_away_has_left(tmp_path: Path) -> None:
    async with serve(Server().talk, "127.0.0.1", 0, process_request=_removed) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        with pytest.raises(Left, match="node n1 was removed"):
            async with asyncio.timeout(PATIENCE):
                await connection(tmp_path, port, []).run()


async def test_an_agent_whose_socket_ends_because_its_node_was_removed_has_left(tmp_path: Path) -> None:
    async def end(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.close(agent.REMOVED_CODE, "node n1 was removed from the cluster")

    async with serve(end, "127.0.0.1", 0, subprotocols=[Subprotocol(agent.SUBPROTOCOL)]) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        with pytest.raises(Left, match="node n1 was removed"):
            async with asyncio.timeout(PATIENCE):
                await connection(tmp_path, port, []).run()


async def test_a_token_that_was_merely_revoked_makes_no_agent_leave(tmp_path: Path) -> None:
    asked = asyncio.Event()

    def refuse(socket: ServerConnection, request: Request) -> Response:
        if (tmp_path / "once").exists():
            asked.set()
        (tmp_path / "once").touch()
        return socket.respond(401, "the token was revoked")

    async with serve(Server().talk, "127.0.0.1", 0, process_request=refuse) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        running = asyncio.create_task(connection(tmp_path, port, []).run())
        async with asyncio.timeout(PATIENCE):
            await asked.wait()
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
