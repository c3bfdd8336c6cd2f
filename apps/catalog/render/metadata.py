"""Names and labels: how all that belongs to an application is told apart and found again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from apps.cluster import types

Manifest = dict[str, Any]
APP_GROUP = "drover.dev"
APP_VERSION = f"{APP_GROUP}/v1"
PART_OF = "app.kubernetes.io/part-of"
INSTANCE = "app.kubernetes.io/instance"
COMPONENT = "app.kubernetes.io/component"
MANAGED_BY = "app.kubernetes.io/managed-by"
DROVER = "drover"
ENDPOINT = f"{APP_GROUP}/endpoint"


@dataclass(frozen=True)
class Identity:
    """Whose objects these are; ``uid`` is "" in a preview."""

    namespace: str
    name: str
    uid: str = ""

    @property
    def secret(self) -> str:
        """The Secret that keeps the application's secret parameters."""
        return f"{self.name}-secrets"

    def labels(self, component: str = "") -> dict[str, str]:
        mine = {INSTANCE: self.name, PART_OF: self.name, MANAGED_BY: DROVER}
        return {**mine, COMPONENT: component} if component else mine

    def selector(self, component: str) -> dict[str, str]:
        return {INSTANCE: self.name, COMPONENT: component}

    def owner(self) -> list[Manifest]:
        """What makes everything go when the application goes."""
        return [
            {
                "apiVersion": APP_VERSION, "kind": "Application", "name": self.name, "uid": self.uid,
                "controller": True, "blockOwnerDeletion": True,
            }
        ]  # fmt: skip

    def manifest(
        self,
        api_version: str,
        kind: str,
        name: str,
        component: str = "",
        *,
        owned: bool = True,
        **content: Any,
    ) -> Manifest:
        """An object of the application; ``owned`` says whether it goes with it."""
        metadata: Manifest = {"name": name, "namespace": self.namespace, "labels": self.labels(component)}
        if owned and self.uid:
            metadata["ownerReferences"] = self.owner()
        return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}


def digest(value: Any) -> str:
    """Eight characters that change when the value does: the end of names whose content never changes."""
    return hashlib.sha256(types.encode(value)).hexdigest()[:8]
