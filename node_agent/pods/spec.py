"""A pod's containers in the words of the runtime. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from apps.cluster import quantities, types
from node_agent.dns import CLUSTER_DOMAIN
from node_agent.names import Names
from node_agent.pods.env import ConfigTrouble, expand, fitting
from node_agent.runtime import base
from node_agent.runtime.base import SANDBOX, ContainerSpec, ImageFacts, Mount

PIDS = 4096  # processes a container may have; a fork bomb ends here
HOSTNAME_LIMIT = 63
KERNEL_LIMIT = 64  # of a host name with all its dots
CPU_PERIOD = 100_000
SMALLEST_SHARES, SMALLEST_QUOTA = 2, 1000
SANDBOX_OOM, GUARANTEED_OOM, BEST_EFFORT_OOM = -998, -997, 1000


def hostname(pod: types.Pod) -> str:
    """The first part of the pod's name in DNS."""
    return (pod.spec.hostname or pod.metadata.name)[:HOSTNAME_LIMIT].rstrip("-.")


def fqdn(pod: types.Pod) -> str:
    """The pod's whole name in DNS; "" for one that has none."""
    subdomain = pod.spec.subdomain
    if not subdomain:
        return ""
    return f"{hostname(pod)}.{subdomain}.{pod.metadata.namespace}.svc.{CLUSTER_DOMAIN}"


def kernel_hostname(pod: types.Pod) -> str:
    """What the pod's processes find as their host name. Raises ConfigTrouble when that is too long."""
    whole = fqdn(pod) if pod.spec.set_hostname_as_fqdn else ""
    if len(whole) > KERNEL_LIMIT:
        raise ConfigTrouble(f"setHostnameAsFQDN: {whole} has more than {KERNEL_LIMIT} characters")
    return whole or hostname(pod)


def labels(
    names: Names, pod: types.Pod, container: str, attempt: int, sandbox: str = "", digest: str = ""
) -> dict[str, str]:
    """What a restarted agent, and a person with the engine's own tools, knows a container by."""
    return names.labels | {
        base.LABEL_UID: pod.metadata.uid,
        base.LABEL_POD: pod.metadata.name,
        base.LABEL_NAMESPACE: pod.metadata.namespace,
        base.LABEL_CONTAINER: container,
        base.LABEL_ATTEMPT: str(attempt),
        base.LABEL_SANDBOX: sandbox,
        base.LABEL_DIGEST: digest,
    }


def container_name(pod: types.Pod, container: str, attempt: int) -> str:
    meta = pod.metadata
    return f"k8s_{container}_{meta.name}_{meta.namespace}_{meta.uid}_{attempt}"


def sandbox_spec(names: Names, pod: types.Pod, attempt: int, lowest_oom_score: int = 0) -> ContainerSpec:
    """The pause container: it holds the pod's network and IPC while containers come and go.

    Raises ConfigTrouble when it cannot be as the pod asks for it.
    """
    host = bool(pod.spec.host_network)
    shared = pod.spec.security_context or types.PodSecurityContext()
    return ContainerSpec(
        name=container_name(pod, SANDBOX, attempt),
        image=names.pause_image,
        labels=labels(names, pod, SANDBOX, attempt),
        hostname="" if host else kernel_hostname(pod),
        sysctls={sysctl.name: sysctl.value for sysctl in shared.sysctls},
        network="host" if host else "none",
        ipc="host" if pod.spec.host_ipc else "shareable",
        oom_score=max(SANDBOX_OOM, lowest_oom_score),
        cpu_shares=SMALLEST_SHARES,
    )


def app_spec(
    names: Names,
    pod: types.Pod,
    container: types.Container,
    *,
    attempt: int,
    sandbox: str,
    image: ImageFacts,
    digest: str = "",
    env: Mapping[str, str],
    mounts: Sequence[Mount],
    node_memory: int,
    lowest_oom_score: int = 0,
    target: str = "",
) -> ContainerSpec:
    """One of the pod's own containers, which sees the processes of ``target`` if one is named; ``digest`` is the
    image's, as ``repository@digest``.

    Raises ConfigTrouble when it must not run as it asks to.
    """
    own, shared = container.security_context or types.SecurityContext(), pod.spec.security_context
    limits, requests = container.resources.limits, container.resources.requests
    capabilities = own.capabilities or types.Capabilities()
    cpu_limit, memory_limit = limits.get("cpu"), limits.get("memory")
    shared_with = sandbox if pod.spec.share_process_namespace else target
    processes = "host" if pod.spec.host_pid else ""
    return ContainerSpec(
        name=container_name(pod, container.name, attempt),
        image=image.name or container.image,
        labels=labels(names, pod, container.name, attempt, sandbox, digest),
        command=[*fitting(expand(word, env) for word in container.command)],
        args=[*fitting(expand(word, env) for word in container.args)],
        env=[*fitting(f"{name}={value}" for name, value in env.items())],
        working_dir=container.working_dir,
        user=user(own, shared, image),
        groups=groups(shared),
        network="host" if pod.spec.host_network else f"container:{sandbox}",
        ipc="host" if pod.spec.host_ipc else f"container:{sandbox}",
        pid=f"container:{shared_with}" if shared_with else processes,
        mounts=list(mounts),
        tty=bool(container.tty),
        stdin=bool(container.stdin),
        stdin_once=bool(container.stdin_once),
        privileged=bool(own.privileged),
        read_only=bool(own.read_only_root_filesystem),
        no_new_privileges=own.allow_privilege_escalation is False,
        unconfined=unconfined(own, shared),
        capabilities_add=capabilities.add,
        capabilities_drop=capabilities.drop,
        cpu_shares=cpu_shares(requests.get("cpu", cpu_limit)),
        cpu_quota=cpu_quota(cpu_limit),
        memory=0 if memory_limit is None else quantities.bytes_of(memory_limit),
        pids=PIDS,
        oom_score=max(oom_score(pod, container, node_memory), lowest_oom_score),
    )


def cpu_shares(request: types.Quantity | None) -> int:
    """The weight when the cpu is short: 1024 for a whole one. Asking for nothing weighs next to nothing."""
    milli = 0 if request is None else quantities.cpu_milli(request)
    return max(milli * 1024 // 1000, SMALLEST_SHARES)


def cpu_quota(limit: types.Quantity | None) -> int:
    """Microseconds of every 100,000; 0 for no limit."""
    milli = 0 if limit is None else quantities.cpu_milli(limit)
    return max(milli * CPU_PERIOD // 1000, SMALLEST_QUOTA) if milli else 0


def qos_class(pod: types.Pod) -> str:
    """Guaranteed when every limit is set and reserved in full, BestEffort when nothing is asked for."""
    resources = [each.resources for each in pod.spec.planned_containers()]
    if not any(each.limits or each.requests for each in resources):
        return "BestEffort"
    for each in resources:
        for name in ("cpu", "memory"):
            limit = each.limits.get(name)
            if limit is None or quantities.exact(each.requests.get(name, limit)) != quantities.exact(limit):
                return "Burstable"
    return "Guaranteed"


def oom_score(pod: types.Pod, container: types.Container, node_memory: int) -> int:
    """Whom the kernel kills first when memory runs out: those who reserved nothing."""
    match qos_class(pod):
        case "Guaranteed":
            return GUARANTEED_OOM
        case "BestEffort":
            return BEST_EFFORT_OOM
    request = quantities.bytes_of(container.resources.requests.get("memory", 0))
    return min(max(1000 - 1000 * request // max(node_memory, 1), 1000 + GUARANTEED_OOM), BEST_EFFORT_OOM - 1)


def user(own: types.SecurityContext, shared: types.PodSecurityContext | None, image: ImageFacts) -> str:
    """``uid[:gid]``, empty for the image's own user. The container's word comes before the pod's."""
    pod = shared or types.PodSecurityContext()
    uid = own.run_as_user if own.run_as_user is not None else pod.run_as_user
    gid = own.run_as_group if own.run_as_group is not None else pod.run_as_group
    required = own.run_as_non_root if own.run_as_non_root is not None else pod.run_as_non_root
    if required:
        _must_not_be_root(uid, image)
    if uid is None and gid is None:
        return ""
    name = str(uid) if uid is not None else (image.user.partition(":")[0] or "0")
    return name if gid is None else f"{name}:{gid}"


def _must_not_be_root(uid: int | None, image: ImageFacts) -> None:
    name = str(uid) if uid is not None else image.user.partition(":")[0]
    number = quantities.number_in(name)
    if name in ("", "root") or number == 0:
        what = "the image runs" if uid is None else "it asks to run"
        raise ConfigTrouble(f"container has runAsNonRoot and {what} as root")
    if number is None:
        raise ConfigTrouble(
            f"container has runAsNonRoot and image has non-numeric user ({name}), "
            "cannot verify user is non-root"
        )


def unconfined(own: types.SecurityContext, shared: types.PodSecurityContext | None) -> bool:
    """Whether every system call is allowed. The container's word comes before the pod's."""
    profile = own.seccomp_profile or (shared.seccomp_profile if shared is not None else None)
    return profile is not None and profile.type == "Unconfined"


def groups(shared: types.PodSecurityContext | None) -> list[str]:
    if shared is None:
        return []
    extra = [] if shared.fs_group is None else [shared.fs_group]
    return [str(group) for group in dict.fromkeys([*shared.supplemental_groups, *extra])]
