"""What the write itself decides: addresses and ports handed out, pods let in, on every path that creates or changes."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any

import msgspec
import pytest

from apps.cluster import ranges, store, types
from apps.cluster.actors import Actor
from apps.cluster.errors import ApiError, Forbidden, Invalid, NotFound
from apps.cluster.kinds import (
    ENDPOINTS,
    NAMESPACE,
    NODE,
    POD,
    REPLICATION_CONTROLLER,
    SERVICE,
    SERVICE_ACCOUNT,
    addresses,
)
from apps.cluster.registry import Kind
from tests.builders import build, containers

pytestmark = pytest.mark.usefixtures("cluster")
ANN = Actor("ann", frozenset({"system:authenticated"}))


def create(kind: Kind, actor: Actor = ANN, **changes: Any) -> Any:
    return store.write(actor, lambda tx: tx.create(kind, build(kind, **changes)))


def update(kind: Kind, obj: Any, actor: Actor = ANN) -> Any:
    obj.metadata.resource_version = ""
    return store.write(actor, lambda tx: tx.update(kind, obj))


def delete(kind: Kind, obj: Any) -> None:
    store.write(ANN, lambda tx: tx.delete(kind, obj.metadata.namespace, obj.metadata.name))


def stored(kind: Kind, obj: Any) -> Any:
    return store.get(kind, obj.metadata.namespace, obj.metadata.name).object


def causes(refused: pytest.ExceptionInfo[Any]) -> list[str]:
    error: ApiError = refused.value
    return [f"{cause.path}: {cause.message}" for cause in error.causes]


# Cluster IPs


def test_services_get_different_addresses_of_the_range() -> None:
    given = {create(SERVICE, name=f"s{number}").spec.cluster_ip for number in range(20)}
    assert len(given) == 20
    assert all(IPv4Address(address) in ranges.SERVICE_CIDR for address in given)
    assert not given & {str(address) for address in ranges.RESERVED}


def test_a_service_made_again_gets_its_address_again() -> None:
    first = create(SERVICE)
    delete(SERVICE, first)
    again = create(SERVICE)
    assert again.spec.cluster_ip == first.spec.cluster_ip
    assert again.spec.cluster_ips == [first.spec.cluster_ip]


def test_a_wished_address_is_given_once() -> None:
    create(SERVICE, name="a", spec__cluster_ip="10.254.7.7")
    with pytest.raises(Invalid) as refused:
        create(SERVICE, name="b", spec__cluster_ip="10.254.7.7")
    assert causes(refused) == [
        'spec.clusterIP: Invalid value: "10.254.7.7": provided IP is already allocated'
    ]


@pytest.mark.parametrize(
    ("wish", "why"),
    [("192.0.2.1", "not in the valid range. The range of valid IPs is 10.254.0.0/16"),
     ("10.254.0.0", "not in the valid"),
     ("10.254.255.255", "not in the valid range"), ("10.254.0.1", "reserved"), ("10.254.0.10", "reserved")],
)  # fmt: skip
def test_an_address_that_is_not_to_be_had_is_refused(wish: str, why: str) -> None:
    with pytest.raises(Invalid) as refused:
        create(SERVICE, spec__cluster_ip=wish)
    assert why in causes(refused)[0]


def test_the_reserved_addresses_are_for_the_clusters_own_services() -> None:
    create(NAMESPACE, name="kube-system")
    assert create(SERVICE, name="kubernetes", spec__cluster_ip="10.254.0.1").spec.cluster_ip == "10.254.0.1"
    dns = create(SERVICE, name="kube-dns", namespace="kube-system", spec__cluster_ip="10.254.0.10")
    assert dns.spec.cluster_ip == "10.254.0.10"


def test_a_headless_service_has_no_address() -> None:
    assert create(SERVICE, spec__cluster_ip="None").spec.cluster_ips == ["None"]


def test_a_full_range_is_said_to_be_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "SERVICE_CIDR", IPv4Network("10.254.0.0/29"))
    for number in range(5):  # 8 addresses, less the first, the last and `kubernetes`
        create(SERVICE, name=f"s{number}")
    with pytest.raises(Invalid, match="no address of 10.254.0.0/29 is free"):
        create(SERVICE, name="one-too-many")


def test_an_update_that_leaves_the_address_out_keeps_it() -> None:
    service = create(SERVICE, spec__type="NodePort")
    sent = build(SERVICE, spec__type="NodePort", labels={"new": "label"})
    kept = update(SERVICE, sent)
    assert kept.spec.cluster_ip == service.spec.cluster_ip
    assert kept.spec.ports == service.spec.ports


def test_an_update_that_only_leaves_out_what_was_given_is_no_write() -> None:
    create(SERVICE, spec__type="NodePort")
    before = store.clock()
    update(SERVICE, build(SERVICE, spec__type="NodePort"))
    assert store.clock() == before


# Node ports


def test_a_node_port_is_given_and_given_back() -> None:
    service = create(SERVICE, spec__type="NodePort")
    [port] = service.spec.ports
    assert port.node_port in ranges.NODE_PORTS
    service.spec.type = "ClusterIP"
    back = update(SERVICE, service)
    assert back.spec.ports[0].node_port is None
    assert back.spec.external_traffic_policy == ""
    assert create(SERVICE, name="other", spec__type="NodePort", spec__ports__0__node_port=port.node_port)


def test_a_taken_node_port_is_refused_with_its_field() -> None:
    create(SERVICE, name="a", spec__type="NodePort", spec__ports__0__node_port=30061)
    with pytest.raises(Invalid) as refused:
        create(SERVICE, name="b", spec__type="NodePort", spec__ports__0__node_port=30061)
    assert causes(refused) == [
        "spec.ports[0].nodePort: Invalid value: 30061: provided port is already allocated"
    ]
    assert refused.value.code == 422
    with pytest.raises(NotFound):
        store.get(SERVICE, "default", "b")


def test_a_node_port_outside_the_range_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        create(SERVICE, spec__type="NodePort", spec__ports__0__node_port=80)
    assert causes(refused) == [
        "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. "
        "The range of valid ports is 30000-32767"
    ]


def test_a_node_port_needs_the_type_for_it() -> None:
    with pytest.raises(Invalid, match="may not be used when `type` is 'ClusterIP'"):
        create(SERVICE, spec__ports__0__node_port=30061)


def test_an_update_may_move_a_node_port_only_to_a_free_one() -> None:
    create(SERVICE, name="a", spec__type="NodePort", spec__ports__0__node_port=30061)
    service = create(SERVICE, name="b", spec__type="NodePort", spec__ports__0__node_port=30062)
    service.spec.ports[0].node_port = 30063
    service = update(SERVICE, service)
    service.spec.ports[0].node_port = 30061
    with pytest.raises(Invalid, match="already allocated"):
        update(SERVICE, service)
    assert stored(SERVICE, service).spec.ports[0].node_port == 30063


def test_several_ports_get_several_node_ports_and_keep_them_when_one_is_added() -> None:
    ports = [types.ServicePort(name=f"p{number}", port=number) for number in (80, 81)]
    service = create(SERVICE, spec__type="NodePort", spec__ports=ports)
    had = [port.node_port for port in service.spec.ports]
    sent = build(SERVICE, spec__type="NodePort")
    sent.spec.ports = [types.ServicePort(name=f"p{number}", port=number) for number in (79, 80, 81)]
    has = [port.node_port for port in update(SERVICE, sent).spec.ports]
    assert has[1:] == had
    assert len(set(has)) == 3


# Pod networks


def test_each_node_gets_a_network_of_its_own() -> None:
    nodes = [create(NODE, name=f"n{number}") for number in range(addresses.FIRST_NODES + 3)]
    networks = [IPv4Network(node.spec.pod_cidr) for node in nodes]
    assert len(set(networks)) == len(nodes)
    assert str(networks[0]) == "10.64.0.0/24"
    assert all(network.subnet_of(ranges.POD_CIDR) and network.prefixlen == 24 for network in networks)


def test_a_lost_nodes_network_is_free_again() -> None:
    nodes = [create(NODE, name=f"n{number}") for number in range(4)]
    delete(NODE, nodes[2])
    assert create(NODE, name="new").spec.pod_cidr == nodes[2].spec.pod_cidr


def test_a_node_keeps_its_network_when_its_agent_registers_again() -> None:
    node = create(NODE)
    again = update(NODE, build(NODE, labels={"zone": "a"}))
    assert (again.spec.pod_cidr, again.spec.pod_cidrs) == (node.spec.pod_cidr, [node.spec.pod_cidr])


@pytest.mark.parametrize("wish", ["192.0.2.0/24", "10.64.0.0/16", "10.64.0.0/24"])
def test_a_network_that_is_not_to_be_had_is_refused(wish: str) -> None:
    create(NODE, name="first")
    with pytest.raises(Invalid) as refused:
        create(NODE, name="second", spec__pod_cidr=wish)
    assert causes(refused)[0].startswith(f'spec.podCIDR: Invalid value: "{wish}": ')


# Who is let in

HOST_PATH = [types.Volume(name="v", host_path=types.HostPathVolumeSource(path="/"))]


@pytest.mark.parametrize(
    ("kind", "path", "field"),
    [(POD, "spec__volumes", "spec.volumes[0].hostPath"),
     (REPLICATION_CONTROLLER, "spec__template__spec__volumes", "spec.template.spec.volumes[0].hostPath")],
)  # fmt: skip
def test_the_machines_files_need_a_namespace_that_allows_them(kind: Kind, path: str, field: str) -> None:
    asked: dict[str, Any] = {path: HOST_PATH}
    with pytest.raises(Forbidden) as refused:
        create(kind, **asked)
    assert causes(refused)[0].startswith(f"{field}: Forbidden: needs the namespace label")
    create(NAMESPACE, name="team", labels={"pod-security.kubernetes.io/enforce": "privileged"})
    assert create(kind, namespace="team", **asked)


def test_an_update_of_a_template_is_no_way_around() -> None:
    controller = create(REPLICATION_CONTROLLER)
    controller.spec.template.spec.volumes = HOST_PATH
    with pytest.raises(Forbidden):
        update(REPLICATION_CONTROLLER, controller)


MODEST = types.SecurityContext(
    allow_privilege_escalation=False,
    run_as_non_root=True,
    capabilities=types.Capabilities(drop=["ALL"], add=["NET_BIND_SERVICE"]),
    seccomp_profile=types.SeccompProfile(type="RuntimeDefault"),
)


@pytest.fixture
def strict(cluster: None) -> None:
    create(NAMESPACE, name="strict", labels={"pod-security.kubernetes.io/enforce": "restricted"})


@pytest.mark.usefixtures("strict")
def test_a_restricted_namespace_names_all_that_a_pod_must_say() -> None:
    with pytest.raises(Forbidden, match='level "restricted" of namespace "strict"') as refused:
        create(POD, namespace="strict")
    at = "spec.containers[0].securityContext"
    assert {cause.path.removeprefix(f"{at}.") for cause in refused.value.causes} == {
        "allowPrivilegeEscalation", "capabilities.drop", "runAsNonRoot", "seccompProfile.type",
    }  # fmt: skip
    assert create(POD, namespace="strict", spec__containers=containers(security_context=MODEST))


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize(
    ("changes", "path"),
    [({"run_as_user": 0}, "runAsUser"), ({"run_as_non_root": False}, "runAsNonRoot"),
     ({"capabilities": types.Capabilities(drop=["ALL"], add=["CHOWN"])}, "capabilities.add[0]"),
     ({"capabilities": types.Capabilities(drop=["CHOWN"])}, "capabilities.drop"),
     ({"allow_privilege_escalation": None}, "allowPrivilegeEscalation")],
)  # fmt: skip
def test_each_restriction_is_refused_by_name(changes: dict[str, Any], path: str) -> None:
    context = msgspec.structs.replace(MODEST, **changes)
    with pytest.raises(Forbidden) as refused:
        create(POD, namespace="strict", spec__containers=containers(security_context=context))
    assert [cause.path for cause in refused.value.causes] == [f"spec.containers[0].securityContext.{path}"]


@pytest.mark.usefixtures("strict")
def test_what_the_pod_says_holds_for_its_containers() -> None:
    own = msgspec.structs.replace(MODEST, run_as_non_root=None, seccomp_profile=None)
    whole = types.PodSecurityContext(run_as_non_root=True, seccomp_profile=MODEST.seccomp_profile)
    pods: dict[str, Any] = {"spec__containers": containers(security_context=own), "spec__security_context": whole}
    assert create(POD, namespace="strict", **pods)


def test_system_calls_are_filtered_unless_the_namespace_is_privileged() -> None:
    context = types.SecurityContext(seccomp_profile=types.SeccompProfile(type="Unconfined"))
    with pytest.raises(Forbidden, match="seccompProfile.type: Forbidden: Unconfined needs"):
        create(POD, spec__containers=containers(security_context=context))
    default = store.get(NAMESPACE, "", "default").object
    default.metadata.labels["pod-security.kubernetes.io/enforce"] = "privileged"
    update(NAMESPACE, default)
    assert create(POD, spec__containers=containers(security_context=context))


def test_only_the_engines_own_seccomp_profiles_are_offered() -> None:
    context = types.SecurityContext(seccomp_profile=types.SeccompProfile(type="Localhost"))
    with pytest.raises(Invalid, match="supported values"):
        create(POD, spec__containers=containers(security_context=context))


def test_host_ports_need_their_label() -> None:
    ports = [types.ContainerPort(container_port=6379, host_port=6379)]
    with pytest.raises(Forbidden, match="drover.dev/host-ports=allowed"):
        create(POD, spec__containers=containers(ports=ports))
    default = store.get(NAMESPACE, "", "default").object
    default.metadata.labels["drover.dev/host-ports"] = "allowed"
    update(NAMESPACE, default)
    assert create(POD, spec__containers=containers(ports=ports))


def test_a_pods_service_account_must_exist_and_lends_its_pull_secrets() -> None:
    with pytest.raises(Forbidden) as refused:
        create(POD, spec__service_account_name="robot")
    assert causes(refused) == ['spec.serviceAccountName: Not found: "robot"']
    create(SERVICE_ACCOUNT, name="robot", image_pull_secrets=[types.LocalObjectReference(name="registry")])
    pod = create(POD, spec__service_account_name="robot")
    assert pod.spec.image_pull_secrets == [types.LocalObjectReference(name="registry")]


def test_endpoints_by_hand_may_not_lead_into_the_machine(actor: Actor) -> None:
    inside: dict[str, Any] = {"subsets__0__addresses": [types.EndpointAddress(ip="127.0.0.1")]}
    with pytest.raises(Invalid) as refused:
        create(ENDPOINTS, **inside)
    assert causes(refused)[0].startswith('subsets[0].addresses[0].ip: Invalid value: "127.0.0.1": may not be')
    assert create(ENDPOINTS, actor, **inside)


def test_a_client_that_sends_no_finalizers_does_not_empty_a_namespace(actor: Actor) -> None:
    create(NAMESPACE, name="team")
    store.write(ANN, lambda tx: tx.delete(NAMESPACE, "", "team"))
    update(NAMESPACE, build(NAMESPACE, name="team", labels={"a": "b"}))
    held = store.get(NAMESPACE, "", "team").object
    assert (held.spec.finalizers, held.status.phase) == (["kubernetes"], "Terminating")
    held.spec.finalizers = []
    update(NAMESPACE, held, actor)
    assert store.find(NAMESPACE, "", "team") is None
