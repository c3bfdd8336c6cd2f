"""One pasted line makes a bare machine a node: runs its pods, survives a reboot, comes back, leaves without a trace.

The tests build on each other, in this order: machines are dear.
"""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from tests.joining.machines import Newcomer, make_line, manage
from tests.platform import Platform, containers, eventually

pytestmark = [pytest.mark.docker, pytest.mark.net, pytest.mark.kubectl]
IMAGE = "busybox:latest"
POD = """
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: {name}}}}}
spec:
  nodeName: {node}
  terminationGracePeriodSeconds: 1
  tolerations: [{{operator: Exists}}]
  containers:
  - {{name: app, image: "busybox:latest", imagePullPolicy: Never, command: [sh, -c, "echo hello; exec sleep 3600"]}}
"""
AGE = """
from datetime import timedelta
from django.utils.timezone import now
from apps.accounts.models import Token
Token.objects.filter(actor="system:node:{name}").update(expires_at=now() + timedelta(days=9))
"""


def node(platform: Platform, name: str) -> dict[str, Any]:
    return platform.objects("node", name)[0]


def ready(platform: Platform, name: str) -> bool:
    conditions = node(platform, name)["status"]["conditions"]
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


@pytest.fixture(scope="module", autouse=True)
def image() -> None:
    subprocess.run(["docker", "pull", f"127.0.0.1:5000/{IMAGE}"], check=True, capture_output=True)
    subprocess.run(["docker", "tag", f"127.0.0.1:5000/{IMAGE}", IMAGE], check=True)


def test_a_bare_machine_joins_with_one_line_and_runs_pods(platform: Platform, first: Newcomer) -> None:
    first.load(IMAGE)
    first.join(make_line(platform, "--labels", "disk=ssd", "--taints", "gpu=yes:NoSchedule"))
    eventually(lambda: ready(platform, first.name), what="the node is ready")
    found = node(platform, first.name)
    assert found["metadata"]["labels"]["disk"] == "ssd"
    assert {"key": "gpu", "value": "yes", "effect": "NoSchedule"} in found["spec"]["taints"]
    platform.kubectl("apply", "-f", "-", input=POD.format(name="hello", node=first.name))
    platform.ready_pods("app=hello", 1)
    said = eventually(lambda: platform.kubectl("logs", "hello"), what="its door opens for the server")
    assert said == "hello\n"


def test_a_line_that_is_no_good_says_what_to_do(platform: Platform, second: Newcomer, first: Newcomer) -> None:
    unproven = manage(platform, "join-command", "--server", "example.com:8443", check=False)
    assert "DROVER_NAMES=example.com" in unproven.stderr
    line = make_line(platform)
    spent = make_line(platform, "--ttl", "1s")
    eventually(lambda: "this line ended at" in second.paste(spent).stderr, what="the line ends")
    for wrong, words in (
        (line[:-1] + ("0" if line[-1] != "0" else "1"), "is not the cluster this line was made for (another CA)"),
        (line.replace("drj_", "drj_x"), "does not know the line's token"),
        (line.replace(f":{platform.port + 443} ", ":9 "), "no way in by"),
    ):
        done = second.paste(wrong)
        assert done.returncode != 0
        assert words in done.stderr
        assert "Traceback" not in done.stderr
    for more, words in (
        (("--name", first.name), "is taken by a node that is alive: choose another with --name"),
        (("--name", "A_b"), "choose one with --name"),
    ):
        assert words in second.paste(line, *more).stderr


def test_a_route_that_overlaps_the_clusters_addresses_is_named(platform: Platform, second: Newcomer) -> None:
    second.run("ip", "route", "add", "10.64.7.0/24", "via", second.gateway)
    line = make_line(platform)
    assert "the route to 10.64.7.0/24 by eth0" in second.paste(line).stderr
    second.run("ip", "route", "del", "10.64.7.0/24")
    second.join(line)
    assert f"used by node {second.name}" in second.paste(line).stderr


def test_the_same_machine_joins_again_and_its_pods_run_on(platform: Platform, first: Newcomer) -> None:
    before = containers(platform.pods("app=hello"))
    token = (first.state / "token").read_text()
    first.join(make_line(platform))
    assert (first.state / "token").read_text() != token
    eventually(lambda: ready(platform, first.name), what="the node is ready again")
    assert containers(platform.pods("app=hello", ready=1)) == before


def test_a_node_comes_back_after_a_reboot(platform: Platform, first: Newcomer) -> None:
    before = containers(platform.pods("app=hello"))
    first.reboot()
    first.run("setsid", "--fork", str(first.state / "start"))  # what `boot` calls where no service manager runs
    platform.ready_pods("app=hello", 1)
    eventually(lambda: containers(platform.pods("app=hello", ready=1)) != before, what="its pod runs again")


def test_an_agent_renews_what_comes_to_its_end(platform: Platform, first: Newcomer) -> None:
    token, key = ((first.state / name).read_text() for name in ("token", "agent.key"))
    manage(platform, "shell", "-c", AGE.format(name=first.name))
    eventually(lambda: (first.state / "agent.key").read_text() != key, within=60, what="there is a new key, put last")
    assert (first.state / "token").read_text() != token
    assert eventually(lambda: platform.kubectl("logs", "hello"), what="the door shows the new certificate") == "hello\n"
    assert "this node has a new identity" in first.log


def test_a_removed_node_takes_everything_down(platform: Platform, first: Newcomer) -> None:
    cidr = node(platform, first.name)["spec"]["podCIDR"]
    said = manage(platform, "node", "remove", first.name).stdout
    assert f"node {first.name} removed" in said
    eventually(lambda: not (first.state / "token").exists(), what="the identity is given up")
    assert first.run("docker", "ps", "-aq") == ""
    assert "drv" not in first.run("ip", "-o", "link")
    assert f"node {first.name} was removed from the cluster" in first.log
    assert first.name not in platform.kubectl("get", "nodes")
    eventually(lambda: not platform.objects("pods", "-A"), what="its pods are gone")
    first.join(make_line(platform), "--name", "again")
    assert node(platform, "again")["spec"]["podCIDR"] == cidr


def test_a_node_that_was_removed_while_it_was_away_leaves_when_it_is_back(platform: Platform, second: Newcomer) -> None:
    second.cut()
    manage(platform, "node", "remove", second.name)
    second.heal()
    eventually(lambda: not (second.state / "token").exists(), within=60, what="the identity is given up")
    assert f"node {second.name} was removed from the cluster" in second.log
