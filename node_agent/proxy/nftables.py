"""The backend for kernels without legacy tables: one nftables table of our own.

A batch is one transaction. Foreign tables are out of reach by construction.
"""

from __future__ import annotations

from collections.abc import Iterator

from node_agent.names import Names
from node_agent.network import NetworkError
from node_agent.network.kernel import Generation
from node_agent.proxy import ProxyError
from node_agent.proxy.libnftables import Nftables
from node_agent.proxy.objects import MAPS, SETS, Objects, Renderer, table_name
from node_agent.proxy.rules import Wanted


class NftablesBackend:
    """A ``ProxyBackend`` for the network namespace it was made in."""

    name = "nftables"

    def __init__(self, names: Names) -> None:
        self._names = names
        self._renderer = Renderer(names)
        self._table = table_name(names)
        self._changes = Generation()
        self._nft = Nftables()
        self._applied: Objects | None = None
        self._generation = 0
        self._listing = ""

    def sync(self, wanted: Wanted) -> None:
        objects = self._renderer.render(wanted)
        if objects == self._applied:
            return
        before, self._applied = self._applied, None
        try:
            if before is None:
                self._rewrite(objects)
            else:
                for batch in changes(before, objects, self._table):
                    self._nft.run(batch)
                self._mark()
        except (NetworkError, OSError) as error:
            raise ProxyError(f"cannot write the service rules: {error}") from error
        self._applied = objects

    def verify(self) -> list[str]:
        """Somebody's change to any table makes us compare; our own table is written anew when it differs."""
        if self._applied is None:
            return []
        try:
            generation = self._changes.read()
            if generation == self._generation:
                if not self._listing:
                    self._listing = self._list()
                return []
            listing = self._list()
            if listing and listing == self._listing:
                self._generation = generation
                return []
            self._rewrite(self._applied)
        except (NetworkError, OSError) as error:
            raise ProxyError(f"cannot check the service rules: {error}") from error
        return [f"table {self._table}"]

    def remove(self) -> None:
        self._applied = None
        remove(self._names)

    def _rewrite(self, objects: Objects) -> None:
        self._nft.run(whole(objects, self._table))
        self._mark()

    def _mark(self) -> None:
        """Remembers the state of the ruleset right after our own change."""
        self._generation = self._changes.read()
        self._listing = ""

    def _list(self) -> str:
        """Our table as text, without the clients the kernel adds to it; "" when it is gone."""
        parts = [f"list map ip {self._table} {name}" for name in MAPS]
        parts += [f"list set ip {self._table} {name}" for name in SETS]
        nft = Nftables()  # what it remembers of so much goes with it
        try:
            return nft.run(f"list table ip {self._table}", terse=True) + nft.run("\n".join(parts))
        except NetworkError:
            return ""


def available() -> bool:
    """Can nftables be written here?"""
    return _tables() is not None


def remove(names: Names) -> None:
    """Takes away the table of one instance."""
    name = f"table ip {table_name(names)}"
    if name in (_tables() or ()):
        Nftables().run(f"delete {name}")


def _tables() -> list[str] | None:
    """All there are, None where there cannot be any."""
    try:
        return Nftables().run("list tables").splitlines()
    except NetworkError:
        return None


def whole(objects: Objects, table: str) -> str:
    """Pure: one batch that replaces the table, whatever it holds."""
    lines = [f"add table ip {table}", f"delete table ip {table}", f"add table ip {table}"]
    lines += [f"add map ip {table} {name} {{ {kind} }}" for name, kind in MAPS.items()]
    lines += [f"add set ip {table} {name} {{ {kind} }}" for name, kind in SETS.items()]
    nothing = Objects(chains={}, elements={name: {} for name in (*MAPS, *SETS)}, clients={})
    return "\n".join([*lines, *_added(nothing, objects, table)]) + "\n"


def changes(before: Objects, after: Objects, table: str) -> Iterator[str]:
    """Pure: the batches that lead from one state to the next; what nobody refers to any more goes last."""
    lines = [*_added(before, after, table)]
    if lines:
        yield "\n".join(lines) + "\n"
    gone = [f"delete chain ip {table} {name}" for name in before.chains if name not in after.chains]
    gone += [f"delete set ip {table} {name}" for name in before.clients if name not in after.clients]
    if gone:
        emptied = [f"flush chain ip {table} {name}" for name in before.chains if name not in after.chains]
        yield "\n".join([*emptied, *gone]) + "\n"


def _added(before: Objects, after: Objects, table: str) -> Iterator[str]:
    for name in [one for one in after.clients if one not in before.clients]:
        kind = f"type ipv4_addr; flags dynamic,timeout; timeout {after.clients[name]}s;"
        yield f"add set ip {table} {name} {{ {kind} }}"
    for name, rules in after.chains.items():
        if name not in before.chains:
            head = f" {{ {rules[0]} }}" if rules[0].startswith("type ") else ""
            yield f"add chain ip {table} {name}{head}"
    for name, rules in after.chains.items():
        if before.chains.get(name) != rules:
            yield f"flush chain ip {table} {name}"
            yield from (
                f"add rule ip {table} {name} {rule}" for rule in rules if not rule.startswith("type ")
            )
    for name, elements in after.elements.items():
        old = before.elements[name]
        gone = [key for key, value in old.items() if elements.get(key) != value]
        new = [
            f"{key} : {value}" if value else key for key, value in elements.items() if old.get(key) != value
        ]
        if gone:
            yield f"delete element ip {table} {name} {{ {', '.join(gone)} }}"
        if new:
            yield f"add element ip {table} {name} {{ {', '.join(new)} }}"
