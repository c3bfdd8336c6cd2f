"""Volumes that outlive pods: a directory each, made when first mounted, removed when the server asks for it.

How much a volume holds is written down in the cluster and not enforced here: directories of one file system share it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from apps.cluster import types
from apps.cluster.types.agent import VolumeReport
from apps.cluster.types.persistent import DELETE, IN_USE, LOCAL, ON_NODE
from node_agent import disk
from node_agent.pods.env import ConfigTrouble

log = logging.getLogger(__name__)


class Claims(Protocol):
    """The node's claims and volumes, as the server told them."""

    def claim(self, namespace: str, name: str) -> types.PersistentVolumeClaim | None: ...

    def volume(self, name: str) -> types.PersistentVolume | None: ...


class LocalVolumes:
    """All persistent volumes of the node, below one directory."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._stay: dict[str, str] = {}  # volumes that cannot be removed, and what was said of them

    def claimed(self, namespace: str, name: str, known: Claims, group: int | None) -> Path:
        """The directory of a claim's volume, made when it is not there. Raises ConfigTrouble while it has none."""
        claim = known.claim(namespace, name)
        if claim is None:
            raise ConfigTrouble(f'persistentvolumeclaim "{name}" not found')
        bound = claim.spec.volume_name
        if not bound or claim.status.phase != "Bound":
            raise ConfigTrouble(f'persistentvolumeclaim "{name}" has no volume yet')
        volume = known.volume(bound)
        if volume is None:
            raise ConfigTrouble(f'the volume "{bound}" of persistentvolumeclaim "{name}" is not on this node')
        path = self._path(volume)
        if not path.is_dir():
            path.mkdir(parents=True)
            path.chmod(0o777)
        if group is not None and path.stat().st_gid != group:
            _give(path, group)
        return path

    def reclaim(self, volumes: Iterable[types.PersistentVolume]) -> list[VolumeReport]:
        """Remove the data of volumes that are at their end; what to report, now and until the server has heard."""
        gone = []
        for volume in volumes:
            if not is_ending(volume):
                continue
            words, name = disk.remove_tree(self._path(volume)), volume.metadata.name
            if not self._path(volume).exists():
                gone.append(VolumeReport(name=name, uid=volume.metadata.uid))
            elif self._stay.get(name) != words:
                log.error("the data of the volume %s cannot be removed, so the volume stays: %s", name, words)
                self._stay[name] = words
        return gone

    def _path(self, volume: types.PersistentVolume) -> Path:
        source = volume.spec.csi
        if source is None or source.driver != LOCAL or Path(source.volume_handle).name != source.volume_handle:
            raise ConfigTrouble(f'the volume "{volume.metadata.name}" is none that this node can mount')
        return self._root / source.volume_handle


def is_ending(volume: types.PersistentVolume) -> bool:
    """Whether nobody has the volume any more and its data is to go."""
    meta, spec = volume.metadata, volume.spec
    return (
        meta.deletion_timestamp is not None
        and ON_NODE in meta.finalizers
        and IN_USE not in meta.finalizers
        and spec.persistent_volume_reclaim_policy == DELETE
        and spec.csi is not None
        and spec.csi.driver == LOCAL
    )


def _give(root: Path, group: int) -> None:
    """Everything in it becomes the group's, and what is made later too."""
    for folder, folders, names in os.walk(root):
        for name in (*folders, *names):
            os.lchown(os.path.join(folder, name), -1, group)
    root.chmod(0o2777)
    os.chown(root, -1, group)
