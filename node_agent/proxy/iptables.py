"""The default backend: the legacy tables, small changes by python-iptables and large ones by one restore.

python-iptables asks for care: one thread only (two abort the process), the lock of the iptables commands
taken by us (it takes none and overwrites others silently), a fresh reading before every commit (a second one
on the same reading fails), parameters set by ``set_parameter`` (attributes clash with its own). A
batch is atomic per table.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

from node_agent.names import Names
from node_agent.network import NetworkError
from node_agent.network.kernel import LegacyTables
from node_agent.network.saved import Saved, blocks, parse, run, target_of, unmake
from node_agent.proxy import ProxyError
from node_agent.proxy.chains import FILTER, NAT, Renderer, Rule, Ruleset
from node_agent.proxy.rules import Wanted

SAVE, RESTORE = "iptables-legacy-save", "iptables-legacy-restore"
LOCK = "/run/xtables.lock"
FEW = 60
"""Up to so many changed rules are edited in place; above, one restore is faster (10 to 30 ms)."""
LOOK_SECONDS = 60
"""Now and then the rules are compared in full, even when their number and size are unchanged."""

Print = dict[str, bytes]
"""A cheap fingerprint of each table: positions, number and size of its rules."""


class IptablesBackend:
    """A ``ProxyBackend`` for the network namespace it was made in."""

    name = "iptables"

    def __init__(self, names: Names) -> None:
        self._names = names
        self._renderer = Renderer(names)
        self._tables = _open_tables()
        self._legacy = LegacyTables()
        self._applied: Ruleset | None = None
        self._print: Print = {}
        self._looked = 0.0

    def sync(self, wanted: Wanted) -> None:
        ruleset = self._renderer.render(wanted)
        if ruleset == self._applied:
            return
        before, self._applied = self._applied, None
        try:
            if before is None or changed_rules(before, ruleset) > FEW or not self._edit(before, ruleset):
                self._rewrite(ruleset)
        except (NetworkError, OSError, _iptc().IPTCError) as error:
            raise ProxyError(f"cannot write the service rules: {error}") from error
        self._applied = ruleset

    def verify(self) -> list[str]:
        if self._applied is None:
            return []
        due = monotonic() - self._looked > LOOK_SECONDS
        if not due and self._fingerprint() == self._print:
            return []
        try:
            seen = self._fingerprint()
            lacks = lacking(self._applied, parse(run([SAVE])))
            if lacks:
                self._rewrite(self._applied)
            else:
                self._print, self._looked = seen, monotonic()
        except (NetworkError, OSError) as error:
            raise ProxyError(f"cannot check the service rules: {error}") from error
        return lacks

    def remove(self) -> None:
        self._applied = None
        remove(self._names)

    def _rewrite(self, ruleset: Ruleset) -> None:
        """All our chains, replaced in one batch per table: no packet meets half of them."""
        run([RESTORE, "--noflush", "-w"], restore_text(ruleset, parse(run([SAVE])), self._names))
        self._print, self._looked = self._fingerprint(), monotonic()

    def _edit(self, before: Ruleset, after: Ruleset) -> bool:
        """Changes only what differs. False when the tables are not as we left them, so nothing was done."""
        with _lock():
            if self._fingerprint() != self._print and lacking(before, parse(run([SAVE]))):
                return False
            for name, table in self._tables.items():
                if before.tables[name] != after.tables[name]:
                    table.refresh()
                    _edit_table(table, before.tables[name], after.tables[name])
                    table.commit()
            self._print = self._fingerprint()
        return True

    def _fingerprint(self) -> Print:
        return {name: self._legacy.print_of(name) for name in self._tables}


def available() -> bool:
    """Do the legacy tables, their library and their commands work here?"""
    if shutil.which(SAVE) is None or shutil.which(RESTORE) is None:
        return False
    try:
        _open_tables()
    except ProxyError:
        return False
    return True


def remove(names: Names) -> None:
    """Takes away the chains of one instance, and the jumps into them."""
    try:
        loaded = Path("/proc/thread-self/net/ip_tables_names").read_text().split()
    except OSError:
        return
    if loaded and shutil.which(SAVE):
        text = unmake(lambda chain: _is_ours(chain, names), parse(run([SAVE])))
        if text:
            run([RESTORE, "--noflush", "-w"], text)


def restore_text(ruleset: Ruleset, saved: Saved, names: Names) -> str:
    """Pure: the batch that brings the tables from ``saved`` to ``ruleset``."""
    lines: dict[str, list[str]] = {}
    for table, chains in ruleset.tables.items():
        stale = [
            chain
            for where, chain in saved.rules
            if where == table and chain not in chains and _is_ours(chain, names)
        ]
        some = [f":{chain} - [0:0]" for chain in (*chains, *stale)]
        some += [f"-A {chain} {rule.text()}" for chain, rules in chains.items() for rule in rules]
        some += [f"-X {chain}" for chain in stale]
        for (where, chain), hook in ruleset.hooks.items():
            if where == table and hook.text() not in saved.rules.get((table, chain), ()):
                some.append(f"-I {chain} 1 {hook.text()}")
        lines[table] = some
    return blocks(lines)


def lacking(ruleset: Ruleset, saved: Saved) -> list[str]:
    """Pure: which of our chains and jumps are not there as they should be."""
    lacks = []
    for table, chains in ruleset.tables.items():
        for chain, rules in chains.items():
            if saved.rules.get((table, chain)) != [rule.text() for rule in rules]:
                lacks.append(f"{table} {chain}")
    for (table, chain), hook in ruleset.hooks.items():
        if hook.text() not in saved.rules.get((table, chain), ()):
            lacks.append(f"{table} {chain} -> {target_of(hook.text())}")
    return lacks


def changed_rules(before: Ruleset, after: Ruleset) -> int:
    """Pure: about how many rules differ."""
    total = 0
    for table, chains in after.tables.items():
        old = before.tables[table]
        for chain in _differing(old, chains):
            start, removed, added = difference(old.get(chain, ()), chains.get(chain, ()))
            total += removed + len(added)
    return total


def _differing(
    before: Mapping[str, tuple[Rule, ...]], after: Mapping[str, tuple[Rule, ...]]
) -> Iterator[str]:
    """What stayed keeps its very rules: a thousand chains are passed over without reading them."""
    yield from (chain for chain, rules in after.items() if before.get(chain) is not rules)
    yield from (chain for chain in before if chain not in after)


def difference(old: tuple[Rule, ...], new: tuple[Rule, ...]) -> tuple[int, int, tuple[Rule, ...]]:
    """Pure: (position, how many go there, what comes there), leaving equal beginnings and ends alone."""
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    return start, len(old) - end - start, new[start : len(new) - end]


def _edit_table(
    table: Any, before: Mapping[str, tuple[Rule, ...]], after: Mapping[str, tuple[Rule, ...]]
) -> None:
    iptc = _iptc()
    for chain in after:
        if chain not in before:
            table.create_chain(chain)
    for chain in _differing(before, after):
        start, removed, added = difference(before.get(chain, ()), after.get(chain, ()))
        for _ in range(removed):
            _delete_at(table, chain, start)
        for offset, rule in enumerate(added):
            iptc.Chain(table, chain).insert_rule(_build(rule), start + offset)
    for chain in before:
        if chain not in after:
            table.delete_chain(chain)


def _delete_at(table: Any, chain: str, position: int) -> None:
    """By number: what stands there is known, and comparing whole rules is where the library is weakest."""
    if not _iptc().ip4tc.iptc.iptc_delete_num_entry(chain.encode(), position, table._handle):
        raise _iptc().IPTCError(f"can't delete rule {position} of {chain}: {table.strerror()}")


def _build(rule: Rule) -> Any:
    built = _iptc().Rule()
    if rule.protocol:
        built.protocol = rule.protocol
    if rule.source:
        built.src = rule.source
    if rule.destination:
        built.dst = rule.destination
    if rule.in_link:
        built.in_interface = rule.in_link
    for match in rule.matches:
        made = built.create_match(match.name)
        for name, value in match.options:
            made.set_parameter(name, ["!", value[1:]] if value.startswith("!") else value)
    target = built.create_target(rule.target)
    for name, value in rule.options:
        target.set_parameter(name, value)
    return built


def _is_ours(chain: str, names: Names) -> bool:
    fixed = {names.chain(part) for part in ("SERVICES", "PORTS", "MARK", "LEAVE", "LOOPS", "REFUSE")}
    return (
        chain in fixed or re.fullmatch(re.escape(names.chain("")) + "[SHTLE][A-Z2-7]{13}", chain) is not None
    )


@contextmanager
def _lock() -> Iterator[None]:
    """The lock of the iptables commands."""
    with open(os.environ.get("XTABLES_LOCKFILE", LOCK), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _iptc() -> Any:
    """The library, loaded on first use."""
    if "iptc" not in sys.modules:
        # It asks distutils where it lives, which drags in all of setuptools (17 MB); else it asks sysconfig.
        sys.modules.setdefault("distutils", None)  # type: ignore[arg-type]
    import iptc  # noqa: PLC0415 - absent where the other backend serves

    return iptc


def _open_tables() -> dict[str, Any]:
    try:
        iptc = _iptc()
        tables = {}
        for name in (NAT, FILTER):
            tables[name] = iptc.Table(name)
            tables[name].autocommit = False
            tables[name].refresh()
    except (ImportError, OSError, AttributeError) as error:
        raise ProxyError(f"python-iptables does not work here: {error}") from error
    except iptc.IPTCError as error:
        raise ProxyError(f"the legacy iptables tables do not work here: {error}") from error
    # Else making a target opens all five tables, and so loads them into the kernel.
    iptc.Rule.tables = property(lambda rule: list(tables.values()))
    return tables
