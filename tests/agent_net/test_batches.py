"""The batches for nft lead from any state to any other, by steps that the kernel takes."""

from __future__ import annotations

import re

from hypothesis import given

from node_agent.names import Names
from node_agent.proxy import nftables, objects
from node_agent.proxy.rules import Wanted
from tests.agent_net.wishes import wishes

NAMES = Names("a1b2c3")


@given(wishes(), wishes())
def test_nftables_batches_lead_from_one_state_to_the_other(before: Wanted, after: Wanted) -> None:
    one, other = (objects.Renderer(NAMES).render(wanted) for wanted in (before, after))
    table = Table()
    table.apply(nftables.whole(one, "t"))
    assert table == Table.of(one)
    for batch in nftables.changes(one, other, "t"):
        table.apply(batch)
    assert table == Table.of(other)
    assert not list(nftables.changes(other, other, "t"))


class Table:
    """As much of nft as the batches use: it refuses what the kernel would refuse."""

    def __init__(self) -> None:
        self.chains: dict[str, list[str]] = {}
        self.elements: dict[str, set[str]] = {}

    @classmethod
    def of(cls, state: objects.Objects) -> Table:
        made = cls()
        made.chains = {
            name: [rule for rule in rules if not rule.startswith("type ")]
            for name, rules in state.chains.items()
        }
        made.elements = {
            name: {f"{key} : {value}" if value else key for key, value in some.items()}
            for name, some in state.elements.items()
        }
        made.elements.update({name: set() for name in state.clients})
        return made

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Table) and (self.chains, self.elements) == (other.chains, other.elements)

    __hash__ = None  # type: ignore[assignment]

    def apply(self, batch: str) -> None:
        for line in batch.splitlines():
            verb, what, _, _, *words = line.split(" ")
            name, rest = (words[0], " ".join(words[1:])) if words else ("", "")
            if what != "table":
                self._do(verb, what, name, rest)
        for reference in self._references():
            assert reference in self.chains or reference in self.elements, reference

    def _do(self, verb: str, what: str, name: str, rest: str) -> None:
        match verb, what:
            case "add", "chain":
                self.chains[name] = []
            case "add", "map" | "set":
                self.elements[name] = set()
            case "add", "rule":
                self.chains[name].append(rest)
            case "add", "element":
                self.elements[name] |= set(rest.strip("{} ").split(", "))
            case "delete", "element":
                keys = set(rest.strip("{} ").split(", "))
                gone = {one for one in self.elements[name] if one.split(" : ")[0] in keys}
                assert len(gone) == len(keys)
                self.elements[name] -= gone
            case "flush", "chain":
                self.chains[name].clear()
            case "delete", "chain":
                assert not self.chains.pop(name)
            case "delete", "set":
                del self.elements[name]
            case _:
                raise AssertionError(f"{verb} {what}")

    def _references(self) -> set[str]:
        rules = [rule for rules in self.chains.values() for rule in rules]
        text = "\n".join([*rules, *(one for some in self.elements.values() for one in some)])
        return set(re.findall(r"(?:goto|jump) ([\w-]+)", text)) | set(re.findall(r"@([\w-]+)", text))
