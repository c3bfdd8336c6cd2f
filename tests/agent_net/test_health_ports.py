"""What a node tells balancers about its endpoints of a service."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest

from node_agent.health_ports import Check, HealthPorts, checks
from tests.agent_net.lab import Space
from tests.agent_net.objects import endpoints, service

pytestmark = pytest.mark.net


@pytest.fixture
def space() -> Iterator[Space]:
    made = Space()
    yield made
    made.close()


def told(space: Space, port: int) -> tuple[int, Any]:
    def ask() -> tuple[int, Any]:
        connection = HTTPConnection("127.0.0.1", port, timeout=3)
        try:
            connection.request("GET", "/healthz")
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    return space.run(ask)


def test_ready_endpoints_of_this_node_count() -> None:
    web = service("web", "10.254.0.7", ("", 80, 0))
    web.spec.health_check_node_port = 30900
    where = {"10.64.0.2": "n1", "10.64.0.3": "n1", "10.64.0.4": "n2"}
    found = endpoints("web", ["10.64.0.2", "10.64.0.4"], ("", 80), not_ready=("10.64.0.3",), nodes=where)
    plain = service("plain", "10.254.0.8", ("", 80, 0))
    assert checks([web, plain], [found], "n1") == {30900: Check("default", "web", 1)}
    assert checks([web], [found], "n3") == {30900: Check("default", "web", 0)}


def test_a_port_says_yes_no_and_ends(space: Space) -> None:
    ports = HealthPorts()
    space.run(ports.update, {30900: Check("default", "web", 2)})
    service_ = {"namespace": "default", "name": "web"}
    assert told(space, 30900) == (200, {"service": service_, "localEndpoints": 2})
    space.run(ports.update, {30900: Check("default", "web", 0)})
    assert told(space, 30900) == (503, {"service": service_, "localEndpoints": 0})
    space.run(ports.update, {})
    with pytest.raises(ConnectionRefusedError):
        told(space, 30900)


def test_a_port_opens_without_a_question_to_the_dns(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(socket, "getfqdn", asked.append)
    ports = HealthPorts()
    space.run(ports.update, {30900: Check("default", "web", 1)})
    assert told(space, 30900)[0] == 200
    space.run(ports.update, {})
    assert asked == []
