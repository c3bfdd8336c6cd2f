"""STATE: who may hold it, which formats it refuses, what of it is removed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from paas.state import ProcessMark, Refused, StateDirectory, runtime_directory, wait_gone


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    return StateDirectory(tmp_path / "state")


def prepared(state: StateDirectory) -> StateDirectory:
    state.prepare(os.geteuid(), os.getegid())
    return state


def test_a_second_up_is_refused_in_one_sentence(state: StateDirectory) -> None:
    with state.held(8000):
        script = f"from paas.state import *\nwith StateDirectory(Path({str(state.path)!r})).held(8000): pass"
        other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert f"Refused: Drover already runs on {state.path} (process {os.getpid()})" in other.stderr


def test_the_holder_is_known_while_it_lives_and_forgotten_after(state: StateDirectory) -> None:
    with state.held(8000):
        assert state.holder() == ProcessMark.of(os.getpid())
    assert state.holder() is None


def test_a_newer_format_is_refused_and_an_older_one_is_not(state: StateDirectory) -> None:
    prepared(state).check_format()
    (state.path / "format").write_text("2\n")
    with pytest.raises(Refused, match=r"written by a newer Drover \(format 2; this one reads 1\)"):
        state.check_format()


def test_removal_takes_what_is_ours_and_names_what_is_not(state: StateDirectory) -> None:
    prepared(state)
    for name in ("db.sqlite3", "db.sqlite3-wal", "key", "kubeconfig", "letter.txt"):
        (state.path / name).touch()
    assert state.remove() == ["letter.txt"]
    assert [entry.name for entry in state.path.iterdir()] == ["letter.txt"]


def test_removal_leaves_a_directory_that_no_up_has_used(state: StateDirectory) -> None:
    state.path.mkdir()
    (state.path / "db.sqlite3").touch()
    state.remove()
    assert (state.path / "db.sqlite3").exists()


def test_a_socket_path_that_would_be_too_long_is_short_elsewhere(tmp_path: Path) -> None:
    assert runtime_directory(tmp_path) == tmp_path / "run"
    deep = runtime_directory(tmp_path / ("d" * 100))
    assert deep.parent == Path("/run")
    assert len(os.fsencode(deep / "redis.sock")) < 108
    assert deep != runtime_directory(tmp_path / ("e" * 100))


def test_a_mark_tells_a_process_from_a_later_one_of_its_number() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        mark = ProcessMark.of(process.pid)
        assert mark.alive()
        assert not ProcessMark(process.pid, "another boot/1").alive()
        process.kill()
        assert wait_gone(mark, 5)
