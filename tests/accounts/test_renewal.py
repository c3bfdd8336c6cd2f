"""The certificate that a server shows is made anew while it serves, and nobody who is connected notices."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from cryptography import x509

from apps.accounts import bootstrap, certificates, renewal, tokens
from apps.cluster.work import in_db
from tests.api.doors import AsgiDoor
from tests.calm import PATIENCE

pytestmark = pytest.mark.usefixtures("cluster")

Talk = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Served(NamedTuple):
    """A server that says again what it hears, with a certificate that its keeper looks after."""

    state: Path
    port: int

    async def connect(self) -> Talk:
        trusted = ssl.create_default_context(cafile=str(self.state / "ca.crt"))
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=trusted)

    async def shown(self) -> x509.Certificate:
        """To whoever comes now."""
        _, writer = await self.connect()
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        return x509.load_der_x509_certificate(der)

    async def other_than(self, old: x509.Certificate) -> x509.Certificate:
        async with asyncio.timeout(20):
            while (found := await self.shown()) == old:
                await asyncio.sleep(0.01)
        return found


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """Its certificate was made ten months ago."""
    then = datetime.now(UTC) - certificates.LIFE + certificates.RENEW_BEFORE - timedelta(days=1)
    files = await in_db(certificates.ensure, tmp_path, ("192.0.2.7",), then)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    listening = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=context)
    keeper = asyncio.create_task(renewal.keep(tmp_path, "192.0.2.7", context, every=0.05))
    async with listening:
        yield Served(tmp_path, listening.sockets[0].getsockname()[1])
    keeper.cancel()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    async for line in reader:
        writer.write(line)
    writer.close()


async def says(talk: Talk, line: bytes) -> bool:
    reader, writer = talk
    writer.write(line)
    return await reader.readline() == line


async def test_one_that_nears_its_end_is_exchanged_while_connections_go_on(served: Served) -> None:
    old, talk = await served.shown(), await served.connect()
    new = await served.other_than(old)
    assert new.not_valid_after_utc - old.not_valid_after_utc > timedelta(days=300)
    assert "192.0.2.7" in certificates.names_in(new)
    assert await says(talk, b"still here\n")
    talk[1].close()


async def test_a_damaged_pair_is_never_shown_and_made_anew(served: Served) -> None:
    first = await served.other_than(await served.shown())
    certificates.server_files(served.state).key.write_bytes(b"rubbish")
    second = await served.other_than(first)
    assert second.public_key() != first.public_key()


def kubeconfig(state: Path, rest: timedelta) -> str:
    """Puts one there whose token is good for so long, and returns that."""
    token = tokens.issue(bootstrap.ADMIN_ACTOR, ttl=rest, purpose=tokens.ADMIN_KUBECONFIG)
    (state / "kubeconfig").write_text(yaml.safe_dump({"users": [{"name": "me", "user": {"token": token}}]}))
    return token


def token_in(state: Path) -> str:
    return str(yaml.safe_load((state / "kubeconfig").read_text())["users"][0]["user"]["token"])


async def test_a_kubeconfig_gets_another_token_while_the_server_runs_and_its_copies_live_on(served: Served) -> None:
    old = await in_db(kubeconfig, served.state, timedelta(days=100))
    async with asyncio.timeout(PATIENCE):
        while (new := token_in(served.state)) == old:
            await asyncio.sleep(0.01)
    end = await in_db(tokens.expiry, new)
    assert end is not None and end > datetime.now(UTC) + timedelta(days=300)
    for text in (old, new):
        actor = await in_db(tokens.check, text)
        assert actor is not None and actor.name == bootstrap.ADMIN_ACTOR
    assert (served.state / "kubeconfig").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("state_of_it", ["young", "revoked", "ended", "missing"])
def test_a_kubeconfig_that_is_good_for_long_or_was_ended_is_left_alone(state_of_it: str, tmp_path: Path) -> None:
    days = {"young": 200, "ended": -1}.get(state_of_it, 100)
    token = kubeconfig(tmp_path, timedelta(days=days))
    if state_of_it == "revoked":
        tokens.revoke(text=token)
    if state_of_it == "missing":
        (tmp_path / "kubeconfig").unlink()
    assert not bootstrap.renew_kubeconfig(tmp_path)
    assert state_of_it == "missing" or token_in(tmp_path) == token


@pytest.mark.parametrize(("purpose", "days", "warns"), [
    (tokens.ADMIN_KUBECONFIG, 100, True), (tokens.ADMIN_KUBECONFIG, 200, False), (tokens.API, 100, False),
])  # fmt: skip
def test_who_uses_a_copy_of_an_older_kubeconfig_is_told_when_it_ends(purpose: str, days: int, warns: bool) -> None:
    token = tokens.issue(bootstrap.ADMIN_ACTOR, ("system:masters",), timedelta(days=days), purpose)
    reply = asyncio.run(AsgiDoor(token).ask("GET", "/api/v1/namespaces"))
    end = tokens.expiry(token)
    told = f'299 - "the token of this kubeconfig ends on {end:%Y-%m-%d}: copy STATE/kubeconfig of the server again"'
    assert reply.code == 200 and reply.headers.get("warning") == (told if warns else None)
