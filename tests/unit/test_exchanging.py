"""`up-nodes --upgrade`: which control planes give way, and by what a version is told."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

import node_agent
from apps.nodes import program
from node_agent.joining import start
from paas import VERSION
from paas.remote import parcel
from paas.remote.exchanging import Plan, plan

ONE, TWO, HERE = "192.0.2.1:8443", "192.0.2.2:8443", "192.0.2.9:8443"


def test_what_runs_another_version_or_not_at_all_is_exchanged_in_the_order_of_the_file() -> None:
    assert plan([TWO, ONE], {ONE: "old", TWO: "old"}, "new") == Plan((TWO, ONE), ())
    assert plan([ONE, TWO], {TWO: "old"}, "new") == Plan((ONE, TWO), ()), (
        "one that was ended before it was exchanged"
    )


def test_what_runs_this_version_stays() -> None:
    assert plan([ONE, TWO], {ONE: "new", TWO: "old"}, "new") == Plan((TWO,), ())
    assert plan([ONE, TWO], {ONE: "new", TWO: "new"}, "new") == Plan((), ())


def test_a_server_that_nobody_sent_is_for_its_operator_to_restart() -> None:
    assert plan([ONE], {ONE: "old", HERE: "old"}, "new") == Plan((ONE,), (HERE,))
    assert plan([ONE], {ONE: "old", HERE: "new"}, "new") == Plan((ONE,), ())


def test_the_folder_of_a_program_is_known_before_it_is_sent(tmp_path: Path) -> None:
    content = tmp_path / "a.py"
    content.write_text("A = 1\n")

    def files() -> program.Files:
        return [(content, "a.py")]

    packed = b"".join(program.chunks(files))
    folder = Path(start.unpack(io.BytesIO(packed), str(tmp_path / "program")))
    assert folder.name == program.digest(files)
    assert (folder / "a.py").read_text() == "A = 1\n"
    content.write_text("A = 2\n")
    assert folder.name != program.digest(files)


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small platform."""
    for name in parcel.CODE:
        (tmp_path / name).mkdir()
        (tmp_path / name / "part.py").write_text(name)
    for name in parcel.FILES:
        shutil.copy(settings.BASE / name, tmp_path)
    monkeypatch.setattr(settings, "BASE", tmp_path)
    return tmp_path


def test_a_version_is_told_by_what_the_code_is(code: Path) -> None:
    before = parcel.version()
    assert before.startswith(f"{VERSION}+")
    (code / "apps" / "__pycache__").mkdir()
    (code / "apps" / "__pycache__" / "part.pyc").write_bytes(b"compiled")
    assert parcel.version() == before
    (code / "apps" / "part.py").write_text("changed")
    changed = parcel.version()
    (code / "apps" / "part.py").rename(code / "apps" / "renamed.py")
    assert len({before, changed, parcel.version()}) == 3


def test_an_agent_that_was_unpacked_tells_its_folder_as_its_version(tmp_path: Path) -> None:
    def files() -> program.Files:
        return program.own_files()

    folder = start.unpack(io.BytesIO(b"".join(program.chunks(files))), str(tmp_path))
    told = subprocess.run(
        [sys.executable, "-c", "import node_agent; print(node_agent.VERSION)"],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout.strip() == f"{node_agent.NUMBER}+{program.digest(files)}"
    assert node_agent.VERSION == node_agent.NUMBER, "this one was never unpacked"
