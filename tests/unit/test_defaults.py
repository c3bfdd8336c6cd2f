"""The API's defaults: what a client leaves out is what the API reference says."""

from __future__ import annotations

import base64

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.cluster import types
from apps.cluster.kinds import ENDPOINTS, NAMESPACE, NODE, POD, REPLICATION_CONTROLLER, SECRET, SERVICE
from apps.cluster.kinds.pod_defaults import pull_policy
from apps.cluster.registry import Kind, all_kinds
from tests.builders import build, containers, defaulted

PULL_POLICIES = [
    ("redis", "Always"), ("redis:latest", "Always"), ("redis:7", "IfNotPresent"), ("host:5000/redis",
    "Always"),
    ("host:5000/redis:2", "IfNotPresent"), ("redis@sha256:" + "a" * 64, "IfNotPresent"),
    ("redis:latest@sha256:" + "a" * 64, "IfNotPresent"), ("kubernetes/redis-slave:v2", "IfNotPresent"),
]  # fmt: skip


@pytest.mark.parametrize(("image", "policy"), PULL_POLICIES)
def test_an_image_without_a_fixed_tag_is_always_pulled(image: str, policy: str) -> None:
    assert pull_policy(image) == policy


def test_a_pod_that_says_little_is_filled_in() -> None:
    pod = defaulted(POD, spec__containers=containers(ports=[types.ContainerPort(container_port=80)]))
    spec, container = pod.spec, pod.spec.containers[0]
    assert (spec.restart_policy, spec.dns_policy, spec.scheduler_name) == (
        "Always",
        "ClusterFirst",
        "default-scheduler",
    )
    assert (spec.service_account_name, spec.service_account) == ("default", "default")
    assert (spec.termination_grace_period_seconds, spec.enable_service_links) == (30, True)
    assert (container.image_pull_policy, container.ports[0].protocol) == ("IfNotPresent", "TCP")
    assert (container.termination_message_path, container.termination_message_policy) == (
        "/dev/termination-log",
        "File",
    )
    assert (pod.status.phase, pod.status.qos_class) == ("Pending", "BestEffort")


def test_what_a_pod_says_stands() -> None:
    pod = defaulted(
        POD, spec__restart_policy="Never", spec__termination_grace_period_seconds=0, spec__service_account="robot",
        spec__enable_service_links=False, spec__containers__0__image_pull_policy="Never",
    )  # fmt: skip
    spec = pod.spec
    assert (spec.restart_policy, spec.termination_grace_period_seconds, spec.enable_service_links) == (
        "Never",
        0,
        False,
    )
    assert (spec.service_account_name, spec.containers[0].image_pull_policy) == ("robot", "Never")


def test_limits_are_requests_where_none_are_given_and_amounts_are_canonical() -> None:
    resources = types.ResourceRequirements(limits={"cpu": 0.5, "memory": "1024Mi"}, requests={"cpu": "0.25"})
    pod = defaulted(POD, spec__containers=containers(resources=resources))
    settled = pod.spec.containers[0].resources
    assert settled.limits == {"cpu": "500m", "memory": "1Gi"}
    assert settled.requests == {"cpu": "250m", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("limits", "requests", "quality"),
    [({}, {}, "BestEffort"), ({"cpu": "0"}, {}, "BestEffort"), ({"cpu": 1}, {}, "Burstable"),
     ({}, {"memory": "1Mi"}, "Burstable"), ({"cpu": 1, "memory": "1Mi"}, {}, "Guaranteed"),
     ({"cpu": 1, "memory": "1Mi"}, {"cpu": "1000m"}, "Guaranteed"),
     ({"cpu": 1, "memory": "1Mi"}, {"cpu": "1m"}, "Burstable")],
)  # fmt: skip
def test_a_pods_quality_of_service_follows_from_its_resources(
    limits: dict[str, types.Quantity], requests: dict[str, types.Quantity], quality: str
) -> None:
    resources = types.ResourceRequirements(limits=limits, requests=requests)
    assert defaulted(POD, spec__containers=containers(resources=resources)).status.qos_class == quality


def test_on_the_machines_network_a_port_is_the_machines_port() -> None:
    ports = [types.ContainerPort(container_port=80)]
    pod = defaulted(POD, spec__host_network=True, spec__containers=containers(ports=ports))
    assert pod.spec.containers[0].ports[0].host_port == 80


def test_volumes_are_filled_in() -> None:
    volumes = [
        types.Volume(name="scratch"),
        types.Volume(name="config", config_map=types.ConfigMapVolumeSource(name="c")),
        types.Volume(name="secret", secret=types.SecretVolumeSource(secret_name="s")),
        types.Volume(name="host", host_path=types.HostPathVolumeSource(path="/srv")),
    ]
    pod = defaulted(POD, spec__volumes=volumes)
    scratch, config, secret, host = pod.spec.volumes
    assert scratch.empty_dir == types.EmptyDirVolumeSource()
    assert (config.config_map.default_mode, secret.secret.default_mode, host.host_path.type) == (
        0o644,
        0o644,
        "",
    )


def test_references_in_variables_are_filled_in() -> None:
    env = [
        types.EnvVar(
            name="A", value_from=types.EnvVarSource(field_ref=types.ObjectFieldSelector(field_path="x"))
        ),
        types.EnvVar(
            name="B",
            value_from=types.EnvVarSource(
                resource_field_ref=types.ResourceFieldSelector(resource="limits.cpu")
            ),
        ),
    ]
    pod = defaulted(POD, spec__containers=containers(env=env))
    first, second = (variable.value_from for variable in pod.spec.containers[0].env)
    assert (first.field_ref.api_version, second.resource_field_ref.divisor) == ("v1", "0")


def test_a_controller_takes_selector_and_labels_from_its_template() -> None:
    rc = defaulted(REPLICATION_CONTROLLER, labels={}, spec__selector={}, spec__replicas=None)
    assert (rc.spec.selector, rc.metadata.labels, rc.spec.replicas) == (
        {"app": "sample"},
        {"app": "sample"},
        1,
    )
    assert rc.spec.template.spec.restart_policy == "Always"


def test_no_replicas_is_not_taken_for_an_absent_number() -> None:
    assert defaulted(REPLICATION_CONTROLLER, spec__replicas=0).spec.replicas == 0


def test_a_service_that_says_little_is_filled_in() -> None:
    service = defaulted(SERVICE)
    spec, port = service.spec, service.spec.ports[0]
    assert (spec.type, spec.session_affinity, port.protocol, port.target_port) == (
        "ClusterIP",
        "None",
        "TCP",
        80,
    )
    assert (spec.ip_families, spec.ip_family_policy, spec.internal_traffic_policy) == (
        ["IPv4"],
        "SingleStack",
        "Cluster",
    )
    assert spec.external_traffic_policy == ""
    assert defaulted(SERVICE, spec__type="NodePort").spec.external_traffic_policy == "Cluster"


def test_affinity_by_client_lasts_three_hours() -> None:
    config = defaulted(SERVICE, spec__session_affinity="ClientIP").spec.session_affinity_config
    assert config.client_ip.timeout_seconds == 10800


def test_an_address_given_in_one_place_is_in_both() -> None:
    assert defaulted(SERVICE, spec__cluster_ip="None").spec.cluster_ips == ["None"]
    assert defaulted(SERVICE, spec__cluster_ips=["10.254.1.1"]).spec.cluster_ip == "10.254.1.1"


def test_plain_strings_of_a_secret_are_folded_into_its_data() -> None:
    secret = defaulted(SECRET, data={"a": "eA==", "b": "eQ=="}, string_data={"b": "new", "c": "ü"})
    assert secret.type == "Opaque"
    assert {key: base64.b64decode(text).decode() for key, text in secret.data.items()} == {
        "a": "x",
        "b": "new",
        "c": "ü",
    }
    assert secret.string_data == {}


def test_a_namespace_carries_its_name_as_a_label_and_is_held_until_it_is_empty() -> None:
    namespace = defaulted(NAMESPACE, name="team")
    assert namespace.metadata.labels == {"kubernetes.io/metadata.name": "team"}
    assert (namespace.spec.finalizers, namespace.status.phase) == (["kubernetes"], "Active")
    assert NAMESPACE.held(namespace)


def test_a_namespace_being_deleted_does_not_get_its_finalizer_back() -> None:
    namespace = build(NAMESPACE, metadata__deletion_timestamp=types.now())
    NAMESPACE.default(namespace)
    assert (namespace.spec.finalizers, namespace.status.phase) == ([], "Terminating")
    assert not NAMESPACE.held(namespace)


def test_a_nodes_amounts_are_canonical_and_endpoints_speak_tcp() -> None:
    node = defaulted(NODE, status__capacity={"cpu": 2, "memory": "2048Mi"}, spec__pod_cidr="10.64.0.0/24")
    assert (node.status.capacity, node.spec.pod_cidrs) == ({"cpu": "2", "memory": "2Gi"}, ["10.64.0.0/24"])
    assert defaulted(ENDPOINTS).subsets[0].ports[0].protocol == "TCP"


@pytest.mark.parametrize("kind", all_kinds(), ids=lambda kind: kind.plural)
def test_defaults_set_twice_are_set_once(kind: Kind) -> None:
    once = defaulted(kind)
    text = types.encode(once)
    kind.default(once)
    assert types.encode(once) == text
    assert types.decode(kind.schema, text) == once


@pytest.mark.parametrize("kind", all_kinds(), ids=lambda kind: kind.plural)
def test_a_built_object_is_valid_and_may_stay_as_it_is(kind: Kind) -> None:
    obj = defaulted(kind)
    assert [*kind.validate(obj)] == []
    assert [*kind.validate_update(obj, msgspec.structs.replace(obj))] == []


@given(
    st.dictionaries(
        st.sampled_from(["cpu", "memory"]), st.one_of(st.text(max_size=5), st.integers(), st.floats())
    )
)
def test_defaults_never_fail_on_what_is_no_amount(amounts: dict[str, types.Quantity]) -> None:
    resources = types.ResourceRequirements(limits=amounts, requests=amounts)
    pod = defaulted(POD, spec__containers=containers(resources=resources))
    for problem in POD.validate(pod):
        assert problem.path.startswith("spec.containers[0].resources.")
