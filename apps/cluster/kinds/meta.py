"""What every object's metadata must obey: names, labels, annotations, owners, finalizers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from apps.cluster import names, types
from apps.cluster.kinds import refusals
from apps.cluster.selectors import EXPRESSED
from apps.cluster.types import Problem

ANNOTATIONS_LIMIT = 256 * 1024
GENERATED_LENGTH = 5
UID_LIMIT = 36

NameCheck = Callable[[str], str | None]


def problems(
    metadata: types.ObjectMeta, name_problem: NameCheck, *, namespaced: bool = True, path: str = "metadata"
) -> Iterator[Problem]:
    """Everything wrong with an object's metadata; ``name_problem`` is the kind's rule for names."""
    yield from _name_problems(metadata, name_problem, path)
    if namespaced:
        yield from refusals.named(f"{path}.namespace", metadata.namespace, names.dns_label_problem)
    elif metadata.namespace:
        yield refusals.forbidden(f"{path}.namespace", "not allowed on this type")
    yield from label_problems(metadata.labels, f"{path}.labels")
    yield from annotation_problems(metadata.annotations, f"{path}.annotations")
    yield from _owner_problems(metadata.owner_references, f"{path}.ownerReferences")
    for index, finalizer in enumerate(metadata.finalizers):
        yield from refusals.spelled(f"{path}.finalizers[{index}]", finalizer, names.label_key_problem)


def _name_problems(metadata: types.ObjectMeta, name_problem: NameCheck, path: str) -> Iterator[Problem]:
    if metadata.generate_name:
        sample = metadata.generate_name + "x" * GENERATED_LENGTH
        if why := name_problem(sample):
            yield refusals.invalid(f"{path}.generateName", metadata.generate_name, why)
    if metadata.name:
        yield from refusals.spelled(f"{path}.name", metadata.name, name_problem)
    elif not metadata.generate_name:
        yield refusals.required(f"{path}.name", "name or generateName is required")


def label_problems(labels: Mapping[str, str], path: str) -> Iterator[Problem]:
    """Labels, and selectors made of labels."""
    for key, value in labels.items():
        yield from refusals.spelled(path, key, names.label_key_problem)
        yield from refusals.spelled(path, value, names.label_value_problem)


def selector_problems(selector: types.LabelSelector, path: str) -> Iterator[Problem]:
    """A selector as objects of the API write it. What it cannot match is not looked for."""
    yield from label_problems(selector.match_labels, f"{path}.matchLabels")
    for index, each in enumerate(selector.match_expressions):
        place = f"{path}.matchExpressions[{index}]"
        yield from refusals.named(f"{place}.key", each.key, names.label_key_problem)
        yield from refusals.one_of(f"{place}.operator", each.operator, EXPRESSED)
        for position, value in enumerate(each.values):
            yield from refusals.spelled(f"{place}.values[{position}]", value, names.label_value_problem)
        if each.operator in {"In", "NotIn"} and not each.values:
            yield refusals.required(f"{place}.values", "must be given with operator In or NotIn")
        if each.operator in {"Exists", "DoesNotExist"} and each.values:
            yield refusals.forbidden(f"{place}.values", "may not be given with operator Exists or DoesNotExist")


def annotation_problems(annotations: Mapping[str, str], path: str) -> Iterator[Problem]:
    for key in annotations:
        yield from refusals.spelled(path, key, lambda text: names.label_key_problem(text.lower()))
    if sum(len(key) + len(value) for key, value in annotations.items()) > ANNOTATIONS_LIMIT:
        yield refusals.too_long(path, ANNOTATIONS_LIMIT)


def _owner_problems(owners: Iterable[types.OwnerReference], path: str) -> Iterator[Problem]:
    controller = ""
    for index, owner in enumerate(owners):
        for name in ("api_version", "kind", "name", "uid"):
            field = f"{path}[{index}].{types.wire_name(name)}"
            if not getattr(owner, name):
                yield refusals.required(field)
            yield from refusals.plain(field, getattr(owner, name), UID_LIMIT if name == "uid" else 253)
        if owner.controller:
            if controller:
                yield refusals.invalid(
                    f"{path}[{index}].controller",
                    True,
                    f"only one owner may be the controller, and {controller} is",
                )
            controller = f"{owner.kind}/{owner.name}"


def condition_problems(conditions: Iterable[types.Condition], path: str) -> Iterator[Problem]:
    """Conditions of a status: each with a word for what it is about and one of three for how it stands."""
    for index, condition in enumerate(conditions):
        yield from refusals.named(f"{path}[{index}].type", condition.type, names.label_key_problem)
        yield from refusals.one_of(f"{path}[{index}].status", condition.status, ("True", "False", "Unknown"))


def update_problems(old: types.ObjectMeta, new: types.ObjectMeta) -> Iterator[Problem]:
    """What an object is known by never changes."""
    for name in ("name", "namespace", "uid", "creation_timestamp"):
        before, after = getattr(old, name), getattr(new, name)
        if after and before and after != before:
            yield refusals.invalid(f"metadata.{types.wire_name(name)}", after, "field is immutable")


Check = Callable[[Any], Iterable[Problem]]
UpdateCheck = Callable[[Any, Any], Iterable[Problem]]


def checked(name_problem: NameCheck, *more: Check, namespaced: bool = True) -> Check:
    """A kind's ``validate``: its metadata, then whatever else the kind asks for."""

    def validate(obj: Any) -> list[Problem]:
        found = list(problems(obj.metadata, name_problem, namespaced=namespaced))
        for check in more:
            found.extend(check(obj))
        return found

    return validate


def checked_update(*more: UpdateCheck) -> UpdateCheck:
    """A kind's ``validate_update``: identity, then whatever else the kind holds fixed."""

    def validate_update(old: Any, new: Any) -> list[Problem]:
        found = list(update_problems(old.metadata, new.metadata))
        for check in more:
            found.extend(check(old, new))
        return found

    return validate_update
