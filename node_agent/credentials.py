"""Credentials for registries, from the secrets a pod names in imagePullSecrets. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from apps.cluster import types
from node_agent.pods.env import ConfigTrouble, Sources, decoded

CONFIG_JSON, CONFIG = ".dockerconfigjson", ".dockercfg"
HUB = "docker.io"
HUB_NAMES = ("index.docker.io", "registry-1.docker.io", HUB)
VERSIONS = ("/v1", "/v2")

Auth = dict[str, str]
"""User and password, as the engine takes them."""


def of_pod(pod: types.Pod, sources: Sources) -> dict[str, Auth]:
    """By registry, or registry and path; of two for the same place the one named first counts.

    A missing or malformed secret gives none: the pull will say so.
    """
    found: dict[str, Auth] = {}
    for reference in pod.spec.image_pull_secrets:
        secret = sources.secret(pod.metadata.namespace, reference.name)
        for key in (CONFIG_JSON, CONFIG):
            if secret is None or key not in secret.data:
                continue
            try:
                found = parse(decoded({key: secret.data[key]})[key], bare=key == CONFIG) | found
            except (ConfigTrouble, ValueError, KeyError, TypeError, AttributeError):
                continue
    return found


def parse(config: bytes, *, bare: bool = False) -> dict[str, Auth]:
    """A Docker client's config.json, or (``bare``) the older form without ``auths`` around it.

    Raises ValueError, KeyError, TypeError or AttributeError for anything else.
    """
    data = json.loads(config)
    return {_place(name): _auth(entry) for name, entry in (data if bare else data["auths"]).items()}


def for_image(credentials: Mapping[str, Auth], domain: str, path: str) -> Auth | None:
    """The credentials of the place that names an image most closely: ``host/team`` goes before ``host``."""
    fitting = [place for place in credentials if _fits(place, domain, path)]
    return credentials[max(fitting, key=len)] if fitting else None


def _fits(place: str, domain: str, path: str) -> bool:
    host, _, folder = place.partition("/")
    # A star stands for one part of a name, never for several.
    same = host.count(".") == domain.count(".") and fnmatchcase(domain, host)
    return same and (not folder or f"{path}/".startswith(f"{folder}/"))


def _place(name: str) -> str:
    place = name.removeprefix("https://").removeprefix("http://").rstrip("/")
    for version in VERSIONS:
        place = place.removesuffix(version)
    host, slash, folder = place.partition("/")
    return (HUB if host in HUB_NAMES else host) + slash + folder


def _auth(entry: Mapping[str, Any]) -> Auth:
    user, password = entry.get("username", ""), entry.get("password", "")
    if entry.get("auth"):
        try:
            user, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
        except binascii.Error as error:
            raise ValueError(str(error)) from error
    if not isinstance(user, str) or not isinstance(password, str):
        raise TypeError("a user and a password are texts")
    return {"username": user, "password": password}
