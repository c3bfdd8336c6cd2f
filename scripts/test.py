"""``make test``: every test on SQLite, and before that what touches the database on PostgreSQL as well.

Starts the container engine and the image registry where none runs, and ends again what it started.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from paas import engine, registry
from paas.state import Refused, StateDirectory, default_path

ON_POSTGRES = (
    "tests/contract", "tests/accounts", "tests/api", "tests/controllers", "tests/nodes", "tests/scheduler",
    "tests/faults", "tests/backup/test_operations.py",
)  # fmt: skip
NEEDS_A_MACHINE = "not (docker or net or kubectl or browser)"


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
        if arguments:
            return pytest(*arguments)
        folders = [folder for folder in ON_POSTGRES if Path(folder).exists()]
        on_postgres = ("--reuse-db", "-m", NEEDS_A_MACHINE, *folders)  # the server goes with the run
        codes = [pytest(*on_postgres, DROVER_TEST_DATABASE="postgres"), pytest()]
        return max(codes)
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        return 1
    finally:
        if not had_registry:
            registry.stop(state.path)
        engine.stop(state)


def pytest(*arguments: str, **environment: str) -> int:
    command = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.run(command, env={**os.environ, **environment}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
