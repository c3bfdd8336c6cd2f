"""A text that is changed says what it should, and keeps what nobody changed."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from apps.dashboard import manifest
from apps.dashboard.compose.retold import retold

TEXT = """\
# ours
components:
  # the störe
  db:
    image: redis:7.2.5   # pinned
    ports: {redis: 6379}
    files:
      /etc/x:
        content: |
          a
          b

  web:
    image: web:1
    env: {A: b}

# the end
endpoints:
  web: {component: web, port: http}
"""


def put(data: Any, path: str, value: Any) -> None:
    *way, last = path.split(".")
    for step in way:
        data = data.setdefault(step, {})
    if value is None:
        del data[last]
    else:
        data[last] = value


CHANGES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a value": ({"components.db.image": "redis:8"}, ["    image: redis:8   # pinned"]),
    "a number is added": ({"components.db.replicas": 2}, ["    replicas: 2", "# pinned"]),
    "what was on one line stays on one": ({"components.web.env.B": "2"}, ["    env: {A: b, B: '2'}"]),
    "a component goes, its neighbours stay": (
        {"components.web": None},
        ["# the störe", "# the end", "# pinned"],
    ),
    "a component comes behind the others": ({"components.new": {"image": "x:1"}}, ["  new:\n    image: x:1"]),
    "one goes and one comes": ({"components.web": None, "components.new": {"image": "x:1"}}, ["# pinned"]),
    "a text of several lines": (
        {"components.db.files./etc/x.content": "q\nr\n"},
        ["          q\n          r"],
    ),
    "a section goes": ({"endpoints": None}, ["# ours", "# pinned"]),
    "a section comes": ({"notes": "one\ntwo\n"}, ["notes: |\n  one\n  two", "# the end"]),
}


@pytest.mark.parametrize(("changes", "kept"), CHANGES.values(), ids=CHANGES)
def test_only_what_differs_is_written_anew(changes: dict[str, Any], kept: list[str]) -> None:
    wanted = yaml.safe_load(TEXT)
    for path, value in changes.items():
        put(wanted, path, value)
    told = retold(TEXT, wanted)
    assert yaml.safe_load(told) == wanted
    for words in kept:
        assert words in told


def test_a_text_that_says_it_already_is_left_alone() -> None:
    assert retold(TEXT, yaml.safe_load(TEXT)) == TEXT


@pytest.mark.parametrize(
    "text", ["", "{}", "# nothing", "a: &x {b: 1}\nc: *x\n", "a: [", "<<: {a: 1}\nb: 2\n"]
)
def test_what_cannot_be_cut_is_written_whole(text: str) -> None:
    assert yaml.safe_load(retold(text, {"a": {"b": 2}})) == {"a": {"b": 2}}


names = st.sampled_from(["a", "b", "web", "x-y", "ö", "on", "1", "a b", "~", "#c"])
leaves = st.one_of(
    st.integers(-5, 99),
    st.booleans(),
    st.text(max_size=12),
    st.sampled_from(["1", "yes", "", "a: b", "x\ny\n", " #"]),
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=4)),
    max_leaves=12,
)
mappings = st.dictionaries(names, trees, min_size=1, max_size=5)


@settings(max_examples=60)
@example(before={"a": []}, after={"a": "\x85", "b": "x\r\ny", "c": {"d": "\u2028"}}, flow=True)
@given(before=mappings, after=mappings, flow=st.booleans())
def test_whatever_was_said_the_new_text_says_what_is_wanted(before: Any, after: Any, flow: bool) -> None:
    text = yaml.safe_dump(
        before, default_flow_style=None if flow else False, sort_keys=False, allow_unicode=True
    )
    assert yaml.safe_load(retold(text, after)) == after
    assert yaml.safe_load(retold(manifest.as_yaml(before), after)) == after
