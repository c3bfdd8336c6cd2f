"""A registry's folder on disk: blobs by digest, and per repository the links that make layers, revisions and tags."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scripts.images.layers import Layer, digest

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIGURATION = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
EPOCH = "1970-01-01T00:00:00Z"
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Storage:
    """The layout that docker-registry reads; layers shared by several images are packed once."""

    def __init__(self, root: Path, architecture: str) -> None:
        self.root = root / "docker/registry/v2"
        self.architecture = architecture
        self.packed: dict[int, tuple[str, str, int]] = {}

    def add(self, names: tuple[str, ...], layers: list[Layer], settings: dict[str, Any]) -> None:
        """Put one image under each of ``names`` (repository:tag)."""
        parts = [self._pack(layer) for layer in layers]
        configuration = {
            "architecture": self.architecture,
            "os": "linux",
            "created": EPOCH,
            "config": {**settings, "Env": [PATH, *settings.get("Env", ())]},
            "rootfs": {"type": "layers", "diff_ids": [content for _, content, _ in parts]},
            "history": [{"created": EPOCH, "created_by": "Debian packages"} for _ in parts],
        }
        described = _encode(configuration)
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIGURATION, "size": len(described), "digest": self._blob(described)},
            "layers": [{"mediaType": LAYER, "size": size, "digest": name} for name, _, size in parts],
        }
        revision = self._blob(_encode(manifest))
        held = [digest(described), *(name for name, _, _ in parts)]
        for name in names:
            repository, _, tag = name.partition(":")
            self._tag(repository, tag, revision, held)

    def _pack(self, layer: Layer) -> tuple[str, str, int]:
        if id(layer) not in self.packed:
            compressed, content = layer.packed()
            self.packed[id(layer)] = (self._blob(compressed), content, len(compressed))
        return self.packed[id(layer)]

    def _blob(self, content: bytes) -> str:
        name = digest(content)
        code = name.removeprefix("sha256:")
        path = self.root / "blobs/sha256" / code[:2] / code / "data"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return name

    def _tag(self, repository: str, tag: str, revision: str, held: list[str]) -> None:
        folder = self.root / "repositories" / repository
        for name in held:
            _link(folder / "_layers" / name.replace(":", "/"), name)
        _link(folder / "_manifests/revisions" / revision.replace(":", "/"), revision)
        _link(folder / "_manifests/tags" / tag / "current", revision)
        _link(folder / "_manifests/tags" / tag / "index" / revision.replace(":", "/"), revision)


def _link(folder: Path, target: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "link").write_text(target)


def _encode(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
