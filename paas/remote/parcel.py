"""The platform as it is sent to another machine: this code, what its pages load, and its packages beside them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from packaging.requirements import Requirement

from apps.nodes import program

CODE = ("apps", "paas", "node_agent", "templates", "static")
FILES = ("manage.py", "requirements.txt")
PACKAGES = "packages"
"""The folder of the packages in it: apart from the code, so that what is ours can still be told."""


def contents() -> Iterator[tuple[Path, str]]:
    """Where each file lies, and its name in the archive."""
    base = Path(settings.BASE)
    fetched = [folder for each in settings.STATICFILES_DIRS if isinstance(each, tuple) for folder in [Path(each[1])]]
    for folder in (*(base / name for name in CODE), *fetched):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path, str(path.relative_to(base))
    for name in FILES:
        yield base / name, name
    for path, name in program.package_files(program.with_needed(requirements(base))):
        yield path, f"{PACKAGES}/{name}"


def requirements(base: Path) -> list[Requirement]:
    """What the platform asks for."""
    lines = (line.partition("#")[0].strip() for line in (base / "requirements.txt").read_text().splitlines())
    return [Requirement(line) for line in lines if line]
