"""An agent's pods on a real engine, fed by hand instead of by a server: what it reports is kept for looking at."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import docker

from apps.cluster import types
from apps.cluster.types import agent as protocol
from node_agent.ended import EndedLogs
from node_agent.herd import Herd
from node_agent.images import Images
from node_agent.names import INSTANCE_LABEL, Names
from node_agent.network import Neighbour
from node_agent.persistent import LocalVolumes
from node_agent.pods.tools import Node, Tools
from node_agent.probes.prober import Prober
from node_agent.runtime import pause
from node_agent.runtime.docker import DockerRuntime
from node_agent.runtime.docker_streams import DockerStreams
from node_agent.view import View
from node_agent.volumes import Volumes
from node_agent.waiting import Alarms, Gate
from paas.registry import FOLDER
from tests.calm import PATIENCE, Stopwatch

ENGINE = "unix:///var/run/docker.sock"
IMAGE = "drover-test/busybox:1"
COMMANDS = (
    "sh sleep cat echo true false env hostname id ls wget nc httpd touch mkdir mount ps kill printf test stat "
    "readlink date dd tail head grep"
)
T = TypeVar("T")


def wait_for(look: Callable[[], T | None], what: str, seconds: float = PATIENCE) -> T:
    """The first true answer of ``look``; fails with ``what`` after so many calm seconds."""
    patience = Stopwatch()
    while not (found := look()):
        if patience.over(seconds):
            raise AssertionError(f"in {seconds} s there was no {what}")
        time.sleep(0.005)
    return found


def busybox_image(api: Any) -> str:
    """A tiny image from Debian's static busybox, imported without any registry."""
    try:
        api.inspect_image(IMAGE)
        return IMAGE
    except docker.errors.ImageNotFound:
        pass
    package = next(iter((FOLDER / "debs").glob("busybox-static_*.deb")), None)
    assert package is not None, "run `make images`: it fetches the packages that the stand-in images are made of"
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["dpkg-deb", "-x", str(package), f"{directory}/x"], check=True)
        binary = next(Path(directory).glob("x/**/bin/busybox")).read_bytes()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo("bin/busybox")
        entry.size, entry.mode = len(binary), 0o755
        tar.addfile(entry, io.BytesIO(binary))
        for command in COMMANDS.split():
            link = tarfile.TarInfo(f"bin/{command}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        for name in ("tmp", "etc", "dev", "proc", "sys"):
            place = tarfile.TarInfo(name)
            place.type, place.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            tar.addfile(place)
    api.import_image_from_data(
        buffer.getvalue(), repository="drover-test/busybox", tag="1", changes=["ENV PATH=/bin"]
    )
    return IMAGE


class NoNetwork:
    """Stands in for the bridge where a test is not about the network."""

    def __init__(self) -> None:
        self.attached: dict[str, str] = {}

    def start(self, pod_cidr: str, service_cidr: str, cluster_cidr: str = "", dns: str = "") -> None:
        pass

    def connect(self, others: Iterable[Neighbour]) -> None:
        pass

    def attach(self, uid: str, pid: int) -> str:
        return self.attached.setdefault(uid, f"10.64.0.{len(self.attached) + 2}")

    def adopt(self, uid: str, address: str) -> None:
        self.attached[uid] = address

    def detach(self, uid: str) -> None:
        self.attached.pop(uid, None)

    def verify(self) -> list[str]:
        return []

    def remove(self) -> None:
        pass


class Machine:
    """One agent without its connection. ``restart`` makes a new one on the same state, as after a kill."""

    prober: Prober

    def __init__(self, state: Path, engine: str = ENGINE, mirror: str = "") -> None:
        self.state, self._engine, self._mirror = state, engine, mirror
        self.names = Names.of(state)
        self.api: Any = docker.APIClient(base_url=engine, version="auto")
        self.number = 0
        self.resolv_conf = "nameserver 192.0.2.53\n"
        self.events: list[protocol.EventReport] = []
        self.statuses: dict[str, protocol.PodReport] = {}
        self.history: list[protocol.PodReport] = []
        self._herd: Herd | None = None
        self.restart()

    def restart(self) -> None:
        """The agent of before stops hearing of anything; a new one begins from disk and engine."""
        if self._herd is not None:
            self._herd.stop()
            self.prober.stop()
        runtime = DockerRuntime(self.names, self._engine)
        runtime.load(pause.archive(self.names.pause_image, pause.architecture()))
        self.network = NoNetwork()
        self.prober = Prober(DockerStreams(self._engine))
        self.ended = EndedLogs(self.state / "ended")
        self.view = View(self.state / "view")
        self.view.load()
        tools = Tools(
            names=self.names,
            node=Node("node-1", "10.0.0.1", {"cpu": "2", "memory": "4Gi"}, 4 << 30, network_up=True),
            runtime=runtime,
            network=self.network,
            images=Images(runtime, self._mirror),
            volumes=Volumes(self.state / "pods", LocalVolumes(self.state / "volumes")),
            view=self.view,
            reports=self,
            alarms=Alarms(),
            gate=Gate(4),
            prober=self.prober,
            ended=self.ended,
            resolv_conf=lambda: self.resolv_conf,
            dns="10.254.0.10",
            moved=lambda: None,
        )
        self.herd = self._herd = Herd(tools, self.view)
        self.herd.start()

    def status(self, report: protocol.PodReport) -> None:
        self.history.append(report)
        self.statuses[report.uid] = report

    def pending(self, uid: str) -> bool:
        return False

    def event(self, report: protocol.EventReport) -> None:
        self.events.append(report)

    def put(self, kind: str, *objects: types.Resource, deleted: bool = False) -> None:
        """As the server would send them, with the ``synced`` that follows."""
        for found in objects:
            self.number += 1
            found.metadata.resource_version = str(self.number)
            change = "DELETED" if deleted else "MODIFIED"
            frame = protocol.Changed(
                number=self.number, type=change, kind=kind, object=protocol.raw(types.encode(found))
            )
            self.view.changed(frame)
        self.herd.synced(self.view.synced(self.number))

    def run(self, *containers: types.Container, name: str = "web", **spec: Any) -> types.Pod:
        """Bind a pod of these containers to this machine."""
        settings: dict[str, Any] = {"restart_policy": "Always", "termination_grace_period_seconds": 1}
        pod = types.Pod(
            metadata=types.ObjectMeta(name=name, namespace="default", uid=str(uuid.uuid4())),
            spec=types.PodSpec(containers=list(containers), node_name="node-1", **(settings | spec)),
        )
        self.put("pods", pod)
        return pod

    def delete(self, pod: types.Pod, grace: int = 1) -> None:
        """Ask for its end; what the server does with ``gone`` is up to the test."""
        pod.metadata.deletion_timestamp = types.now()
        pod.metadata.deletion_grace_period_seconds = grace
        self.put("pods", pod)

    def reported(self, pod: types.Pod) -> types.PodStatus:
        report = self.statuses.get(pod.metadata.uid)
        return report.status if report is not None else types.PodStatus()

    def container(self, pod: types.Pod, name: str = "app") -> types.ContainerStatus:
        found = [each for each in self.reported(pod).container_statuses if each.name == name]
        return found[0] if found else types.ContainerStatus(name=name)

    def ready(self, pod: types.Pod, restarts: int = 0) -> types.PodStatus:
        """Wait until all containers run, restarted so often."""

        def look() -> types.PodStatus | None:
            status = self.reported(pod)
            each = status.container_statuses
            good = each and all(one.ready and one.restart_count >= restarts for one in each)
            return status if good else None

        return wait_for(look, f"readiness after {restarts} restarts; last seen: {self.reported(pod)}")

    def gone(self, pod: types.Pod) -> bool:
        report = self.statuses.get(pod.metadata.uid)
        return report is not None and report.gone

    def containers(self, pod: types.Pod | None = None) -> list[dict[str, Any]]:
        """What the engine itself shows."""
        labels = [f"{INSTANCE_LABEL}={self.names.instance}"]
        if pod is not None:
            labels.append(f"drover.dev/pod.uid={pod.metadata.uid}")
        found: list[dict[str, Any]] = self.api.containers(all=True, filters={"label": labels})
        return found

    def inspect(self, status: types.ContainerStatus) -> dict[str, Any]:
        found: dict[str, Any] = self.api.inspect_container(status.container_id.removeprefix("docker://"))
        return found

    def shell(self, status: types.ContainerStatus, command: str) -> str:
        """Run a command in a container; its output."""
        made = self.api.exec_create(status.container_id.removeprefix("docker://"), ["sh", "-c", command])
        out: bytes = self.api.exec_start(made["Id"])
        return out.decode()

    def reasons(self, pod: types.Pod) -> list[str]:
        return [each.reason for each in self.events if each.uid == pod.metadata.uid]

    def clean(self) -> None:
        self.herd.stop()
        self.prober.stop()
        for worker in self.herd.workers():
            wait_for(lambda worker=worker: worker.settled, "rest")  # type: ignore[misc]
        for each in self.containers():
            self.api.remove_container(each["Id"], force=True, v=True)
        self.api.remove_image(self.names.pause_image)
        self.api.close()
        Volumes(self.state / "pods", LocalVolumes(self.state / "volumes")).remove("")


def app(*command: str, name: str = "app", **fields: Any) -> types.Container:
    """A container as the agent gets it, its defaults set. Without a command it sleeps, and stops when asked."""
    words = list(command) or ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done"]
    settings: dict[str, Any] = {
        "image": IMAGE, "image_pull_policy": "IfNotPresent",
        "termination_message_path": "/dev/termination-log", "termination_message_policy": "File",
    }  # fmt: skip
    return types.Container(name=name, command=words, **(settings | fields))


def pretty(status: types.PodStatus) -> str:
    return json.dumps(types.to_data(status), indent=1, default=str)


__all__ = ["IMAGE", "Machine", "app", "busybox_image", "pretty", "wait_for"]
