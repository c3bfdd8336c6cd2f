"""An image that holds this very Python and the official client: everything else pods need comes from the cluster."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterable
from pathlib import Path

NAME = "drover-test/python-client:1"
LEFT_OUT = {
    "test",
    "tests",
    "idlelib",
    "tkinter",
    "turtledemo",
    "ensurepip",
    "lib2to3",
    "__pycache__",
    "site-packages",
}
PYTHON = str(Path(sys.executable).resolve())
SITE = "/site"
# What the client imports from outside the standard library, as the import system itself says.
LIST_IMPORTS = """
import json, sys
from kubernetes import client, config, watch
names = {name.partition(".")[0] for name in sys.modules}
found = {getattr(sys.modules.get(name), "__file__", None) or "" for name in names}
print(json.dumps([path for path in found if "site-packages" in path]))
"""


def build() -> str:
    """Make the image where it is not there yet; its name."""
    present = subprocess.run(["docker", "image", "inspect", NAME], capture_output=True, check=False)
    if present.returncode:
        archive = _archive()
        environment = [f"--change=ENV PYTHONPATH={SITE} PYTHONDONTWRITEBYTECODE=1"]
        subprocess.run(
            ["docker", "import", *environment, "-", NAME], input=archive, check=True, capture_output=True
        )
    return NAME


def _archive() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for folder in ("tmp", "etc"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777
            tar.addfile(entry)
        standard = Path(sysconfig.get_path("stdlib"))
        files = {PYTHON: Path(PYTHON)}
        files |= {str(path): path for path in _files(standard)}
        for package in _packages():
            inside = package.parent if package.name == "__init__.py" else package
            members = _files(inside) if inside.is_dir() else [inside]
            files |= {f"{SITE}/{path.relative_to(inside.parent)}": path for path in members}
        programs = [path for path in files.values() if path.suffix == ".so" or str(path) == PYTHON]
        files |= {library: Path(library).resolve() for library in _libraries(programs)}
        for name, path in sorted(files.items()):
            tar.add(path, arcname=name.lstrip("/"), recursive=False)
    return out.getvalue()


def _files(folder: Path) -> list[Path]:
    return [
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not LEFT_OUT & set(path.relative_to(folder).parts)
        and path.suffix not in {".a", ".pyc"}
    ]


def _packages() -> list[Path]:
    listed = subprocess.run(
        [sys.executable, "-c", LIST_IMPORTS], check=True, capture_output=True, text=True
    ).stdout
    return [Path(path) for path in json.loads(listed)]


def _libraries(programs: Iterable[Path]) -> set[str]:
    """The shared libraries of programs, the loader included, as ``ldd`` names them."""
    told = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False).stdout
    return set(re.findall(r"(?:=> |^\s+)(/\S+) \(0x", told, flags=re.MULTILINE))
