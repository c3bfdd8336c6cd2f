"""The kind ReplicationController: so many pods of one template."""

from __future__ import annotations

from collections.abc import Iterator

from apps.cluster import names, types
from apps.cluster.kinds import ages, meta, pod_checks, refusals
from apps.cluster.kinds.namespaces import NAMESPACE
from apps.cluster.kinds.pod_defaults import default_spec
from apps.cluster.kinds.security import admit_spec
from apps.cluster.kinds.transaction import Transaction
from apps.cluster.quantities import NANO
from apps.cluster.registry import Column, Kind, register
from apps.cluster.selectors import LabelSelector
from apps.cluster.types import Problem

MOST_REPLICAS = 2**31 - 1
TEMPLATE = "spec.template"


def _default(controller: types.ReplicationController) -> None:
    spec = controller.spec
    labels = spec.template.metadata.labels
    if spec.replicas is None:
        spec.replicas = 1
    spec.selector = spec.selector or dict(labels)
    controller.metadata.labels = controller.metadata.labels or dict(labels)
    default_spec(spec.template.spec)


def _problems(controller: types.ReplicationController) -> Iterator[Problem]:
    spec = controller.spec
    yield from refusals.between("spec.replicas", spec.replicas, 0, MOST_REPLICAS)
    yield from refusals.between("spec.minReadySeconds", spec.min_ready_seconds, 0, MOST_REPLICAS)
    if not spec.selector:
        yield refusals.required("spec.selector")
    yield from meta.label_problems(spec.selector, "spec.selector")
    yield from template_problems(spec.template, TEMPLATE)
    labels = spec.template.metadata.labels
    if spec.selector and not LabelSelector.of(spec.selector).matches(labels):
        why = "`selector` does not match template `labels`"
        yield refusals.invalid(f"{TEMPLATE}.metadata.labels", labels, why)
    policy = spec.template.spec.restart_policy
    if policy in pod_checks.RESTART_POLICIES:
        yield from refusals.one_of(f"{TEMPLATE}.spec.restartPolicy", policy, ("Always",))


def template_problems(template: types.PodTemplateSpec, path: str) -> Iterator[Problem]:
    """A template is a pod without a name of its own."""
    yield from meta.label_problems(template.metadata.labels, f"{path}.metadata.labels")
    yield from meta.annotation_problems(template.metadata.annotations, f"{path}.metadata.annotations")
    for index, finalizer in enumerate(template.metadata.finalizers):
        field = f"{path}.metadata.finalizers[{index}]"
        yield from refusals.spelled(field, finalizer, names.label_key_problem)
    yield from pod_checks.spec_problems(template.spec, f"{path}.spec")


def _let_in(
    tx: Transaction, old: types.ReplicationController | None, new: types.ReplicationController
) -> None:
    """Refused here already: else each pod would be refused later, where fewer people look."""
    template = new.spec.template.spec
    if old is None or old.spec.template.spec != template:
        namespace = tx.get(NAMESPACE, "", new.metadata.namespace)
        admit_spec(namespace, template, f"{TEMPLATE}.spec", ("replicationcontrollers", new.metadata.name))


def _containers(controller: types.ReplicationController) -> list[types.Container]:
    return controller.spec.template.spec.containers


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
        admit=(_let_in,),
        charges=lambda _: {"replicationcontrollers": NANO},
        fields={"status.replicas": lambda controller: str(controller.status.replicas)},
        columns=(
            ages.NAME,
            Column("Desired", lambda rc, now: rc.spec.replicas or 0, "integer", description="Pods wanted."),
            Column("Current", lambda rc, now: rc.status.replicas, "integer", description="Pods there are."),
            Column(
                "Ready",
                lambda rc, now: rc.status.ready_replicas,
                "integer",
                description="Pods that are ready.",
            ),
            ages.AGE,
            Column(
                "Containers",
                lambda rc, now: ",".join(container.name for container in _containers(rc)),
                wide=True,
                description="Names of the template's containers.",
            ),
            Column(
                "Images",
                lambda rc, now: ",".join(container.image for container in _containers(rc)),
                wide=True,
                description="Images of the template's containers.",
            ),
            Column(
                "Selector",
                lambda rc, now: ages.selector(rc.spec.selector),
                wide=True,
                description="Labels of the pods that count.",
            ),
        ),
    )
)
