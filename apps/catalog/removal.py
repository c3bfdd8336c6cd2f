"""Deleting an application: exactly what goes, exactly what stays."""

from __future__ import annotations

from dataclasses import dataclass

from apps.catalog.admission import is_of
from apps.catalog.kinds import APPLICATION
from apps.catalog.render import Identity
from apps.catalog.render.metadata import INSTANCE
from apps.catalog.types import Application
from apps.cluster import models, store, types
from apps.cluster.actors import Actor
from apps.cluster.kinds import PERSISTENT_VOLUME_CLAIM, SECRET
from apps.cluster.registry import Kind, by_key
from apps.cluster.selectors import LabelSelector
from apps.cluster.transaction import Transaction


@dataclass(frozen=True)
class Removal:
    """Lines such as ``Deployment shop-web``; ``loses`` says whether data is lost for good."""

    goes: tuple[str, ...]
    stays: tuple[str, ...]
    loses: bool


def of(app: Application, *, volumes: bool) -> Removal:
    """What deleting ``app`` means now."""
    owned = models.Object.objects.filter(owners__owner_uid=app.metadata.uid).order_by("kind", "name")
    goes = [f"{by_key(key).name} {name}" for key, name in owned.values_list("kind", "name")]
    kept = [f"{kind.name} {name}" for kind, name in _kept(app)]
    return Removal(
        (*goes, *(kept if volumes else ())), () if volumes else tuple(kept), volumes and bool(kept)
    )


def remains(uid: str) -> bool:
    """Whether anything that the application with this uid owned is still there."""
    return models.Object.objects.filter(owners__owner_uid=uid).exists()


def carry_out(actor: Actor, namespace: str, name: str, *, volumes: bool) -> None:
    """Delete it; what it owns follows. With ``volumes`` its data and the secrets that belong to them go too."""
    app: Application = store.get(APPLICATION, namespace, name).object
    kept = _kept(app) if volumes else ()

    def work(tx: Transaction) -> None:
        background = types.DeleteOptions(propagation_policy="Background")
        tx.delete(APPLICATION, namespace, name, background)
        for kind, one in kept:
            tx.delete(kind, namespace, one)

    store.write(actor, work)


def _kept(app: Application) -> tuple[tuple[Kind, str], ...]:
    """Claims and the Secret that no owner takes along."""
    identity = Identity(app.metadata.namespace, app.metadata.name)
    found: list[tuple[Kind, str]] = []
    for kind in (PERSISTENT_VOLUME_CLAIM, SECRET):
        rows = store.list(
            kind, namespace=identity.namespace, labels=LabelSelector.of({INSTANCE: identity.name})
        ).rows
        found += [
            (kind, row.name)
            for row in rows
            if not row.object.metadata.owner_references and is_of(row.object, app)
        ]
    return tuple(found)
