"""What a component is given: variables and files, plain or with secrets in them. Secrets stay names throughout."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.catalog.format import SecretValue
from apps.catalog.references import Hidden, Mixed, spelled
from apps.catalog.render.metadata import Identity, Manifest, digest
from apps.cluster.types import Wire

KEY_REST = re.compile(r"[^A-Za-z0-9._-]+")
FILES, SECRET_FILES = "files", "secret-files"


class Recipe(Wire):
    """A Secret as a revision may keep it: its values in parts, the secret ones by the names of their parameters."""

    name: str
    component: str
    data: dict[str, list[str | SecretValue]]


@dataclass(frozen=True)
class Payload:
    """Variables and files of one component; a value that holds a secret is Hidden or Mixed."""

    env: Mapping[str, Any]
    files: Mapping[str, Any]

    @classmethod
    def of(cls, env: Mapping[str, Any], files: Mapping[str, Any]) -> Payload:
        named = {
            name: Hidden(value["secret"]) if isinstance(value, dict) else value for name, value in env.items()
        }
        return cls(named, files)

    @property
    def secrets(self) -> list[str]:
        """The secret parameters used here."""
        values = [*self.env.values(), *(file["content"] for file in self.files.values())]
        return sorted({hidden for value in values for hidden in _hidden(value)})


@dataclass(frozen=True)
class Handed:
    """A payload as pods see it, and the objects that hold it."""

    env: list[Manifest]
    volumes: list[Manifest]
    mounts: list[Manifest]
    config_maps: list[Manifest]
    recipes: list[Recipe]


def hand(identity: Identity, component: str, payload: Payload, rotations: Mapping[str, int]) -> Handed:
    """Variables and mounted files. The names of what holds them change with the content: an update starts new pods,
    a rollback finds the old content."""
    handed = Handed([], [], [], [], [])
    stem = f"{identity.name}-{component}"
    _variables(identity, component, payload, rotations, handed, stem)
    plain = {path: file for path, file in payload.files.items() if not _hidden(file["content"])}
    secret = {path: file for path, file in payload.files.items() if path not in plain}
    if plain:
        data = {_key(path): spelled(file["content"]) for path, file in plain.items()}
        name = f"{stem}-files-{digest(data)}"
        handed.config_maps.append(identity.manifest("v1", "ConfigMap", name, component, data=data))
        _mount(handed, FILES, {"configMap": {"name": name, "items": _items(plain)}}, plain)
    if secret:
        recipe = _recipe(
            stem, component, {_key(path): file["content"] for path, file in secret.items()}, rotations
        )
        handed.recipes.append(recipe)
        _mount(handed, SECRET_FILES, {"secret": {"secretName": recipe.name, "items": _items(secret)}}, secret)
    return handed


def _variables(
    identity: Identity,
    component: str,
    payload: Payload,
    rotations: Mapping[str, int],
    handed: Handed,
    stem: str,
) -> None:
    mixed = {name: value for name, value in payload.env.items() if isinstance(value, Mixed)}
    recipe = _recipe(f"{stem}-env", component, mixed, rotations) if mixed else None
    if recipe is not None:
        handed.recipes.append(recipe)
    for name, value in payload.env.items():
        if isinstance(value, Hidden):
            handed.env.append(_from_secret(name, identity.secret, value.parameter))
        elif recipe is not None and name in mixed:
            handed.env.append(_from_secret(name, recipe.name, name))
        else:
            handed.env.append({"name": name, "value": spelled(value)})


def _from_secret(name: str, secret: str, key: str) -> Manifest:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def _recipe(stem: str, component: str, content: Mapping[str, Any], rotations: Mapping[str, int]) -> Recipe:
    data = {key: _parts(value) for key, value in content.items()}
    used = {name: rotations.get(name, 0) for value in content.values() for name in _hidden(value)}
    return Recipe(name=f"{stem}-{digest([data, sorted(used.items())])}", component=component, data=data)


def _parts(value: Any) -> list[str | SecretValue]:
    parts: list[str | SecretValue] = []
    for part in value.parts if isinstance(value, Mixed) else (value,):
        if isinstance(part, Hidden):
            parts.append(SecretValue(secret=part.parameter))
        elif parts and isinstance(parts[-1], str):
            parts[-1] += spelled(part)
        else:
            parts.append(spelled(part))
    return parts


def _hidden(value: Any) -> list[str]:
    if isinstance(value, Hidden):
        return [value.parameter]
    return (
        [part.parameter for part in value.parts if isinstance(part, Hidden)]
        if isinstance(value, Mixed)
        else []
    )


def _key(path: str) -> str:
    """A file's key; two paths never share one, since what is replaced comes back as a digest."""
    return f"{digest(path)}-{KEY_REST.sub('-', path.rpartition('/')[2])[-40:] or 'file'}"


def _items(files: Mapping[str, Any]) -> list[Manifest]:
    return [
        {"key": _key(path), "path": _key(path), "mode": int(file.get("mode") or "0444", 8)}
        for path, file in files.items()
    ]


def _mount(handed: Handed, name: str, source: Manifest, files: Mapping[str, Any]) -> None:
    handed.volumes.append({"name": name, **source})
    handed.mounts.extend(
        {"name": name, "mountPath": path, "subPath": _key(path), "readOnly": True} for path in files
    )


def parts_in(recipe: Recipe, values: Mapping[str, str]) -> dict[str, str]:
    """The Secret that a recipe makes with these values. Raises KeyError for a secret that is not there."""
    return {
        key: "".join(part if isinstance(part, str) else values[part.secret] for part in parts)
        for key, parts in recipe.data.items()
    }
