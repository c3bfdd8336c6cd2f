"""Which very image a component is to run. A plan names a tag, which somebody may move; a pin says what it was. Pure.

A pin is the plan's own name with a digest behind it, ``shop:1.2@sha256:...``. It holds while the plan says that name,
so another template, tag or repository leaves it. What a revision ran is told in the same words, and pods that are made
later of a template without a pin are held to what ran first by one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from msgspec.structs import replace

from apps.catalog import drift
from apps.catalog.checking.words import unknown
from apps.catalog.render.metadata import COMPONENT, DROVER, MANAGED_BY, Manifest
from apps.catalog.types import ApplicationRevision, ApplicationSpec, RevisionSpec
from apps.cluster import types
from apps.cluster.kinds import refusals
from apps.cluster.registry import kind_at
from apps.cluster.revisions import HELD
from apps.cluster.types import Problem

PIN = re.compile(r"(?P<image>[^@]+)@sha256:[0-9a-f]{64}")
HUB = ("docker.io/", "index.docker.io/", "library/")
"""Parts of names that say nothing: ``docker.io/library/redis`` is ``redis``."""

Parts = Mapping[str, Manifest]
"""What runs each component, as ``rollout.parts`` has it."""
Maker = types.ReplicaSet | types.ReplicationController | types.Job
"""What makes the pods of one version."""


def pinned(image: str, pin: str) -> str:
    """The image by the pin, where the pin is one of this very name."""
    return pin if pin.partition("@")[0] == image else image


def exact(image: str, image_id: str) -> str:
    """An image as a container ran it: with its digest where its registry knows one, else the engine's own id."""
    repository, _, digest = image_id.partition("@")
    if "@" in image or not digest:
        return image if "@" in image else image_id
    return f"{image}@{digest}" if _repository(image) == _repository(repository) else image_id


def ran(parts: Parts, pods: Iterable[types.Pod]) -> dict[str, str]:
    """For each component what most of its pods ran, and of equally many the newest."""
    newest_first, found = _newest_first(pods), {}
    for name, manifest in parts.items():
        if most := _most(_of(name, newest_first), _image(manifest)):
            found[name] = most
    return found


def held(maker: Maker, good: Iterable[types.Pod]) -> str:
    """The pin under which further pods of an application's template run what its good ones do, once that was known.

    "" where there is none: another's pods, an image with a digest of its own, one that only a node has or must have.
    """
    container = maker.spec.template.spec.containers[0]
    if maker.metadata.labels.get(MANAGED_BY) != DROVER or container.image_pull_policy == "Never":
        return ""
    noted = maker.metadata.annotations.get(HELD, "")
    pin = noted if _is_of(noted, container.image) else _most(_newest_first(good), container.image)
    return pin if _is_of(pin, container.image) else ""


def noted(maker: Maker, pin: str) -> types.ObjectMeta | None:
    """The metadata with the pin, None where that is no news. Beside the template it outlives the pods that ran it, and
    makes no other version."""
    meta = maker.metadata
    if not pin or meta.annotations.get(HELD, "") == pin:
        return None
    return replace(meta, annotations={**meta.annotations, HELD: pin})


def holding(template: types.PodTemplateSpec, pin: str) -> types.PodTemplateSpec:
    """The template with the pin, if any, in it, and a mark by which its pods are known for pods of the template as it
    was."""
    if not pin:
        return template
    first, *others = template.spec.containers
    notes = {**template.metadata.annotations, HELD: pin}
    return replace(
        template,
        metadata=replace(template.metadata, annotations=notes),
        spec=replace(template.spec, containers=[replace(first, image=pin), *others]),
    )


def known(revision: ApplicationRevision) -> dict[str, str]:
    """The pins under which the revision would run what it ran; what only a node had cannot be asked for again."""
    recorded = {name: image for name, image in revision.status.images.items() if PIN.fullmatch(image)}
    return {**revision.spec.pins, **recorded}


def needed(
    parts: Parts, pins: Mapping[str, str], pods: Iterable[types.Pod], done: Iterable[str]
) -> dict[str, str]:
    """Of the pins those that change something. ``parts`` are without any; ``done`` names the jobs that are there.

    Where pods are as their part asks and run the pinned digest already, a pin would only exchange them by their like.
    """
    there, pods = {*done}, [*pods]

    def changes(name: str) -> bool:
        manifest = parts[name]
        if manifest["metadata"]["name"] in there or pinned(_image(manifest), pins[name]) == _image(manifest):
            return False
        kind = kind_at(manifest["apiVersion"], manifest["kind"])
        stay = [pod for pod in _of(name, pods) if drift.follows(kind, manifest, pod)]
        return not stay or any(_run_by(pod, _image(manifest)) != pins[name] for pod in stay)

    return {name: pin for name, pin in pins.items() if name in parts and changes(name)}


def kept(parts: Parts, before: ApplicationSpec | None, after: ApplicationSpec) -> dict[str, str]:
    """What a change leaves of the pins: another template drops those that did not come with the change itself."""
    old = before.pins if before else {}
    moved = before is not None and before.template != after.template
    return {
        name: pin
        for name, pin in after.pins.items()
        if name in parts
        and pinned(_image(parts[name]), pin) != _image(parts[name])
        and not (moved and old.get(name) == pin)
    }


def problems(parts: Parts, before: ApplicationSpec | None, after: ApplicationSpec) -> Iterator[Problem]:
    """Of pins that somebody wrote; those that were there before may have lost their image, and then just go."""
    old = before.pins if before else {}
    for name, pin in after.pins.items():
        here, found = f"spec.pins[{name}]", PIN.fullmatch(pin)
        if pin == old.get(name):
            continue
        if name not in parts:
            yield unknown(here, "component", name, parts)
        elif found is None or found["image"] != _image(parts[name]):
            yield refusals.invalid(
                here, pin, f"must be {_image(parts[name])}@sha256: and 64 digits: the plan's image"
            )


def compared(old: ApplicationRevision, new: ApplicationRevision) -> tuple[RevisionSpec, RevisionSpec]:
    """Both with the images that they ran, so far as that is known of both: that a tag was moved between them is a
    difference, that only one of them says the digest is none."""
    before, after = known(old), known(new)
    both = before.keys() & after.keys()
    return (
        _told(old.spec, {name: before[name] for name in both}),
        _told(new.spec, {name: after[name] for name in both}),
    )


def _told(spec: RevisionSpec, pins: Mapping[str, str]) -> RevisionSpec:
    copy: RevisionSpec = types.decode(RevisionSpec, types.encode(spec))
    for manifest in copy.objects:
        pin = pins.get(manifest["metadata"].get("labels", {}).get(COMPONENT, ""))
        if pin and "template" in manifest.get("spec", {}):
            container = manifest["spec"]["template"]["spec"]["containers"][0]
            container["image"] = pinned(container["image"], pin)
    return copy


def _image(manifest: Manifest) -> str:
    """A component has one container."""
    image: str = manifest["spec"]["template"]["spec"]["containers"][0]["image"]
    return image


def _of(component: str, pods: Iterable[types.Pod]) -> Iterator[types.Pod]:
    for pod in pods:
        if pod.metadata.labels.get(COMPONENT) == component and pod.metadata.deletion_timestamp is None:
            yield pod


def _newest_first(pods: Iterable[types.Pod]) -> list[types.Pod]:
    return sorted(pods, key=lambda pod: str(pod.metadata.creation_timestamp), reverse=True)


def _most(pods: Iterable[types.Pod], image: str) -> str:
    """What most of the pods ran of an image, of equally many the first; "" when none ran it."""
    seen = Counter(filter(None, (_run_by(pod, image) for pod in pods)))
    return seen.most_common(1)[0][0] if seen else ""


def _run_by(pod: types.Pod, image: str) -> str:
    """What a pod ran of an image, held by a pin or not; "" for another one or none yet."""
    for one in pod.status.container_statuses:
        if one.image_id and pinned(image, one.image) == one.image:
            return exact(one.image, one.image_id)
    return ""


def _is_of(pin: str, image: str) -> bool:
    """Whether it is a pin, and one of this very name."""
    return PIN.fullmatch(pin) is not None and pin != image and pinned(image, pin) == pin


def _repository(image: str) -> str:
    head, colon, tag = image.partition("@")[0].rpartition(":")
    name = head if colon and "/" not in tag else image.partition("@")[0]
    for prefix in HUB:
        name = name.removeprefix(prefix)
    return name
