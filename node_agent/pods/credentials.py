"""Credentials for registries, from the secrets a pod names in imagePullSecrets. Pure."""

from __future__ import annotations

import base64
import json

from apps.cluster import types
from node_agent.pods.env import ConfigTrouble, Sources, decoded

KEY = ".dockerconfigjson"
HUB_NAMES = ("https://index.docker.io/v1/", "index.docker.io", "registry-1.docker.io")


def of_pod(pod: types.Pod, sources: Sources) -> dict[str, dict[str, str]]:
    """User and password by registry. A missing or malformed secret gives none: the pull will say so."""
    found: dict[str, dict[str, str]] = {}
    for reference in pod.spec.image_pull_secrets:
        secret = sources.secret(pod.metadata.namespace, reference.name)
        if secret is None or KEY not in secret.data:
            continue
        try:
            found |= parse(decoded({KEY: secret.data[KEY]})[KEY])
        except (ConfigTrouble, ValueError, KeyError, TypeError, AttributeError):
            continue
    return found


def parse(config: bytes) -> dict[str, dict[str, str]]:
    """A Docker client's config.json. Raises ValueError, KeyError or TypeError for anything else."""
    found = {}
    for registry, entry in json.loads(config)["auths"].items():
        user, password = entry.get("username", ""), entry.get("password", "")
        if entry.get("auth"):
            user, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
        name = "docker.io" if registry in HUB_NAMES else registry.removeprefix("https://").rstrip("/")
        found[name] = {"username": user, "password": password}
    return found
