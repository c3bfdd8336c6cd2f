"""Quotas count on every path; limit ranges fill in and refuse; both in the words that the API's users know."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.cluster import quota, store, types
from apps.cluster.actors import Actor
from apps.cluster.errors import ApiError, Forbidden, Invalid
from apps.cluster.kinds import (
    CONFIG_MAP,
    LIMIT_RANGE,
    NAMESPACE,
    POD,
    REPLICATION_CONTROLLER,
    RESOURCE_QUOTA,
    SECRET,
    SERVICE,
)
from apps.cluster.registry import Kind
from tests.builders import build, containers

pytestmark = pytest.mark.usefixtures("cluster")
ANN = Actor("ann", frozenset({"system:authenticated"}))


def create(kind: Kind, **changes: Any) -> Any:
    return store.write(ANN, lambda tx: tx.create(kind, build(kind, **changes)))


def update(kind: Kind, obj: Any, part: str = "all") -> Any:
    obj.metadata.resource_version = ""
    return store.write(ANN, lambda tx: tx.update(kind, obj, part))


def delete(kind: Kind, name: str = "sample") -> None:
    store.write(ANN, lambda tx: tx.delete(kind, "default", name))


def limit(name: str = "q", **hard: str) -> types.ResourceQuota:
    spelled = {key.replace("__", "."): amount for key, amount in hard.items()}
    made: types.ResourceQuota = create(RESOURCE_QUOTA, name=name, spec__hard=spelled)
    return made


def used(name: str = "q") -> dict[str, Any]:
    found: dict[str, Any] = store.get(RESOURCE_QUOTA, "default", name).object.status.used
    return found


def sized(requests: dict[str, Any], limits: dict[str, Any] | None = None) -> list[types.Container]:
    return containers(resources=types.ResourceRequirements(requests=requests, limits=limits or {}))


def test_a_pod_too_many_is_refused_as_kubernetes_says_it() -> None:
    limit(pods="2")
    for number in range(2):
        create(POD, name=f"p{number}")
    assert used() == {"pods": "2"}
    with pytest.raises(Forbidden) as refused:
        create(POD, name="p2")
    assert refused.value.message == (
        'pods "p2" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2'
    )
    delete(POD, "p0")
    assert used() == {"pods": "1"}
    assert create(POD, name="p2")


COUNTABLE = [
    (POD, "pods"), (SERVICE, "services"), (SECRET, "secrets"), (CONFIG_MAP, "configmaps"),
    (REPLICATION_CONTROLLER, "replicationcontrollers"),
]  # fmt: skip


@pytest.mark.parametrize("prefix", ["", "count/"])
@pytest.mark.parametrize(("kind", "name"), COUNTABLE, ids=lambda value: getattr(value, "key", value))
def test_each_kind_is_counted_from_the_start_and_given_back(kind: Kind, name: str, prefix: str) -> None:
    create(kind, name="before")
    create(RESOURCE_QUOTA, name="q", spec__hard={f"{prefix}{name}": "2"})
    assert used() == {f"{prefix}{name}": "1"}
    create(kind, name="second")
    with pytest.raises(Forbidden, match=f"exceeded quota: q, requested: {prefix}{name}=1"):
        create(kind, name="third")
    delete(kind, "before")
    assert used() == {f"{prefix}{name}": "1"}


def test_cpu_and_memory_are_summed_over_containers_and_said_in_the_quotas_units() -> None:
    limit(requests__cpu="1", limits__memory="1Gi")

    def both() -> list[types.Container]:
        asked = types.ResourceRequirements(
            requests={"cpu": "300m"}, limits={"cpu": "400m", "memory": "256Mi"}
        )
        return containers(2, resources=asked)

    create(POD, name="a", spec__containers=both())
    assert used() == {"requests.cpu": "600m", "limits.memory": "512Mi"}
    with pytest.raises(Forbidden) as refused:
        create(POD, name="b", spec__containers=both())
    assert refused.value.message.endswith(
        "exceeded quota: q, requested: requests.cpu=600m, used: requests.cpu=600m, limited: requests.cpu=1"
    )


def test_containers_must_say_what_a_quota_limits() -> None:
    limit(requests__cpu="1", limits__memory="1Gi", pods="3")
    with pytest.raises(Forbidden) as refused:
        create(POD, spec__containers=sized({"cpu": "1"}))
    assert refused.value.message == (
        'pods "sample" is forbidden: failed quota: q: must specify limits.memory for: app'
    )


def test_a_pod_that_ended_frees_its_share_and_still_counts_as_an_object() -> None:
    limit(pods="1")
    create(RESOURCE_QUOTA, name="objects", spec__hard={"count/pods": "5"})
    pod = create(POD)
    pod.status.phase = "Succeeded"
    update(POD, pod, "status")
    assert (used(), used("objects")) == ({"pods": "0"}, {"count/pods": "1"})
    assert create(POD, name="next")


def test_node_ports_count_when_a_service_becomes_one_that_has_them() -> None:
    limit(services__nodeports="1")
    service = create(SERVICE)
    assert used() == {"services.nodeports": "0"}
    service.spec.type = "NodePort"
    service = update(SERVICE, service)
    assert used() == {"services.nodeports": "1"}
    with pytest.raises(Forbidden, match="exceeded quota"):
        create(SERVICE, name="second", spec__type="NodePort")
    service.spec.type = "ClusterIP"
    update(SERVICE, service)
    assert used() == {"services.nodeports": "0"}


def test_a_refused_write_leaves_no_trace_in_any_quota() -> None:
    limit("a-wide", pods="10")
    limit("b-narrow", pods="0")
    before = store.clock()
    with pytest.raises(Forbidden, match="exceeded quota: b-narrow"):
        create(POD)
    assert (used("a-wide"), store.clock()) == ({"pods": "0"}, before)


def test_a_new_limit_counts_again_and_may_be_below_what_is_there() -> None:
    made = limit(pods="3")
    for number in range(3):
        create(POD, name=f"p{number}")
    made = store.get(RESOURCE_QUOTA, "default", "q").object
    made.spec.hard = {"pods": "1", "configmaps": "1"}
    update(RESOURCE_QUOTA, made)
    assert used() == {"pods": "3", "configmaps": "0"}
    delete(POD, "p0")
    assert used()["pods"] == "2"


def test_nobody_may_say_what_is_used() -> None:
    made = limit(pods="1")
    made.status.used = {"pods": "-100"}
    before = store.clock()
    assert update(RESOURCE_QUOTA, made).status.used == {"pods": "0"}
    assert store.clock() == before


def test_a_quota_is_of_its_own_namespace_only() -> None:
    limit(pods="0")
    create(NAMESPACE, name="team")
    assert create(POD, namespace="team")


@pytest.mark.parametrize(
    ("hard", "path"),
    [({"gpus": "1"}, "spec.hard[gpus]"), ({"pods": "1.5"}, "spec.hard[pods]"),
     ({"pods": "-1"}, "spec.hard[pods]"), ({"cpu": "much"}, "spec.hard[cpu]"),
     ({"count/": "1"}, "spec.hard[count/]")],
)  # fmt: skip
def test_limits_that_mean_nothing_are_refused(hard: dict[str, Any], path: str) -> None:
    with pytest.raises(Invalid) as refused:
        create(RESOURCE_QUOTA, spec__hard=hard)
    error: ApiError = refused.value
    assert [cause.path for cause in error.causes] == [path]


def test_the_columns_are_kubectls() -> None:
    limit(pods="2", limits__cpu="1")
    row = store.get(RESOURCE_QUOTA, "default", "q").object
    cells = [column.cell(row, types.now()) for column in RESOURCE_QUOTA.columns]
    assert cells[:3] == ["q", "pods: 0/2", "limits.cpu: 0/1"]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["make", "remove", "end"]), st.integers(0, 3), st.sampled_from(["0", "250m", "1"])
    ),
    max_size=12,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_what_is_used_is_always_what_is_there(steps: list[tuple[str, int, str]]) -> None:
    """Whatever comes and goes, the count kept by the writes is the sum over what is there, and within the limit."""
    for row in [*store.list(POD).rows, *store.list(RESOURCE_QUOTA).rows]:
        delete(row.kind, row.name)
    limit(pods="2", requests__cpu="1500m")
    for step, number, cpu in steps:
        name = f"p{number}"
        found = store.find(POD, "default", name)
        try:
            if step == "make" and found is None:
                create(POD, name=name, spec__containers=sized({"cpu": cpu}))
            elif step == "remove" and found is not None:
                delete(POD, name)
            elif step == "end" and found is not None:
                pod = found.object
                pod.status.phase = "Failed"
                update(POD, pod, "status")
        except Forbidden:
            pass
    living = [pod for pod in store.list(POD).objects if pod.status.phase != "Failed"]
    assert used()["pods"] == str(len(living)) and len(living) <= 2
    spent = sum(quota.usage(POD, pod).get("requests.cpu", 0) for pod in living)
    assert quota.parsed(used())["requests.cpu"].nanos == spent <= 1_500_000_000


# Limit ranges


def ranged(type: str = "Container", **bounds: Any) -> None:
    item = types.LimitRangeItem(type=type, **bounds)
    create(LIMIT_RANGE, name="range", spec=types.LimitRangeSpec(limits=[item]))


def test_a_container_that_says_nothing_gets_the_defaults() -> None:
    ranged(default={"cpu": "500m", "memory": "128Mi"}, default_request={"cpu": "100m"})
    [container] = create(POD).spec.containers
    assert container.resources.limits == {"cpu": "500m", "memory": "128Mi"}
    assert container.resources.requests == {"cpu": "100m", "memory": "128Mi"}


def test_what_a_container_says_stands() -> None:
    ranged(default={"cpu": "1"}, default_request={"cpu": "100m"})
    pod = create(POD, spec__containers=sized({}, {"cpu": "300m"}))
    assert pod.spec.containers[0].resources.requests == {"cpu": "300m"}
    assert pod.status.qos_class == "Burstable"


def test_defaults_fulfil_a_quota_that_asks_for_them() -> None:
    ranged(default={"cpu": "500m"})
    limit(limits__cpu="1")
    create(POD)
    assert used() == {"limits.cpu": "500m"}


def test_a_default_below_the_request_is_refused_with_the_field() -> None:
    ranged(default={"cpu": "500m"})
    with pytest.raises(Invalid) as refused:
        create(POD, spec__containers=sized({"cpu": "2"}))
    assert [cause.path for cause in refused.value.causes] == ["spec.containers[0].resources.requests[cpu]"]


@pytest.mark.parametrize(
    ("type", "bounds", "amounts", "why"),
    [
        ("Container", {"max": {"cpu": "1"}}, ({}, {"cpu": "2"}),
         "maximum cpu usage per Container is 1, but limit is 2"),
        ("Container", {"min": {"memory": "64Mi"}}, ({"memory": "32Mi"}, {"memory": "64Mi"}),
         "minimum memory usage per Container is 64Mi, but request is 32Mi"),
        ("Pod", {"max": {"cpu": "1"}}, ({}, {"cpu": "600m"}), "maximum cpu usage per Pod is 1, but limit is 1200m"),
        ("Pod", {"max": {"cpu": "1"}}, ({}, {}), "maximum cpu usage per Pod is 1. No limit is specified"),
        ("Container", {"max_limit_request_ratio": {"cpu": "2"}}, ({"cpu": "100m"}, {"cpu": "300m"}),
         "cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000"),
    ],
)  # fmt: skip
def test_what_is_out_of_range_is_refused(
    type: str, bounds: dict[str, Any], amounts: tuple[dict[str, Any], dict[str, Any]], why: str
) -> None:
    ranged(type, **bounds)
    asked = types.ResourceRequirements(requests=amounts[0], limits=amounts[1])
    with pytest.raises(Forbidden) as refused:
        create(POD, spec__containers=containers(2, resources=asked))
    assert why in refused.value.message


def test_a_range_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        ranged(min={"cpu": "2"}, max={"cpu": "1"}, default={"cpu": "1"}, default_request={"cpu": "1"})
    assert "min value 2 is greater than max value 1" in refused.value.message


def test_nothing_in_a_range_binds_what_was_there_before() -> None:
    pod = create(POD)
    ranged(max={"cpu": "1"})
    pod.metadata.labels["a"] = "b"
    assert update(POD, pod).metadata.labels["a"] == "b"
