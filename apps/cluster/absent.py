"""Kinds of Kubernetes that are not built and that people often send, and what to use instead."""

from __future__ import annotations

from typing import NamedTuple


class Absent(NamedTuple):
    group: str
    version: str
    plural: str
    kind: str
    short: tuple[str, ...]
    instead: str
    namespaced: bool = True

    @property
    def sentence(self) -> str:
        return f"Drover has no {self.kind}: {self.instead}"


ABSENT = (
    Absent(
        "apps", "v1", "statefulsets", "StatefulSet", ("sts",),
        "use a Deployment of one replica with a PersistentVolumeClaim for each member, or an Application, "
        "whose components have volumes and names of their own",
    ),
    Absent(
        "apps", "v1", "daemonsets", "DaemonSet", ("ds",),
        "use a Deployment of as many replicas as there are nodes, with topologySpreadConstraints over "
        "kubernetes.io/hostname",
    ),
    Absent(
        "networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", ("netpol",),
        "every pod can reach every other; let what others must not use ask for a password or a certificate",
    ),
    Absent(
        "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", ("crd", "crds"),
        "the kinds of this server are fixed; an ApplicationTemplate describes what is made of several objects",
        namespaced=False,
    ),
)  # fmt: skip


def find(api_version: str, kind: str) -> Absent | None:
    """As objects write it: ``apps/v1`` and ``StatefulSet``."""
    return next(
        (one for one in ABSENT if (f"{one.group}/{one.version}", one.kind) == (api_version, kind)), None
    )
