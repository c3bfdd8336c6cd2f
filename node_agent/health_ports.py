"""Tells balancers of others whether this node has an endpoint of a service: ``healthCheckNodePort``, over HTTP.

200 where it has one, 503 where not, with the number as JSON, as kube-proxy answers.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterable, Mapping
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import NamedTuple

from apps.cluster import types
from node_agent.slices import by_service, is_ready

log = logging.getLogger(__name__)


class Check(NamedTuple):
    """What one port tells."""

    namespace: str
    name: str
    endpoints: int


def checks(
    services: Iterable[types.Service], slices: Iterable[types.EndpointSlice], node: str
) -> dict[int, Check]:
    """Pure: what each port of ``node`` is to tell."""
    behind = by_service(slices)
    return {
        service.spec.health_check_node_port: Check(
            service.metadata.namespace,
            service.metadata.name,
            sum(
                one.node_name == node and is_ready(one)
                for found in behind.get((service.metadata.namespace, service.metadata.name), ())
                for one in found.endpoints
            ),
        )
        for service in services
        if service.spec.health_check_node_port
    }


class _Server(ThreadingTCPServer):
    """Not http.server's own: that asks the DNS for its name, and where that is away nothing moves for so long."""

    allow_reuse_address = True
    daemon_threads = True


class HealthPorts:
    """Listens in the network namespace of the thread that calls ``update``."""

    def __init__(self) -> None:
        self._checks: Mapping[int, Check] = {}
        self._servers: dict[int, _Server] = {}
        self._refused: set[int] = set()

    def update(self, wanted: Mapping[int, Check]) -> None:
        """Tell this from now on, and close the other ports."""
        self._checks = wanted
        for port in self._servers.keys() - wanted.keys():
            server = self._servers.pop(port)
            server.shutdown()
            server.server_close()
        for port in wanted.keys() - self._servers.keys():
            self._open(port)

    def _open(self, port: int) -> None:
        told = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 5

            def do_GET(self) -> None:
                check = told._checks.get(port)
                if check is None:
                    self.send_error(404)
                    return
                service = {"namespace": check.namespace, "name": check.name}
                body = json.dumps({"service": service, "localEndpoints": check.endpoints}).encode()
                self.send_response(200 if check.endpoints else 503)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words: object) -> None:
                """Balancers ask every few seconds."""

        try:
            server = _Server(("", port), Handler)
        except OSError as error:
            if port not in self._refused:
                log.warning(
                    "health checks of %s cannot be answered at port %d: %s", self._checks[port], port, error
                )
            self._refused.add(port)
            return
        self._refused.discard(port)
        self._servers[port] = server
        threading.Thread(target=server.serve_forever, name=f"health {port}", daemon=True).start()
