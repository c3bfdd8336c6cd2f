"""``manage.py down``: remove everything that ``up`` started on this STATE, workloads included, and nothing else."""

import os
import shutil
import signal
import subprocess
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from paas import engine, registry
from paas.logs import prefix, show
from paas.machines import fleet
from paas.state import Refused, StateDirectory, wait_gone

STOP_SECONDS = 8.0
WORKLOAD_SECONDS = 120.0


class Command(BaseCommand):
    help = "Stop the platform, remove its workloads, rules and STATE; KEEP_STATE=1 leaves STATE."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            failed = take_down(StateDirectory(settings.STATE))
        except Refused as refusal:
            sys.exit(str(refusal))
        if failed:
            sys.exit(failed)


def take_down(state: StateDirectory) -> str:
    """Safe to run twice, after any crash, and with Docker down. Returns what could not be removed, in words."""
    existed = (state.path / "format").exists()
    stop_platform(state)
    with state.held(settings.PORT):
        failed = remove_workloads(state)
        say(engine.stop(state))
        say(registry.stop(state.path))
        if failed:
            return f"{failed} Nothing of {state.path} was removed, so that `make down` can be run again."
        if os.environ.get("KEEP_STATE"):
            say(f"kept {state.path} (KEEP_STATE)")
            return ""
        left = state.remove()
    foreign = [name for name in left if state.path / name != registry.FOLDER]
    rest = f", except what is not ours: {', '.join(foreign)}" if foreign else ""
    say(f"removed {state.path}{rest}" if existed else f"nothing is left to remove of {state.path}")
    return ""


def stop_platform(state: StateDirectory) -> None:
    """End a running ``up``; its children end with it."""
    holder = state.holder()
    if holder is None:
        return
    say(f"stopping the platform (process {holder.pid})")
    os.kill(holder.pid, signal.SIGTERM)
    if not wait_gone(holder, STOP_SECONDS):
        os.kill(holder.pid, signal.SIGKILL)
        wait_gone(holder, STOP_SECONDS)


def remove_workloads(state: StateDirectory) -> str:
    """Let each node's agent remove its pods, rules and devices; an engine that is down is started for it."""
    machines = fleet.present(state)
    say(fleet.remove(state))
    for each in machines:
        shutil.rmtree(state.agents / each.name, ignore_errors=True)
    folders = (
        sorted(path for path in state.agents.iterdir() if path.is_dir()) if state.agents.is_dir() else []
    )
    if not folders:
        return ""
    was_running = engine.answers()
    try:
        say(engine.ensure(state))
    except Refused as refusal:
        return f"The workloads could not be removed. {refusal}"
    failed = ""
    for folder in folders:
        say(f"removing the workloads of node {folder.name}")
        command = [sys.executable, "-m", "node_agent", "down", "--state", str(folder)]
        command += ["--docker", f"unix://{engine.socket_path()}"]
        environment = {**os.environ, "PYTHONPATH": str(settings.BASE)}
        done = subprocess.run(command, env=environment, check=False, timeout=WORKLOAD_SECONDS)
        if done.returncode:
            failed = f"The workloads of node {folder.name} could not be removed; the reason is above."
    if not was_running:
        say(engine.halt_service())
    return failed


def say(text: str) -> None:
    if text:
        show(f"{prefix('down')}{text}\n")
