"""The kind PriorityClass, and what each new pod gets of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from apps.cluster import names, types
from apps.cluster.errors import Forbidden
from apps.cluster.kinds import ages, meta, refusals
from apps.cluster.kinds.namespaces import NAMESPACE
from apps.cluster.kinds.placement_checks import PREEMPTION_POLICIES
from apps.cluster.kinds.security import LEVEL_LABEL, level_of
from apps.cluster.kinds.transaction import Transaction
from apps.cluster.registry import Column, Kind, register
from apps.cluster.types import Problem

LOWEST: Final = -(2**31)
HIGHEST_OF_USERS: Final = 1_000_000_000
SYSTEM_PREFIX: Final = "system-"
SYSTEM: Final = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
"""The classes that every cluster has, for what the others cannot run without."""
SYSTEM_NAMESPACE: Final = "kube-system"
POLICY: Final = "PreemptLowerPriority"
DEFAULT_FIELD: Final = "globalDefault"


def _default(found: types.PriorityClass) -> None:
    found.preemption_policy = found.preemption_policy or POLICY


def _problems(found: types.PriorityClass) -> Iterator[Problem]:
    name = found.metadata.name
    yield from refusals.one_of("preemptionPolicy", found.preemption_policy or "", PREEMPTION_POLICIES)
    if name.startswith(SYSTEM_PREFIX):
        if SYSTEM.get(name) != found.value:
            why = "priority class names with 'system-' prefix are reserved for system use only"
            yield refusals.forbidden("metadata.name", why)
    else:
        yield from refusals.between("value", found.value, LOWEST, HIGHEST_OF_USERS)


def _update_problems(old: types.PriorityClass, new: types.PriorityClass) -> Iterator[Problem]:
    if new.value != old.value:
        yield refusals.forbidden("value", "may not be changed in an update.")
    if new.preemption_policy != old.preemption_policy:
        yield refusals.invalid("preemptionPolicy", new.preemption_policy, "field is immutable")


def _is_default(found: types.PriorityClass) -> str:
    return "true" if found.global_default else "false"


def _one_default(tx: Transaction, old: types.PriorityClass | None, new: types.PriorityClass) -> None:  # noqa: ARG001
    """Two could not both speak for the pods that name none."""
    if not new.global_default:
        return
    for other in _defaults(tx):
        if other.metadata.name != new.metadata.name:
            raise Forbidden(
                f'priorityclasses.scheduling.k8s.io "{new.metadata.name}" is forbidden: PriorityClass '
                f"{other.metadata.name} is already marked as default. Only one default can exist",
                causes=[refusals.forbidden("globalDefault", f"{other.metadata.name} has it")],
                kind="priorityclasses",
                name=new.metadata.name,
            )


def _defaults(tx: Transaction) -> list[Any]:
    return [found for found in tx.list(PRIORITY_CLASS, "") if found.global_default]


def rank(tx: Transaction, old: types.Pod | None, new: types.Pod) -> None:
    """A new pod's priority, from the class it names, from the default class, or none. Raises Forbidden.

    A later change that leaves it out, as the pod's author did at first, keeps it.
    """
    spec = new.spec
    if old is not None:
        keep_rank(old.spec, spec)
        return
    found: types.PriorityClass | None = None
    if spec.priority_class_name:
        found = tx.find(PRIORITY_CLASS, "", spec.priority_class_name)
        if found is None:
            missing = refusals.missing("spec.priorityClassName", spec.priority_class_name)
            raise _refused(new, f"no PriorityClass with name {spec.priority_class_name} was found", missing)
        _let_system_in(tx, new)
    else:
        found = next(iter(_defaults(tx)), None)
        spec.priority_class_name = found.metadata.name if found is not None else ""
    value = found.value if found is not None else 0
    policy = (found.preemption_policy if found is not None else None) or POLICY
    if spec.priority is not None and spec.priority != value:
        why = (
            f"the integer value of priority ({spec.priority}) must not be provided in pod spec; priority admission "
            f"controller computed {value} from the given PriorityClass name"
        )
        raise _refused(new, why, refusals.forbidden("spec.priority", why))
    if spec.preemption_policy is not None and spec.preemption_policy != policy:
        why = (
            f"the string value of PreemptionPolicy ({spec.preemption_policy}) must not be provided in pod spec; "
            f"priority admission controller computed {policy} from the given PriorityClass name"
        )
        raise _refused(new, why, refusals.forbidden("spec.preemptionPolicy", why))
    spec.priority, spec.preemption_policy = value, policy


def keep_rank(old: types.PodSpec, new: types.PodSpec) -> None:
    """Fill in what admission once set."""
    new.priority = old.priority if new.priority is None else new.priority
    new.preemption_policy = new.preemption_policy or old.preemption_policy
    new.priority_class_name = new.priority_class_name or old.priority_class_name


def _let_system_in(tx: Transaction, pod: types.Pod) -> None:
    """A tenant must not push the platform's own pods, and everybody else's, off their nodes."""
    name, namespace = pod.spec.priority_class_name, pod.metadata.namespace
    if name not in SYSTEM or namespace == SYSTEM_NAMESPACE:
        return
    if level_of(tx.get(NAMESPACE, "", namespace)) != "privileged":
        why = f"{name} needs the namespace {SYSTEM_NAMESPACE}, or one with the label {LEVEL_LABEL}=privileged"
        raise _refused(pod, why, refusals.forbidden("spec.priorityClassName", why))


def _refused(pod: types.Pod, why: str, cause: Problem) -> Forbidden:
    name = pod.metadata.name
    return Forbidden(f'pods "{name}" is forbidden: {why}', causes=[cause], kind="pods", name=name)


def system_classes() -> list[types.PriorityClass]:
    return [
        types.PriorityClass(
            metadata=types.ObjectMeta(name=name),
            value=value,
            description="Used for system critical pods that must not be moved from their current node."
            if "node" in name
            else "Used for system critical pods that must run in the cluster, but can be moved to another node.",
        )
        for name, value in SYSTEM.items()
    ]


def _kept(found: Any) -> str:
    return "the system's own classes stay" if found.metadata.name in SYSTEM else ""


def _value(found: Any, now: datetime) -> int:  # noqa: ARG001
    value: int = found.value
    return value


PRIORITY_CLASS = register(
    Kind(
        group="scheduling.k8s.io",
        name="PriorityClass",
        plural="priorityclasses",
        short=("pc",),
        schema=types.PriorityClass,
        namespaced=False,
        default=_default,
        validate=meta.checked(names.dns_subdomain_problem, _problems, namespaced=False),
        validate_update=meta.checked_update(_update_problems),
        admit=(_one_default,),
        kept=_kept,
        fields={DEFAULT_FIELD: _is_default},
        columns=(
            ages.NAME,
            Column("Value", _value, "integer", description="How much its pods matter: the more the higher."),
            Column(
                "Global-Default",
                lambda found, now: _is_default(found),
                description="Whether pods get it that name none.",
            ),
            ages.AGE,
            Column(
                "PreemptionPolicy",
                lambda found, now: found.preemption_policy or POLICY,
                description="Whether its pods may push others off a node.",
            ),
        ),
    )
)
