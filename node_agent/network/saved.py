"""What ``iptables-save`` prints, read and undone; and the way its commands are run."""

from __future__ import annotations

import subprocess
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from node_agent.network import NetworkError

TIMEOUT = 30


@dataclass(frozen=True)
class Saved:
    """Rules and policies by table and chain."""

    rules: Mapping[tuple[str, str], list[str]]
    policies: Mapping[tuple[str, str], str]


def parse(text: str) -> Saved:
    rules: dict[tuple[str, str], list[str]] = {}
    policies: dict[tuple[str, str], str] = {}
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith(":"):
            chain, policy, *_ = line[1:].split(" ")
            rules[table, chain] = []
            policies[table, chain] = policy
        elif line.startswith("-A "):
            chain, _, rule = line[3:].partition(" ")
            rules.setdefault((table, chain), []).append(rule)
    return Saved(rules, policies)


def unmake(ours: Callable[[str], bool], saved: Saved) -> str:
    """What to feed ``iptables-restore --noflush`` to remove our chains and every jump into one."""
    lines: dict[str, list[str]] = defaultdict(list)
    chains = [(table, chain) for table, chain in saved.rules if ours(chain)]
    for (table, chain), rules in saved.rules.items():
        if not ours(chain):
            lines[table] += [f"-D {chain} {rule}" for rule in rules if ours(target_of(rule))]
    for command in ("-F", "-X"):
        for table, chain in chains:
            lines[table].append(f"{command} {chain}")
    return blocks({table: some for table, some in lines.items() if some})


def target_of(rule: str) -> str:
    """The chain or target a rule leads to."""
    _, _, rest = rule.rpartition("-j ")
    return rest.partition(" ")[0]


def blocks(lines: Mapping[str, list[str]]) -> str:
    """One atomic batch per table."""
    return "".join(f"*{table}\n" + "\n".join(some) + "\nCOMMIT\n" for table, some in lines.items())


def run(argv: list[str], text: str = "") -> str:
    """Runs one command and returns what it prints."""
    try:
        done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NetworkError(f"{argv[0]} failed: {error}") from error
    if done.returncode:
        reason = done.stderr.strip().splitlines()
        raise NetworkError(f"{argv[0]} failed: {reason[0] if reason else done.returncode}")
    return done.stdout
