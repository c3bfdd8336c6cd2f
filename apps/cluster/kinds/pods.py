"""The kind Pod: what it may be, what of it may change, who lets it in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from apps.cluster import names, types
from apps.cluster.errors import Forbidden, invalid
from apps.cluster.kinds import ephemeral, meta, pod_checks, refusals
from apps.cluster.kinds.automount import mount_token
from apps.cluster.kinds.configuration import SERVICE_ACCOUNT
from apps.cluster.kinds.limit_ranges import within_ranges
from apps.cluster.kinds.namespaces import NAMESPACE
from apps.cluster.kinds.placement_checks import gates_problems
from apps.cluster.kinds.pod_amounts import charges
from apps.cluster.kinds.pod_columns import COLUMNS
from apps.cluster.kinds.pod_defaults import default_pod
from apps.cluster.kinds.priorities import keep_rank, rank
from apps.cluster.kinds.quotas import require_amounts
from apps.cluster.kinds.security import admit_spec
from apps.cluster.kinds.transaction import Transaction
from apps.cluster.registry import Kind, register
from apps.cluster.types import Problem

PHASES = ("Pending", "Running", "Succeeded", "Failed", "Unknown")
MOST_RESTARTS = 2**31 - 1
FIXED = (
    "pod updates may not change fields other than `spec.containers[*].image`, `spec.initContainers[*].image`, "
    "`spec.activeDeadlineSeconds` and `spec.tolerations` (only additions to existing tolerations)"
)


def _problems(pod: types.Pod) -> Iterator[Problem]:
    yield from pod_checks.spec_problems(pod.spec, "spec")
    yield from _status_problems(pod)


def _status_problems(pod: types.Pod) -> Iterator[Problem]:
    """Addresses lead proxies and people; phases and counts are what controllers decide by."""
    status = pod.status
    yield from refusals.one_of("status.phase", status.phase, PHASES)
    named = [("podIP", status.pod_ip), ("hostIP", status.host_ip)]
    named += [(f"podIPs[{index}].ip", each.ip) for index, each in enumerate(status.pod_ips)]
    named += [(f"hostIPs[{index}].ip", each.ip) for index, each in enumerate(status.host_ips)]
    for field, text in named:
        if text or "[" in field:
            yield from pod_checks.address_problems(f"status.{field}", text)
    yield from meta.condition_problems(status.conditions, "status.conditions")
    for index, container in enumerate(status.container_statuses):
        path = f"status.containerStatuses[{index}].restartCount"
        yield from refusals.between(path, container.restart_count, 0, MOST_RESTARTS)


def _update_problems(old: types.Pod, new: types.Pod) -> Iterator[Problem]:
    """A pod's spec stands, but for its images and further tolerations; its node is set by binding alone."""
    before = {container.name: container.image for container in old.spec.planned_containers()}

    def with_old_images(containers: list[types.Container]) -> list[types.Container]:
        return [
            msgspec.structs.replace(container, image=before.get(container.name, container.image))
            for container in containers
        ]

    fixed = msgspec.structs.replace(
        new.spec,
        containers=with_old_images(new.spec.containers),
        init_containers=with_old_images(new.spec.init_containers),
        active_deadline_seconds=old.spec.active_deadline_seconds,
        tolerations=old.spec.tolerations,
        scheduling_gates=old.spec.scheduling_gates,
    )
    keep_rank(old.spec, fixed)
    yield from gates_problems(old.spec, new.spec)
    yield from _deadline_problems(old.spec.active_deadline_seconds, new.spec.active_deadline_seconds)
    if any(toleration not in new.spec.tolerations for toleration in old.spec.tolerations):
        yield refusals.forbidden(
            "spec.tolerations", "existing tolerations may not be changed or removed, only added to"
        )
    if fixed != old.spec:
        changed = [
            name for name in fixed.__struct_fields__ if getattr(fixed, name) != getattr(old.spec, name)
        ]
        for name in changed:
            yield refusals.forbidden(f"spec.{types.wire_name(name)}", FIXED)


def _deadline_problems(old: int | None, new: int | None) -> Iterator[Problem]:
    """It may be set, and then only come nearer."""
    if old is not None and (new is None or new > old):
        why = f"must be less than or equal to previous value ({old})"
        yield refusals.invalid("spec.activeDeadlineSeconds", new, why)


def _let_in(tx: Transaction, old: types.Pod | None, new: types.Pod) -> None:
    """The namespace's security level: what matters to it comes with the pod, or with a container added later."""
    if old is None and (early := [*ephemeral.not_yet(new.spec, "spec", "on create")]):
        raise invalid("Pod", new.metadata.name, early)
    if old is None or old.spec.ephemeral_containers != new.spec.ephemeral_containers:
        namespace = tx.get(NAMESPACE, "", new.metadata.namespace)
        admit_spec(namespace, new.spec, "spec", ("pods", new.metadata.name))


def _account(tx: Transaction, old: types.Pod | None, new: types.Pod) -> None:
    """The service account must exist (`default` may come a moment later); it lends its pull secrets and its token."""
    if old is not None:
        return
    name = new.spec.service_account_name
    account: types.ServiceAccount | None = tx.find(SERVICE_ACCOUNT, new.metadata.namespace, name)
    if account is None and name != "default":
        raise Forbidden(
            f'pods "{new.metadata.name}" is forbidden: error looking up service account '
            f'{new.metadata.namespace}/{name}: serviceaccount "{name}" not found',
            causes=[refusals.missing("spec.serviceAccountName", name)],
            kind="pods",
            name=new.metadata.name,
        )
    if account is not None and not new.spec.image_pull_secrets:
        new.spec.image_pull_secrets = list(account.image_pull_secrets)
    mount_token(new, account)


def _flag(value: bool | None) -> str:
    return "true" if value else "false"


def _grace(pod: Any) -> int:
    """A pod on a node waits for its agent to stop it; one without a node, or ended, has nothing to stop."""
    if not pod.spec.node_name or pod.status.is_finished:
        return 0
    return pod.spec.termination_grace_period_seconds or 0


POD = register(
    Kind(
        name="Pod",
        plural="pods",
        short=("po",),
        categories=("all",),
        schema=types.Pod,
        subresources=frozenset({
            "status", "log", "binding", "exec", "attach", "portforward", "eviction", "ephemeralcontainers",
        }),  # fmt: skip
        parts={"ephemeralcontainers": ephemeral.PART},
        default=default_pod,
        validate=meta.checked(names.dns_subdomain_problem, _problems),
        validate_status=_status_problems,
        validate_update=meta.checked_update(_update_problems),
        admit=(_let_in, _account, rank, within_ranges, require_amounts),
        charges=charges,
        node=lambda pod: pod.spec.node_name,
        grace=_grace,
        fields={
            "spec.nodeName": lambda pod: pod.spec.node_name,
            "spec.restartPolicy": lambda pod: pod.spec.restart_policy,
            "spec.schedulerName": lambda pod: pod.spec.scheduler_name,
            "spec.serviceAccountName": lambda pod: pod.spec.service_account_name,
            "spec.hostNetwork": lambda pod: _flag(pod.spec.host_network),
            "status.phase": lambda pod: pod.status.phase,
            "status.podIP": lambda pod: pod.status.pod_ip,
        },
        sifted=frozenset(
            {
                "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
                "status.phase",
            }  # fmt: skip
        ),
        columns=COLUMNS,
    )
)
