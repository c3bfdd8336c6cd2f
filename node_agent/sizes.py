"""How much a pod has put into volumes that have a limit."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from apps.cluster import quantities, types

BLOCK = 512


def overfull(pod: types.Pod, volumes: Path) -> str:
    """Which volume holds more than it may, in Kubernetes' words; "" when none does. In memory the kernel sees to it."""
    for volume in pod.spec.volumes:
        source = volume.empty_dir
        if source is None or source.size_limit is None or source.medium == "Memory":
            continue
        limit = quantities.bytes_of(source.size_limit)
        if limit and held(volumes / volume.name, limit) > limit:
            return f'Usage of EmptyDir volume "{volume.name}" exceeds the limit "{source.size_limit}". '
    return ""


def held(root: Path, enough: int) -> int:
    """Bytes on disk below a directory; stops counting once it is more than ``enough``. Links are not followed."""
    total, waiting = 0, [str(root)]
    while waiting and total <= enough:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    total += entry.stat(follow_symlinks=False).st_blocks * BLOCK
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
    return total
