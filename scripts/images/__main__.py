"""``python -m scripts.images``: make the stand-in images, or find that they are made, and serve them on loopback."""

from __future__ import annotations

import hashlib
import platform
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from paas import registry
from paas.state import default_path
from scripts.images import databases, node_modules, packages, recipes
from scripts.images.storage import Storage

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
HERE = Path(__file__).parent


def main() -> None:
    started = time.monotonic()
    folder = registry.FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    files = _addresses()
    stamp = _stamp(files)
    if not _is_made(folder, stamp):
        _make(folder, files, stamp)
    done = registry.ensure(default_path())
    if registry.mirror() == "":
        sys.exit(f"images: {done or 'the registry could not be started'}")
    names = (folder / "names").read_text().split()
    print(f"images: {', '.join(names)}")
    print(f"images: served on {registry.ADDRESS} ({time.monotonic() - started:.1f} s)")


def _addresses() -> dict[str, str]:
    try:
        return packages.addresses(packages.closure(recipes.PACKAGES))
    except packages.PackagesUnavailable:
        packages.refresh()
        return packages.addresses(packages.closure(recipes.PACKAGES))


def _stamp(files: dict[str, str]) -> str:
    """Changes with the packages' versions and with the recipes; nothing else makes another image."""
    seen = hashlib.sha256("\n".join(sorted(files.values())).encode())
    for path in sorted(HERE.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            seen.update(path.read_bytes())
    return seen.hexdigest()


def _is_made(folder: Path, stamp: str) -> bool:
    kept = folder / "stamp"
    return kept.exists() and kept.read_text() == stamp and registry.storage().is_dir()


def _make(folder: Path, files: dict[str, str], stamp: str) -> None:
    try:
        packages.download(files, folder / "debs")
    except packages.PackagesUnavailable:
        packages.refresh()  # a version that is no longer there: the lists are older than the archive
        files = _addresses()
        stamp = _stamp(files)
        packages.download(files, folder / "debs")
    with tempfile.TemporaryDirectory(dir=folder) as work:
        tree, made = Path(work) / "tree", Path(work) / "registry"
        with ThreadPoolExecutor(1) as pool:
            fetched = pool.submit(node_modules.fetch, databases.NODE_MODULES, folder / "npm")
            packages.unpack(sorted(files), folder / "debs", tree)
            fetched.result()
        (tree / databases.MODULES).parent.mkdir(exist_ok=True)
        (tree / databases.MODULES).symlink_to(folder / "npm")
        storage = Storage(made, ARCHITECTURES.get(platform.machine(), platform.machine()))
        names = recipes.build(tree, storage)
        _install(tree / "usr/bin/docker-registry", folder / "bin" / "docker-registry")
        old = Path(work) / "old"
        if registry.storage().exists():
            registry.storage().rename(old)
        made.rename(registry.storage())
    (folder / "names").write_text("\n".join(names) + "\n")
    (folder / "stamp").write_text(stamp)


def _install(source: Path, target: Path) -> None:
    """Beside the old one first: a registry may be running from it."""
    target.parent.mkdir(exist_ok=True)
    staged = target.with_suffix(".new")
    shutil.copy(source, staged)
    staged.replace(target)


if __name__ == "__main__":
    try:
        main()
    except packages.PackagesUnavailable as refusal:
        sys.exit(f"images: {refusal}")
