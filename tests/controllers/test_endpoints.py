"""Endpoints follow the pods that a service selects."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.cluster import store, types
from apps.cluster.kinds import ENDPOINT_SLICE, ENDPOINTS, POD, REPLICATION_CONTROLLER, SERVICE
from apps.controllers import endpoint_slices
from apps.controllers.endpoints import MANAGED_BY, View, behind, plan, wanted_endpoints
from tests.builders import build
from tests.harness import add_nodes, create, delete, edit, find, follower, objects, run_pods, settle

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def service(**changes: Any) -> types.Service:
    made: types.Service = build(SERVICE, **changes)
    made.metadata.uid, made.metadata.resource_version = "service", "1"
    return made


def pod(name: str, ip: str = "10.64.0.2", **changes: Any) -> types.Pod:
    made: types.Pod = build(POD, name=name)
    made.metadata.uid, made.metadata.resource_version = f"uid-{name}", "2"
    made.metadata.deletion_timestamp = NOW if changes.get("deleting") else None
    made.spec.node_name = "node-1"
    made.status.pod_ip, made.status.phase = ip, changes.get("phase", "Running")
    ready = "True" if changes.get("ready", True) else "False"
    made.status.conditions = [types.Condition(type="Ready", status=ready)]
    port = changes.get("port")
    if port:
        made.spec.containers[0].ports = [types.ContainerPort(name="web", container_port=port, protocol="TCP")]
    return made


def shape(found: list[types.EndpointSubset]) -> list[tuple[list[str], list[str], list[int]]]:
    return [
        (
            [address.ip for address in subset.addresses],
            [address.ip for address in subset.not_ready_addresses],
            [port.port for port in subset.ports],
        )
        for subset in found
    ]


def subsets(given: types.Service, pods: list[types.Pod]) -> list[types.EndpointSubset]:
    return wanted_endpoints(given, behind(given, pods)).subsets


def named(target: str | int | None) -> types.Service:
    return service(spec__ports=[types.ServicePort(port=80, protocol="TCP", target_port=target)])


@pytest.mark.parametrize(
    ("given_service", "pods", "wanted"),
    [
        pytest.param(named(6379), [pod("a")], [(["10.64.0.2"], [], [6379])], id="ready"),
        pytest.param(
            named(None), [pod("a")], [(["10.64.0.2"], [], [80])], id="the target defaults to the port"
        ),
        pytest.param(named(80), [pod("a", ready=False)], [([], ["10.64.0.2"], [80])], id="not ready apart"),
        pytest.param(named(80), [pod("a", ip="")], [], id="no address yet"),
        pytest.param(named(80), [pod("a", deleting=True)], [], id="leaves when its deletion begins"),
        pytest.param(named(80), [pod("a", phase="Failed")], [], id="failed"),
        pytest.param(named(80), [pod("a", phase="Succeeded")], [], id="finished"),
        pytest.param(
            named("web"),
            [pod("a", port=8080), pod("b", ip="10.64.0.3", port=80)],
            [(["10.64.0.3"], [], [80]), (["10.64.0.2"], [], [8080])],
            id="a named port may differ from pod to pod",
        ),
        pytest.param(named("web"), [pod("a")], [], id="a pod without the named port offers nothing"),
        pytest.param(
            service(spec__publish_not_ready_addresses=True),
            [pod("a", ready=False)],
            [(["10.64.0.2"], [], [80])],
            id="published though not ready",
        ),
        pytest.param(
            service(spec__ports=[]), [pod("a")], [(["10.64.0.2"], [], [])], id="headless without ports"
        ),
    ],
)
def test_subsets(given_service: types.Service, pods: list[types.Pod], wanted: list[Any]) -> None:
    assert shape(subsets(given_service, pods)) == wanted


some_pods = st.lists(
    st.builds(
        lambda number, ready, deleting, port: pod(
            f"p{number}", f"10.64.0.{number}", ready=ready, deleting=deleting, port=port
        ),
        st.integers(2, 250),
        st.booleans(),
        st.booleans(),
        st.sampled_from([None, 80, 8080]),
    ),
    max_size=10,
    unique_by=lambda made: made.metadata.uid,
)


@given(pods=some_pods, order=st.randoms())
def test_the_order_of_reading_makes_no_difference(pods: list[types.Pod], order: Any) -> None:
    shuffled = list(pods)
    order.shuffle(shuffled)
    assert subsets(named("web"), pods) == subsets(named("web"), shuffled)


@given(pods=some_pods)
def test_every_address_is_told_once_ready_or_not(pods: list[types.Pod]) -> None:
    found = subsets(named(80), pods)
    told = [address.ip for subset in found for address in (*subset.addresses, *subset.not_ready_addresses)]
    assert sorted(told) == sorted(
        one.status.pod_ip for one in pods if one.metadata.deletion_timestamp is None
    )


@given(pods=some_pods)
def test_planning_again_after_carrying_out_changes_nothing(pods: list[types.Pod]) -> None:
    first = plan(View(named("web"), None, tuple(pods)), NOW)
    stored, *slices = (make.obj for make in first.creates)
    for number, one in enumerate(slices):
        one.metadata.name = f"web-{number}"
    assert plan(View(named("web"), stored, tuple(pods), tuple(slices)), NOW).idle


def test_endpoints_of_a_service_without_selector_are_somebody_elses() -> None:
    mine = service(spec__selector={})
    (mirror,) = plan(View(mine, build(ENDPOINTS), (pod("a"),)), NOW).creates
    assert [one.addresses for one in mirror.obj.endpoints] == [["10.64.0.7"]]
    mirror.obj.metadata.name = "web-0"
    assert plan(View(mine, build(ENDPOINTS), (pod("a"),), (mirror.obj,)), NOW).idle
    assert plan(View(None, build(ENDPOINTS), ()), NOW).idle


CONDITIONS = [
    # ready, deleting, published -> ready, serving, terminating
    ((True, False, False), (True, True, False)),
    ((False, False, False), (False, False, False)),
    ((True, True, False), (False, True, True)),
    ((False, True, False), (False, False, True)),
    ((False, False, True), (True, False, False)),
]


@pytest.mark.parametrize(("state", "told"), CONDITIONS)
def test_conditions_of_an_endpoint(state: tuple[bool, bool, bool], told: tuple[bool, bool, bool]) -> None:
    ready, deleting, published = state
    given = service(spec__publish_not_ready_addresses=published)
    (one,) = behind(given, [pod("a", ready=ready, deleting=deleting)])
    assert one.endpoint.conditions == types.EndpointConditions(
        ready=told[0], serving=told[1], terminating=told[2]
    )
    assert one.endpoint.node_name == "node-1"


endpoints_of = st.sets(st.integers(1, 250)).map(
    lambda some: [types.Endpoint(addresses=[f"10.64.0.{last}"]) for last in sorted(some)]
)


@given(before=st.lists(endpoints_of, max_size=3), wanted=endpoints_of)
def test_slices_hold_every_endpoint_once_and_none_too_many(
    before: list[list[types.Endpoint]], wanted: list[types.Endpoint]
) -> None:
    held = [some[: endpoint_slices.MOST] for some in before]
    packed = endpoint_slices.pack(held, wanted)
    told = [one.addresses[0] for some in packed for one in some]
    assert sorted(told) == sorted(one.addresses[0] for one in wanted)
    assert all(len(some) <= endpoint_slices.MOST for some in packed)
    assert endpoint_slices.pack(packed, wanted) == packed


def test_one_endpoint_more_or_less_changes_one_slice() -> None:
    pods = [pod(f"p{number}", f"10.64.{number // 200}.{number % 200 + 2}") for number in range(250)]
    made = [one.obj for one in plan(View(named(80), None, tuple(pods)), NOW).creates]
    stored, slices = made[0], made[1:]
    for number, one in enumerate(slices):
        one.metadata.name = f"sample-{number}"
    assert [len(one.endpoints) for one in slices] == [100, 100, 50]
    for some in (pods[1:], [*pods, pod("late", "10.64.9.9")]):
        done = plan(View(named(80), stored, tuple(some), tuple(slices)), NOW)
        assert len(done.updates) == 2 and not done.creates and not done.deletes


def test_endpoints_stop_at_a_thousand_and_say_so_where_slices_hold_all() -> None:
    pods = [pod(f"p{number}", f"10.65.{number // 200}.{number % 200 + 2}") for number in range(1001)]
    stored, *slices = (one.obj for one in plan(View(named(80), None, tuple(pods)), NOW).creates)
    assert sum(len(subset.addresses) for subset in stored.subsets) == 1000
    assert stored.metadata.annotations == {"endpoints.kubernetes.io/over-capacity": "truncated"}
    assert sum(len(one.endpoints) for one in slices) == 1001


@pytest.mark.usefixtures("ruled")
class TestInTheStore:
    def test_a_service_finds_its_pods_and_loses_them(self) -> None:
        add_nodes("node-1")
        create(SERVICE, spec__ports=[types.ServicePort(port=80, target_port=6379)])
        create(REPLICATION_CONTROLLER, spec__replicas=2)
        settle()
        run_pods(objects(POD))
        settle()
        endpoints = find(ENDPOINTS, "sample")
        assert endpoints is not None
        ((ready, waiting, ports),) = shape(endpoints.subsets)
        assert (ready, waiting, ports) == (["10.64.0.2", "10.64.0.3"], [], [6379])
        address = endpoints.subsets[0].addresses[0]
        assert address.node_name == "node-1"
        assert address.target_ref is not None
        assert address.target_ref.kind == "Pod"
        (found,) = objects(ENDPOINT_SLICE)
        assert [one.addresses for one in found.endpoints] == [["10.64.0.2"], ["10.64.0.3"]]
        assert found.metadata.owner_references[0].kind == "Service"
        leaving = objects(POD)[0]
        delete(POD, leaving.metadata.name)
        settle()
        ((ready, _, _),) = shape(find(ENDPOINTS, "sample").subsets)  # type: ignore[union-attr]
        assert leaving.status.pod_ip not in ready
        states = {one.addresses[0]: one.conditions for one in objects(ENDPOINT_SLICE)[0].endpoints}
        assert states[leaving.status.pod_ip] == types.EndpointConditions(
            ready=False, serving=True, terminating=True
        )

    def test_a_pod_that_gets_or_loses_the_label_enters_and_leaves(self) -> None:
        create(SERVICE)
        create(POD, name="late", labels={"app": "other"})
        settle()
        run_pods(objects(POD))
        settle()
        assert find(ENDPOINTS, "sample").subsets == []  # type: ignore[union-attr]

        def label(value: str) -> None:
            edit(POD, "late", lambda one: one.metadata.labels.update(app=value))
            settle()

        label("sample")
        assert len(find(ENDPOINTS, "sample").subsets) == 1  # type: ignore[union-attr]
        label("other")
        assert find(ENDPOINTS, "sample").subsets == []  # type: ignore[union-attr]

    def test_endpoints_go_with_their_service_but_only_those_made_here(self) -> None:
        create(SERVICE)
        create(ENDPOINTS, name="handmade")
        settle()
        assert find(ENDPOINTS, "sample").metadata.labels[MANAGED_BY]  # type: ignore[union-attr]
        delete(SERVICE, "sample")
        settle()
        assert [endpoints.metadata.name for endpoints in objects(ENDPOINTS)] == ["handmade"]
        assert objects(ENDPOINT_SLICE) == []

    def test_endpoints_by_hand_are_mirrored_into_slices_and_follow_them(self) -> None:
        create(SERVICE, name="handmade", spec__selector={})
        create(ENDPOINTS, name="handmade")
        settle()
        (mirror,) = objects(ENDPOINT_SLICE)
        assert mirror.metadata.labels["kubernetes.io/service-name"] == "handmade"
        edit(ENDPOINTS, "handmade", lambda one: one.subsets.clear())
        settle()
        assert objects(ENDPOINT_SLICE) == []

    def test_a_slice_that_somebody_deletes_or_spoils_comes_back_and_a_foreign_one_stays(self) -> None:
        create(SERVICE)
        create(POD, name="one")
        settle()
        run_pods(objects(POD))
        foreign = create(ENDPOINT_SLICE, name="foreign", labels={"kubernetes.io/service-name": "sample"})
        settle()
        (mine,) = (one for one in objects(ENDPOINT_SLICE) if one.metadata.name != "foreign")
        edit(ENDPOINT_SLICE, mine.metadata.name, lambda one: one.endpoints.clear())
        settle()
        assert find(ENDPOINT_SLICE, mine.metadata.name).endpoints == mine.endpoints  # type: ignore[union-attr]
        delete(ENDPOINT_SLICE, mine.metadata.name)
        settle()
        assert len(objects(ENDPOINT_SLICE)) == 2
        assert find(ENDPOINT_SLICE, "foreign").metadata.resource_version == foreign.metadata.resource_version  # type: ignore[union-attr]

    def test_settling_again_writes_nothing(self) -> None:
        create(SERVICE)
        create(POD, name="one")
        settle()
        run_pods(objects(POD))
        settle()
        before = store.clock()
        follower().resync()
        assert store.clock() == before
