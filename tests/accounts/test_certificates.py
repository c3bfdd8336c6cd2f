"""The cluster's certificates: stable while good, made anew when not, and useful only for what they are for."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from apps.accounts import addresses, certificates
from apps.cluster.work import in_db

pytestmark = pytest.mark.usefixtures("cluster")


def modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


def served(state: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(certificates.server_files(state).certificate.read_bytes())


def test_the_server_holds_every_name_it_is_called_by(tmp_path: Path) -> None:
    certificates.ensure(tmp_path, ("192.0.2.7", "box.example.com"))
    assert certificates.names_in(served(tmp_path)) >= {
        "localhost", "127.0.0.1", "::1", "10.254.0.1", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local", "192.0.2.7", "box.example.com",
    }  # fmt: skip


def test_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    certificates.ensure(tmp_path)
    assert modes(tmp_path / "tls") == {
        "server.crt": 0o644,
        "server.key": 0o600,
        "door.crt": 0o644,
        "door.key": 0o600,
    }
    assert (tmp_path / "tls").stat().st_mode & 0o777 == 0o700


def test_a_second_start_changes_nothing(tmp_path: Path) -> None:
    first = certificates.ensure(tmp_path, ("192.0.2.7",))
    again = certificates.ensure(tmp_path, ("192.0.2.7",))
    assert again.fingerprint == first.fingerprint != ""
    fewer = certificates.ensure(tmp_path)
    assert fewer.fingerprint == first.fingerprint, "an address that went away is no reason"


def test_a_new_address_an_end_in_sight_or_a_lost_key_make_a_new_one(tmp_path: Path) -> None:
    seen = {certificates.ensure(tmp_path).fingerprint}
    seen.add(certificates.ensure(tmp_path, ("2001:DB8::7",)).fingerprint)
    later = datetime.now(UTC) + certificates.LIFE - certificates.RENEW_BEFORE + timedelta(days=1)
    seen.add(certificates.ensure(tmp_path, ("2001:db8::7",), now=later).fingerprint)
    certificates.server_files(tmp_path).key.write_bytes(b"rubbish")
    seen.add(certificates.ensure(tmp_path, ("2001:db8::7",), now=later).fingerprint)
    assert len(seen) == 4


def test_all_machines_share_one_authority(tmp_path: Path) -> None:
    one = certificates.ensure(tmp_path / "one").ca.read_bytes()
    assert certificates.ensure(tmp_path / "two").ca.read_bytes() == one


def test_addresses_come_from_the_kernel_and_only_lasting_ones_count(tmp_path: Path) -> None:
    local = ("192.0.2.9", "127.0.0.1", "169.254.3.4", "10.64.0.1", "10.254.0.10")
    trie = "".join(f"  |-- {address}\n     /32 host LOCAL\n" for address in local)
    (tmp_path / "fib_trie").write_text(f"Local:\n{trie}  |-- 192.0.2.255\n     /32 link BROADCAST\n")
    inet6 = {
        "20010db8000000000000000000000007": "80",
        "20010db80000000000000000000000aa": "01",
        "0" * 31 + "1": "80",
    }
    (tmp_path / "if_inet6").write_text(
        "".join(f"{text} 02 40 00 {flags} eth0\n" for text, flags in inet6.items())
    )
    found = addresses.of_this_machine(tmp_path)
    assert [address for address in found if "." in address or ":" in address][:2] == [
        "192.0.2.9",
        "2001:db8::7",
    ]
    assert len(found) <= 3, "and the host's name"
    assert addresses.of_this_machine(tmp_path / "missing") == found[2:]


async def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> bytes:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peercert")
        writer.write(str(peer.get("subject")).encode() if peer else b"nobody")
        writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=name)
        try:
            return await reader.read()
        finally:
            writer.close()


def door(folder: Path) -> ssl.SSLContext:
    """As an agent opens its door."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "agent.crt", folder / "agent.key")
    context.load_verify_locations(folder / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


async def test_server_and_node_know_each_other_at_the_door(tmp_path: Path) -> None:
    await in_db(certificates.ensure, tmp_path)
    await in_db(certificates.ensure_for_node, tmp_path / "n1", "n1", ("192.0.2.7",))
    context = certificates.door_context(tmp_path)
    said = await handshake(door(tmp_path / "n1"), context, certificates.node_server_name("n1"))
    assert certificates.DOOR_NAME.encode() in said


async def test_a_node_cannot_pass_for_another_or_for_the_server(tmp_path: Path) -> None:
    await in_db(certificates.ensure, tmp_path)
    await in_db(certificates.ensure_for_node, tmp_path / "n1", "n1", ("192.0.2.7",))
    context = certificates.door_context(tmp_path)
    for name in (certificates.node_server_name("n2"), "kubernetes.default.svc", "localhost"):
        with pytest.raises(ssl.SSLCertVerificationError):
            await handshake(door(tmp_path / "n1"), context, name)
