"""Probes, hooks, containers that run before or beside the others: their defaults, rules, sums and words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from apps.cluster import types
from apps.cluster.errors import Forbidden
from apps.cluster.kinds import NAMESPACE, POD
from apps.cluster.kinds.pod_amounts import total
from apps.cluster.kinds.security import admit_spec
from apps.cluster.quantities import NANO
from apps.scheduler.needs import needs_of
from tests.builders import containers, defaulted

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
GET = types.HTTPGetAction(port=80)
EXEC = types.ExecAction(command=["true"])


def one(**fields: Any) -> dict[str, Any]:
    return {"spec__containers": containers(**fields)}


def init(**fields: Any) -> dict[str, Any]:
    return {"spec__init_containers": [types.Container(**{"name": "first", "image": "redis:7", **fields})]}


def told(changes: dict[str, Any]) -> list[str]:
    return [f"{problem.path}: {problem.message}" for problem in POD.validate(defaulted(POD, **changes))]


def test_a_probe_gets_the_apis_defaults() -> None:
    pod = defaulted(POD, **one(liveness_probe=types.Probe(http_get=types.HTTPGetAction(port="web"))))
    probe = pod.spec.containers[0].liveness_probe
    assert (probe.timeout_seconds, probe.period_seconds) == (1, 10)
    assert (probe.success_threshold, probe.failure_threshold) == (1, 3)
    assert (probe.http_get.path, probe.http_get.scheme) == ("/", "HTTP")


@pytest.mark.parametrize(
    "changes",
    [
        one(readiness_probe=types.Probe(tcp_socket=types.TCPSocketAction(port=1), success_threshold=3)),
        one(liveness_probe=types.Probe(grpc=types.GRPCAction(port=9000, service="a.Service"))),
        one(
            liveness_probe=types.Probe(http_get=types.HTTPGetAction(port="web")),
            ports=[types.ContainerPort(container_port=80, name="web")],
        ),
        one(lifecycle=types.Lifecycle(pre_stop=types.LifecycleHandler(sleep=types.SleepAction(seconds=0)))),
        init(),
        init(restart_policy="Always", readiness_probe=types.Probe(exec_=EXEC)),
        {"spec__active_deadline_seconds": 1},
    ],
)
def test_sound_care_is_accepted(changes: dict[str, Any]) -> None:
    assert told(changes) == []


FIRST, INIT = "spec.containers[0]", "spec.initContainers[0]"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (one(liveness_probe=types.Probe()),
         f"{FIRST}.livenessProbe: Required value: must specify a handler type"),
        (one(liveness_probe=types.Probe(exec_=EXEC, http_get=GET)),
         f"{FIRST}.livenessProbe.httpGet: Forbidden: may not specify more than 1 handler type"),
        (one(liveness_probe=types.Probe(exec_=EXEC, success_threshold=2)),
         f"{FIRST}.livenessProbe.successThreshold: Invalid value: 2: must be 1"),
        (one(startup_probe=types.Probe(exec_=types.ExecAction())),
         f"{FIRST}.startupProbe.exec.command: Required value"),
        (one(readiness_probe=types.Probe(exec_=EXEC, termination_grace_period_seconds=1)),
         f"{FIRST}.readinessProbe.terminationGracePeriodSeconds: Invalid value: 1: must not be set"),
        (one(readiness_probe=types.Probe(exec_=EXEC, period_seconds=-1)),
         f"{FIRST}.readinessProbe.periodSeconds: Invalid value: -1: must be between 1 and"),
        (one(readiness_probe=types.Probe(http_get=types.HTTPGetAction(port="web"))),
         f'{FIRST}.readinessProbe.httpGet.port: Invalid value: "web": must be a number, or the name of'),
        (one(readiness_probe=types.Probe(tcp_socket=types.TCPSocketAction(port=0))),
         f"{FIRST}.readinessProbe.tcpSocket.port: Invalid value: 0: must be between 1 and 65535"),
        (one(readiness_probe=types.Probe(grpc=types.GRPCAction(port=0))),
         f"{FIRST}.readinessProbe.grpc.port: Invalid value: 0: must be between 1 and 65535"),
        (one(readiness_probe=types.Probe(exec_=EXEC, grpc=types.GRPCAction(port=1))),
         f"{FIRST}.readinessProbe.grpc: Forbidden: may not specify more than 1 handler type"),
        (one(readiness_probe=types.Probe(http_get=types.HTTPGetAction(port=1, scheme="FTP"))),
         f'{FIRST}.readinessProbe.httpGet.scheme: Unsupported value: "FTP"'),
        (one(readiness_probe=types.Probe(http_get=types.HTTPGetAction(
            port=1, http_headers=[types.HTTPHeader(name="a b", value="c")]))),
         f'{FIRST}.readinessProbe.httpGet.httpHeaders[0].name: Invalid value: "a b": must be an HTTP header'),
        (one(readiness_probe=types.Probe(http_get=types.HTTPGetAction(
            port=1, http_headers=[types.HTTPHeader(name="a", value="c\r\nd: e")]))),
         f"{FIRST}.readinessProbe.httpGet.httpHeaders[0].value: Invalid value:"),
        (one(lifecycle=types.Lifecycle(post_start=types.LifecycleHandler())),
         f"{FIRST}.lifecycle.postStart: Required value: must specify a handler type"),
        (one(restart_policy="Always"),
         f"{FIRST}.restartPolicy: Forbidden: may not be set for non-init containers"),
        (init(restart_policy="Never"), f'{INIT}.restartPolicy: Unsupported value: "Never"'),
        (init(readiness_probe=types.Probe(exec_=EXEC)),
         f"{INIT}.readinessProbe: Forbidden: may not be set for init containers without restartPolicy=Always"),
        (init(name="app"), 'Duplicate value: "app"'),
        ({"spec__dns_policy": "None"}, "spec.dnsConfig.nameservers: Required value: must provide at least one"),
        ({"spec__dns_config": types.PodDNSConfig(nameservers=["x"])},
         'spec.dnsConfig.nameservers[0]: Invalid value: "x": must be a valid IP address'),
        ({"spec__dns_config": types.PodDNSConfig(searches=["a b"])}, "spec.dnsConfig.searches[0]: Invalid value"),
        ({"spec__dns_config": types.PodDNSConfig(options=[types.PodDNSConfigOption("a", "b\nc")])},
         "spec.dnsConfig.options[0]: Invalid value"),
        ({"spec__host_aliases": [types.HostAlias(ip="1.2.3.4\n", hostnames=["a"])]},
         "spec.hostAliases[0].ip: Invalid value"),
        ({"spec__host_aliases": [types.HostAlias(ip="1.2.3.4", hostnames=["a b"])]},
         "spec.hostAliases[0].hostnames[0]: Invalid value"),
        ({"spec__active_deadline_seconds": 0}, "spec.activeDeadlineSeconds: Invalid value: 0"),
    ],
)  # fmt: skip
def test_unsound_care_is_refused_by_name(changes: dict[str, Any], words: str) -> None:
    assert [each for each in told(changes) if words in each], told(changes)


def test_a_node_knocks_at_other_doors_only_where_a_namespace_may_do_anything() -> None:
    elsewhere = types.Probe(http_get=types.HTTPGetAction(port=80, host="169.254.169.254"))
    pod = defaulted(POD, **one(liveness_probe=elsewhere))
    with pytest.raises(Forbidden) as refusal:
        admit_spec(defaulted(NAMESPACE, name="team"), pod.spec, "spec", ("pods", "sample"))
    assert [cause.path for cause in refusal.value.causes] == [f"{FIRST}.livenessProbe.httpGet.host"]


def test_system_calls_go_unfiltered_only_where_a_namespace_may_do_anything() -> None:
    free = types.SeccompProfile(type="Unconfined")
    pod = defaulted(
        POD,
        spec__security_context=types.PodSecurityContext(seccomp_profile=free),
        **one(security_context=types.SecurityContext(seccomp_profile=free)),
    )
    with pytest.raises(Forbidden) as refusal:
        admit_spec(defaulted(NAMESPACE, name="team"), pod.spec, "spec", ("pods", "sample"))
    assert [cause.path for cause in refusal.value.causes] == [
        "spec.securityContext.seccompProfile.type", f"{FIRST}.securityContext.seccompProfile.type",
    ]  # fmt: skip
    open_ = defaulted(NAMESPACE, name="team", labels={"pod-security.kubernetes.io/enforce": "privileged"})
    admit_spec(open_, pod.spec, "spec", ("pods", "sample"))


def test_a_deadline_may_come_nearer_only() -> None:
    old, new = defaulted(POD, spec__active_deadline_seconds=10), defaulted(POD)
    for seconds, refused in ((5, False), (20, True), (None, True)):
        new.spec.active_deadline_seconds = seconds
        assert bool(list(POD.validate_update(old, new))) is refused


@pytest.mark.parametrize(
    ("first", "own", "together"),
    [
        ([("", "2")], ["1"], 2),
        ([("", "1")], ["1", "1"], 2),
        ([("Always", "1")], ["1"], 2),
        ([("Always", "1"), ("", "3")], ["1"], 4),
        ([("", "3"), ("Always", "1")], ["1"], 3),
    ],
)
def test_a_pod_counts_for_the_most_it_takes_at_any_one_time(
    first: list[tuple[str, str]], own: list[str], together: int
) -> None:
    def asking(cpu: str) -> types.ResourceRequirements:
        return types.ResourceRequirements(requests={"cpu": cpu})

    pod = defaulted(
        POD,
        spec__init_containers=[
            types.Container(name=f"i{index}", image="a", restart_policy=policy, resources=asking(cpu))
            for index, (policy, cpu) in enumerate(first)
        ],
        spec__containers=[
            types.Container(name=f"c{index}", image="a", resources=asking(cpu))
            for index, cpu in enumerate(own)
        ],
    )
    assert total(pod.spec, "requests", "cpu") == together * NANO
    assert needs_of(pod).cpu == together * 1000


def status(name: str, *, started: bool = False, **state: Any) -> types.ContainerStatus:
    return types.ContainerStatus(
        name=name, started=started, ready=started, state=types.ContainerState(**state)
    )


def ended(code: int, reason: str = "", signal: int | None = None) -> types.ContainerStateTerminated:
    return types.ContainerStateTerminated(exit_code=code, reason=reason, signal=signal)


RUNS = types.ContainerStateRunning()
BEGINS = types.ContainerStateWaiting("PodInitializing")


@pytest.mark.parametrize(
    ("statuses", "word", "ready"),
    [
        ([status("a", running=RUNS), status("b", waiting=BEGINS)], "Init:0/2", "0/2"),
        ([status("a", terminated=ended(0)), status("b", waiting=BEGINS)], "Init:1/2", "0/2"),
        ([status("a", terminated=ended(1, "Error")), status("b", waiting=BEGINS)], "Init:Error", "0/2"),
        ([status("a", terminated=ended(3))], "Init:ExitCode:3", "0/2"),
        ([status("a", terminated=ended(137, signal=9))], "Init:Signal:9", "0/2"),
        (
            [status("a", waiting=types.ContainerStateWaiting("CrashLoopBackOff"))],
            "Init:CrashLoopBackOff",
            "0/2",
        ),
        ([status("a", terminated=ended(0)), status("b", running=RUNS)], "Init:1/2", "0/2"),
        (
            [status("a", terminated=ended(0)), status("b", running=RUNS, started=True)],
            "PodInitializing",
            "1/2",
        ),
    ],
)
def test_a_pod_that_is_not_initialized_says_how_far_it_is(
    statuses: list[types.ContainerStatus], word: str, ready: str
) -> None:
    first = [
        types.Container(name="a", image="x"),
        types.Container(name="b", image="x", restart_policy="Always"),
    ]
    pod = defaulted(POD, spec__init_containers=first)
    pod.status.init_container_statuses = statuses
    pod.status.container_statuses = [status("app", waiting=BEGINS)]
    shown = {column.name: column.cell(pod, NOW) for column in POD.columns}
    assert (shown["Status"], shown["Ready"]) == (word, ready)
