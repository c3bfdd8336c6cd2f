"""``make test``: every test, and what touches the database on PostgreSQL as well as on SQLite.

Starts the container engine and the image registry where none runs, and ends again what it started. What needs this
machine's engine and network mostly waits, so what has machines of its own, and what needs only a processor, run beside
it. A file in which a test failed runs once more with nothing beside it: what fails then is broken, what passes then is
named.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from paas import engine, registry
from paas.state import Refused, StateDirectory, default_path

ON_POSTGRES = (
    "tests/contract", "tests/accounts", "tests/api", "tests/controllers", "tests/nodes", "tests/scheduler",
    "tests/faults", "tests/backup/test_operations.py",
)  # fmt: skip
NEEDS_A_MACHINE = "docker or net or kubectl or browser"
APART = ("tests/multinode", "tests/joining", "tests/systemd")
"""Their nodes have networks and engines of their own: nothing on this machine is in their way."""
IN_A_BROWSER = ("tests/browser",)
TESTS_FAILED = 1
"""pytest's exit code where tests failed; others mean that the run itself did."""
FEW = 4
"""With failures in more files than these a second run would only hide how broken things are."""


@dataclass(frozen=True)
class Pass:
    """One run of pytest over a part of the tests."""

    name: str
    marked: str
    folders: tuple[str, ...] = ()
    database: str = "sqlite"
    options: tuple[str, ...] = ()

    def run(self, *files: str, aside: bool = False) -> int:
        """Its exit code. ``aside``: what it prints is kept for its end, so that two passes do not talk at once."""
        options = ("-m", self.marked, "--cache-clear", "-o", f"cache_dir={self._cache}", *self.options)
        command = [sys.executable, "-m", "pytest", *options, *(files or self.folders)]
        environment = {**os.environ, "DROVER_TEST_DATABASE": self.database}
        out = subprocess.PIPE if aside else None
        done = subprocess.run(command, env=environment, check=False, stdout=out, stderr=subprocess.STDOUT, text=True)
        if aside:
            print(f"== {self.name}\n{done.stdout}", flush=True)
        return done.returncode

    def failed(self) -> set[str]:
        """Names of the tests that failed in the last run."""
        with suppress(FileNotFoundError):
            return {*json.loads((self._cache / "v/cache/lastfailed").read_text())}
        return set()

    @property
    def _cache(self) -> Path:
        return Path(".pytest_cache").absolute() / self.name


HERE = Pass("here", NEEDS_A_MACHINE, options=tuple(f"--ignore={each}" for each in (*APART, *IN_A_BROWSER)))
BESIDE = (
    (Pass("apart", NEEDS_A_MACHINE, APART),),
    (
        Pass("postgresql", f"not ({NEEDS_A_MACHINE})", ON_POSTGRES, "postgres"),
        Pass("sqlite", f"not ({NEEDS_A_MACHINE})"),
        Pass("browser", NEEDS_A_MACHINE, IN_A_BROWSER),
    ),
)
"""What runs beside it: lanes, and the passes of each in their order."""


def main(arguments: list[str]) -> int:
    state = StateDirectory(default_path())
    state.log.mkdir(mode=0o700, parents=True, exist_ok=True)
    had_registry = registry.mirror() != ""
    try:
        if os.geteuid() == 0:
            print(engine.ensure(state) or "the Docker engine is running", flush=True)
            if engine.started_by_us(state) is not None:
                os.environ["DROVER_TEST_ENGINE"] = str(state.path)
            subprocess.run([sys.executable, "-m", "scripts.images"], check=True)
        return pytest(arguments) if arguments else everything()
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        return 1
    finally:
        if not had_registry:
            registry.stop(state.path)
        engine.stop(state)


def pytest(arguments: list[str]) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], check=False).returncode


def everything() -> int:
    """0 where all passed, or where the few that failed did so only beside others."""
    with ThreadPoolExecutor(len(BESIDE)) as pool:
        lanes = pool.map(lambda lane: {each: each.run(aside=True) for each in lane}, BESIDE)
        codes = {HERE: HERE.run()}
        for ended in lanes:
            codes |= ended
    failed = {each: each.failed() for each, code in codes.items() if code != 0}
    files = {each: sorted({name.partition("::")[0] for name in names}) for each, names in failed.items()}
    if {*codes.values()} - {0, TESTS_FAILED} or sum(map(len, files.values())) > FEW:
        return max(codes.values())
    again = [each.run(*found) for each, found in files.items()]
    for each, names in failed.items():
        for name in sorted(names - each.failed()):
            print(f"FAILED BESIDE OTHERS ({each.name}): {name}", flush=True)
    return max(again, default=0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
