"""A web service on a test's platform, and a client that counts the requests it lost."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from itertools import cycle
from typing import Any

from tests.platform import Platform, eventually

OK = 200
EVERY = 0.02
"""Seconds between two requests of a client."""


class Client:
    """Asks 50 times a second, each time over a connection of its own, and counts what went wrong."""

    def __init__(self, *targets: tuple[str, int], host: str = "") -> None:
        self._host = host
        self.asked = 0
        self.failures: list[str] = []
        self._targets = cycle(targets)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @contextmanager
    def asking(self) -> Iterator[Client]:
        self._thread.start()
        eventually(lambda: self.asked > 50, what="the client asks")
        try:
            yield self
            enough = self.asked + 50
            eventually(lambda: self.asked > enough, what="the client goes on asking")
        finally:
            self._over.set()
            self._thread.join(10)

    def _run(self) -> None:
        due = time.monotonic()
        while not self._over.is_set():
            due += EVERY
            self._over.wait(max(0.0, due - time.monotonic()))
            self._ask(*next(self._targets))
            self.asked += 1

    def _ask(self, address: str, port: int) -> None:
        try:
            answer = status(address, port, host=self._host)
            if answer != OK:
                self.failures.append(f"{address}:{port} {answer}")
        except (OSError, HTTPException) as error:
            self.failures.append(f"{address}:{port} {error!r}")


def status(address: str, port: int, timeout: float = 3, host: str = "") -> int:
    connection = HTTPConnection(address, port, timeout=timeout)
    try:
        connection.request("GET", "/", headers={"Host": host} if host else {})
        return connection.getresponse().status
    finally:
        connection.close()


def web(name: str, replicas: int) -> dict[str, Any]:
    """nginx, which ends at once when it is asked to."""
    container = {"name": "nginx", "image": "nginx", "imagePullPolicy": "IfNotPresent"}
    return {
        "apiVersion": "v1",
        "kind": "ReplicationController",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [container], "terminationGracePeriodSeconds": 10},
            },
        },
    }


def service(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"type": "NodePort", "selector": {"app": name}, "ports": [{"port": 80}], **spec},
    }


def apply(platform: Platform, *objects: dict[str, Any]) -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": objects}
    platform.kubectl("apply", "-f", "-", input=json.dumps(listed))


def node_port(platform: Platform, name: str) -> int:
    port: int = platform.objects("service", name)[0]["spec"]["ports"][0]["nodePort"]
    return port
