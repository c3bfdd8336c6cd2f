"""The kinds ReplicationController and ReplicaSet: so many pods of one template."""

from __future__ import annotations

from collections.abc import Iterator

from apps.cluster import names, types
from apps.cluster.kinds import meta, refusals, templates
from apps.cluster.kinds.pod_defaults import default_spec
from apps.cluster.quantities import NANO
from apps.cluster.registry import Kind, register
from apps.cluster.selectors import LabelSelector
from apps.cluster.types import Problem

ALWAYS = ("Always",)


def _default(controller: types.ReplicationController) -> None:
    spec = controller.spec
    labels = spec.template.metadata.labels
    spec.selector = spec.selector or dict(labels)
    controller.metadata.labels = controller.metadata.labels or dict(labels)
    _default_set(controller)


def _default_set(controller: types.ReplicationController | types.ReplicaSet) -> None:
    if controller.spec.replicas is None:
        controller.spec.replicas = 1
    default_spec(controller.spec.template.spec)


def _problems(controller: types.ReplicationController) -> Iterator[Problem]:
    spec = controller.spec
    yield from templates.replica_problems(spec)
    if not spec.selector:
        yield refusals.required("spec.selector")
    yield from meta.label_problems(spec.selector, "spec.selector")
    yield from templates.problems(spec.template, ALWAYS)
    yield from templates.unlike(spec.template, _selected(controller))


def _set_problems(replica_set: types.ReplicaSet) -> Iterator[Problem]:
    yield from templates.replica_problems(replica_set.spec)
    yield from templates.problems(replica_set.spec.template, ALWAYS)
    yield from templates.selector_problems(replica_set)


def _selected(controller: types.ReplicationController) -> LabelSelector:
    return LabelSelector.of(controller.spec.selector)


REPLICATION_CONTROLLER = register(
    Kind(
        name="ReplicationController",
        plural="replicationcontrollers",
        short=("rc",),
        categories=("all",),
        schema=types.ReplicationController,
        subresources=frozenset({"status", "scale"}),
        default=_default,
        validate=meta.checked(names.dns_subdomain_problem, _problems),
        validate_update=meta.checked_update(),
        admit=(templates.let_in("replicationcontrollers"),),
        charges=lambda _: {"replicationcontrollers": NANO},
        fields={"status.replicas": lambda controller: str(controller.status.replicas)},
        selects=_selected,
        columns=(*templates.REPLICATED, *templates.columns(_selected)),
    )
)

REPLICA_SET = register(
    Kind(
        group="apps",
        name="ReplicaSet",
        plural="replicasets",
        short=("rs",),
        categories=("all",),
        schema=types.ReplicaSet,
        subresources=frozenset({"status", "scale"}),
        default=_default_set,
        validate=meta.checked(names.dns_subdomain_problem, _set_problems),
        validate_update=meta.checked_update(templates.fixed_selector),
        admit=(templates.let_in("replicasets"),),
        fields={"status.replicas": lambda replica_set: str(replica_set.status.replicas)},
        selects=templates.selected,
        columns=(*templates.REPLICATED, *templates.columns()),
    )
)
