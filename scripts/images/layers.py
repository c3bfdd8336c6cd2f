"""A layer: files by path, packed to the same bytes each time."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

from scripts.images import elf

FILES = Path(__file__).parent / "files"
ZONES_TWICE = "^(posix|right)/"
LIBRARY_FOLDERS = ("usr/lib", "lib", "lib64", "usr/lib64")


@dataclass
class Layer:
    """What one layer of an image adds. ``tree`` is where the packages were unpacked."""

    tree: Path
    entries: dict[str, tuple[tarfile.TarInfo, bytes]] = field(default_factory=dict)

    def folder(self, *paths: str, mode: int = 0o755) -> Layer:
        for path in paths:
            self._put(path, tarfile.DIRTYPE, mode)
        return self

    def text(self, path: str, content: str | bytes, mode: int = 0o644) -> Layer:
        data = content.encode() if isinstance(content, str) else content
        self._put(path, tarfile.REGTYPE, mode, data=data)
        return self

    def link(self, path: str, target: str) -> Layer:
        self._put(path, tarfile.SYMTYPE, 0o777, target=target)
        return self

    def package_file(self, path: str, at: str = "") -> Layer:
        """A file of the packages, links followed, at its own path or ``at``."""
        source = self._resolve(path)
        self._put(at or path, tarfile.REGTYPE, source.stat().st_mode & 0o755, data=source.read_bytes())
        return self

    def program(self, path: str, at: str = "") -> Layer:
        """A program of the packages with every library it needs."""
        self.package_file(path, at)
        queue = elf.needed(self._resolve(path))
        while queue:
            name = queue.pop()
            source = self._library(name)
            # The loader's own path is fixed in every program; libraries are found beside each other.
            target = f"lib64/{name}" if name.startswith("ld-") and "x86-64" in name else f"usr/lib/{name}"
            target = f"lib/{name}" if name.startswith("ld-") and "x86-64" not in name else target
            if target not in self.entries:
                self._put(target, tarfile.REGTYPE, 0o755, data=source.read_bytes())
                queue += elf.needed(source)
        return self

    def programs(self, *paths: str) -> Layer:
        for path in paths:
            self.program(path)
        return self

    def package_tree(self, path: str, at: str = "", *, skip: str = r"(?!)") -> Layer:
        """A folder of the packages, or ``at`` another place, links followed; what ``skip`` matches is left out."""
        top = self.tree / path
        for found in sorted(top.rglob("*")):
            within = str(found.relative_to(top))
            source = self._resolve(f"{path}/{within}")
            if source.is_file() and not re.search(skip, within):
                put = self.program if source.suffix in {".so", ".node"} else self.package_file
                put(f"{path}/{within}", f"{at or path}/{within}")
        return self

    def without(self, other: Layer) -> Layer:
        """Leave out what a lower layer has already."""
        for path in [path for path in self.entries if path in other.entries]:
            del self.entries[path]
        return self

    def packed(self) -> tuple[bytes, str]:
        """The compressed layer, and the digest of its content before compression."""
        plain = io.BytesIO()
        with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for path in sorted(self.entries):
                info, data = self.entries[path]
                archive.addfile(info, io.BytesIO(data))
        content = plain.getvalue()
        return gzip.compress(content, compresslevel=1, mtime=0), digest(content)

    def _put(self, path: str, kind: bytes, mode: int, *, data: bytes = b"", target: str = "") -> None:
        info = tarfile.TarInfo(path.strip("/"))
        info.type, info.mode, info.size, info.linkname = kind, mode, len(data), target
        self.entries[info.name] = (info, data)

    def _library(self, name: str) -> Path:
        for folder in LIBRARY_FOLDERS:
            for place in (f"{folder}/{name}", *self._below(folder, name)):
                if (self.tree / place).exists() or (self.tree / place).is_symlink():
                    return self._resolve(place)
        raise FileNotFoundError(f"no package that was downloaded holds {name}")

    def _below(self, folder: str, name: str) -> list[str]:
        return [str(path.relative_to(self.tree)) for path in (self.tree / folder).glob(f"*-linux-gnu*/{name}")]

    def _resolve(self, path: str) -> Path:
        """The file behind ``path``; an absolute link points into the tree, not into this machine."""
        place = self.tree / path.strip("/")
        while place.is_symlink():
            target = place.readlink()
            place = self.tree / str(target).strip("/") if target.is_absolute() else place.parent / target
        return place


def script(name: str) -> bytes:
    """One of the files that were written for the stand-ins."""
    return (FILES / name).read_bytes()


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
