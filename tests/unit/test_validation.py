"""What the kinds other than pods may be, and what of them may change."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.cluster import types
from apps.cluster.kinds import (
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    CONFIG_MAP,
    CRON_JOB,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    ENDPOINTS,
    EVENT,
    HORIZONTAL_POD_AUTOSCALER,
    JOB,
    NAMESPACE,
    NODE,
    PERSISTENT_VOLUME,
    PERSISTENT_VOLUME_CLAIM,
    REPLICA_SET,
    REPLICATION_CONTROLLER,
    ROLE,
    ROLE_BINDING,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    STORAGE_CLASS,
)
from apps.cluster.registry import Kind, all_kinds
from tests.builders import containers, defaulted


def told(kind: Kind, changes: dict[str, Any]) -> list[str]:
    return [f"{problem.path}: {problem.message}" for problem in kind.validate(defaulted(kind, **changes))]


def ports(*several: types.ServicePort) -> dict[str, Any]:
    return {"spec__ports": list(several)}


def port(number: int = 80, **fields: Any) -> types.ServicePort:
    return types.ServicePort(port=number, **fields)


def rule(**fields: Any) -> dict[str, Any]:
    return {
        "rules": [types.PolicyRule(**{"verbs": ["get"], "api_groups": [""], "resources": ["pods"], **fields})]
    }


def subject(**fields: Any) -> dict[str, Any]:
    return {"subjects": [types.Subject(**{"kind": "User", "name": "ann", **fields})]}


def address(ip: str, **fields: Any) -> dict[str, Any]:
    return {"subsets__0__addresses": [types.EndpointAddress(ip=ip, **fields)]}


def taint(**fields: Any) -> types.Taint:
    return types.Taint(**{"key": "a", "effect": "NoSchedule", **fields})


def expression(operator: str, *values: str) -> types.LabelSelector:
    wanted = types.LabelSelectorRequirement(key="app", operator=operator, values=list(values))
    return types.LabelSelector(match_expressions=[wanted])


def metric(name: str, average_utilization: int | None = 50) -> types.MetricSpec:
    target = types.MetricTarget(type="Utilization", average_utilization=average_utilization)
    return types.MetricSpec(type="Resource", resource=types.ResourceMetricSource(name=name, target=target))


def rolling(kind: str = "RollingUpdate", **bounds: Any) -> types.DeploymentStrategy:
    return types.DeploymentStrategy(type=kind, rolling_update=types.RollingUpdateDeployment(**bounds))


TEMPLATE_LABELS = "spec.template.metadata.labels"
LONG = {"a": "x" * (1024 * 1024 + 1)}
REFUSED: list[tuple[Kind, dict[str, Any], str]] = [
    (NAMESPACE, {"name": "a.b"}, 'metadata.name: Invalid value: "a.b": a lowercase RFC 1123 label must'),
    (NAMESPACE, {"name": "x" * 64}, "metadata.name: Invalid value"),
    (NODE, {"spec__taints": [taint(effect="Never")]}, 'spec.taints[0].effect: Unsupported value: "Never"'),
    (NODE, {"spec__taints": [taint(), taint(value="x")]}, 'spec.taints[1]: Duplicate value: "a:NoSchedule"'),
    (NODE, {"spec__taints": [taint(key="")]}, "spec.taints[0].key: Required value"),
    (NODE, {"spec__pod_cidr": "10.64.0.1/24"},
     'spec.podCIDR: Invalid value: "10.64.0.1/24": must be a valid IPv4 network'),
    (NODE, {"status__capacity": {"cpu": "x"}}, 'status.capacity[cpu]: Invalid value: "x"'),
    (REPLICATION_CONTROLLER, {"spec__replicas": -1},
     "spec.replicas: Invalid value: -1: must be between 0 and"),
    (REPLICATION_CONTROLLER, {"spec__replicas": 2**40}, "spec.replicas: Invalid value"),
    (REPLICATION_CONTROLLER, {"spec__selector": {"app": "other"}},
     f'{TEMPLATE_LABELS}: Invalid value: {{"app": "sample"}}: `selector` does not match template `labels`'),
    (REPLICATION_CONTROLLER, {"spec__selector": {}, "spec__template__metadata__labels": {}},
     "spec.selector: Required value"),
    (REPLICATION_CONTROLLER, {"spec__template__spec__restart_policy": "Never"},
     'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'),
    (REPLICATION_CONTROLLER, {"spec__template__spec__containers": containers(image="")},
     "spec.template.spec.containers[0].image: Required value"),
    (REPLICA_SET, {"spec__selector": types.LabelSelector()}, "spec.selector: Required value: an empty selector"),
    (REPLICA_SET, {"spec__selector": expression("In")},
     "spec.selector.matchExpressions[0].values: Required value: must be given with operator In or NotIn"),
    (REPLICA_SET, {"spec__selector": expression("Exists", "x")},
     "spec.selector.matchExpressions[0].values: Forbidden"),
    (REPLICA_SET, {"spec__selector": expression("Like", "x")},
     'spec.selector.matchExpressions[0].operator: Unsupported value: "Like"'),
    (PERSISTENT_VOLUME_CLAIM, {"spec__access_modes": []}, "spec.accessModes: Required value: at least 1 access"),
    (PERSISTENT_VOLUME_CLAIM, {"spec__access_modes": ["ReadWriteOncePod", "ReadWriteOnce"]},
     "spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes"),
    (PERSISTENT_VOLUME_CLAIM, {"spec__resources": types.ResourceRequirements()},
     "spec.resources.requests[storage]: Required value"),
    (PERSISTENT_VOLUME_CLAIM, {"spec__volume_mode": "Block"}, 'spec.volumeMode: Unsupported value: "Block"'),
    (PERSISTENT_VOLUME, {"spec__csi": None}, "spec.csi: Required value: must specify a volume type"),
    (PERSISTENT_VOLUME, {"spec__csi__volume_handle": "../etc"}, 'spec.csi.volumeHandle: Invalid value: "../etc"'),
    (STORAGE_CLASS, {"volume_binding_mode": "Immediate"},
     'volumeBindingMode: Unsupported value: "Immediate": supported values: "WaitForFirstConsumer"'),
    (JOB, {"spec__template__spec__restart_policy": "Always"},
     'spec.template.spec.restartPolicy: Unsupported value: "Always": supported values: "Never", "OnFailure"'),
    (JOB, {"spec__completion_mode": "Indexed"},
     'spec.completionMode: Unsupported value: "Indexed": supported values: "NonIndexed"'),
    (JOB, {"spec__parallelism": -1}, "spec.parallelism: Invalid value: -1"),
    (JOB, {"name": "x" * 64}, "metadata.name: Too long: may not be more than 63 characters"),
    (CRON_JOB, {"spec__schedule": "every day"},
     'spec.schedule: Invalid value: "every day": must be minute, hour, day of month'),
    (CRON_JOB, {"spec__schedule": "0 0 31 2 *"}, "spec.schedule: Invalid value"),
    (CRON_JOB, {"spec__schedule": f"{'9' * 5000} * * * *"}, "spec.schedule: Too long"),
    (CRON_JOB, {"spec__schedule": "0 0 0 * * *"}, "spec.schedule: Invalid value"),
    (CRON_JOB, {"spec__time_zone": "Mars/Base"},
     'spec.timeZone: Invalid value: "Mars/Base": is no time zone that this machine knows'),
    (CRON_JOB, {"spec__concurrency_policy": "Sometimes"}, "spec.concurrencyPolicy: Unsupported value"),
    (HORIZONTAL_POD_AUTOSCALER, {"spec__scale_target_ref__kind": "Pod"},
     'spec.scaleTargetRef.kind: Invalid value: "apps/v1 Pod": is no kind that can be scaled'),
    (HORIZONTAL_POD_AUTOSCALER, {"spec__min_replicas": 6},
     "spec.maxReplicas: Invalid value: 5: must be greater than or equal to `minReplicas`"),
    (HORIZONTAL_POD_AUTOSCALER, {"spec__metrics": [types.MetricSpec(type="Pods")]},
     'spec.metrics[0].type: Unsupported value: "Pods": supported values: "Resource"'),
    (HORIZONTAL_POD_AUTOSCALER, {"spec__metrics": [metric("disk")]},
     'spec.metrics[0].resource.name: Unsupported value: "disk"'),
    (HORIZONTAL_POD_AUTOSCALER, {"spec__metrics": [metric("cpu", average_utilization=None)]},
     "spec.metrics[0].resource.target.averageUtilization: Required value"),
    (DEPLOYMENT, {"spec__selector": types.LabelSelector(match_labels={"app": "other"})},
     f"{TEMPLATE_LABELS}: Invalid value"),
    (DEPLOYMENT, {"spec__template__spec__restart_policy": "Never"},
     'spec.template.spec.restartPolicy: Unsupported value: "Never"'),
    (DEPLOYMENT, {"spec__strategy": types.DeploymentStrategy(type="BlueGreen")},
     'spec.strategy.type: Unsupported value: "BlueGreen": supported values: "RollingUpdate", "Recreate"'),
    (DEPLOYMENT, {"spec__strategy": rolling(max_unavailable=0, max_surge="0%")},
     "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0"),
    (DEPLOYMENT, {"spec__strategy": rolling(max_unavailable="101%")},
     'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%'),
    (DEPLOYMENT, {"spec__strategy": rolling(max_surge="some")},
     'spec.strategy.rollingUpdate.maxSurge: Invalid value: "some": must be a number, or a percentage'),
    (DEPLOYMENT, {"spec__strategy": rolling("Recreate", max_surge=1)},
     "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"),
    (DEPLOYMENT, {"spec__progress_deadline_seconds": 5, "spec__min_ready_seconds": 5},
     "spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds"),
    (SERVICE, {"name": "1a"}, 'metadata.name: Invalid value: "1a": a DNS-1035 label must'),
    (SERVICE, {"spec__type": "Balancer"},
     'spec.type: Unsupported value: "Balancer": supported values: "ClusterIP", "NodePort", "LoadBalancer", "Ext'),
    (SERVICE, {"spec__external_ips": ["192.0.2.1"]}, "spec.externalIPs: Forbidden: is not supported: whoever may"),
    (SERVICE, {"spec__type": "ExternalName"}, "spec.externalName: Required value"),
    (SERVICE, {"spec__type": "ExternalName", "spec__external_name": "not a name"},
     'spec.externalName: Invalid value: "not a name"'),
    (SERVICE, {"spec__external_name": "db.example"}, "spec.externalName: Forbidden: may only be used when"),
    (SERVICE, {"spec__type": "ExternalName", "spec__external_name": "db.example", "spec__cluster_ip": "10.254.1.1"},
     "spec.clusterIPs: Forbidden: may not be set for ExternalName services"),
    (SERVICE, {"spec__external_traffic_policy": "Local"},
     'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services'),
    (SERVICE, {"spec__type": "NodePort", "spec__external_traffic_policy": "Near"},
     'spec.externalTrafficPolicy: Unsupported value: "Near"'),
    (SERVICE, {"spec__internal_traffic_policy": "Near"}, 'spec.internalTrafficPolicy: Unsupported value: "Near"'),
    (SERVICE, {"spec__type": "NodePort", "spec__health_check_node_port": 30000},
     "spec.healthCheckNodePort: Invalid value: 30000: may only be set when"),
    (SERVICE, {"spec__load_balancer_source_ranges": ["10.0.0.0/8"]},
     "spec.loadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'"),
    (SERVICE, {"spec__type": "LoadBalancer", "spec__load_balancer_source_ranges": ["10.0.0.1/8"]},
     'spec.loadBalancerSourceRanges[0]: Invalid value: "10.0.0.1/8": must be an IPv4 range in CIDR notation'),
    (SERVICE, {"spec__load_balancer_ip": "192.0.2.1"}, "spec.loadBalancerIP: Forbidden: may only be used when"),
    (SERVICE, {"spec__type": "LoadBalancer", "spec__load_balancer_ip": "here"},
     'spec.loadBalancerIP: Invalid value: "here": must be a valid IPv4'),
    (SERVICE, {"spec__type": "LoadBalancer", "spec__load_balancer_class": "a b"},
     'spec.loadBalancerClass: Invalid value: "a b"'),
    (SERVICE, {"spec__allocate_load_balancer_node_ports": False},
     "spec.allocateLoadBalancerNodePorts: Forbidden: may only be used when"),
    (SERVICE, ports(), "spec.ports: Required value"),
    (SERVICE, ports(port(0)), "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"),
    (SERVICE, ports(port(target_port=70000)),
     "spec.ports[0].targetPort: Invalid value: 70000: must be between"),
    (SERVICE, ports(port(target_port="Web Port")),
     'spec.ports[0].targetPort: Invalid value: "Web Port": must be'),
    (SERVICE, ports(port(), port(81, name="b")), "spec.ports[0].name: Required value"),
    (SERVICE, ports(port(name="a"), port(81, name="a")), 'spec.ports[1].name: Duplicate value: "a"'),
    (SERVICE, ports(port(name="a"), port(name="b")),
     'spec.ports[1]: Duplicate value: {"port": 80, "protocol": "TCP"}'),
    (SERVICE, ports(port(node_port=1)), "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'Clust"),
    (SERVICE, {"spec__type": "NodePort"} | ports(port(node_port=1, name="a"), port(81, node_port=1, name="b")),
     "spec.ports[1].nodePort: Duplicate value: 1"),
    (SERVICE, ports(port(protocol="ICMP")), 'spec.ports[0].protocol: Unsupported value: "ICMP"'),
    (SERVICE, {"spec__cluster_ip": "10.254.0.300"},
     'spec.clusterIP: Invalid value: "10.254.0.300": must be a valid IPv4'),
    (SERVICE, {"spec__cluster_ip": "None", "spec__type": "NodePort"}, "spec.clusterIPs[0]: Invalid value"),
    (SERVICE, {"spec__cluster_ip": "10.254.1.1", "spec__cluster_ips": ["10.254.1.2"]},
     "spec.clusterIPs: Invalid value"),
    (SERVICE, {"spec__session_affinity": "Sticky"}, 'spec.sessionAffinity: Unsupported value: "Sticky"'),
    (SERVICE, {"spec__session_affinity_config": types.SessionAffinityConfig()},
     "spec.sessionAffinityConfig: Forbidden"),
    (SERVICE, {"spec__session_affinity": "ClientIP", "spec__session_affinity_config": types.SessionAffinityConfig(
        client_ip=types.ClientIPConfig(timeout_seconds=0))},
     "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 0"),
    (SERVICE, {"spec__selector": {"a": "b c"}}, 'spec.selector: Invalid value: "b c"'),
    (SERVICE, {"spec__ip_families": ["IPv6"]}, 'spec.ipFamilies[0]: Unsupported value: "IPv6"'),
    (ENDPOINT_SLICE, {"address_type": "IPv6"}, 'addressType: Unsupported value: "IPv6"'),
    (ENDPOINT_SLICE, {"endpoints__0__addresses": []}, "endpoints[0].addresses: Required value"),
    (ENDPOINT_SLICE, {"endpoints__0__addresses__0": "x"}, 'endpoints[0].addresses[0]: Invalid value: "x"'),
    (ENDPOINT_SLICE, {"ports__0__port": 0}, "ports[0].port: Invalid value: 0: must be between 1 and 65535"),
    (ENDPOINT_SLICE, {"ports": [types.SlicePort(port=1), types.SlicePort(port=2)]},
     'ports[1].name: Duplicate value: ""'),
    (ENDPOINT_SLICE, {"endpoints": [types.Endpoint(addresses=["10.64.0.1"])] * 1001},
     "endpoints: Too long: may not be more than 1000 items"),
    (ENDPOINTS, address("::1"), 'subsets[0].addresses[0].ip: Invalid value: "::1": must be a valid IPv4'),
    (ENDPOINTS, address("10.64.0.1", hostname="A"), "subsets[0].addresses[0].hostname: Invalid value"),
    (ENDPOINTS, {"subsets__0__addresses": []}, "subsets[0]: Required value"),
    (ENDPOINTS, {"subsets__0__ports": [types.EndpointPort(port=0)]},
     "subsets[0].ports[0].port: Invalid value: 0"),
    (EVENT, {"type": "Alarm"}, 'type: Unsupported value: "Alarm": supported values: "Normal", "Warning"'),
    (EVENT, {"involved_object__namespace": "other"}, 'involvedObject.namespace: Invalid value: "other"'),
    (EVENT, {"involved_object__name": "a\0"}, "involvedObject.name: Invalid value"),
    (EVENT, {"reason": "x" * 600}, "reason: Too long: may not be more than 512 characters"),
    (SECRET, {"data": {"a b": "eA=="}}, 'data[a b]: Invalid value: "a b": a key must'),
    (SECRET, {"data": {"..": "eA=="}}, 'data[..]: Invalid value: "..": must not'),
    (SECRET, {"data": {"a": "hunter2!"}}, 'data[a]: Invalid value: "<hidden>": must be base64'),
    (SECRET, {"data": {}, "string_data": LONG}, "data: Too long: may not be more than 1048576 bytes"),
    (SECRET, {"type": "kubernetes.io/tls", "data": {"tls.crt": "eA=="}}, "data[tls.key]: Required value"),
    (SECRET, {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "eA=="}},
     'data[.dockerconfigjson]: Invalid value: "<hidden>": must be a JSON object'),
    (CONFIG_MAP, {"data": {"a": "x"}, "binary_data": {"a": "eA=="}},
     'data[a]: Invalid value: "a": also present in binaryData'),
    (CONFIG_MAP, {"binary_data": {"b": "?"}}, 'binaryData[b]: Invalid value: "?": must be base64'),
    (CONFIG_MAP, {"data": LONG}, ": Too long"),
    (SERVICE_ACCOUNT, {"image_pull_secrets": [types.LocalObjectReference(name="A")]},
     "imagePullSecrets[0].name: Invalid value"),
    (ROLE, {"name": "a/b"}, "metadata.name: Invalid value: \"a/b\": may not contain '/' or '%'"),
    (ROLE, rule(verbs=[]), "rules[0].verbs: Required value"),
    (ROLE, rule(resources=[]), "rules[0].resources: Required value"),
    (ROLE, rule(api_groups=[], resources=[], non_resource_urls=["/metrics"]),
     "rules[0].nonResourceURLs: Invalid value"),
    (CLUSTER_ROLE, rule(non_resource_urls=["/metrics"]), "rules[0].nonResourceURLs: Invalid value"),
    (ROLE_BINDING, {"role_ref__kind": "User"},
     'roleRef.kind: Unsupported value: "User": supported values: "Role", "ClusterRole"'),
    (ROLE_BINDING, {"role_ref__name": ""}, "roleRef.name: Required value"),
    (CLUSTER_ROLE_BINDING, {"role_ref__kind": "Role"},
     'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"'),
    (ROLE_BINDING, subject(kind="Robot"), 'subjects[0].kind: Unsupported value: "Robot"'),
    (ROLE_BINDING, subject(name=""), "subjects[0].name: Required value"),
    (ROLE_BINDING, subject(kind="ServiceAccount"), "subjects[0].namespace: Required value"),
    (ROLE_BINDING, subject(api_group="v1"), 'subjects[0].apiGroup: Unsupported value: "v1"'),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "changes", "wanted"), REFUSED, ids=[f"{k.name} {w[:50]}" for k, _, w in REFUSED]
)
def test_a_rule_is_told_with_its_field(kind: Kind, changes: dict[str, Any], wanted: str) -> None:
    problems = told(kind, changes)
    assert len(problems) == 1
    assert problems[0].startswith(wanted)


ACCEPTED: list[tuple[Kind, dict[str, Any]]] = [
    (NAMESPACE, {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}),
    (SERVICE, {"spec__cluster_ip": "None", "spec__ports": []}), (SERVICE, ports(port(target_port="http"))),
    (SERVICE, ports(port(53, name="dns", protocol="UDP"), port(53, name="dns-tcp"))),
    (SERVICE, {"spec__session_affinity": "ClientIP"}), (SERVICE, {"spec__selector": {}}),
    (ROLE, {"name": "system:node-reader"}), (CLUSTER_ROLE, rule(api_groups=[], resources=[], non_resource_urls=["/x"])),
    (ROLE_BINDING, subject(kind="ServiceAccount", namespace="ci", name="deploy")), (ROLE_BINDING, {"subjects": []}),
    (SECRET, {"type": "example.com/own", "data": {}}), (CONFIG_MAP, {"data": {"redis.conf": "a\n\tb\0"}}),
    (EVENT, {"involved_object__namespace": "", "message": "two\nlines"}), (EVENT, {"type": ""}),
    (REPLICATION_CONTROLLER, {"spec__replicas": 0}), (NODE, {"spec__taints": [taint(), taint(effect="NoExecute")]}),
    (ENDPOINTS, {"subsets": []}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "changes"), ACCEPTED)
def test_a_sound_object_is_accepted(kind: Kind, changes: dict[str, Any]) -> None:
    assert told(kind, changes) == []


def owner(uid: str = "1", controller: bool | None = None) -> types.OwnerReference:
    return types.OwnerReference(api_version="v1", kind="Pod", name="a", uid=uid, controller=controller)


@pytest.mark.parametrize(
    ("field", "value", "path"),
    [("labels", {"": "x"}, "metadata.labels"), ("annotations", {"a b": "x"}, "metadata.annotations"),
     ("annotations", {"a": "x" * (256 * 1024 + 1)}, "metadata.annotations"), ("finalizers", ["a b"],
     "metadata.finalizers[0]"),
     ("owner_references", [owner("x" * 37)],
     "metadata.ownerReferences[0].uid"),
     ("owner_references", [owner(controller=True)] * 2, "metadata.ownerReferences[1].controller")],
)  # fmt: skip
@pytest.mark.parametrize("kind", all_kinds(), ids=lambda kind: kind.plural)
def test_every_kind_checks_its_metadata(kind: Kind, field: str, value: Any, path: str) -> None:
    obj = defaulted(kind)
    setattr(obj.metadata, field, value)
    assert [problem.path for problem in kind.validate(obj)] == [path]


def changed(kind: Kind, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    old, new = defaulted(kind, **before), defaulted(kind, **before | after)
    return [f"{problem.path}: {problem.message}" for problem in kind.validate_update(old, new)]


FROZEN: list[tuple[Kind, dict[str, Any], dict[str, Any], str]] = [
    (SERVICE, {"spec__cluster_ip": "10.254.1.1"}, {"spec__cluster_ip": "10.254.1.2"},
     'spec.clusterIP: Invalid value: "10.254.1.2": field is immutable'),
    (SECRET, {}, {"type": "other"}, 'type: Invalid value: "other": field is immutable'),
    (SECRET, {"immutable": True}, {"data": {}},
     "data: Forbidden: field is immutable when `immutable` is set"),
    (SECRET, {"immutable": True}, {"immutable": None}, "immutable: Forbidden: field is immutable when"),
    (CONFIG_MAP, {"immutable": True}, {"binary_data": {"x": "eA=="}},
     "binaryData: Forbidden: field is immutable when"),
    (NODE, {"spec__pod_cidr": "10.64.0.0/24"}, {"spec__pod_cidr": "10.64.1.0/24"}, "spec.podCIDR: Forbidden"),
    (ROLE_BINDING, {}, {"role_ref__name": "admin"}, "roleRef: Invalid value"),
    (CLUSTER_ROLE_BINDING, {}, {"role_ref__name": "admin"}, "roleRef: Invalid value"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "before", "after", "wanted"), FROZEN, ids=[f"{f[0].name} {f[3][:30]}" for f in FROZEN]
)
def test_what_must_stand_may_not_change(
    kind: Kind, before: dict[str, Any], after: dict[str, Any], wanted: str
) -> None:
    [problem] = changed(kind, before, after)
    assert problem.startswith(wanted)


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [(SERVICE, {"spec__cluster_ip": "10.254.1.1"}, {"spec__cluster_ip": ""}), (SECRET, {}, {"data": {}}),
     (SERVICE, {}, {"spec__type": "NodePort"}), (SECRET, {"immutable": True}, {"labels": {"a": "b"}}),
     (CONFIG_MAP, {}, {"immutable": True}), (REPLICATION_CONTROLLER, {}, {"spec__replicas": 5}),
     (NODE, {}, {"spec__unschedulable": True}), (ROLE_BINDING, {}, {"subjects": []})],
)  # fmt: skip
def test_the_rest_may_change(kind: Kind, before: dict[str, Any], after: dict[str, Any]) -> None:
    assert changed(kind, before, after) == []


@given(kind=st.sampled_from(all_kinds()), text=st.text(max_size=8), number=st.integers())
def test_whatever_the_words_and_numbers_validation_answers(kind: Kind, text: str, number: int) -> None:
    obj = kind.schema(**_filled(kind, text, number))
    obj.metadata.name = text
    kind.default(obj)
    for problem in kind.validate(obj):
        assert problem.message


def _filled(kind: Kind, text: str, number: int) -> dict[str, Any]:
    """The kind's sample with every string and number in it replaced."""
    data = types.to_data(defaulted(kind))
    replaced = types.convert(kind.schema, _replaced(data, text, number))
    return {field: getattr(replaced, field) for field in kind.schema.__struct_fields__}


def _replaced(data: Any, text: str, number: int) -> Any:
    match data:
        case dict():
            return {key: _replaced(value, text, number) for key, value in data.items()}
        case list():
            return [_replaced(value, text, number) for value in data]
        case str():
            return text
        case int() if not isinstance(data, bool):
            return max(-(2**63), min(number, 2**63 - 1))
    return data
