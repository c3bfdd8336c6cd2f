"""The supervisor keeps small stand-in programs: readiness, restart, output, and how everything ends."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from paas.supervisor import Program, Supervisor
from tests.calm import Stopwatch


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
async def supervisor(tmp_path: Path, said: list[str]) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(tmp_path, tmp_path, said.append)
    yield supervisor
    await supervisor.stop()


def shell(name: str, script: str) -> Program:
    return Program(name=name, start=("sh", "-c", script))


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not check():
            await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


async def test_a_killed_program_is_started_again_at_once(supervisor: Supervisor, said: list[str]) -> None:
    supervisor.keep(shell("sleeper", "exec sleep 60"))
    await until(lambda: "sleeper" in supervisor.running)
    first = supervisor.running["sleeper"].pid
    since = Stopwatch()
    os.kill(first, signal.SIGKILL)
    await until(lambda: supervisor.running["sleeper"].pid != first)
    assert since.calm < 0.4
    assert said == ["sleeper was ended by SIGKILL; starting it again now"]


async def test_a_program_that_has_nothing_more_to_do_stays_ended(supervisor: Supervisor, said: list[str]) -> None:
    supervisor.keep(Program(name="leaver", start=("sh", "-c", "exit 3"), final={3: "it has left"}))
    await until(lambda: bool(said))
    await supervisor.keepers["leaver"]
    assert said == ["leaver ended with code 3: it has left"]


async def test_a_failing_program_is_started_ever_later(supervisor: Supervisor, said: list[str]) -> None:
    supervisor.keep(shell("broken", "exit 3"))
    await until(lambda: len(said) == 3)
    assert [line.rpartition(" again ")[2] for line in said] == ["now", "in 0.5 s", "in 1 s"]


async def test_the_end_of_a_program_is_its_exit_and_not_the_end_of_its_output(
    supervisor: Supervisor, said: list[str], tmp_path: Path
) -> None:
    supervisor.keep(shell("leaver", "setsid sleep 5 & echo $! >> " + str(tmp_path / "children") + "; exit 0"))
    await until(lambda: len(said) >= 1)
    for line in (tmp_path / "children").read_text().split():
        with suppress(ProcessLookupError):  # under load its five seconds may be over
            os.kill(int(line), signal.SIGKILL)


async def test_what_a_program_left_in_its_group_ends_with_it(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.keep(shell("parent", f"sleep 60 & echo $! > {tmp_path}/child; exec sleep 60"))
    await until(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text() != "")
    child = int((tmp_path / "child").read_text())
    os.kill(supervisor.running["parent"].pid, signal.SIGKILL)
    await until(lambda: not alive(child))


async def test_output_is_kept_in_a_file_line_by_line(
    supervisor: Supervisor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    supervisor.keep(shell("talker", "echo one; echo two >&2; printf three; exec sleep 60"))
    log = tmp_path / "talker.log"
    await until(lambda: log.exists() and "two" in log.read_text())
    await supervisor.stop()
    assert log.read_text() == "one\ntwo\nthree\n"
    assert capsys.readouterr().out == "talker | one\ntalker | two\ntalker | three\n"


async def test_stop_does_not_wait_for_a_program_that_ignores_it(supervisor: Supervisor) -> None:
    supervisor.keep(shell("deaf", "trap '' TERM; while :; do sleep 1; done"))
    supervisor.keep(shell("polite", "exec sleep 60"))
    await until(lambda: len(supervisor.running) == 2)
    pids = [run.pid for run in supervisor.running.values()]
    since = Stopwatch()
    await supervisor.stop()
    assert since.calm < 3
    assert not any(alive(pid) for pid in pids)


async def test_a_function_runs_in_a_process_of_its_own(supervisor: Supervisor) -> None:
    def work() -> str:
        return f"{os.getpid()} {asyncio.run(asyncio.sleep(0, 'ran'))}"

    pid, word = (await supervisor.once("question", work, None)).split()
    assert int(pid) != os.getpid()
    assert word == "ran"


async def test_a_function_that_fails_says_so(supervisor: Supervisor, tmp_path: Path) -> None:
    def fail() -> str:
        raise ValueError("for a reason")

    with pytest.raises(RuntimeError, match="question ended with code 1"):
        await supervisor.once("question", fail, None)
    assert "ValueError: for a reason" in (tmp_path / "question.log").read_text()


async def test_ready_waits_for_the_answer(supervisor: Supervisor, tmp_path: Path) -> None:
    async def made() -> bool:
        return (tmp_path / "made").exists()

    program = Program(name="maker", start=("sh", "-c", f"touch {tmp_path}/made; exec sleep 60"), ready=made)
    supervisor.keep(program)
    assert await supervisor.ready(program, seconds=30)


def test_no_child_survives_a_killed_supervisor(tmp_path: Path) -> None:
    script = f"""
        import asyncio, pathlib, time
        from paas.supervisor import Program, Supervisor
        here = pathlib.Path({str(tmp_path)!r})
        async def main():
            supervisor = Supervisor(here, here, print)
            deaf = "trap '' TERM; while :; do sleep 1; done"
            supervisor.keep(Program(name="command", start=("sh", "-c", deaf)))
            supervisor.keep(Program(name="function", start=lambda: time.sleep(60)))
            await asyncio.sleep(60)
        asyncio.run(main())
    """
    pids = [tmp_path / "command.pid", tmp_path / "function.pid"]
    command = [sys.executable, "-c", textwrap.dedent(script)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as supervisor:
        deadline = time.monotonic() + 30
        while not all(path.exists() for path in pids) and time.monotonic() < deadline:
            time.sleep(0.02)
        children = [int(path.read_text()) for path in pids]
        assert all(alive(child) for child in children)
        supervisor.kill()
    deadline = time.monotonic() + 30
    while any(alive(child) for child in children) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(alive(child) for child in children)
