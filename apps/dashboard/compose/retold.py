"""Changes a YAML text so that it says something else, and leaves alone what stays the same: comments, order, style.

Each difference becomes one cut in the text. What comes out is read again; where it does not say what it should
(anchors, say), the whole text is written anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import yaml

from apps.cluster import documents
from apps.dashboard import manifest

LONGEST_FLOW = 100
LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


class Cut(NamedTuple):
    """Put ``words`` in the place of what stands from ``start`` to ``end``."""

    start: int
    end: int
    words: str


def retold(text: str, wanted: Mapping[str, Any]) -> str:
    """The text, saying ``wanted``."""
    with suppress(ValueError, yaml.YAMLError):
        tree = yaml.compose(text, Loader=LOADER)
        (said,) = documents.read(text.encode())
        if said == wanted:
            return text
        if isinstance(tree, yaml.MappingNode) and not tree.flow_style and isinstance(said, dict):
            changed = _cut(text, [*_cuts(text, tree, said, wanted)])
            if documents.read(changed.encode()) == [wanted]:
                return changed
    return manifest.as_yaml(dict(wanted)) if wanted else ""


def _cut(text: str, cuts: list[Cut]) -> str:
    """Raises ValueError when cuts lie in each other."""
    done, at = "", 0
    for cut in sorted(cuts, key=lambda cut: cut.start):
        if cut.start < at:
            raise ValueError
        done += text[at : cut.start] + cut.words
        at = cut.end
    return done + text[at:]


def _cuts(
    text: str, node: yaml.MappingNode, said: Mapping[str, Any], wanted: Mapping[str, Any]
) -> Iterator[Cut]:
    """The cuts in one mapping that is written over several lines."""
    last = 0
    column = node.value[0][0].start_mark.column
    for key, value in node.value:
        name = key.value
        if name not in wanted:
            line = text.rfind("\n", 0, key.start_mark.index) + 1
            yield Cut(line, _line_end(text, _end(text, value)) + 1, "")
            continue
        last = _end(text, value)
        if said[name] == wanted[name]:
            continue
        if _goes_deeper(value, said[name], wanted[name]):
            yield from _cuts(text, value, said[name], wanted[name])
        else:
            flow = isinstance(value, yaml.CollectionNode) and bool(value.flow_style)
            yield Cut(key.start_mark.index, last, _entry(name, wanted[name], column, flow=flow))
    new = [name for name in wanted if name not in said]
    if new:
        if not last:
            raise ValueError  # nothing stays behind which it could come
        entries = [f"\n{' ' * column}{_entry(name, wanted[name], column)}" for name in new]
        yield Cut(_line_end(text, last), _line_end(text, last), "".join(entries))


def _goes_deeper(value: yaml.Node, said: Any, wanted: Any) -> bool:
    both = isinstance(said, dict) and isinstance(wanted, dict) and bool(said.keys() & wanted.keys())
    return both and isinstance(value, yaml.MappingNode) and not value.flow_style


def _end(text: str, node: yaml.Node) -> int:
    """Behind the last letter of a value; a block's own end mark lies behind the comments that follow it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(text, last[1] if isinstance(last, tuple) else last)
    end: int = node.end_mark.index
    while end > node.start_mark.index and text[end - 1 : end].isspace():
        end -= 1
    return end


def _line_end(text: str, index: int) -> int:
    found = text.find("\n", index)
    return len(text) if found < 0 else found


def _entry(name: str, value: Any, column: int, *, flow: bool = False) -> str:
    """``name: value`` as it stands after so many spaces, on one line if it was on one before."""
    if flow:
        words = manifest.as_yaml({name: value}, flow=True)
        if len(words) + column <= LONGEST_FLOW:
            return words.strip()[1:-1]
    lines = manifest.as_yaml({name: value}).rstrip("\n").split("\n")
    return "\n".join([lines[0], *(f"{' ' * column}{line}" if line else line for line in lines[1:])])
