"""What kinds that make pods of a template have in common: the template's defaults, rules, admission and columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, NoReturn

from apps.cluster import names, types
from apps.cluster.errors import invalid
from apps.cluster.kinds import ages, ephemeral, meta, pod_checks, refusals
from apps.cluster.kinds.namespaces import NAMESPACE
from apps.cluster.kinds.security import admit_spec
from apps.cluster.kinds.transaction import Transaction
from apps.cluster.registry import Column
from apps.cluster.selectors import LabelSelector
from apps.cluster.types import Problem

MOST = 2**31 - 1
TEMPLATE = "spec.template"


def problems(template: types.PodTemplateSpec, restarts: tuple[str, ...], path: str = TEMPLATE) -> Iterator[Problem]:
    """A template is a pod without a name of its own; ``restarts`` are the policies its owner can live with."""
    yield from meta.label_problems(template.metadata.labels, f"{path}.metadata.labels")
    yield from meta.annotation_problems(template.metadata.annotations, f"{path}.metadata.annotations")
    for index, finalizer in enumerate(template.metadata.finalizers):
        field = f"{path}.metadata.finalizers[{index}]"
        yield from refusals.spelled(field, finalizer, names.label_key_problem)
    yield from pod_checks.spec_problems(template.spec, f"{path}.spec")
    yield from ephemeral.not_yet(template.spec, f"{path}.spec", "in a pod template")
    policy = template.spec.restart_policy
    if policy in pod_checks.RESTART_POLICIES:
        yield from refusals.one_of(f"{path}.spec.restartPolicy", policy, restarts)


def unlike(template: types.PodTemplateSpec, selector: LabelSelector) -> Iterator[Problem]:
    """A template whose pods its owner would not know again."""
    labels = template.metadata.labels
    if selector and not selector.matches(labels):
        why = "`selector` does not match template `labels`"
        yield refusals.invalid(f"{TEMPLATE}.metadata.labels", labels, why)


def replica_problems(spec: Any) -> Iterator[Problem]:
    """The counts of whatever keeps a number of pods running."""
    yield from refusals.between("spec.replicas", spec.replicas, 0, MOST)
    yield from refusals.between("spec.minReadySeconds", spec.min_ready_seconds, 0, MOST)


def selector_problems(obj: Any) -> Iterator[Problem]:
    """The rules of a LabelSelector that must mean the template's pods and nothing else."""
    selector: types.LabelSelector = obj.spec.selector
    found = list(meta.selector_problems(selector, "spec.selector"))
    yield from found
    if not (selector.match_labels or selector.match_expressions):
        yield refusals.required("spec.selector", "an empty selector would mean every pod")
    elif not found:
        yield from unlike(obj.spec.template, LabelSelector.meant_by(selector))


def fixed_selector(old: Any, new: Any) -> Iterator[Problem]:
    if old.spec.selector != new.spec.selector:
        yield refusals.invalid("spec.selector", types.to_data(new.spec.selector), "field is immutable")


def selected(obj: Any) -> LabelSelector:
    return LabelSelector.meant_by(obj.spec.selector)


def let_in(
    plural: str,
    template_of: Callable[[Any], types.PodTemplateSpec] = lambda obj: obj.spec.template,
    path: str = TEMPLATE,
) -> Callable[[Transaction, Any, Any], None]:
    """Refused with the template already: else each pod would be refused later, where fewer people look."""

    def admit(tx: Transaction, old: Any, new: Any) -> None:
        spec = template_of(new).spec
        if old is None or template_of(old).spec != spec:
            namespace = tx.get(NAMESPACE, "", new.metadata.namespace)
            admit_spec(namespace, spec, f"{path}.spec", (plural, new.metadata.name))

    return admit


def refuse(obj: Any, problem: Problem) -> NoReturn:
    """Refuse inside the write what only the write can know."""
    group = obj.api_version.rpartition("/")[0]
    raise invalid(obj.kind, obj.metadata.name, [problem], group=group)


def columns(
    selector: Callable[[Any], Any] = selected,
    containers: Callable[[Any], Iterable[types.Container]] = lambda obj: obj.spec.template.spec.containers,
) -> tuple[Column, ...]:
    """The wide columns: what runs inside, and which pods count."""

    def listed(read: Callable[[types.Container], str]) -> Callable[[Any, datetime], str]:
        return lambda obj, now: ",".join(map(read, containers(obj)))

    return (
        Column("Containers", listed(lambda c: c.name), wide=True, description="Names of the template's containers."),
        Column("Images", listed(lambda c: c.image), wide=True, description="Images of the template's containers."),
        Column(
            "Selector",
            lambda obj, now: str(selector(obj)) or "<none>",
            wide=True,
            description="Labels of the pods that count.",
        ),
    )


def count(name: str, read: Callable[[Any], int | None], description: str) -> Column:
    return Column(name, lambda obj, now: read(obj) or 0, "integer", description=description)


REPLICATED = (
    ages.NAME,
    count("Desired", lambda obj: obj.spec.replicas, "Pods wanted."),
    count("Current", lambda obj: obj.status.replicas, "Pods there are."),
    count("Ready", lambda obj: obj.status.ready_replicas, "Pods that are ready."),
    ages.AGE,
)
"""The columns of what keeps a number of pods of one template."""
