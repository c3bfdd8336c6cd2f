"""A report is taken as it is, but for what could hurt those who read it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.cluster import store, types
from apps.cluster.actors import node as node_actor
from apps.cluster.errors import Invalid
from apps.cluster.kinds import NODE, POD
from apps.cluster.registry import Kind
from tests.builders import build

pytestmark = pytest.mark.usefixtures("cluster")
READY = types.Condition(type="Ready", status="True")
BAD = [
    (POD, "status.phase", lambda pod: setattr(pod, "phase", "Great")),
    (POD, "status.podIP", lambda pod: setattr(pod, "pod_ip", "10.64.0.2; rm -rf /")),
    (POD, "status.hostIP", lambda pod: setattr(pod, "host_ip", "localhost")),
    (POD, "status.podIPs[0].ip", lambda pod: setattr(pod, "pod_ips", [types.PodIP(ip="")])),
    (POD, "status.conditions[0].status", lambda pod: setattr(pod, "conditions", [types.Condition("Ready", "yes")])),
    (POD, "status.containerStatuses[0].restartCount",
     lambda pod: setattr(pod, "container_statuses", [types.ContainerStatus(name="app", restart_count=-1)])),
    (NODE, "status.capacity[cpu]", lambda node: setattr(node, "capacity", {"cpu": "many"})),
    (NODE, "status.allocatable[memory]", lambda node: setattr(node, "allocatable", {"memory": "-1Gi"})),
    (NODE, "status.addresses[0].address",
     lambda node: setattr(node, "addresses", [types.NodeAddress("InternalIP", "evil.example/")])),
    (NODE, "status.addresses[0].type", lambda node: setattr(node, "addresses", [types.NodeAddress("Any", "x")])),
    (NODE, "status.daemonEndpoints.kubeletEndpoint.Port",
     lambda node: setattr(node, "daemon_endpoints", types.NodeDaemonEndpoints(
         kubelet_endpoint=types.DaemonEndpoint(port=70000)))),
]  # fmt: skip


def report(kind: Kind, change: Callable[[Any], None]) -> Any:
    obj = store.write(node_actor("sample"), lambda tx: tx.create(kind, build(kind)))
    obj.metadata.resource_version = ""
    change(obj.status)
    return store.write(node_actor("sample"), lambda tx: tx.update(kind, obj, part="status"))


@pytest.mark.parametrize(("kind", "path", "change"), BAD, ids=lambda value: value if isinstance(value, str) else "")
def test_what_would_hurt_readers_is_refused(kind: Kind, path: str, change: Callable[[Any], None]) -> None:
    with pytest.raises(Invalid) as refused:
        report(kind, change)
    assert [cause.path for cause in refused.value.causes] == [path]
    assert not store.get(kind, "default" if kind.namespaced else "", "sample").object.status.conditions


def test_a_usual_report_is_taken() -> None:
    def change(status: types.NodeStatus) -> None:
        status.capacity = {"cpu": "4", "memory": "8Gi", "ephemeral-storage": "50Gi", "pods": 110}
        status.addresses = [types.NodeAddress("InternalIP", "192.0.2.5"), types.NodeAddress("Hostname", "n-1")]
        status.conditions = [READY]

    assert report(NODE, change).status.capacity["pods"] == "110"
