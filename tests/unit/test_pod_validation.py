"""What a pod may be: each rule with its field's path and its words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from apps.cluster import types
from apps.cluster.errors import Forbidden
from apps.cluster.kinds import NAMESPACE, POD, REPLICATION_CONTROLLER
from apps.cluster.kinds.security import admit_spec
from tests.builders import build, containers, defaulted

FIRST = "spec.containers[0]"


def sysctls(*pairs: tuple[str, str]) -> dict[str, Any]:
    wanted = [types.Sysctl(name=name, value=value) for name, value in pairs]
    return {"spec__security_context": types.PodSecurityContext(sysctls=wanted)}


def told(changes: dict[str, Any]) -> list[str]:
    return [f"{problem.path}: {problem.message}" for problem in POD.validate(defaulted(POD, **changes))]


def one(**fields: Any) -> dict[str, Any]:
    """A pod whose only container has these fields."""
    return {"spec__containers": containers(**fields)}


def port(number: int = 80, **fields: Any) -> types.ContainerPort:
    return types.ContainerPort(container_port=number, **fields)


def mounted(path: str = "/data", volume: str = "v", **fields: Any) -> dict[str, Any]:
    mount = types.VolumeMount(name=volume, mount_path=path, **fields)
    return one(volume_mounts=[mount]) | {"spec__volumes": [types.Volume(name="v")]}


def volume(**source: Any) -> dict[str, Any]:
    return {"spec__volumes": [types.Volume(name="v", **source)]}


def variable(name: str = "A", **fields: Any) -> dict[str, Any]:
    return one(env=[types.EnvVar(name=name, **fields)])


def field(path: str) -> dict[str, Any]:
    source = types.EnvVarSource(field_ref=types.ObjectFieldSelector(field_path=path))
    return variable(value_from=source)


def resources(limits: dict[str, Any], requests: dict[str, Any]) -> dict[str, Any]:
    return one(resources=types.ResourceRequirements(limits=limits, requests=requests))


ACCEPTED: list[dict[str, Any]] = [
    one(image="host.example:5000/team/app:v1.2_3"), one(image="app@sha256:" + "0" * 64),
    one(command=["sh", "-c", "a\nb"]),
    one(ports=[port(name="http", host_port=8080), port(53, protocol="UDP", name="dns")]),
    one(ports=[port(host_port=0)]),
    mounted(read_only=True, sub_path="a/b"), variable("a.b-C_1", value="any\ttext"),
    field("metadata.labels['app.kubernetes.io/x']"),
    field("status.podIP"), resources({"cpu": "1", "memory": "64Mi"}, {"cpu": "250m"}), resources({}, {"cpu": "250m"}),
    volume(host_path=types.HostPathVolumeSource(path="/var/run/docker.sock", type="Socket")),
    volume(secret=types.SecretVolumeSource(secret_name="s", items=[types.KeyToPath(key="a.b", path="d", mode=0o400)])),
    {"spec__tolerations": [types.Toleration(operator="Exists")]}, {"spec__node_selector": {"disk": "ssd"}},
    {"spec__termination_grace_period_seconds": 0}, {"spec__hostname": "db-1", "spec__subdomain": "db"},
    sysctls(("net.ipv4.tcp_rmem", "4096 131072 6291456")),
]  # fmt: skip


@pytest.mark.parametrize("changes", ACCEPTED)
def test_a_sound_pod_is_accepted(changes: dict[str, Any]) -> None:
    assert told(changes) == []


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"spec__host_pid": True, "spec__share_process_namespace": True},
     "spec.shareProcessNamespace: Invalid value: true: may not be true when `hostPID` is"),
    ({"spec__host_ipc": True, **sysctls(("kernel.shm_rmid_forced", "1"))},
     'spec.securityContext.sysctls[0].name: Invalid value: "kernel.shm_rmid_forced": may not be set when `hostIPC`'),
    ({"name": "Redis"}, 'metadata.name: Invalid value: "Redis": a lowercase RFC 1123 subdomain must'),
    ({"name": ""}, "metadata.name: Required value: name or generateName is required"),
    ({"labels": {"a b": "c"}}, 'metadata.labels: Invalid value: "a b": the name part must'),
    ({"labels": {"a": "-"}}, "metadata.labels: Invalid value: \"-\": a label's value must"),
    ({"spec__containers": []}, "spec.containers: Required value"),
    (one(name="Web"), f'{FIRST}.name: Invalid value: "Web": a lowercase RFC 1123 label must'),
    (one(name=""), f"{FIRST}.name: Required value"),
    ({"spec__containers": containers(2, name="app")}, 'spec.containers[1].name: Duplicate value: "app"'),
    (one(image=""), f"{FIRST}.image: Required value"),
    (one(image="a b"), f'{FIRST}.image: Invalid value: "a b": must be an image name'),
    (one(image="--help"), f'{FIRST}.image: Invalid value: "--help": must be an image name'),
    (one(image_pull_policy="Sometimes"),
     f'{FIRST}.imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"'),
    (one(working_dir="app"), f'{FIRST}.workingDir: Invalid value: "app": must be an absolute path'),
    (one(command=["a\0"]), f"{FIRST}.command[0]: Invalid value:"),
    (one(ports=[port(0)]),
     f"{FIRST}.ports[0].containerPort: Invalid value: 0: must be between 1 and 65535, inclusive"),
    (one(ports=[port(65536)]),
     f"{FIRST}.ports[0].containerPort: Invalid value: 65536: must be between 1 and 65535"),
    (one(ports=[port(host_port=-1)]), f"{FIRST}.ports[0].hostPort: Invalid value: -1: must be between"),
    (one(ports=[port(host_ip="::1")]),
     f'{FIRST}.ports[0].hostIP: Invalid value: "::1": must be a valid IPv4'),
    (one(ports=[port(protocol="ICMP")]),
     f'{FIRST}.ports[0].protocol: Unsupported value: "ICMP": supported values: "TCP"'),
    (one(ports=[port(name="Http")]),
     f'{FIRST}.ports[0].name: Invalid value: "Http": must be made of lower case'),
    (one(ports=[port(name="a"), port(81, name="a")]), f'{FIRST}.ports[1].name: Duplicate value: "a"'),
    (one(ports=[port(host_port=1), port(81, host_port=1)]), f"{FIRST}.ports[1].hostPort: Duplicate value: 1"),
    (one(ports=[port(host_port=1)]) | {"spec__host_network": True},
     f"{FIRST}.ports[0].containerPort: Invalid value: 80: must match"),
    (sysctls(("kernel.msgmax", "1")),
     'spec.securityContext.sysctls[0].name: Unsupported value: "kernel.msgmax": supported values: "kernel.shm_rmid'),
    (sysctls(*[("kernel.shm_rmid_forced", "1")] * 2),
     'spec.securityContext.sysctls[1].name: Duplicate value: "kernel.shm_rmid_forced"'),
    (sysctls(("net.ipv4.tcp_syncookies", "1")) | {"spec__host_network": True},
     'spec.securityContext.sysctls[0].name: Invalid value: "net.ipv4.tcp_syncookies": may not be set when'),
    (sysctls(("net.ipv4.tcp_syncookies", "")), "spec.securityContext.sysctls[0].value: Required value"),
    (variable("1A"), f'{FIRST}.env[0].name: Invalid value: "1A": a variable\'s name must'),
    (variable(""), f"{FIRST}.env[0].name: Required value"),
    (variable(value="x", value_from=types.EnvVarSource(secret_key_ref=types.SecretKeySelector(name="c", key="k"))),
     f'{FIRST}.env[0].valueFrom: Invalid value: "": may not be'),
    (variable(value_from=types.EnvVarSource()),
     f'{FIRST}.env[0].valueFrom: Invalid value: "": must specify exactly one of'),
    (field("spec.containers"),
     f'{FIRST}.env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "spec.containers"'),
    (variable(value_from=types.EnvVarSource(secret_key_ref=types.SecretKeySelector(name="s", key="../x"))),
     f"{FIRST}.env[0].valueFrom.secretKeyRef.key: Invalid value"),
    (one(env_from=[types.EnvFromSource()]),
     f'{FIRST}.envFrom[0]: Invalid value: "": must specify exactly one of'),
    (resources({"cpu": "lots"}, {}),
     f'{FIRST}.resources.limits[cpu]: Invalid value: "lots": must be a number'),
    (resources({"cpu": "-1"}, {}),
     f'{FIRST}.resources.limits[cpu]: Invalid value: "-1": must be greater than or equal'),
    (resources({"gpu": "1"}, {}),
     f'{FIRST}.resources.limits[gpu]: Unsupported value: "gpu": supported values: "cpu"'),
    (resources({"cpu": "1"}, {"cpu": "2"}),
     f'{FIRST}.resources.requests[cpu]: Invalid value: "2": must be less than or equal to cpu limit of 1'),
    (mounted(volume="other"), f'{FIRST}.volumeMounts[0].name: Not found: "other"'),
    (mounted(""), f"{FIRST}.volumeMounts[0].mountPath: Required value"),
    (mounted("data"), f'{FIRST}.volumeMounts[0].mountPath: Invalid value: "data": must be an absolute path'),
    (mounted("/a:/b"), f'{FIRST}.volumeMounts[0].mountPath: Invalid value: "/a:/b": must not contain \':\''),
    (mounted(sub_path="a/../../etc"),
     f"{FIRST}.volumeMounts[0].subPath: Invalid value: \"a/../../etc\": must not contain '..'"),
    (mounted(sub_path="/etc"),
     f'{FIRST}.volumeMounts[0].subPath: Invalid value: "/etc": must be a relative path'),
    (volume(host_path=types.HostPathVolumeSource(path="srv")),
     "spec.volumes[0].hostPath.path: Invalid value"),
    (volume(host_path=types.HostPathVolumeSource(path="/a/../etc")),
     "spec.volumes[0].hostPath.path: Invalid value"),
    (volume(host_path=types.HostPathVolumeSource(path="/a", type="Disk")),
     "spec.volumes[0].hostPath.type: Unsupported value"),
    (volume(empty_dir=types.EmptyDirVolumeSource(medium="Disk")),
     "spec.volumes[0].emptyDir.medium: Unsupported value"),
    (volume(empty_dir=types.EmptyDirVolumeSource(size_limit="x")),
     "spec.volumes[0].emptyDir.sizeLimit: Invalid value"),
    (volume(secret=types.SecretVolumeSource()), "spec.volumes[0].secret.secretName: Required value"),
    (volume(config_map=types.ConfigMapVolumeSource(name="c", default_mode=0o1000)),
     "spec.volumes[0].configMap.defaultMode: Invalid"),
    (volume(config_map=types.ConfigMapVolumeSource(name="c", items=[types.KeyToPath(key="k", path="../p")])),
     "spec.volumes[0].configMap.items[0].path: Invalid value"),
    (volume(empty_dir=types.EmptyDirVolumeSource(), host_path=types.HostPathVolumeSource(path="/a")),
     "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"),
    ({"spec__volumes": [types.Volume(name="v"), types.Volume(name="v")]},
     'spec.volumes[1].name: Duplicate value: "v"'),
    ({"spec__restart_policy": "Maybe"}, 'spec.restartPolicy: Unsupported value: "Maybe"'),
    ({"spec__dns_policy": "Never"}, 'spec.dnsPolicy: Unsupported value: "Never"'),
    ({"spec__termination_grace_period_seconds": -1}, "spec.terminationGracePeriodSeconds: Invalid value: -1"),
    ({"spec__node_name": "../n"}, "spec.nodeName: Invalid value"),
    ({"spec__hostname": "a.b"}, "spec.hostname: Invalid value"),
    ({"spec__node_selector": {"a": "b c"}}, 'spec.nodeSelector: Invalid value: "b c"'),
    ({"spec__tolerations": [types.Toleration(value="x")]},
     'spec.tolerations[0].operator: Invalid value: "Equal"'),
    ({"spec__tolerations": [types.Toleration(key="a", effect="Never")]},
     "spec.tolerations[0].effect: Unsupported value"),
    ({"spec__image_pull_secrets": [types.LocalObjectReference()]},
     "spec.imagePullSecrets[0].name: Required value"),
    (one(security_context=types.SecurityContext(run_as_user=-1)),
     f"{FIRST}.securityContext.runAsUser: Invalid value: -1"),
    (one(security_context=types.SecurityContext(capabilities=types.Capabilities(add=["net admin"]))),
     f"{FIRST}.securityContext.capabilities.add[0]: Invalid value"),
    ({"status__phase": "Great"}, 'status.phase: Unsupported value: "Great"'),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "wanted"), REFUSED, ids=[wanted[:60] for _, wanted in REFUSED])
def test_a_rule_is_told_with_its_field(changes: dict[str, Any], wanted: str) -> None:
    problems = told(changes)
    assert len(problems) == 1
    assert problems[0].startswith(wanted)


def test_all_that_is_wrong_is_told_at_once() -> None:
    assert len(told({"name": "A", "spec__restart_policy": "x"} | one(image="", ports=[port(0)]))) == 4


def test_the_template_of_a_controller_obeys_the_same_rules_under_its_own_path() -> None:
    rc = defaulted(REPLICATION_CONTROLLER, spec__template__spec__containers=containers(ports=[port(0)]))
    assert [problem.path for problem in REPLICATION_CONTROLLER.validate(rc)] == [
        "spec.template.spec.containers[0].ports[0].containerPort"
    ]


# What may change


def update_paths(**changes: Any) -> list[str]:
    old = defaulted(
        POD, spec__volumes=[types.Volume(name="v")], spec__tolerations=[types.Toleration(key="a")]
    )
    new = types.decode(types.Pod, types.encode(old))
    for path, value in changes.items():
        setattr(new.spec, path, value)
    return [problem.path for problem in POD.validate_update(old, new)]


def test_images_and_further_tolerations_may_change() -> None:
    changed = defaulted(POD, spec__containers=containers(image="redis:8", image_pull_policy="IfNotPresent"))
    more = [types.Toleration(key="b", operator="Exists"), types.Toleration(key="a", operator="Equal")]
    assert update_paths(containers=changed.spec.containers) == []
    assert update_paths(tolerations=more) == []


@pytest.mark.parametrize(
    ("field_", "value", "path"),
    [("node_name", "n1", "spec.nodeName"), ("restart_policy", "Never", "spec.restartPolicy"),
     ("volumes", [], "spec.volumes"),
     ("containers", [], "spec.containers"), ("containers", containers(command=["x"]), "spec.containers"),
     ("tolerations", [], "spec.tolerations"), ("service_account_name", "x", "spec.serviceAccountName")],
)  # fmt: skip
def test_the_rest_of_a_pods_spec_stands(field_: str, value: Any, path: str) -> None:
    assert update_paths(**{field_: value}) == [path]


# What a namespace lets in

HOST_PATH = volume(host_path=types.HostPathVolumeSource(path="/"))
HOST_PORT = one(ports=[port(6379, host_port=6379)])
PRIVILEGED = one(security_context=types.SecurityContext(privileged=True))
ADMIN = one(
    security_context=types.SecurityContext(capabilities=types.Capabilities(add=["CHOWN", "SYS_ADMIN"]))
)


def let_in(changes: dict[str, Any], labels: dict[str, str]) -> list[tuple[str, str]]:
    pod = defaulted(POD, **changes)
    try:
        admit_spec(defaulted(NAMESPACE, name="team", labels=labels), pod.spec, "spec", ("pods", "sample"))
    except Forbidden as refusal:
        assert refusal.message.startswith(
            'pods "sample" is forbidden: violates pod security level "baseline"'
        )
        return [(cause.path, cause.message) for cause in refusal.causes]
    return []


@pytest.mark.parametrize(
    ("changes", "path"),
    [(HOST_PATH, "spec.volumes[0].hostPath"), (HOST_PORT, "spec.containers[0].ports[0].hostPort"),
     (PRIVILEGED, "spec.containers[0].securityContext.privileged"),
     ({"spec__host_network": True}, "spec.hostNetwork"),
     ({"spec__host_pid": True}, "spec.hostPID"), ({"spec__host_ipc": True}, "spec.hostIPC"),
     (ADMIN, "spec.containers[0].securityContext.capabilities.add[1]")],
)  # fmt: skip
def test_what_would_be_root_on_the_machine_needs_the_namespaces_leave(
    changes: dict[str, Any], path: str
) -> None:
    [(refused, message)] = let_in(changes, {})
    assert refused == path
    assert message.startswith("Forbidden: ")
    assert "pod-security.kubernetes.io/enforce=privileged" in message
    assert let_in(changes, {"pod-security.kubernetes.io/enforce": "baseline"}) != []
    assert let_in(changes, {"pod-security.kubernetes.io/enforce": "privileged"}) == []


def test_host_ports_have_a_label_of_their_own() -> None:
    allowed = {"drover.dev/host-ports": "allowed"}
    assert let_in(HOST_PORT, allowed) == []
    assert let_in(HOST_PATH, allowed) != []


def test_an_ordinary_pod_is_let_in_anywhere() -> None:
    assert let_in(one(ports=[port()]), {}) == []


def test_a_level_that_is_not_enforced_is_refused() -> None:
    namespace = defaulted(NAMESPACE, name="team", labels={"pod-security.kubernetes.io/enforce": "strictest"})
    [problem] = NAMESPACE.validate(namespace)
    assert problem.message == (
        'Unsupported value: "strictest": supported values: "baseline", "privileged", "restricted"'
    )


# Grace


@pytest.mark.parametrize(
    ("node", "phase", "seconds"), [("", "Pending", 0), ("n1", "Running", 30), ("n1", "Succeeded", 0)]
)
def test_only_a_pod_that_may_run_somewhere_is_waited_for(node: str, phase: str, seconds: int) -> None:
    assert POD.grace(defaulted(POD, spec__node_name=node, status__phase=phase)) == seconds


def test_an_update_may_not_turn_one_object_into_another() -> None:
    old = build(POD, metadata__uid="1")
    new = msgspec.structs.replace(old, metadata=types.ObjectMeta(name="other", namespace="default", uid="2"))
    POD.default(old)
    assert {problem.path for problem in POD.validate_update(old, new)} == {"metadata.name", "metadata.uid"}
