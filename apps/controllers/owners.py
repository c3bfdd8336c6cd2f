"""Whose an object is: owner references, adoption and release, and which owner a change concerns."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from msgspec.structs import replace

from apps.catalog import pins
from apps.cluster import types
from apps.cluster.kinds import POD
from apps.cluster.log import Change
from apps.cluster.registry import Kind, kind_for
from apps.cluster.selectors import LabelSelector
from apps.controllers.actions import Delete, Note, Update
from apps.controllers.reading import Reader, key_of, meta_in

C = TypeVar("C", bound=types.Resource)


@dataclass(frozen=True)
class Family(Generic[C]):
    """The objects that an owner selects or owns, sorted by what is to be done with them."""

    mine: tuple[C, ...] = ()
    orphans: tuple[C, ...] = ()
    strays: tuple[C, ...] = ()


def family(owner: types.Resource, selector: LabelSelector, children: Sequence[C]) -> Family[C]:
    """Which children are the owner's, which have no owner and fit, and which no longer fit. Another's are
    none of these."""
    mine, orphans, strays = [], [], []
    for child in children:
        holder = controller_of(child)
        fits = bool(selector) and selector.matches(child.metadata.labels)
        leaving = child.metadata.deletion_timestamp is not None
        if holder is not None and holder.uid == owner.metadata.uid:
            if fits:
                mine.append(child)
            elif not leaving:
                strays.append(child)
        elif holder is None and fits and not leaving:
            orphans.append(child)
    return Family(tuple(mine), tuple(orphans), tuple(strays))


def controller_of(obj: types.Resource) -> types.OwnerReference | None:
    """The one owner that manages this object."""
    return next((owner for owner in obj.metadata.owner_references if owner.controller), None)


def reference(owner: types.Resource) -> types.OwnerReference:
    return types.OwnerReference(
        api_version=owner.api_version,
        kind=owner.kind,
        name=owner.metadata.name,
        uid=owner.metadata.uid,
        controller=True,
        block_owner_deletion=True,
    )


def adopted(kind: Kind, child: Any, owner: types.Resource) -> Update:
    return _with_owners(kind, child, [*_others(child, owner), reference(owner)])


def released(kind: Kind, child: Any, owner: types.Resource) -> Update:
    return _with_owners(kind, child, _others(child, owner))


def noted(owner: pins.Maker, pin: str) -> tuple[Update, ...]:
    """Notes at the owner which content its further pods are held to, if that is news."""
    meta = pins.noted(owner, pin)
    return () if meta is None else (Update(kind=kind_for(owner), obj=replace(owner, metadata=meta), part="metadata"),)


def pod_of(owner: types.Resource, template: bytes) -> types.Pod:
    """One pod of the encoded template, sharing nothing with its siblings; the store completes its name."""
    made = types.decode(types.PodTemplateSpec, template)
    return types.Pod(
        api_version="v1",
        kind="Pod",
        metadata=types.ObjectMeta(
            generate_name=f"{owner.metadata.name}-",
            namespace=owner.metadata.namespace,
            labels=made.metadata.labels,
            annotations=made.metadata.annotations,
            finalizers=made.metadata.finalizers,
            owner_references=[reference(owner)],
        ),
        spec=made.spec,
    )


def pod_removal(pod: types.Pod, owner: types.Resource) -> Delete:
    """Deletes one pod of the owner's, and says so there."""
    meta = pod.metadata
    told = Note(about=owner, reason="SuccessfulDelete", message=f"Deleted pod: {meta.name}")
    return Delete(kind=POD, namespace=meta.namespace, name=meta.name, uid=meta.uid, told=told)


def concerned(kind: Kind, change: Change, read: Reader) -> Iterable[str]:
    """The keys of the owners of ``kind`` that a change of one of them, or of a child, concerns."""
    if change.kind_key == kind.key:
        return (key_of(change.namespace, change.name),)
    meta = meta_in(change)
    owner = next((owner for owner in meta.owner_references if owner.controller), None)
    if owner is not None:
        return (key_of(change.namespace, owner.name),) if owner.kind == kind.name else ()
    if change.type == "DELETED":
        return ()
    # Nobody's: whoever selects it adopts it.
    return (
        key_of(change.namespace, obj.metadata.name)
        for obj in read.remembered(kind, change.namespace)
        if (selector := kind.selects(obj)) and selector.matches(meta.labels)
    )


def _others(child: types.Resource, owner: types.Resource) -> list[types.OwnerReference]:
    return [each for each in child.metadata.owner_references if each.uid != owner.metadata.uid]


def _with_owners(kind: Kind, child: Any, owners: list[types.OwnerReference]) -> Update:
    changed = replace(child, metadata=replace(child.metadata, owner_references=owners))
    return Update(kind=kind, obj=changed, part="metadata")
