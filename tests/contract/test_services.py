"""What a change of a service's type keeps, gives back and asks for, and who may say where it is reached."""

from __future__ import annotations

from typing import Any

import pytest

from apps.cluster import store, types
from apps.cluster.actors import Actor
from apps.cluster.errors import Invalid
from apps.cluster.kinds import ENDPOINT_SLICE, SERVICE
from tests.builders import build
from tests.harness import TESTER, create, edit, find

pytestmark = pytest.mark.usefixtures("cluster")


def change(**fields: Any) -> types.Service:
    service = find(SERVICE, "sample")
    assert service is not None
    for name, value in fields.items():
        setattr(service.spec, name, value)
    changed: types.Service = store.write(TESTER, lambda tx: tx.update(SERVICE, service))
    return changed


def balancer(**fields: Any) -> types.Service:
    made: types.Service = create(SERVICE, spec__type="LoadBalancer", **fields)
    return made


def refusals(**fields: Any) -> str:
    with pytest.raises(Invalid) as refused:
        change(**fields)
    return refused.value.message


def test_an_external_name_gives_the_address_back_and_gets_one_again() -> None:
    had = create(SERVICE, spec__type="NodePort").spec
    named = change(type="ExternalName", external_name="db.example.").spec
    assert (named.cluster_ip, named.cluster_ips, named.ip_families) == ("", [], [])
    assert named.internal_traffic_policy is None and named.external_traffic_policy == ""
    assert named.ports[0].node_port is None
    taken = create(SERVICE, name="other", spec__cluster_ip=had.cluster_ip)
    back = change(type="ClusterIP").spec
    assert back.external_name == "" and back.cluster_ip not in {"", taken.spec.cluster_ip}


def test_every_type_that_has_an_address_keeps_it() -> None:
    first = create(SERVICE).spec.cluster_ip
    for type_ in ("NodePort", "LoadBalancer", "ClusterIP", "LoadBalancer", "NodePort", "ClusterIP"):
        assert change(type=type_).spec.cluster_ip == first


def test_node_ports_stay_between_node_port_and_balancer_and_go_with_both() -> None:
    port = create(SERVICE, spec__type="NodePort").spec.ports[0].node_port
    assert change(type="LoadBalancer").spec.ports[0].node_port == port
    assert change(type="NodePort").spec.ports[0].node_port == port
    assert change(type="ClusterIP").spec.ports[0].node_port is None


def test_a_balancer_may_do_without_node_ports_but_keeps_those_it_has() -> None:
    assert balancer(spec__allocate_load_balancer_node_ports=False).spec.ports[0].node_port is None
    given = change(allocate_load_balancer_node_ports=True).spec.ports[0].node_port
    assert given
    assert change(allocate_load_balancer_node_ports=False).spec.ports[0].node_port == given


def test_a_health_check_port_comes_and_goes_with_the_local_policy() -> None:
    assert balancer().spec.health_check_node_port == 0
    port = change(external_traffic_policy="Local").spec.health_check_node_port
    assert 30000 <= port <= 32767
    assert change(health_check_node_port=0).spec.health_check_node_port == port
    assert "field is immutable" in refusals(health_check_node_port=port - 1)
    with pytest.raises(Invalid, match="provided port is already allocated"):
        create(SERVICE, name="other", spec__type="NodePort", spec__ports__0__node_port=port)
    assert change(external_traffic_policy="Cluster").spec.health_check_node_port == 0
    assert create(SERVICE, name="other", spec__type="NodePort", spec__ports__0__node_port=port)


def test_a_wished_health_check_port_must_be_free() -> None:
    create(SERVICE, name="other", spec__type="NodePort", spec__ports__0__node_port=30061)
    wish = {"spec__external_traffic_policy": "Local", "spec__health_check_node_port": 30061}
    with pytest.raises(Invalid, match=r"spec\.healthCheckNodePort.*already allocated"):
        balancer(**wish)
    assert balancer(**wish | {"spec__health_check_node_port": 30062}).spec.health_check_node_port == 30062


def test_what_only_a_balancer_has_goes_with_it() -> None:
    balancer(
        spec__load_balancer_class="example.com/lb",
        spec__load_balancer_ip="192.0.2.9",
        spec__external_traffic_policy="Local",
    )
    assert "may not change while" in refusals(load_balancer_class="example.com/other")

    def reached(service: types.Service) -> None:
        ingress = [types.LoadBalancerIngress(ip="192.0.2.9")]
        service.status.load_balancer = types.LoadBalancerStatus(ingress=ingress)

    edit(SERVICE, "sample", reached)
    spec = change(type="ClusterIP").spec
    assert (spec.load_balancer_class, spec.load_balancer_ip) == (None, "")
    assert (spec.allocate_load_balancer_node_ports, spec.external_traffic_policy) == (None, "")
    assert find(SERVICE, "sample").status.load_balancer is None  # type: ignore[union-attr]


def test_source_ranges_are_not_given_up_in_silence() -> None:
    """As in Kubernetes: whoever leaves the balancer says that its ranges are to go."""
    balancer(spec__load_balancer_source_ranges=["10.0.0.0/8"])
    assert "spec.loadBalancerSourceRanges" in refusals(type="ClusterIP")
    assert change(type="ClusterIP", load_balancer_source_ranges=[]).spec.type == "ClusterIP"


def test_a_headless_service_becomes_no_node_port_nor_balancer() -> None:
    create(SERVICE, spec__cluster_ip="None")
    for type_ in ("NodePort", "LoadBalancer"):
        assert f"may not be set to 'None' for {type_} services" in refusals(type=type_)


def test_a_slice_by_hand_may_not_lead_into_the_machine_nor_change_its_family() -> None:
    ann = Actor("ann")
    inside = build(ENDPOINT_SLICE, endpoints__0__addresses=["127.0.0.1"])
    with pytest.raises(Invalid, match=r"endpoints\[0\]\.addresses\[0\].*loopback"):
        store.write(ann, lambda tx: tx.create(ENDPOINT_SLICE, inside))
    create(ENDPOINT_SLICE)
    with pytest.raises(Invalid, match="addressType"):
        edit(ENDPOINT_SLICE, "sample", lambda one: setattr(one, "address_type", "IPv6"))
