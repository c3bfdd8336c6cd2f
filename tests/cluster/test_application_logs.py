"""``manage.py app logs``: what all pods of an application wrote, gone ones too, as one stream by time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.platform import BASE, Platform, eventually

pytestmark = [pytest.mark.docker, pytest.mark.kubectl, pytest.mark.timeout(180)]
TALK = """
apiVersion: drover.dev/v1
kind: Application
metadata: {name: talk}
spec:
  definition:
    components:
      box: {image: "busybox:1.37.0", replicas: 2, command: [sh, -c, "trap exit TERM; while true; do sleep 0.2; done"]}
"""


@pytest.fixture(scope="module")
def talk(platform: Platform) -> Iterator[Platform]:
    platform.kubectl("apply", "-f", "-", input=TALK)
    platform.kubectl("wait", "--for=condition=Ready", "app/talk", "--timeout=90s", within=100)
    yield platform
    platform.app("delete", "talk", "--yes", "--wait")


def names(platform: Platform) -> set[str]:
    pods = platform.ready_pods("app.kubernetes.io/instance=talk", 2)
    return {pod["metadata"]["name"] for pod in pods}


def write(platform: Platform, pod: str, word: str) -> None:
    platform.kubectl("exec", pod, "--", "sh", "-c", f"echo {word} > /proc/1/fd/1")


def test_lines_of_all_pods_come_in_the_order_of_time_and_then_as_they_are_written(talk: Platform) -> None:
    first, other = sorted(names(talk))
    write(talk, first, "one")
    write(talk, other, "two")
    write(talk, first, "three")
    talk.kubectl("delete", "pod", first, "--wait")
    (new,) = names(talk) - {other}
    write(talk, other, "four")
    write(talk, new, "five")
    past = [
        f"{first} (gone): one", f"{other}: two", f"{first} (gone): three", f"{other}: four", f"{new}: five",
    ]  # fmt: skip
    eventually(lambda: talk.app("logs", "talk").splitlines() == past, what="the lines by time")
    assert talk.app("logs", "talk", "--tail", "1").splitlines() == past[2:]

    following = subprocess.Popen(
        [sys.executable, "manage.py", "app", "logs", "talk", "--follow"],
        cwd=BASE, env=talk.environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert following.stdout is not None
        assert [following.stdout.readline().rstrip() for _ in past] == past
        write(talk, other, "six")
        assert following.stdout.readline().rstrip() == f"{other}: six"
        talk.kubectl("delete", "pod", other, "--wait")
        (newer,) = names(talk) - {new}
        write(talk, newer, "seven")
        assert following.stdout.readline().rstrip() == f"{newer}: seven"
        talk.kubectl("rollout", "restart", "deployment/talk-box")
        talk.kubectl("rollout", "status", "deployment/talk-box", within=100)
        last, latest = sorted(names(talk) - {new, newer})
        write(talk, last, "eight")
        assert following.stdout.readline().rstrip() == f"{last}: eight"
        write(talk, latest, "nine")
        assert following.stdout.readline().rstrip() == f"{latest}: nine"
    finally:
        following.terminate()
        following.communicate(timeout=10)
