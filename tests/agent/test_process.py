"""The agent as a process of its own, with its real network: runs a pod, is killed, comes back, goes without a trace."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import docker
import pytest

from apps.cluster import types
from apps.cluster.types import agent as protocol
from node_agent.names import INSTANCE_LABEL, Names
from tests.agent.machine import ENGINE, app, wait_for
from tests.agent.server import FakeServer
from tests.calm import Stopwatch

pytestmark = [pytest.mark.docker, pytest.mark.net]

POD_CIDR, CLUSTER_CIDR, SERVICE_CIDR = "10.197.3.0/24", "10.197.0.0/16", "10.198.0.0/16"


@dataclass
class Process:
    """One agent on this machine, and the server it talks to."""

    state: Path
    server: FakeServer
    door: int
    running: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        self.running = subprocess.Popen(
            [
                sys.executable, "-m", "node_agent", "run", "--server", self.server.url,
                "--state", str(self.state), "--node-name", "node-1", "--address", "127.0.0.1",
                "--docker", ENGINE, "--door-port", str(self.door),
                "--service-cidr", SERVICE_CIDR, "--cluster-cidr", CLUSTER_CIDR,
            ]
        )  # fmt: skip

    def stop(self, number: int = signal.SIGTERM) -> float:
        """Send a signal and wait; how many calm seconds it took."""
        assert self.running is not None
        since = Stopwatch()
        self.running.send_signal(number)
        self.running.wait(30)
        return since.calm

    def down(self) -> int:
        command = [sys.executable, "-m", "node_agent", "down", "--state", str(self.state), "--docker", ENGINE]
        return subprocess.run(command, check=False).returncode

    def ready(self, pod: types.Pod) -> types.PodStatus:
        def look() -> types.PodStatus | None:
            reports = self.server.statuses(pod.metadata.uid)
            status = reports[-1].status if reports else types.PodStatus()
            each = status.container_statuses
            return status if each and all(one.ready for one in each) else None

        return wait_for(look, "readiness")

    def containers(self) -> set[str]:
        api = docker.APIClient(base_url=ENGINE, version="auto")
        label = f"{INSTANCE_LABEL}={Names.of(self.state).instance}"
        try:
            return {each["Id"] for each in api.containers(all=True, filters={"label": label})}
        finally:
            api.close()


    def networks(self) -> set[str]:
        """Those of the engine that its containers are members of."""
        api = docker.APIClient(base_url=ENGINE, version="auto")
        try:
            found = (api.inspect_container(each) for each in self.containers())
            return {name for each in found for name in each["NetworkSettings"]["Networks"]}
        finally:
            api.close()


@pytest.fixture
def process(tmp_path: Path, busybox: str) -> Iterator[Process]:
    (tmp_path / "token").write_text("drv_token")
    node = types.Node(
        metadata=types.ObjectMeta(name="node-1", uid="n"), spec=types.NodeSpec(pod_cidr=POD_CIDR)
    )
    server = FakeServer({"nodes": [node]})
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    made = Process(tmp_path, server, port)
    made.start()
    yield made
    if made.running is not None and made.running.poll() is None:
        made.stop(signal.SIGKILL)
    made.down()
    server.stop()


def answers(address: str, port: int = 80) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) == 0


def sample(name: str = "web", host_port: int | None = None) -> types.Pod:
    port = types.ContainerPort(container_port=80, host_port=host_port, protocol="TCP")
    return types.Pod(
        metadata=types.ObjectMeta(name=name, namespace="default", uid=str(uuid.uuid4())),
        spec=types.PodSpec(
            containers=[app("httpd", "-f", "-p", "80", "-h", "/etc", ports=[port])],
            restart_policy="Always", termination_grace_period_seconds=0, node_name="node-1",
        ),
    )  # fmt: skip


def test_a_node_from_its_first_start_to_its_end(process: Process) -> None:
    server, pod = process.server, sample()
    report = wait_for(
        lambda: next((each for each in server.heard if isinstance(each, protocol.NodeReport)), None), "node"
    )
    assert {each.type: each.status for each in report.status.conditions}["Ready"] == "True"
    assert {"cpu", "memory", "pods", "ephemeral-storage"} == set(report.status.capacity)
    assert report.labels["kubernetes.io/hostname"] == "node-1" and report.door_port == process.door
    assert report.status.node_info is not None
    assert report.status.node_info.container_runtime_version.startswith("docker://")

    server.send("pods", [("ADDED", pod)])
    status = process.ready(pod)
    assert status.pod_ip.startswith("10.197.3.")
    wait_for(lambda: answers(status.pod_ip), "answer from the pod")

    running = process.containers()
    assert process.networks() == set(), "the engine keeps no books of networks, which 20.10 deadlocks on"
    assert process.stop() < 1, "it stops within a second"
    assert process.containers() == running, "containers run on without the agent"
    wait_for(lambda: answers(status.pod_ip), "answer from the pod")

    for _ in range(2):
        server.heard.clear()
        process.start()
        assert process.ready(pod).pod_ip == status.pod_ip
        process.stop(signal.SIGKILL)
    assert process.containers() == running, "nothing was restarted"

    assert process.down() == 0
    names = Names.of(process.state)
    links = subprocess.run(["ip", "-brief", "link"], capture_output=True, text=True, check=True).stdout
    rules = subprocess.run(["iptables-save"], capture_output=True, text=True, check=True).stdout
    assert process.containers() == set()
    assert names.bridge not in links and names.link_prefix not in links
    assert names.instance not in rules
    assert sorted(each.name for each in process.state.iterdir()) == ["token"]


def test_restarts_go_on_while_the_server_is_away(process: Process) -> None:
    pod = sample()
    process.server.send("pods", [("ADDED", pod)])
    process.ready(pod)
    running = process.containers()
    process.stop()
    process.server.stop()
    process.start()
    api = docker.APIClient(base_url=ENGINE, version="auto")
    try:
        container = next(each for each in running if "k8s_app" in api.inspect_container(each)["Name"])
        api.remove_container(container, force=True)
        wait_for(lambda: len(process.containers()) == 2, "restart without a server")
    finally:
        api.close()
    assert container not in process.containers()


def test_a_port_of_the_machine_leads_to_its_pod_and_closes_with_it(process: Process) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    pod = sample(host_port=port)
    process.server.send("pods", [("ADDED", pod)])
    process.ready(pod)
    wait_for(lambda: answers("127.0.0.1", port), "answer at the machine's port")
    pod.metadata.deletion_timestamp = types.now()
    pod.metadata.deletion_grace_period_seconds = 0
    process.server.send("pods", [("MODIFIED", pod)])
    wait_for(lambda: process.server.statuses(pod.metadata.uid)[-1].gone, "end of the pod")
    wait_for(lambda: not answers("127.0.0.1", port), "closed port")
