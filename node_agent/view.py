"""What the server told this node, kept on disk too, so that a restarted agent carries on when the server is away.

One file per object, replaced whole, readable by root only: secrets are among them.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from apps.cluster import types
from apps.cluster.types.agent import (
    ANNOUNCED_BY,
    BALANCER_CLASS,
    PEERS,
    TOKENS,
    Changed,
    Objects,
    Peer,
    PodTokens,
)
from node_agent import disk
from node_agent.leaving import Offers

log = logging.getLogger(__name__)

KINDS: dict[str, type[types.Resource]] = {
    "nodes": types.Node,
    PEERS: Peer,
    "services": types.Service,
    "endpointslices": types.EndpointSlice,
    "configmaps": types.ConfigMap,
    "secrets": types.Secret,
    "persistentvolumeclaims": types.PersistentVolumeClaim,
    "ingressclasses": types.IngressClass,
    "ingresses": types.Ingress,
    "persistentvolumes": types.PersistentVolume,
    TOKENS: PodTokens,
    "pods": types.Pod,
}
Key = tuple[str, str]  # namespace, name


@dataclass(slots=True)
class Touched:
    """What has changed since it was last asked for."""

    kinds: set[str] = field(default_factory=set)
    pods: set[str] = field(default_factory=set)  # uids
    tokens: set[str] = field(default_factory=set)  # uids of pods that were given new ones


class View:
    """Safe to read from any thread; written by the connection's. Without a directory nothing is kept on disk."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._held: dict[str, dict[Key, Any]] = {kind: {} for kind in KINDS}
        self._touched = Touched()
        self._number = 0
        self._unsaved = False
        self.offers = Offers()

    @property
    def number(self) -> int:
        """Everything that concerns the node is known up to this number of the cluster's log."""
        return self._number

    def load(self) -> None:
        """Take up what was kept on disk. A file that cannot be read is passed over: the server has it too."""
        if self._directory is None:
            return
        for kind, cls in KINDS.items():
            for file in sorted((self._directory / kind).glob("*.json")):
                try:
                    self._keep(kind, types.decode_lenient(cls, file.read_bytes()))
                except (OSError, msgspec.DecodeError) as error:
                    log.warning("passing over %s: %s", file, error)
        with contextlib.suppress(OSError, ValueError):
            self._number = int((self._directory / "number").read_text())

    def objects(self, frame: Objects) -> None:
        """More of a kind, or with ``replace`` the whole of it."""
        if frame.kind not in KINDS:
            return
        fresh = [(types.decode_lenient(KINDS[frame.kind], item), bytes(item)) for item in frame.items]
        for found, text in fresh:
            self._keep(frame.kind, found)
            self._write(frame.kind, found, text)
        with self._lock:
            self._touched.kinds.add(frame.kind)
        if frame.replace:
            kept = {_key(found) for found, _ in fresh}
            for key in [key for key in self._held[frame.kind] if key not in kept]:
                self._drop(frame.kind, key)

    def changed(self, frame: Changed) -> None:
        if frame.kind not in KINDS:
            return
        found = types.decode_lenient(KINDS[frame.kind], frame.object)
        if frame.type == "DELETED":
            held = self._held[frame.kind].get(_key(found))
            if held is None or held.metadata.uid == found.metadata.uid:
                self._drop(frame.kind, _key(found), frame.number)
            return
        self._keep(frame.kind, found)
        self._write(frame.kind, found, bytes(frame.object))

    def synced(self, number: int) -> Touched:
        """All of the above up to ``number`` is in; what that touched."""
        with self._lock:
            touched, self._touched = self._touched, Touched()
            self._number = number
        if self._directory is not None:
            self._save(self._directory, "number", str(number).encode())
        return touched

    def pods(self) -> dict[str, types.Pod]:
        """By uid."""
        with self._lock:
            return {pod.metadata.uid: pod for pod in self._held["pods"].values()}

    def pod(self, namespace: str, name: str) -> types.Pod | None:
        found: types.Pod | None = self._held["pods"].get((namespace, name))
        return found

    def node(self, name: str) -> types.Node | None:
        found: types.Node | None = self._held["nodes"].get(("", name))
        return found

    def peers(self) -> list[Peer]:
        """The other nodes that can be reached."""
        with self._lock:
            return list(self._held[PEERS].values())

    def services(self) -> list[types.Service]:
        with self._lock:
            return list(self._held["services"].values())

    def slices(self) -> list[types.EndpointSlice]:
        with self._lock:
            return list(self._held["endpointslices"].values())

    def ingresses(self) -> list[types.Ingress]:
        """Every one, on the edge; none elsewhere."""
        with self._lock:
            return list(self._held["ingresses"].values())

    def ingress_classes(self) -> list[types.IngressClass]:
        with self._lock:
            return list(self._held["ingressclasses"].values())

    def announced(self, node: str) -> frozenset[str]:
        """The addresses of load balancers that ``node`` was chosen to answer for."""
        return frozenset(
            one.ip
            for service in self.services()
            if service.spec.type == "LoadBalancer"
            and service.spec.load_balancer_class in {None, BALANCER_CLASS}
            and service.metadata.annotations.get(ANNOUNCED_BY) == node
            and service.status.load_balancer is not None
            for one in service.status.load_balancer.ingress
            if one.ip and ":" not in one.ip
        )

    def config_map(self, namespace: str, name: str) -> types.ConfigMap | None:
        found: types.ConfigMap | None = self._held["configmaps"].get((namespace, name))
        return found

    def service(self, namespace: str, name: str) -> types.Service | None:
        found: types.Service | None = self._held["services"].get((namespace, name))
        return found

    def secret(self, namespace: str, name: str) -> types.Secret | None:
        found: types.Secret | None = self._held["secrets"].get((namespace, name))
        return found

    def claim(self, namespace: str, name: str) -> types.PersistentVolumeClaim | None:
        found: types.PersistentVolumeClaim | None = self._held["persistentvolumeclaims"].get((namespace, name))
        return found

    def volume(self, name: str) -> types.PersistentVolume | None:
        found: types.PersistentVolume | None = self._held["persistentvolumes"].get(("", name))
        return found

    def volumes(self) -> list[types.PersistentVolume]:
        with self._lock:
            return list(self._held["persistentvolumes"].values())

    def token(self, pod: types.Pod, audience: str, seconds: int) -> str:
        """The newest token the server sent for this very pod; "" before it did."""
        meta = pod.metadata
        held: PodTokens | None = self._held[TOKENS].get((meta.namespace, meta.name))
        if held is None or held.metadata.uid != meta.uid:
            return ""
        wanted = (audience, seconds)
        return next((each.token for each in held.items if (each.audience, each.seconds) == wanted), "")

    def _keep(self, kind: str, found: types.Resource) -> None:
        with self._lock:
            before = self._held[kind].get(_key(found))
            self._held[kind][_key(found)] = found
            self._touch(kind, before)
            self._touch(kind, found)
        if isinstance(found, types.EndpointSlice):
            self.offers.note(_key(found), found, int(found.metadata.resource_version or 0))
        elif isinstance(found, types.Pod):
            self.offers.begin(found.metadata.uid)

    def _drop(self, kind: str, key: Key, number: int = 0) -> None:
        with self._lock:
            before = self._held[kind].pop(key, None)
            self._touch(kind, before)
        if isinstance(before, types.EndpointSlice):
            self.offers.note(key, None, number)
        elif isinstance(before, types.Pod):
            self.offers.forget(before.metadata.uid)
        if self._directory is not None:
            (self._directory / _file(kind, key)).unlink(missing_ok=True)

    def _touch(self, kind: str, found: types.Resource | None) -> None:
        self._touched.kinds.add(kind)
        if kind == "pods" and found is not None:
            self._touched.pods.add(found.metadata.uid)
        if kind == TOKENS and found is not None:
            self._touched.tokens.add(found.metadata.uid)

    def _write(self, kind: str, found: types.Resource, text: bytes) -> None:
        if self._directory is not None:
            self._save(self._directory, _file(kind, _key(found)), text)

    def _save(self, directory: Path, name: str, text: bytes) -> None:
        """What a full disk does not take is known all the same, for as long as this agent runs; the next one hears it
        from the server."""
        path = directory / name
        try:
            try:
                disk.write(path, text)
            except FileNotFoundError:
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.parent.mkdir(mode=0o700, exist_ok=True)
                disk.write(path, text)
        except OSError as error:
            if not self._unsaved:
                log.error("what the server tells is not kept for an agent that starts without it: %s", error)
            self._unsaved = True
        else:
            self._unsaved = False


def _file(kind: str, key: Key) -> str:
    namespace, name = (quote(part, safe="") for part in key)
    return f"{kind}/{namespace}+{name}.json"


def _key(found: types.Resource) -> Key:
    return found.metadata.namespace, found.metadata.name
