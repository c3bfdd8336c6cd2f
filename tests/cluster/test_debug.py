"""kubectl debug: a container added to a pod that runs, talked to, and a copy of a pod with one more in it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.pods import SLEEPER, pod, running, shell
from tests.platform import Platform, is_ready, restarts

pytestmark = [pytest.mark.docker, pytest.mark.kubectl, pytest.mark.timeout(300)]

LOOK = ("--image=busybox", "--image-pull-policy=IfNotPresent", "--profile=baseline")


@pytest.fixture(scope="module")
def debugged(platform: Platform) -> Iterator[Platform]:
    running(platform, pod("prey", [shell(SLEEPER), shell("echo second; " + SLEEPER, "second")]))
    yield platform
    platform.kubectl("delete", "pod", "prey", "--now")


def test_a_container_looks_at_the_processes_of_another(debugged: Platform) -> None:
    look = ("debug", "prey", *LOOK, "--target=second", "-c", "look")
    debugged.kubectl(*look, "--", "sh", "-c", "cat /proc/1/cmdline")
    ended = "--for=jsonpath={.status.ephemeralContainerStatuses[0].state.terminated.exitCode}=0"
    debugged.kubectl("wait", ended, "pod/prey", "--timeout=30s")
    assert "echo second" in debugged.kubectl("logs", "prey", "-c", "look")
    assert "Ephemeral Containers:" in debugged.kubectl("describe", "pod", "prey")
    (found,) = debugged.objects("pod", "prey")
    assert is_ready(found) and restarts(found) == [0, 0]


@pytest.mark.streams
def test_it_is_talked_to_as_any_other(debugged: Platform) -> None:
    command = ["kubectl", "debug", "prey", *LOOK, "--target=main", "-c", "talk", "-i", "--quiet", "--", "head", "-n1"]
    done = subprocess.run(
        command, env=debugged.environment, input=b"hello\n", capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, b"hello\n"), done.stderr
    assert debugged.kubectl("logs", "prey", "-c", "talk") == "hello\n"


def test_a_copy_of_a_pod_is_looked_into(debugged: Platform) -> None:
    copy = ("--copy-to=copied", "--share-processes", "-c", "look")
    debugged.kubectl("debug", "prey", *LOOK, *copy, "--", "sh", "-c", "ps; exec sleep 3600")
    debugged.kubectl("wait", "--for=condition=Ready", "pod/copied", "--timeout=60s", within=70)
    names = debugged.kubectl("get", "pod", "copied", "-o", "jsonpath={.spec.containers[*].name}")
    assert names == "main second look"
    assert "echo second" in debugged.kubectl("logs", "copied", "-c", "look")
    debugged.kubectl("delete", "pod", "copied", "--now")


def test_a_node_is_looked_into_from_a_pod_in_the_machines_own_namespaces(platform: Platform) -> None:
    platform.kubectl("create", "namespace", "rescue")
    node = platform.objects("nodes")[0]["metadata"]["name"]
    look = ("debug", f"node/{node}", "-n", "rescue", "--image=busybox", "--image-pull-policy=IfNotPresent")
    refused = platform.kubectl(*look, "--", "true", check=False)
    assert "spec.hostPID: Forbidden: needs the namespace label" in refused
    platform.kubectl("label", "namespace", "rescue", "pod-security.kubernetes.io/enforce=privileged")
    machine = Path("/proc/sys/kernel/hostname").read_text().strip()
    platform.kubectl(*look, "--", "sh", "-c", "cat /proc/1/cmdline; echo; hostname; ls -d /host/etc; ls /proc/1/ns")
    (found,) = platform.objects("pod", "-n", "rescue")
    ended = "--for=jsonpath={.status.phase}=Succeeded"
    name = found["metadata"]["name"]
    platform.kubectl("wait", ended, f"pod/{name}", "-n", "rescue", "--timeout=30s")
    said = platform.kubectl("logs", name, "-n", "rescue")
    assert Path("/proc/1/cmdline").read_text() in said
    assert f"\n{machine}\n/host/etc\n" in said
    platform.kubectl("delete", "namespace", "rescue")
