"""What is open to a container ends, and says how, when the container, its pod or the node's agent dies under it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.cluster.pods import SLEEPER, pod, running, shell
from tests.platform import Platform, eventually, free_port

pytestmark = [pytest.mark.docker, pytest.mark.kubectl, pytest.mark.streams, pytest.mark.timeout(300)]

BEGUN = "begun"
LISTEN = f"nc -l -p 7000 -e sh -c 'echo {BEGUN}; sleep 1000' & "


@dataclass
class Said:
    """How a command ended: its code, and everything it wrote."""

    code: int
    words: str


@contextmanager
def kubectl(platform: Platform, *words: str) -> Iterator[Callable[[], Said]]:
    """Runs it until it has said its first line; what is yielded waits for its end."""
    with subprocess.Popen(
        ["kubectl", *words], env=platform.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        first = process.stdout.readline()

        def ended() -> Said:
            words, _ = process.communicate(timeout=40)
            return Said(process.returncode, first + words)

        try:
            yield ended
        finally:
            process.kill()


def kill_container(platform: Platform, name: str) -> None:
    (found,) = platform.objects("pod", name)
    id = found["status"]["containerStatuses"][0]["containerID"].removeprefix("docker://")
    subprocess.run(["docker", "kill", "--signal", "KILL", id], check=False, capture_output=True)


def delete_pod(platform: Platform, name: str) -> None:
    platform.kubectl("delete", "pod", name, "--force", "--grace-period=0")


def kill_agent(platform: Platform, name: str) -> None:
    os.kill(platform.processes()["agent"], signal.SIGKILL)


LOST = "lost"
FAULTS: list[tuple[Callable[[Platform, str], None], Said, Said, int]] = [
    (kill_container, Said(137, "exit code 137"), Said(0, BEGUN), 0),
    (delete_pod, Said(137, "exit code 137"), Said(0, BEGUN), 0),
    (kill_agent, Said(1, LOST), Said(1, LOST), 1),
]


@pytest.mark.parametrize(("fault", "execs", "attaches", "logs"), FAULTS, ids=[each[0].__name__ for each in FAULTS])
def test_what_is_open_ends_with_what_it_is_open_to(  # noqa: PLR0917
    platform: Platform, fault: Callable[[Platform, str], None], execs: Said, attaches: Said, logs: int
) -> None:
    name, port = fault.__name__.replace("_", "-"), free_port()
    loud = f"{LISTEN} while true; do echo {BEGUN}; sleep 0.2; done"
    running(platform, pod(name, [shell(loud)]))
    with (
        kubectl(platform, "exec", name, "--", "sh", "-c", f"echo {BEGUN}; {SLEEPER}") as executing,
        kubectl(platform, "attach", name) as attached,
        kubectl(platform, "logs", "-f", name) as following,
        kubectl(platform, "port-forward", name, f"{port}:7000"),
        socket.create_connection(("127.0.0.1", port), timeout=40) as forwarded,
    ):
        assert forwarded.recv(64).decode() == f"{BEGUN}\n"
        fault(platform, name)
        ended = executing()
        assert ended.code == execs.code and execs.words in ended.words, ended
        ended = attached()
        assert ended.code == attaches.code and attaches.words in ended.words, ended
        ended = following()
        assert ended.code == logs, ended.words[-300:]
        assert (logs == 0) or "unexpected EOF" in ended.words
        assert forwarded.recv(64) == b""
    platform.kubectl("delete", "pod", name, "--now", "--ignore-not-found")
    eventually(lambda: "Ready" in platform.kubectl("get", "nodes"), what="the node's agent")
