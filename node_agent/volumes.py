"""A pod's volumes on this machine: what they hold, where they are mounted, and their removal.

Config maps and secrets are laid out so that an update shows all at once: the files are links through
``..data``, which is switched by one rename.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from apps.cluster import quantities, types
from node_agent import disk
from node_agent.persistent import LocalVolumes
from node_agent.pods.env import ConfigTrouble, Place, Sources
from node_agent.projected import (
    NOWHERE,
    Files,
    config_map_files,
    downward_files,
    is_secret,
    projected_files,
    secret_files,
)
from node_agent.runtime.base import Mount

log = logging.getLogger(__name__)

DATA = "..data"
TERMINATION_LOG = "termination-log"


class Volumes:
    """All volumes of all pods of the node, below one directory."""

    def __init__(self, root: Path, persistent: LocalVolumes) -> None:
        self._root = root
        self._persistent = persistent

    def directory(self, uid: str) -> Path:
        """Where the pod's files are."""
        return self._root / uid

    def prepare(self, pod: types.Pod, sources: Sources, place: Place = NOWHERE) -> dict[str, Path]:
        """Make what is missing and bring the content up to date; the paths by volume name.

        Raises ConfigTrouble with the volume's name when something is not there.
        """
        return {volume.name: self._volume(pod, volume, sources, place) for volume in pod.spec.volumes}

    def mounts(
        self, pod: types.Pod, container: types.Container, paths: Mapping[str, Path], attempt: int
    ) -> list[Mount]:
        """What the container's mount points show, its termination message file included."""
        found = []
        for index, wish in enumerate(container.volume_mounts):
            source = paths.get(wish.name)
            if source is None:
                raise ConfigTrouble(f'no volume is named "{wish.name}"')
            if wish.sub_path:
                source = self._sub_path(pod, container, index, source, wish.sub_path)
            found.append(
                Mount(source=str(source), target=wish.mount_path, read_only=self._read_only(pod, wish))
            )
        if container.termination_message_path:
            message = self.termination_log(pod.metadata.uid, container.name, attempt)
            message.parent.mkdir(parents=True, exist_ok=True)
            message.touch(0o666)
            message.chmod(0o666)
            found.append(Mount(source=str(message), target=container.termination_message_path))
        return found

    def termination_log(self, uid: str, container: str, attempt: int) -> Path:
        return self.directory(uid) / "containers" / container / str(attempt) / TERMINATION_LOG

    def held(self) -> list[str]:
        """Uids of the pods that have files here."""
        return [each.name for each in self._root.iterdir()] if self._root.exists() else []

    def remove(self, uid: str) -> None:
        if words := disk.remove_tree(self.directory(uid)):
            log.warning("files of a pod that is gone stay here until the agent starts again: %s", words)

    def _read_only(self, pod: types.Pod, wish: types.VolumeMount) -> bool:
        """What the server fills is never written through a mount."""
        volume = next(each for each in pod.spec.volumes if each.name == wish.name)
        filled = (volume.config_map, volume.secret, volume.downward_api, volume.projected)
        claim = volume.persistent_volume_claim
        if claim is not None and claim.read_only:
            return True
        return bool(wish.read_only) or any(source is not None for source in filled)

    def _volume(self, pod: types.Pod, volume: types.Volume, sources: Sources, place: Place) -> Path:
        own = self.directory(pod.metadata.uid) / "volumes" / volume.name
        group = pod.spec.security_context.fs_group if pod.spec.security_context else None
        try:
            if volume.host_path is not None:
                return host_path(volume.host_path)
            if (claim := volume.persistent_volume_claim) is not None:
                return self._persistent.claimed(pod.metadata.namespace, claim.claim_name, sources, group)
            files = _files(pod, volume, sources, place)
            if files is None:
                _empty_dir(own, volume.empty_dir or types.EmptyDirVolumeSource(), group)
                return own
            if is_secret(volume):
                disk.mount_tmpfs(own)
            project(own, files, group)
        except (ConfigTrouble, OSError) as error:
            raise ConfigTrouble(f'MountVolume.SetUp failed for volume "{volume.name}": {error}') from error
        return own

    def _sub_path(
        self, pod: types.Pod, container: types.Container, index: int, source: Path, relative: str
    ) -> Path:
        """The part of a volume, held by a mount of its own: nobody can swap it for a link afterwards."""
        held = self.directory(pod.metadata.uid) / "subpaths" / container.name / str(index)
        if held.is_mount():
            return held
        try:
            descriptor = disk.open_beneath(source, relative)
        except OSError as error:
            raise ConfigTrouble(f'subPath "{relative}" cannot be used: {error.strerror}') from error
        try:
            held.parent.mkdir(parents=True, exist_ok=True)
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                held.mkdir(exist_ok=True)
            else:
                held.touch()
            disk.bind(f"/proc/self/fd/{descriptor}", held)
        finally:
            os.close(descriptor)
        return held


def _files(pod: types.Pod, volume: types.Volume, sources: Sources, place: Place) -> Files | None:
    """What the volume shows; None for one that the pod itself fills."""
    if (config_map := volume.config_map) is not None:
        return config_map_files(pod, config_map, config_map.default_mode, sources)
    if (secret := volume.secret) is not None:
        return secret_files(pod, secret, secret.default_mode, sources)
    if (downward := volume.downward_api) is not None:
        return downward_files(pod, downward.items, downward.default_mode, place)
    if volume.projected is not None:
        return projected_files(pod, volume.projected, sources, place)
    return None


def host_path(source: types.HostPathVolumeSource) -> Path:
    """The machine's own path, made or checked as its type says. Raises ConfigTrouble."""
    path = Path(source.path)
    if source.type == "DirectoryOrCreate":
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
    elif source.type == "FileOrCreate" and not path.exists():
        path.touch(0o644)
    if source.type == "" and not path.exists():
        path.mkdir(mode=0o755, parents=True)  # as the engine has always done
    check = HOST_PATH_CHECKS.get(source.type)
    if check is not None and not (path.exists() and check(path.stat().st_mode)):
        raise ConfigTrouble(f"hostPath type check failed: {source.path} is not a {source.type}")
    return path


HOST_PATH_CHECKS = {
    "Directory": stat.S_ISDIR,
    "DirectoryOrCreate": stat.S_ISDIR,
    "File": stat.S_ISREG,
    "FileOrCreate": stat.S_ISREG,
    "Socket": stat.S_ISSOCK,
    "CharDevice": stat.S_ISCHR,
    "BlockDevice": stat.S_ISBLK,
}


def project(root: Path, files: Mapping[str, tuple[bytes, int]], group: int | None = None) -> None:
    """Make ``root`` hold exactly these files. Equal content stays untouched; new content shows at once."""
    root.mkdir(parents=True, exist_ok=True)
    version = f"..{_digest(files, group)}"
    if (root / DATA).is_symlink() and os.readlink(root / DATA) == version:
        return
    fresh = root / version
    for relative, (content, mode) in files.items():
        path = fresh / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(mode if group is None else mode | 0o440)
        if group is not None:
            os.chown(path, -1, group)
    fresh.mkdir(exist_ok=True)
    new_link = root / "..data_new"
    new_link.unlink(missing_ok=True)
    new_link.symlink_to(version)
    new_link.rename(root / DATA)
    tops = {relative.split("/")[0] for relative in files}
    for top in tops - {entry.name for entry in root.iterdir()}:
        (root / top).symlink_to(f"{DATA}/{top}")
    for entry in list(root.iterdir()):
        if entry.name in tops or entry.name in (DATA, version):
            continue
        if entry.is_symlink():
            entry.unlink()
        else:
            disk.remove_tree(entry)


def _digest(files: Mapping[str, tuple[bytes, int]], group: int | None) -> str:
    digest = hashlib.sha256(repr(group).encode())
    for relative, (content, mode) in sorted(files.items()):
        digest.update(f"{relative}\0{mode}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def _empty_dir(path: Path, source: types.EmptyDirVolumeSource, group: int | None) -> None:
    if source.medium == "Memory":
        size = 0 if source.size_limit is None else quantities.bytes_of(source.size_limit)
        disk.mount_tmpfs(path, size, 0o777)
    else:
        path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o777 if group is None else 0o2777)
    if group is not None:
        os.chown(path, -1, group)
