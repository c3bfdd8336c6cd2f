"""Puts small files into STATE: whole or not at all, with the mode asked for, for the owner of the
directory."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def put(path: Path, data: bytes, mode: int = 0o600) -> bool:
    """Make ``path`` hold ``data``: readers see the old bytes or the new. False when nothing had to change."""
    try:
        if path.read_bytes() == data and (path.stat().st_mode & 0o777) == mode:
            return False
    except FileNotFoundError:
        pass
    staged = _staged(path, data, mode)
    staged.replace(path)
    return True


def put_once(path: Path, data: bytes, mode: int = 0o600) -> bytes:
    """What ``path`` holds; ``data`` is put there when it is missing. Of two callers at once, one wins for
    both."""
    if not path.exists():
        staged = _staged(path, data, mode)
        try:
            os.link(staged, path)
        except FileExistsError:
            pass
        finally:
            staged.unlink()
    return path.read_bytes()


def _staged(path: Path, data: bytes, mode: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.chmod(name, mode)
    adopt(Path(name))
    return Path(name)


def folder(path: Path, mode: int = 0o700) -> Path:
    """Make the directory when it is missing, for the owner of the directory above it."""
    if not path.is_dir():
        path.mkdir(mode=mode, parents=True, exist_ok=True)
        path.chmod(mode)
        adopt(path)
    return path


def adopt(path: Path) -> None:
    """Give ``path`` to the owner of its directory: what root prepares, unprivileged processes must read."""
    if os.geteuid() == 0:
        owner = path.parent.stat()
        # Root without its powers cannot give anything away, and then serves itself.
        with suppress(PermissionError):
            os.chown(path, owner.st_uid, -1)
