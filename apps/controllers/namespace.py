"""Gives each namespace its default service account and the cluster's authority; empties one that is being deleted."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from msgspec.structs import replace

from apps.accounts import certificates
from apps.cluster import types
from apps.cluster.kinds import CONFIG_MAP, NAMESPACE, SERVICE_ACCOUNT
from apps.cluster.kinds.automount import AUTHORITY_KEY, AUTHORITY_MAP
from apps.cluster.log import Change
from apps.cluster.registry import by_key
from apps.controllers.actions import (
    Actions,
    Create,
    Delete,
    Fingerprint,
    Update,
    fingerprint,
    with_condition,
)
from apps.controllers.base import Controller
from apps.controllers.reading import Reader, Row

FINALIZER = "kubernetes"
DEFAULT_ACCOUNT = "default"
BATCH = 500
"""The most objects deleted in one transaction."""


@dataclass(frozen=True)
class View:
    """A namespace; while it is terminating what is left in it, else what it is given."""

    namespace: types.Namespace
    content: tuple[Row, ...] = ()
    account: types.ServiceAccount | None = None
    authority: types.ConfigMap | None = None
    certificate: str = ""
    """The cluster's, which ``authority`` must show."""

    @property
    def fingerprint(self) -> Fingerprint:
        told = fingerprint((self.namespace, self.account, self.authority))
        return told | {(row.uid, row.number) for row in self.content}


def plan(view: View, now: datetime) -> Actions:
    """Pure. Everything inside is deleted before the namespace is let go."""
    if view.namespace.metadata.deletion_timestamp is not None:
        return emptied(view, now)
    name = view.namespace.metadata.name
    creates = []
    if view.account is None:
        meta = types.ObjectMeta(name=DEFAULT_ACCOUNT, namespace=name)
        account = types.ServiceAccount(api_version="v1", kind="ServiceAccount", metadata=meta)
        creates.append(Create(kind=SERVICE_ACCOUNT, obj=account))
    content = {AUTHORITY_KEY: view.certificate}
    if view.authority is None:
        meta = types.ObjectMeta(name=AUTHORITY_MAP, namespace=name)
        authority = types.ConfigMap(api_version="v1", kind="ConfigMap", metadata=meta, data=content)
        creates.append(Create(kind=CONFIG_MAP, obj=authority))
    elif view.authority.data != content and not view.authority.immutable:
        right = replace(view.authority, data=content)
        return Actions(creates=tuple(creates), updates=(Update(kind=CONFIG_MAP, obj=right),))
    return Actions(creates=tuple(creates))


def emptied(view: View, now: datetime) -> Actions:
    """One step towards an empty namespace, or its last finalizer removed when it is empty."""
    namespace = view.namespace
    if not view.content:
        if FINALIZER not in namespace.spec.finalizers:
            return Actions()
        left = [name for name in namespace.spec.finalizers if name != FINALIZER]
        freed = replace(namespace, spec=replace(namespace.spec, finalizers=left))
        return Actions(updates=(Update(kind=NAMESPACE, obj=freed),))
    deletes = tuple(
        Delete(
            kind=by_key(row.kind),
            namespace=row.namespace,
            name=row.name,
            uid=row.uid,
            propagation="Background",
        )
        for row in view.content
        if not row.deleting
    )
    status = status_of(namespace, view.content, now)
    changed = status != namespace.status and not deletes
    return Actions(
        deletes=deletes,
        statuses=(Update(kind=NAMESPACE, obj=replace(namespace, status=status), part="status"),)
        if changed
        else (),
    )


def status_of(namespace: types.Namespace, content: Sequence[Row], now: datetime) -> types.NamespaceStatus:
    """What the namespace still waits for, in words."""
    left = Counter(row.kind for row in content)
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(left.items()))
    remaining = types.Condition(
        type="NamespaceContentRemaining",
        status="True",
        reason="SomeResourcesRemain",
        message=f"Waiting for {told} to be gone",
    )
    return types.NamespaceStatus(
        phase="Terminating", conditions=with_condition(namespace.status.conditions, remaining, now)
    )


class Namespaces(Controller[View]):
    """One key per Namespace: its name."""

    name = "namespace"
    component = "namespace-controller"

    def keys(self, change: Change, read: Reader) -> Iterable[str]:  # noqa: ARG002
        if change.kind_key == NAMESPACE.key:
            return (change.name,)
        authority = (change.kind_key, change.name) == (CONFIG_MAP.key, AUTHORITY_MAP)
        if change.namespace and (change.type == "DELETED" or authority):
            return (change.namespace,)
        return ()

    def all_keys(self, read: Reader) -> Iterable[str]:
        return [key.removeprefix("/") for key in read.keys(NAMESPACE)]

    def look(self, read: Reader, key: str) -> View | None:
        namespace = read.find(NAMESPACE, "", key)
        if namespace is None:
            return None
        if namespace.metadata.deletion_timestamp is None:
            return View(
                namespace,
                account=read.find(SERVICE_ACCOUNT, key, DEFAULT_ACCOUNT),
                authority=read.find(CONFIG_MAP, key, AUTHORITY_MAP),
                certificate=certificates.ensure_authority().certificate.decode(),
            )
        # What is not yet being deleted first: a full batch must always hold work.
        return View(namespace, content=tuple(read.rows(Q(namespace=key), BATCH)))

    def plan(self, view: View, now: datetime) -> Actions:
        return plan(view, now)
