"""The node's door: who may open it, and the logs behind it."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from node_agent.door import Door
from node_agent.logs import LogRefused, wish_of
from node_agent.runtime.base import LogWish
from node_agent.runtime.docker import DockerRuntime
from node_agent.runtime.docker_streams import DockerStreams
from node_agent.settings import Settings
from tests.agent.machine import ENGINE, Machine, app, wait_for
from tests.calm import PATIENCE


@dataclass
class Authority:
    """A cluster's CA, as far as a test needs it."""

    directory: Path

    def __post_init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test-ca")])
        self._write("ca.crt", self._sign(self._name, self._key, ca=True))

    def issue(self, name: str, file: str) -> tuple[str, str]:
        """A certificate and its key for ``name``; the paths of both."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._write(f"{file}.crt", self._sign(subject, key))
        (self.directory / f"{file}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return str(self.directory / f"{file}.crt"), str(self.directory / f"{file}.key")

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, ca: bool = False
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(names, critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _write(self, name: str, certificate: x509.Certificate) -> None:
        (self.directory / name).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


@dataclass
class Knocker:
    """Somebody who asks at a door, with a certificate or without."""

    url: str
    context: ssl.SSLContext

    def get(self, path: str) -> httpx.Response:
        with httpx.Client(verify=self.context, timeout=PATIENCE) as client:
            return client.get(self.url + path)


@pytest.fixture
def knock(machine: Machine) -> Iterator[Knocker]:
    """The server itself, at the door of the test's machine."""
    authority = Authority(machine.state)
    authority.issue("node-1", "agent")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = Settings(server="", state=machine.state, node="node-1", address="127.0.0.1", door_port=port)
    runtime = DockerRuntime(machine.names, ENGINE)
    door = Door(settings, machine.herd, runtime, DockerStreams(ENGINE), machine.ended)
    door.start()
    url = f"https://localhost:{port}"
    wait_for(lambda: _listens(port), "door")
    yield Knocker(url, client_context(machine.state, authority.issue("drover-server", "server")))
    door.stop()
    runtime.close()


def client_context(state: Path, certificate: tuple[str, str] | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(state / "ca.crt"))
    if certificate is not None:
        context.load_cert_chain(*certificate)
    return context


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.docker
def test_only_the_server_gets_in(machine: Machine, knock: Knocker) -> None:
    assert knock.get("/anything").status_code == 404
    for certificate in (None, Authority(machine.state / "..").issue("drover-server", "foreign")):
        stranger = Knocker(knock.url, client_context(machine.state, certificate))
        with pytest.raises(httpx.TransportError):
            stranger.get("/anything")


@pytest.mark.docker
def test_another_nodes_certificate_does_not_open_the_door(machine: Machine, knock: Knocker) -> None:
    files = (str(machine.state / "agent.crt"), str(machine.state / "agent.key"))
    with pytest.raises(httpx.TransportError):
        Knocker(knock.url, client_context(machine.state, files)).get("/anything")


@pytest.mark.docker
def test_logs_from_the_end_the_start_and_the_container_before(machine: Machine, knock: Knocker) -> None:
    pod = machine.run(
        app("sh", "-c", "for i in 1 2 3; do echo line $i; done; echo oops >&2; exec sleep 1000")
    )
    machine.ready(pod)
    path = "/logs/default/web/app"
    wait_for(lambda: "oops" in knock.get(path).text, "output")
    assert sorted(knock.get(path).text.splitlines()) == ["line 1", "line 2", "line 3", "oops"]
    assert len(knock.get(f"{path}?tailLines=1").text.splitlines()) == 1
    assert len(knock.get(f"{path}?limitBytes=6").text) == 6
    stamped = knock.get(f"{path}?timestamps=true&tailLines=1").text
    assert datetime.fromisoformat(stamped.split()[0][:26] + "+00:00") > datetime.now(UTC) - timedelta(
        minutes=1
    )
    assert knock.get(f"{path}?previous=true").status_code == 400
    assert knock.get(f"{path}?sinceTime=2100-01-01T00:00:00Z").text == ""
    machine.api.kill(machine.container(pod).container_id.removeprefix("docker://"))
    machine.ready(pod, restarts=1)
    assert "oops" in knock.get(f"{path}?previous=true").text


@pytest.mark.docker
def test_following_ends_with_the_container(machine: Machine, knock: Knocker) -> None:
    pod = machine.run(app("sh", "-c", "echo begin; sleep 0.5; echo end"), restart_policy="Never")
    wait_for(lambda: machine.container(pod).container_id, "container")
    wait_for(lambda: knock.get("/logs/default/web/app").status_code == 200, "output")
    assert knock.get("/logs/default/web/app?follow=true").text == "begin\nend\n"


@pytest.mark.docker
def test_a_follower_who_leaves_frees_the_door(machine: Machine, knock: Knocker) -> None:
    pod = machine.run(app("sh", "-c", "while :; do echo line; sleep 0.01; done"))
    machine.ready(pod)
    follow = f"{knock.url}/logs/default/web/app?follow=true"
    with httpx.Client(verify=knock.context, timeout=PATIENCE) as client, client.stream("GET", follow) as answer:
        assert next(answer.iter_bytes())
    wait_for(lambda: not [each for each in threading.enumerate() if each.name == "log"], "end of the reader")


@pytest.mark.docker
def test_what_a_pod_wrote_is_kept_when_it_is_gone(machine: Machine, knock: Knocker) -> None:
    pod = machine.run(app("sh", "-c", "echo its last words; exec sleep 1000"))
    machine.ready(pod)
    wait_for(lambda: "last words" in knock.get("/logs/default/web/app").text, "output")
    machine.delete(pod, grace=0)
    wait_for(lambda: machine.gone(pod), "end of the pod")
    (kept,) = knock.get("/ended/default").json()
    assert (kept["pod"], kept["container"]) == ("web", "app")
    moment, _, words = knock.get(f"/ended/default/{kept['id']}").text.strip().partition(" ")
    assert words == "its last words" and moment.endswith("Z")
    assert knock.get("/ended/other").json() == knock.get("/ended/default?labels=app%3Dweb").json() == []
    assert knock.get("/ended/default/none").status_code == 404


@pytest.mark.docker
@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/logs/default/none/app", 404, 'pod "none" is not on this node'),
        ("/logs/default/web/none", 400, "container none is not valid for pod web"),
        ("/logs/default/web/app", 400, 'container "app" in pod "web" is waiting to start: ErrImageNeverPull'),
        ("/logs/default/web/app?tailLines=x", 400, "the request for logs cannot be read"),
    ],
)
def test_refusals_have_words(machine: Machine, knock: Knocker, path: str, status: int, words: str) -> None:
    pod = machine.run(app(image="none:1", image_pull_policy="Never"))
    wait_for(lambda: "Failed" in machine.reasons(pod), "pod that waits")
    answer = knock.get(path)
    assert answer.status_code == status and words in answer.text


def test_a_query_is_read_as_the_api_means_it() -> None:
    wish, previous, limit = wish_of(
        {"follow": "true", "tailLines": "5", "sinceSeconds": "60", "previous": "true", "limitBytes": "9"},
        1000,
    )
    assert wish == LogWish(follow=True, tail=5, since=940) and previous and limit == 9
    assert wish_of({}, 0) == (LogWish(), False, None)
    with pytest.raises(LogRefused):
        wish_of({"sinceTime": "yesterday"}, 0)
