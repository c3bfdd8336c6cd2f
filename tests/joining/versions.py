"""Other versions of this code: copies of it that differ a little."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.platform import BASE

COPIED = ("apps", "paas", "node_agent", "manage.py", "requirements.txt")
ALIKE = ("templates", "static", "node_modules")
MIGRATION = """
from django.db import migrations

class Migration(migrations.Migration):
    dependencies = [("nodes", "{last}")]
    operations = [migrations.RunSQL("CREATE TABLE newer (id integer)", "DROP TABLE newer")]
"""


def newer(folder: Path) -> Path:
    """The next version, of the platform and of the agent."""
    for name in COPIED:
        copy = shutil.copytree if (BASE / name).is_dir() else shutil.copy
        copy(BASE / name, folder / name)
    for name in ALIKE:
        (folder / name).symlink_to(BASE / name)
    agent = folder / "node_agent" / "__init__.py"
    agent.write_text(agent.read_text() + "# newer\n")
    return folder


def with_migration(code: Path) -> Path:
    """It changes the database."""
    migrations = code / "apps" / "nodes" / "migrations"
    last = max(migrations.glob("0*.py")).stem
    (migrations / "9999_newer.py").write_text(MIGRATION.format(last=last))
    return code


def whose_agent_does_not_start(code: Path) -> Path:
    _replace(code / "node_agent" / "agent.py", "who = Identity(", "sys.exit(1)\n        who = Identity(")
    _replace(code / "node_agent" / "joining" / "admission.py", "ARRIVE_SECONDS = 30.0", "ARRIVE_SECONDS = 5.0")
    return code


def that_does_not_start(code: Path) -> Path:
    """It finds no fault, and ends when it is run."""
    up = code / "paas" / "management" / "commands" / "up.py"
    up.write_text("import sys\nsys.exit('this version is broken')\n")
    _replace(code / "paas" / "remote" / "landed.py", "ANSWER_SECONDS = 120.0", "ANSWER_SECONDS = 5.0")
    return code


def _replace(file: Path, text: str, other: str) -> None:
    before = file.read_text()
    assert before.count(text) == 1, (file, text)
    file.write_text(before.replace(text, other))
