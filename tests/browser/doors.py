"""The doors of the sample's nodes: TLS both ways as an agent has it, logs that go on while they are read, and what
a pod that is gone had written."""

from __future__ import annotations

import ssl
import tempfile
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from urllib.parse import parse_qs, urlsplit

from django.conf import settings

from apps.accounts import certificates
from apps.catalog.render.metadata import COMPONENT, INSTANCE
from apps.cluster import types
from apps.cluster.kinds import NODE
from apps.cluster.types.agent import EndedLog
from tests.browser import sample

PAUSE = 0.1
GONE = EndedLog(
    id="gone", namespace="default", pod="book-frontend-gone1", container="frontend",
    ended_at=datetime(2026, 1, 1, tzinfo=UTC), labels={INSTANCE: "book", COMPONENT: "frontend"},
)  # fmt: skip


class Lines(BaseHTTPRequestHandler):
    """Three lines of the past; with ``follow`` one more every moment; with ``timestamps`` each after its time."""

    def do_GET(self) -> None:
        told = urlsplit(self.path)
        asked = parse_qs(told.query)
        container = told.path.rpartition("/")[2]
        self.send_response(200)
        self.end_headers()
        if told.path.startswith("/ended/"):
            whole = told.path.endswith(f"/{GONE.id}")
            self.wfile.write(
                b"2026-01-01T00:00:00.000000000Z its last words\n" if whole else types.encode([GONE])
            )
            return
        stamp = "timestamps" in asked
        run = "previous run" if "previous" in asked else "this run"
        for number in range(1, 4):
            self.wfile.write(f"{_time(stamp)}{container}: {run}, line {number} <b>&amp;</b>\n".encode())
        number = 4
        while "follow" in asked:
            time.sleep(PAUSE)
            try:
                self.wfile.write(f"{_time(stamp)}{container}: {run}, line {number}\n".encode())
            except OSError:
                return
            number += 1

    def log_message(self, format: str, *args: object) -> None:
        return


def _time(wanted: bool) -> str:
    """As an engine writes it before a line."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}000Z " if wanted else ""


def open_doors() -> None:
    """Of all the sample's nodes: nothing of what the pages ask leaves the machine."""
    for node in ("drover-1", "drover-2", "drover-3"):
        open_door(node)


def open_door(node: str) -> None:
    """Opens the door of one of the sample's nodes and registers its port."""
    certificates.ensure(Path(settings.STATE))
    address = next(each.address for each in sample.find(NODE, "", node).status.addresses)
    folder = Path(tempfile.mkdtemp(dir=settings.STATE))
    certificates.ensure_for_node(folder, node, (address,))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "agent.crt", folder / "agent.key")
    context.load_verify_locations(folder / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    server = ThreadingTCPServer((address, 0), Lines)  # http.server's own asks the DNS for its name
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def register(found: types.Node) -> None:
        endpoint = types.DaemonEndpoint(port=server.server_address[1])
        found.status.daemon_endpoints = types.NodeDaemonEndpoints(kubelet_endpoint=endpoint)

    sample.edit(NODE, sample.find(NODE, "", node), register)
