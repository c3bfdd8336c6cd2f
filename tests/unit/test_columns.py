"""The lines of lists other than pods, and the ages in them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.cluster import types
from apps.cluster.kinds import (
    CLUSTER_ROLE_BINDING,
    CONFIG_MAP,
    ENDPOINTS,
    EVENT,
    NAMESPACE,
    NODE,
    POD,
    REPLICATION_CONTROLLER,
    ROLE,
    ROLE_BINDING,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    ages,
)
from apps.cluster.registry import Kind, all_kinds
from tests.builders import build, containers, defaulted

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
MADE = NOW - timedelta(seconds=123)


def line(kind: Kind, obj: Any, *, wide: bool = False) -> list[str | int]:
    obj.metadata.creation_timestamp = MADE
    return [column.cell(obj, NOW) for column in kind.columns if wide or not column.wide]


HEADINGS = {
    "pods": "NAME READY STATUS RESTARTS AGE | IP NODE NOMINATED_NODE READINESS_GATES",
    "replicationcontrollers": "NAME DESIRED CURRENT READY AGE | CONTAINERS IMAGES SELECTOR",
    "replicasets.apps": "NAME DESIRED CURRENT READY AGE | CONTAINERS IMAGES SELECTOR",
    "deployments.apps": "NAME READY UP-TO-DATE AVAILABLE AGE | CONTAINERS IMAGES SELECTOR",
    "persistentvolumes": "NAME CAPACITY ACCESS_MODES RECLAIM_POLICY STATUS CLAIM STORAGECLASS VOLUMEATTRIBUTESCLASS "
    "REASON AGE | VOLUMEMODE",
    "persistentvolumeclaims": "NAME STATUS VOLUME CAPACITY ACCESS_MODES STORAGECLASS VOLUMEATTRIBUTESCLASS AGE | "
    "VOLUMEMODE",
    "storageclasses.storage.k8s.io": "NAME PROVISIONER RECLAIMPOLICY VOLUMEBINDINGMODE ALLOWVOLUMEEXPANSION AGE |",
    "jobs.batch": "NAME STATUS COMPLETIONS DURATION AGE | CONTAINERS IMAGES SELECTOR",
    "cronjobs.batch": "NAME SCHEDULE TIMEZONE SUSPEND ACTIVE LAST_SCHEDULE AGE | CONTAINERS IMAGES SELECTOR",
    "horizontalpodautoscalers.autoscaling": "NAME REFERENCE TARGETS MINPODS MAXPODS REPLICAS AGE |",
    "services": "NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE | SELECTOR",
    "nodes": "NAME STATUS ROLES AGE VERSION | INTERNAL-IP EXTERNAL-IP OS-IMAGE KERNEL-VERSION CONTAINER-RUNTIME",
    "endpoints": "NAME ENDPOINTS AGE |",
    "endpointslices.discovery.k8s.io": "NAME ADDRESSTYPE PORTS ENDPOINTS AGE |",
    "ingresses.networking.k8s.io": "NAME CLASS HOSTS ADDRESS PORTS AGE |",
    "ingressclasses.networking.k8s.io": "NAME CONTROLLER PARAMETERS AGE |",
    "events": "LAST_SEEN TYPE REASON OBJECT MESSAGE | SUBOBJECT SOURCE FIRST_SEEN COUNT NAME",
    "secrets": "NAME TYPE DATA AGE |",
    "configmaps": "NAME DATA AGE |",
    "serviceaccounts": "NAME SECRETS AGE |",
    "namespaces": "NAME STATUS AGE |",
    "resourcequotas": "NAME REQUEST LIMIT AGE |",
    "limitranges": "NAME CREATED_AT |",
    "roles.rbac.authorization.k8s.io": "NAME CREATED_AT |",
    "clusterroles.rbac.authorization.k8s.io": "NAME CREATED_AT |",
    "rolebindings.rbac.authorization.k8s.io": "NAME ROLE AGE | USERS GROUPS SERVICEACCOUNTS",
    "clusterrolebindings.rbac.authorization.k8s.io": "NAME ROLE AGE | USERS GROUPS SERVICEACCOUNTS",
}


@pytest.mark.parametrize("key", HEADINGS)
def test_the_headings_are_kubectls(key: str) -> None:
    kind = next(kind for kind in all_kinds() if kind.key == key)
    plain, wide = (
        [column.name.upper().replace(" ", "_") for column in kind.columns if column.wide is side]
        for side in (False, True)
    )
    assert f"{' '.join(plain)} | {' '.join(wide)}".strip() == HEADINGS[key]


def test_a_controllers_line_counts_its_pods() -> None:
    rc = defaulted(
        REPLICATION_CONTROLLER, spec__replicas=3, spec__template__spec__containers=containers(2),
        status__replicas=2, status__ready_replicas=1, spec__selector={"tier": "back", "app": "sample"},
    )  # fmt: skip
    counts = ["sample", 3, 2, 1, "2m3s"]
    assert line(REPLICATION_CONTROLLER, rc) == counts
    wide = [*counts, "app,app-2", "redis:7,redis:7", "app=sample,tier=back"]
    assert line(REPLICATION_CONTROLLER, rc, wide=True) == wide


def test_a_services_line_shows_its_address_and_ports() -> None:
    ports = [
        types.ServicePort(name="http", port=80, node_port=30061),
        types.ServicePort(name="dns", port=53, protocol="UDP"),
    ]
    service = defaulted(SERVICE, spec__type="NodePort", spec__cluster_ip="10.254.1.1", spec__ports=ports)
    shown = ["sample", "NodePort", "10.254.1.1", "<none>", "80:30061/TCP,53/UDP", "2m3s", "app=sample"]
    assert line(SERVICE, service, wide=True) == shown


def test_a_service_without_address_ports_or_selector_says_so() -> None:
    service = defaulted(SERVICE, spec__cluster_ip="None", spec__ports=[], spec__selector={})
    assert line(SERVICE, service, wide=True)[2:5] == ["None", "<none>", "<none>"]
    assert line(SERVICE, service, wide=True)[-1] == "<none>"


@pytest.mark.parametrize(
    ("ready", "cordoned", "shown"),
    [("True", False, "Ready"), ("False", False, "NotReady"), ("Unknown", False, "NotReady"),
     ("", False, "Unknown"),
     ("True", True, "Ready,SchedulingDisabled")],
)  # fmt: skip
def test_a_nodes_status_is_its_readiness_and_whether_it_takes_pods(
    ready: str, cordoned: bool, shown: str
) -> None:
    node = build(NODE, spec__unschedulable=cordoned)
    node.status.conditions = [types.Condition(type="Ready", status=ready)] if ready else []
    assert line(NODE, node)[1] == shown


def test_a_nodes_line_shows_its_roles_and_machine() -> None:
    info = types.NodeSystemInfo(
        kubelet_version="v1.32.0",
        os_image="Debian",
        kernel_version="6.1",
        container_runtime_version="docker://1",
    )
    labels = {"node-role.kubernetes.io/control-plane": "", "kubernetes.io/role": "builder"}
    node = build(NODE, labels=labels, status__node_info=info)
    node.status.addresses = [types.NodeAddress(type="InternalIP", address="192.0.2.1")]
    assert line(NODE, node, wide=True) == [
        "sample", "Unknown", "builder,control-plane", "2m3s", "v1.32.0", "192.0.2.1", "<none>", "Debian",
        "6.1", "docker://1"
    ]  # fmt: skip
    assert line(NODE, build(NODE), wide=True)[2:] == [
        "<none>", "2m3s", "", "<none>", "<none>", "<unknown>", "<unknown>", "<unknown>"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("count", "ports", "shown"),
    [(0, [80], "<none>"), (1, [80], "10.64.0.1:80"), (2, [], "10.64.0.1,10.64.0.2"),
     (5, [80], "10.64.0.1:80,10.64.0.2:80,10.64.0.3:80 + 2 more..."),
     (2, [80, 443], "10.64.0.1:80,10.64.0.2:80,10.64.0.1:443 + 1 more...")],
)  # fmt: skip
def test_the_first_three_endpoints_are_shown(count: int, ports: list[int], shown: str) -> None:
    subset = types.EndpointSubset(
        addresses=[types.EndpointAddress(ip=f"10.64.0.{number + 1}") for number in range(count)],
        ports=[types.EndpointPort(port=port) for port in ports],
    )
    assert line(ENDPOINTS, build(ENDPOINTS, subsets=[subset]))[1] == shown


def test_an_events_line_says_when_what_and_to_whom() -> None:
    event = build(
        EVENT, first_timestamp=NOW - timedelta(minutes=7), last_timestamp=NOW - timedelta(seconds=5), count=3
    )
    event.source = types.EventSource(component="agent", host="n1")
    event.involved_object.field_path = "spec.containers{app}"
    assert line(EVENT, event, wide=True) == [
        "5s", "Normal", "Started", "pod/sample", "spec.containers{app}", "agent, n1",
        "Started container app", "7m", 3, "sample"
    ]  # fmt: skip
    assert line(EVENT, build(EVENT, count=0, event_time=NOW), wide=True)[-2] == 1
    assert line(EVENT, build(EVENT, event_time=NOW))[0] == "0s"


def test_an_event_of_a_series_counts_the_series() -> None:
    series = types.EventSeries(count=9, last_observed_time=NOW - timedelta(seconds=1))
    shown = line(EVENT, build(EVENT, series=series), wide=True)
    assert (shown[0], shown[-2]) == ("1s", 9)


def test_the_small_kinds_count_their_parts() -> None:
    config = build(CONFIG_MAP, data={"a": "1", "b": "2"}, binary_data={"c": "AA=="})
    assert line(CONFIG_MAP, config) == ["sample", 3, "2m3s"]
    assert line(SECRET, defaulted(SECRET)) == ["sample", "Opaque", 1, "2m3s"]
    assert line(SERVICE_ACCOUNT, build(SERVICE_ACCOUNT)) == ["sample", 0, "2m3s"]
    assert line(NAMESPACE, defaulted(NAMESPACE)) == ["sample", "Active", "2m3s"]
    assert line(ROLE, build(ROLE)) == ["sample", "2026-01-31T11:57:57Z"]


@pytest.mark.parametrize("kind", [ROLE_BINDING, CLUSTER_ROLE_BINDING], ids=lambda kind: kind.plural)
def test_a_bindings_line_names_who_has_the_role(kind: Kind) -> None:
    binding = build(kind)
    binding.subjects += [
        types.Subject(kind="User", name="bo"),
        types.Subject(kind="Group", name="ops"),
        types.Subject(kind="ServiceAccount", name="deploy", namespace="ci"),
    ]
    assert line(kind, binding, wide=True) == [
        "sample",
        "ClusterRole/view",
        "2m3s",
        "ann, bo",
        "ops",
        "ci/deploy",
    ]


AGES = [
    (-5, "<invalid>"), (-0.5, "0s"), (0, "0s"), (1.9, "1s"), (119, "119s"), (120, "2m"), (123, "2m3s"),
    (599, "9m59s"),
    (600, "10m"), (3 * 3600 - 1, "179m"), (3 * 3600, "3h"), (3 * 3600 + 61, "3h1m"), (8 * 3600, "8h"),
    (48 * 3600 - 1, "47h"), (48 * 3600, "2d"), (76 * 3600, "3d4h"), (8 * 86400, "8d"), (729 * 86400, "729d"),
    (730 * 86400, "2y"), (800 * 86400, "2y70d"), (8 * 365 * 86400, "8y"), (3000 * 86400, "8y"),
]  # fmt: skip


@pytest.mark.parametrize(("seconds", "shown"), AGES)
def test_an_age_is_fine_while_short_and_coarse_when_long(seconds: float, shown: str) -> None:
    assert ages.human(timedelta(seconds=seconds)) == shown


@pytest.mark.parametrize("kind", all_kinds(), ids=lambda kind: kind.plural)
def test_every_cell_of_a_bare_object_can_be_shown(kind: Kind) -> None:
    for obj in (build(kind), defaulted(kind)):
        for column in kind.columns:
            assert isinstance(column.cell(obj, NOW), str | int)
        assert all(isinstance(value, str) for value in kind.selectable(obj).values())


def test_pods_can_be_selected_by_the_fields_that_clients_use() -> None:
    pod = defaulted(POD, spec__node_name="n1", status__pod_ip="10.64.0.5")
    assert POD.selectable(pod) == {
        "metadata.name": "sample", "metadata.namespace": "default", "spec.nodeName": "n1",
        "spec.restartPolicy": "Always", "spec.schedulerName": "default-scheduler",
        "spec.serviceAccountName": "default", "spec.hostNetwork": "false", "status.phase": "Pending",
        "status.podIP": "10.64.0.5",
    }  # fmt: skip
