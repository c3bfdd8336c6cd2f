"""What server-side apply is made of: sets of fields, merging, taking out. Pure, for any object."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from apps.api.apply import fields, merging
from apps.cluster import types

NAMES = st.sampled_from(["a", "b", "c", "example.org/x", ".", ""])
TYPES = st.sampled_from(["ClusterIP", ""])
MAPS = st.dictionaries(NAMES, st.text(max_size=3), max_size=4)
PORT = st.fixed_dictionaries(
    {"port": st.integers(1, 4)},
    optional={
        "protocol": st.sampled_from(["TCP", "UDP"]),
        "name": st.text(max_size=2),
        "nodePort": st.integers(1, 3),
    },
)
SERVICES = st.fixed_dictionaries(
    {},
    optional={
        "metadata": st.fixed_dictionaries(
            {}, optional={"labels": MAPS, "finalizers": st.lists(NAMES, max_size=3), "annotations": MAPS}
        ),
        "spec": st.fixed_dictionaries(
            {},
            optional={
                "selector": MAPS,
                "ports": st.lists(PORT, max_size=4),
                "type": TYPES,
            },
        ),
    },
)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


def leaves(data: dict[str, Any]) -> dict[fields.Path, Any]:
    return fields.leaves(data, types.Service)


@given(SERVICES)
def test_a_set_of_fields_is_read_as_it_was_written(data: dict[str, Any]) -> None:
    paths = frozenset(path for path in leaves(data) if path)
    assert fields.from_fields_v1(fields.to_fields_v1(paths)) == paths


@given(SERVICES, SERVICES)
def test_what_is_wanted_is_there_and_what_others_have_stays(
    live: dict[str, Any], wanted: dict[str, Any]
) -> None:
    result = leaves(merging.merged(live, wanted, types.Service))
    asked = leaves(wanted)
    for path, value in asked.items():
        inner = any(other[: len(path)] == path for other in result)
        assert result.get(path) == value or (value in ({}, []) and (inner or not path)), path
    for path, value in leaves(live).items():
        touched = any(path[: len(other)] == other or other[: len(path)] == path for other in asked)
        assert touched or result[path] == value


@given(SERVICES, SERVICES)
def test_merging_twice_is_merging_once(live: dict[str, Any], wanted: dict[str, Any]) -> None:
    once = merging.merged(live, wanted, types.Service)
    assert merging.merged(once, wanted, types.Service) == once


@given(SERVICES)
def test_what_is_taken_out_leaves_nothing_behind(data: dict[str, Any]) -> None:
    paths = [path for path in leaves(data) if path]
    assert not [path for path, value in leaves(merging.without(data, paths)).items() if value not in ({}, [])]


@given(JUNK, JUNK)
def test_anything_at_all_can_be_merged_and_walked(live: Any, wanted: Any) -> None:
    result = merging.merged({"spec": live}, {"spec": wanted}, types.Service)
    paths = [path for path in leaves(result) if path]
    merging.without(result, paths)
    assert fields.shown(paths[0]).startswith(".spec") if paths else True
