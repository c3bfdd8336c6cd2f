"""What is open to a machine that is cut off ends too, though nobody says a word: kernels ask each other."""

from __future__ import annotations

import pytest

from tests.cluster.pods import SLEEPER, pod, running, shell
from tests.cluster.test_broken_streams import kubectl
from tests.platform import Platform, eventually

pytestmark = [pytest.mark.docker, pytest.mark.kubectl, pytest.mark.streams, pytest.mark.timeout(300)]


def test_what_is_open_to_a_machine_that_is_gone_without_a_word_ends(platform: Platform) -> None:
    begun = shell(f"echo begun; {SLEEPER}")
    there = pod("open", [begun])
    there["spec"]["nodeSelector"] = {"kubernetes.io/hostname": "node-3"}
    running(platform, there)
    node = platform.node("node-3")
    with (
        kubectl(platform, "exec", "open", "--", *begun["command"]) as executing,
        kubectl(platform, "logs", "-f", "open") as following,
    ):
        node.cut()
        try:
            for ended in (executing(), following()):
                assert ended.code == 1, ended
                assert "lost" in ended.words or "unexpected EOF" in ended.words
        finally:
            node.heal()
    eventually(lambda: "NotReady" not in platform.kubectl("get", "nodes"), what="the node is back")
    platform.kubectl("delete", "pod", "open", "--now", "--ignore-not-found")
