"""The platform as it is sent to another machine: this code, what its pages load, and its packages beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from packaging.requirements import Requirement

from apps.nodes import program
from paas import VERSION

CODE = ("apps", "paas", "node_agent", "templates", "static")
FILES = ("manage.py", "requirements.txt")
PACKAGES = "packages"
"""The folder of the packages in it: apart from the code, so that what is ours can still be told."""


def version() -> str:
    """What this code is, the same wherever it lies: its number, and a digest of all of it and of what it asks for."""
    base, digest = Path(settings.BASE), hashlib.sha256()
    for path in (*_own(base), *(base / name for name in FILES)):
        digest.update(b"%b\0%b\0" % (str(path.relative_to(base)).encode(), path.read_bytes()))
    return f"{VERSION}+{digest.hexdigest()[:program.DIGITS]}"


def contents() -> Iterator[tuple[Path, str]]:
    """Where each file lies, and its name in the archive."""
    base = Path(settings.BASE)
    fetched = [folder for each in settings.STATICFILES_DIRS if isinstance(each, tuple) for folder in [Path(each[1])]]
    for path in (*_own(base), *(path for folder in fetched for path in _files(folder))):
        yield path, str(path.relative_to(base))
    for name in FILES:
        yield base / name, name
    for path, name in program.package_files(program.with_needed(requirements(base))):
        yield path, f"{PACKAGES}/{name}"


def _own(base: Path) -> Iterator[Path]:
    for name in CODE:
        yield from _files(base / name)


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def requirements(base: Path) -> list[Requirement]:
    """What the platform asks for."""
    lines = (line.partition("#")[0].strip() for line in (base / "requirements.txt").read_text().splitlines())
    return [Requirement(line) for line in lines if line]
