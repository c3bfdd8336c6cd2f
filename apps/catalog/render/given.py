"""Reads back from a revision what ``payload`` handed to pods: files by their paths, variables by their values. Pure.

What holds them has a name that changes with the content, so to a reader it would be one thing gone and another come.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from apps.catalog.render.metadata import COMPONENT, Manifest
from apps.catalog.render.payload import Recipe

Held = Mapping[tuple[str, str], Mapping[str, str]]
"""By kind and name what a ConfigMap or a Secret holds."""


class File(NamedTuple):
    """Secrets in the content stand as the names of their parameters."""

    content: str
    mode: str


class Given(NamedTuple):
    """``objects`` are without what only carries files and variables; ``files`` go by component and path."""

    objects: list[Manifest]
    files: dict[tuple[str, str], File]


def read_back(objects: Iterable[Manifest], recipes: Iterable[Recipe]) -> Given:
    found, objects = Given([], {}), [*objects]
    held = {(one["kind"], one["metadata"]["name"]): one["data"] for one in objects if one["kind"] == "ConfigMap"}
    held |= {("Secret", recipe.name): _shown(recipe) for recipe in recipes}
    for manifest in objects:
        if "template" in manifest.get("spec", {}):
            component = manifest["metadata"].get("labels", {}).get(COMPONENT, "")
            pod = manifest["spec"]["template"]["spec"]
            found.files.update({(component, path): file for path, file in _files(pod, held).items()})
            template = {**manifest["spec"]["template"], "spec": _without_carriers(pod, held)}
            found.objects.append({**manifest, "spec": {**manifest["spec"], "template": template}})
        elif (manifest["kind"], manifest["metadata"]["name"]) not in held:
            found.objects.append(manifest)
    return found


def _shown(recipe: Recipe) -> dict[str, str]:
    return {
        key: "".join(part if isinstance(part, str) else f"<secret {part.secret}>" for part in parts)
        for key, parts in recipe.data.items()
    }


def _files(pod: Manifest, held: Held) -> dict[str, File]:
    content = {}
    for volume in pod.get("volumes", ()):
        if (place := _holder(volume)) in held:
            for item in (volume.get("configMap") or volume["secret"])["items"]:
                content[volume["name"], item["path"]] = File(held[place][item["key"]], f"{item['mode']:04o}")
    return {
        mount["mountPath"]: content[mount["name"], mount["subPath"]]
        for container in pod["containers"]
        for mount in container.get("volumeMounts", ())
        if (mount["name"], mount.get("subPath")) in content
    }


def _without_carriers(pod: Manifest, held: Held) -> Manifest:
    carriers = {volume["name"] for volume in pod.get("volumes", ()) if _holder(volume) in held}
    containers = [
        _with(
            container,
            volumeMounts=[one for one in container.get("volumeMounts", ()) if one["name"] not in carriers],
            env=[_plain(variable, held) for variable in container.get("env", ())],
        )
        for container in pod["containers"]
    ]
    volumes = [one for one in pod.get("volumes", ()) if one["name"] not in carriers]
    return _with(pod, containers=containers, volumes=volumes)


def _holder(volume: Manifest) -> tuple[str, str]:
    """By kind and name what a volume of files shows; of any other volume nothing that is held."""
    if "configMap" in volume:
        return "ConfigMap", volume["configMap"]["name"]
    return "Secret", volume.get("secret", {}).get("secretName", "")


def _plain(variable: Manifest, held: Held) -> Manifest:
    """A variable that is mixed from text and secrets by its value; one that is a secret as it is."""
    source = variable.get("valueFrom", {}).get("secretKeyRef")
    content = held.get(("Secret", source["name"])) if source else None
    return variable if content is None else {"name": variable["name"], "value": content[source["key"]]}


def _with(manifest: Manifest, **lists: list[Any]) -> Manifest:
    """The manifest with these lists, of which empty ones are not there."""
    kept = {key: value for key, value in manifest.items() if key not in lists}
    return {**kept, **{key: value for key, value in lists.items() if value}}
