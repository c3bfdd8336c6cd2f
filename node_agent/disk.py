"""Files that are whole or not there: written beside and renamed. Paths that stay inside a directory."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_MS_BIND, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 4096, 2, 4, 8
_MNT_DETACH = 2
_SYS_OPENAT2 = 437
_RESOLVE_NO_MAGICLINKS, _RESOLVE_BENEATH = 0x02, 0x08
_O_PATH = 0o10000000


def write(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Readers see the old content or the new one, never a part."""
    beside = path.with_name(f".{path.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with open(descriptor, "wb") as file:
        file.write(content)
        os.fchmod(descriptor, mode)
    beside.rename(path)


def mount_tmpfs(path: Path, size: int = 0, mode: int = 0o755) -> None:
    """A directory in memory; its content never reaches the disk. Does nothing when it is there already."""
    path.mkdir(parents=True, exist_ok=True)
    if path.is_mount():
        return
    options = f"mode={mode:o}" + (f",size={size}" if size else "")
    _mount("tmpfs", path, "tmpfs", _MS_NOSUID | _MS_NODEV, options)


def bind(source: str, target: Path) -> None:
    """Make ``source`` appear at ``target``, which exists."""
    _mount(source, target, "", _MS_BIND, "")


def unmount_below(root: Path) -> None:
    """Unmount everything mounted at or below ``root``, innermost first."""
    prefix = str(root.resolve())
    mounted = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = line.split(" ")[4].encode().decode("unicode_escape")
        if point == prefix or point.startswith(prefix + "/"):
            mounted.append(point)
    for point in reversed(mounted):
        _libc.umount2(os.fsencode(point), _MNT_DETACH)


def remove_tree(root: Path) -> str:
    """Remove a directory with everything in it, mounts first, so that nothing mounted is emptied. What did not go, in
    words."""
    unmount_below(root)
    failed: list[str] = []
    shutil.rmtree(root, onerror=lambda _, path, error: failed.append(f"{path}: {error[1]}"))
    return failed[0] if failed and root.exists() else ""


def open_beneath(root: Path, relative: str) -> int:
    """A descriptor (O_PATH) of ``relative`` below ``root``; the kernel refuses links that lead outside.

    Missing directories are made. The caller closes it. Raises OSError.
    """
    directory = os.open(root, _O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            return _openat2(directory, relative)
        except FileNotFoundError:
            _make_beneath(directory, relative)
            return _openat2(directory, relative)
    finally:
        os.close(directory)


def _make_beneath(directory: int, relative: str) -> None:
    parts = [part for part in relative.split("/") if part not in ("", ".")]
    for depth, part in enumerate(parts):
        parent = _openat2(directory, "/".join(parts[:depth]) or ".")
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, 0o755, dir_fd=parent)
        finally:
            os.close(parent)


def _openat2(directory: int, relative: str) -> int:
    how = (ctypes.c_uint64 * 3)(_O_PATH | os.O_CLOEXEC, 0, _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS)
    opened: int = _libc.syscall(_SYS_OPENAT2, directory, os.fsencode(relative), how, ctypes.sizeof(how))
    if opened < 0:
        _raise(relative)
    return opened


def _mount(source: str, target: Path, kind: str, flags: int, options: str) -> None:
    done = _libc.mount(
        os.fsencode(source), os.fsencode(target), kind.encode() or None, flags, options.encode() or None
    )
    if done != 0:
        _raise(str(target))


def _raise(what: str) -> None:
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number), what)
