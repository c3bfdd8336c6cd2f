"""Programs as archives: code, and the installed packages that it needs, compiled ones included.

A machine that is given one needs no compiler and no package index, only the same Python and processor as this one. What
belongs to the agent's follows from its own imports.
"""

from __future__ import annotations

import ast
import gzip
import hashlib
import io
import os
import platform
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from django.conf import settings
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

ROOT = "node_agent"
BY_NAME = ("wsproto",)  # which uvicorn imports by name
CHUNK = 256 * 1024
COMPRESSION = 6
DIGITS = 16
"""Of the digest by which a program's folder is named."""


def needs() -> dict[str, str]:
    """What a machine must have to run the archive's compiled parts."""
    return {
        "python": "{}.{}".format(*sys.version_info[:2]),
        "soabi": str(sysconfig.get_config_var("SOABI")),
        "machine": platform.machine(),
    }


Files = Iterable[tuple[Path, str]]
"""Where each lies, and its name in the archive."""


def agent() -> Files:
    """What the agent's archive holds."""
    return [*own_files(), *package_files(packages())]


@cache
def archive(files: Callable[[], Files]) -> int:
    """A file that is open for reading and has no name: made once in a process, whose code does not change."""
    with tempfile.TemporaryFile() as file:
        with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=COMPRESSION, mtime=0) as packed:
            _write(files(), packed)
        file.flush()
        return os.dup(file.fileno())


def digest(files: Callable[[], Files] = agent) -> str:
    """By which the machine that unpacks the archive names its folder: of what is in it, however it was compressed."""
    into = _Digest()
    _write(files(), into)
    return into.found.hexdigest()[:DIGITS]


class _Digest(io.BytesIO):
    """A file that keeps no more of what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.found = hashlib.sha256()

    def write(self, data: Buffer) -> int:
        self.found.update(data)
        return memoryview(data).nbytes


def _write(files: Files, into: gzip.GzipFile | io.BytesIO) -> None:
    with tarfile.open(fileobj=into, mode="w|") as tar:
        for source, name in files:
            tar.add(source, name, recursive=False, filter=_plain)


def chunks(files: Callable[[], Files] = agent) -> Iterator[bytes]:
    """The archive's bytes. The first call makes it, which takes a second or two."""
    handle, at = archive(files), 0
    while chunk := os.pread(handle, CHUNK, at):
        yield chunk
        at += len(chunk)


def own_files() -> Iterator[tuple[Path, str]]:
    """The agent's modules, and what they import of the server's."""
    base = Path(settings.BASE)
    waiting = sorted((base / ROOT).rglob("*.py"))
    found: set[Path] = set()
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting += (path for name in _imports(file) for path in _files_of(base, name))
    for file in sorted(found):
        yield file, str(file.relative_to(base))


def _files_of(base: Path, module: str) -> Iterator[Path]:
    """The files that an import of this name reads: the packages above it, and itself; none when it is not ours."""
    parts = module.split(".")
    for length in range(1, len(parts) + 1):
        path = base.joinpath(*parts[:length])
        for file in (path / "__init__.py", path.with_suffix(".py")):
            if file.is_file():
                yield file


def package_files(names: Iterable[str]) -> Iterator[tuple[Path, str]]:
    """Every file of the distributions, but for compiled bytecode and what lies outside of their folder."""
    for name in names:
        for file in metadata.distribution(name).files or ():
            inside = PurePosixPath(file)
            if ".." not in inside.parts and "__pycache__" not in inside.parts:
                yield Path(str(file.locate())), str(inside)


def packages() -> list[str]:
    """The distributions that the agent imports, and those they need in turn."""
    installed = metadata.packages_distributions()
    modules = {name.partition(".")[0] for path, _ in own_files() for name in _imports(path)}
    wanted = {name for module in modules for name in installed.get(module, ())} | {*BY_NAME}
    return with_needed(map(Requirement, wanted))


def with_needed(wanted: Iterable[Requirement]) -> list[str]:
    """The distributions, and those they need in turn."""
    waiting = [pair for each in wanted for pair in _with_extras(each)]
    found: set[tuple[str, str]] = set()
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) not in found:
            found.add((name, extra))
            for needed in map(Requirement, metadata.requires(name) or ()):
                if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                    waiting += _with_extras(needed)
    return sorted({name for name, _ in found})


def _with_extras(wanted: Requirement) -> list[tuple[str, str]]:
    return [(canonicalize_name(wanted.name), extra) for extra in ("", *wanted.extras)]


@cache
def _imports(file: Path) -> frozenset[str]:
    """The names that a file imports anywhere, each perhaps with something that is no module behind it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = "root"
    entry.mode = 0o755 if entry.mode & 0o100 else 0o644
    return entry
