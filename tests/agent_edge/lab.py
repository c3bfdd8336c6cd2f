"""An edge node in a namespace of its own, servers behind it, and clients in front."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import threading
from base64 import b64encode
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from node_agent.edge.detached import standing
from node_agent.edge.plan import Plan, plan
from node_agent.edge.process import EdgeProcess
from node_agent.edge.serving import HOLDER, PROGRAM, end
from node_agent.edge.trouble import Trouble
from tests.agent_edge.objects import sight
from tests.agent_net.lab import Space
from tests.calm import PATIENCE
from tests.platform import eventually

GREETING = b"GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
GREETING += b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Node:
    """``name`` is the agent's state directory."""

    def __init__(self, folder: Path, space: Space | None = None) -> None:
        self.space = space or Space()
        self.space.sysctl("ipv4/tcp_migrate_req", "1")  # as the agent's network sets it
        folder.mkdir(mode=0o700, parents=True)
        self.edge_directory = folder / "edge"
        self.unusable: list[Trouble] = []
        self.edge = self.new_process()

    def new_process(self) -> EdgeProcess:
        """As the next agent has it."""
        made = EdgeProcess(self.edge_directory, on_unusable=self.unusable.append)
        self.space.run(made.start)
        return made

    def serve(self, *given: Any, **more: Any) -> Plan | None:
        """Returns once Caddy does what these objects ask for."""
        wanted = plan(sight(*given, **more))
        self.edge.want(wanted)
        eventually(lambda: self.edge.settled == wanted, what=f"served; {self.edge.trouble}")
        return wanted

    def backend(self, port: int) -> threading.Event:
        """Answers with what it was asked, echoes on websockets, and ends /events once what this returns is set."""
        server = self.space.run(_Server, ("127.0.0.1", port), _Echo)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.space.at_close.callback(server.server_close)
        self.space.at_close.callback(server.shutdown)
        return server.over

    def running(self) -> list[int]:
        """The Caddys, in the order of their starts."""
        return [pid for _, pid in sorted(self._standing(PROGRAM), key=lambda one: int(one[0].name))]

    def left(self) -> list[Path]:
        """Where something runs, or has left something."""
        return [*self.edge_directory.glob("[0-9]*"), *(place for place, _ in self._standing(HOLDER))]

    def _standing(self, program: str) -> list[tuple[Path, int]]:
        return list(standing(self.edge_directory.glob("[0-9]*"), program))

    def ask(
        self, host: str, path: str = "/", *, port: int = 80, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        return self.space.run(ask, host, path, port, headers)

    def certificate(self, host: str, at: str = "127.0.0.1") -> x509.Certificate:
        """What it shows to somebody who wants this host. Raises OSError when it shows none."""
        return self.space.run(shown, host, at)

    def close(self) -> None:
        self.edge.stop()
        end(self.edge_directory)
        self.space.close()


def connected(host: str, port: int, at: str = "127.0.0.1") -> socket.socket:
    """Over TLS at 443, whatever the certificate."""
    plain = socket.create_connection((at, port), PATIENCE)
    if port != 443:
        return plain
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(plain, server_hostname=host)


def ask(host: str, path: str = "/", port: int = 80, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    connection = HTTPConnection("127.0.0.1", port)
    connection.sock = connected(host, port)
    try:
        connection.request("GET", path, headers={"Host": host, **(headers or {})})
        answer = connection.getresponse()
        text = answer.read().decode()
        return answer.status, answer.getheader("Location") or (json.loads(text) if text.startswith("{") else text)
    finally:
        connection.close()


def shown(host: str, at: str) -> x509.Certificate:
    with connected(host, 443, at) as secure:
        assert isinstance(secure, ssl.SSLSocket)
        found = secure.getpeercert(binary_form=True)
        assert found is not None
        return x509.load_der_x509_certificate(found)


def pair(*hosts: str) -> tuple[str, str]:
    """A certificate that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])]), datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number()).not_valid_before(now)
    made = made.not_valid_after(now + timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
    form = serialization.PrivateFormat.PKCS8
    private = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode(), private.decode()


def open_websocket(host: str, port: int = 80) -> socket.socket:
    made = connected(host, port)
    made.sendall(GREETING % host.encode())
    assert made.recv(4096).startswith(b"HTTP/1.1 101")
    return made


def echoes(stream: socket.socket, words: str = "hello") -> bool:
    stream.sendall(words.encode())
    return stream.recv(100) == f"echo {words}".encode()


def is_closed(stream: socket.socket) -> bool:
    """Returns once it is: what Caddy says in farewell comes before."""
    with suppress(OSError):
        while stream.recv(100):
            pass
    return True


def crowd(size: int) -> list[socket.socket]:
    """So many clients that are connected and say nothing yet."""
    return [socket.create_connection(("127.0.0.1", 80), 10) for _ in range(size)]


def cut_off(clients: list[socket.socket], host: str) -> list[str]:
    """What went wrong for those that now ask."""
    wrong = []
    for client in clients:
        try:
            client.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            if not (answer := client.recv(4096)).startswith(b"HTTP/1.1 200"):
                wrong.append(answer[:40].decode())
        except OSError as error:
            wrong.append(repr(error))
        client.close()
    return wrong


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *arguments: Any) -> None:
        self.over = threading.Event()
        super().__init__(*arguments)


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.headers.get("Upgrade"):
            self._websocket()
            return
        if self.path == "/events":
            self._events()
            return
        asked = {name.lower(): text for name, text in self.headers.items()}
        told = json.dumps({"path": self.path, "port": self.client_address[1], **asked}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def _websocket(self) -> None:
        key = self.headers["Sec-WebSocket-Key"].encode()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", b64encode(sha1(key + MAGIC).digest()).decode())
        self.end_headers()
        with suppress(OSError):
            while data := self.connection.recv(4096):
                self.connection.sendall(b"echo " + data)
        self.close_connection = True

    def _events(self) -> None:
        assert isinstance(self.server, _Server)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"data: first\n\n")
        self.server.over.wait(PATIENCE)
        self.wfile.write(b"data: last\n\n")

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""


class Authority:
    """A second Caddy that signs certificates over ACME. It finds every host at ``found_at``."""

    def __init__(self, space: Space, folder: Path, at: str, hosts: dict[str, str]) -> None:
        self.directory = f"https://{at}:9443/acme/local/directory"
        (folder / "hosts").write_text("".join(f"{address} {host}\n" for host, address in hosts.items()))
        server = {
            "listen": [f"{at}:9443"], "routes": [{"handle": [{"handler": "acme_server"}]}],
            "tls_connection_policies": [{"default_sni": at}], "automatic_https": {"disable": True},
        }  # fmt: skip
        config = {
            "admin": {"disabled": True},
            "storage": {"module": "file_system", "root": str(folder / "storage")},
            "apps": {
                "http": {"servers": {"acme": server}},
                "tls": {
                    "certificates": {"automate": [at]},
                    "automation": {"policies": [{"subjects": [at], "issuers": [{"module": "internal"}]}]},
                },
                "pki": {"certificate_authorities": {"local": {"install_trust": False}}},
            },
        }
        (folder / "acme.json").write_text(json.dumps(config))
        inside = 'mount --bind "$1/hosts" /etc/hosts && exec caddy run --config "$1/acme.json"'
        command = ["unshare", "--mount", "sh", "-c", inside, "sh", str(folder)]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(folder)}
        with (folder / "acme.log").open("wb") as log:
            self._process = space.run(
                lambda: subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
            )
        self._root = folder / "storage/pki/authorities/local/root.crt"
        eventually(lambda: self.roots, what=f"the authority begins (see {folder}/acme.log)")

    @property
    def roots(self) -> str:
        return self._root.read_text()

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)
