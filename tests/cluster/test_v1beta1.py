"""The first articles' two files, created by the command and by the old address, run for real on the machine's port."""

import json
import socket
import subprocess
import sys
from contextlib import closing
from http.client import HTTPResponse
from typing import Any

import pytest

from tests.platform import BASE, EXAMPLES, Platform, eventually

pytestmark = [pytest.mark.docker, pytest.mark.kubectl, pytest.mark.timeout(300)]
PORT = 6379


def pong() -> bool:
    """Whether Redis answers on the port of the machine itself."""
    with socket.create_connection(("127.0.0.1", PORT), timeout=2) as redis:
        redis.sendall(b"PING\r\n")
        return redis.recv(16) == b"+PONG\r\n"


def silent() -> bool:
    """Whether nobody answers there any more."""
    try:
        return not pong()
    except OSError:
        return True


def create(platform: Platform, name: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", "create", "-f", str(EXAMPLES / "v1beta1" / name)],
        cwd=BASE, env=platform.environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def asked(platform: Platform, method: str, path: str) -> Any:
    with closing(platform.connection()) as connection:
        connection.request(method, path, headers=platform.headers())
        answer: HTTPResponse = connection.getresponse()
        data = json.loads(answer.read())
    assert answer.status == 200, data
    return data


def test_the_articles_controller_runs_on_port_6379_and_is_listed_as_they_show(platform: Platform) -> None:
    assert create(platform, "redisController.json") == "replicationcontroller/redis-controller created\n"
    platform.ready_pods("name=redis", 1)
    eventually(pong, within=20, what="redis answers on the machine's port 6379")
    listed = asked(platform, "GET", "/api/v1beta1/pods")
    assert (listed["kind"], listed["apiVersion"]) == ("PodList", "v1beta1")
    [item] = [item for item in listed["items"] if item["labels"] == {"name": "redis"}]
    assert item["currentState"]["status"] == "Running"
    assert item["currentState"]["podIP"].startswith("10.")
    assert "running" in item["currentState"]["info"]["redis"]["state"]
    asked(platform, "DELETE", "/api/v1beta1/replicationControllers/redisController")
    eventually(silent, within=60, what="the port is free again")


def test_the_articles_pod_runs_once_the_port_is_free(platform: Platform) -> None:
    assert create(platform, "redis.json") == "pod/redis created\n"
    platform.ready_pods("name=redis", 1)
    eventually(pong, within=20, what="redis answers on the machine's port 6379")
    platform.kubectl("delete", "pod", "redis", "--wait")
