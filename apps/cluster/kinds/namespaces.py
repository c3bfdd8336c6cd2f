"""The kind Namespace: the room in which names are unique, and what pods in it may do."""

from __future__ import annotations

from apps.cluster import names, types
from apps.cluster.kinds import ages, meta, security
from apps.cluster.kinds.transaction import CONTROLLERS, Transaction
from apps.cluster.registry import VERBS, Column, Kind, register

FINALIZER = "kubernetes"
LASTING = frozenset({"default", "kube-system"})
NAME_LABEL = "kubernetes.io/metadata.name"


def _default(namespace: types.Namespace) -> None:
    """A namespace is held by its finalizer until the namespace controller has emptied it."""
    deleting = namespace.metadata.deletion_timestamp is not None
    if not names.label_value_problem(namespace.metadata.name):
        namespace.metadata.labels[NAME_LABEL] = namespace.metadata.name
    namespace.status.phase = "Terminating" if deleting else "Active"
    if not deleting and FINALIZER not in namespace.spec.finalizers:
        namespace.spec.finalizers.append(FINALIZER)


def _keep_finalizers(tx: Transaction, old: types.Namespace | None, new: types.Namespace) -> None:
    """Only a controller ends the hold: a client that sends no finalizers must not lose what is inside."""
    if old is not None and CONTROLLERS not in tx.actor.groups:
        new.spec.finalizers = old.spec.finalizers


def _kept(namespace: types.Namespace) -> str:
    return "this namespace may not be deleted" if namespace.metadata.name in LASTING else ""


NAMESPACE = register(
    Kind(
        name="Namespace",
        plural="namespaces",
        short=("ns",),
        schema=types.Namespace,
        namespaced=False,
        verbs=tuple(verb for verb in VERBS if verb != "deletecollection"),
        subresources=frozenset({"status", "finalize"}),
        default=_default,
        validate=meta.checked(names.dns_label_problem, security.level_problems, namespaced=False),
        validate_update=meta.checked_update(),
        admit=(_keep_finalizers,),
        kept=_kept,
        held=lambda namespace: bool(namespace.spec.finalizers or namespace.metadata.finalizers),
        fields={"status.phase": lambda namespace: namespace.status.phase},
        columns=(
            ages.NAME,
            Column(
                "Status", lambda namespace, now: namespace.status.phase, description="Active, or Terminating."
            ),
            ages.AGE,
        ),
    )
)
