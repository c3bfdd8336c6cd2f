"""All machines within this machine that belong to one STATE: which there are to be, kept on, removed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from paas.machines.lan import MOST_NODES, SWITCH, Lan
from paas.machines.machine import Machine
from paas.state import Refused, StateDirectory

PAUSE_SECONDS = 8.0
"""A machine that ends again so soon after its start is not started again at once."""


def planned(state: StateDirectory, count: int) -> list[Machine]:
    """The machines node-1 to node-``count``. Raises Refused when their network cannot be had."""
    if count > MOST_NODES:
        raise Refused(f"NODES={count} is more than one machine carries: at most {MOST_NODES}.")
    lan = Lan.chosen(state)
    return [_machine(state, lan, number) for number in range(1, count + 1)]


def present(state: StateDirectory) -> list[Machine]:
    """Those that are there, whole or in part."""
    lan = Lan.kept(state)
    if lan is None:
        return []
    names = {*(path.name for path in state.machines.iterdir() if path.is_dir()), *lan.spaces()} - {SWITCH}
    numbers = sorted(int(name.rpartition("-")[2]) for name in names)
    return [_machine(state, lan, number) for number in numbers]


def named(state: StateDirectory, name: str) -> Machine:
    """Raises Refused when there is none of this name."""
    found = {each.name: each for each in present(state)}
    if name not in found:
        there = ", ".join(found) or "none: they come with `make up NODES=3`"
        raise Refused(f"There is no machine {name} here; there are: {there}.")
    return found[name]


def ensure(state: StateDirectory, machines: Sequence[Machine], *ports: int) -> str:
    """Switch on those that are to be on, and off those that are no longer wanted; returns what was done, in words.

    ``ports`` of this machine stay open to them whatever its packet filter says.
    """
    lan = machines[0].lan
    lan.keep(state)
    lan.ensure()
    lan.allow(*ports)
    told = []
    for each in present(state):
        if each not in machines and each.is_on:
            each.cut_power()
            told.append(f"{each.name} is no longer wanted and was switched off; `make down` removes it")
    running = [each.name for each in machines if each.is_on]
    fresh = [each.name for each in machines if each.revive()]
    told += [
        f"{each.name} was switched off and stays so until `manage.py machine on {each.name}`"
        for each in machines
        if each.stays_off
    ]
    if running:
        told.append(f"{', '.join(running)} had kept running")
    if fresh:
        told.append(f"{', '.join(fresh)} switched on in {lan.network}")
    return "\n".join(told)


def revive(machines: Sequence[Machine], *ports: int) -> str:
    """Start again what ended by itself, and restore what lets the nodes out; returns what was done, in words."""
    told = [f"somebody removed the {rule}: restored" for rule in machines[0].lan.allow(*ports)]
    for each in machines:
        if each.is_on or time.time() - each.started_at < PAUSE_SECONDS or not each.revive():
            continue
        told.append(f"{each.name} had ended and was started again; its engine's words are in {each.log}")
    return "\n".join(told)


def remove(state: StateDirectory) -> str:
    """Take away every machine and what connects them, after any crash; returns what was done, in words."""
    lan, machines = Lan.kept(state), present(state)
    if lan is None:
        return ""
    with ThreadPoolExecutor(len(machines) or 1) as pool:  # each waits for its own containers
        list(pool.map(Machine.remove, machines))
    lan.remove()
    return f"removed {', '.join(each.name for each in machines)} and their network" if machines else ""


def _machine(state: StateDirectory, lan: Lan, number: int) -> Machine:
    name = f"node-{number}"
    return Machine(name, lan.address(number), state.machines / name, state.log / f"dockerd-{name}.log", lan)
