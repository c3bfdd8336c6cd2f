"""The three patch types: the RFCs' examples, what kubectl sends, and properties that hold for any input."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.api.patches import (
    MalformedPatch,
    PatchDoesNotApply,
    apply_json_patch,
    apply_merge_patch,
    apply_strategic_patch,
)
from apps.cluster import types

# RFC 7386, appendix A: target, patch, result.
MERGES: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


LONG_TEXT = {"op": "add", "path": "/t", "value": "x" * 1024 * 1024}


@pytest.mark.parametrize(("target", "patch", "result"), MERGES)
def test_merge_patch_does_what_its_rfc_shows(target: Any, patch: Any, result: Any) -> None:
    assert apply_merge_patch(target, patch) == result


# RFC 6902, appendix A, and its edges: document, operations, result.
OPERATIONS: list[tuple[Any, list[dict[str, Any]], Any]] = [
    ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"foo": "bar", "baz": "qux"}),
    ({"foo": ["a", "c"]}, [{"op": "add", "path": "/foo/1", "value": "b"}], {"foo": ["a", "b", "c"]}),
    ({"foo": [1]}, [{"op": "add", "path": "/foo/-", "value": [2]}], {"foo": [1, [2]]}),
    ({"a": 1, "b": 2}, [{"op": "remove", "path": "/b"}], {"a": 1}),
    ({"foo": [1, 2, 3]}, [{"op": "remove", "path": "/foo/1"}], {"foo": [1, 3]}),
    ({"a": 1}, [{"op": "replace", "path": "/a", "value": None}], {"a": None}),
    ({"a": 1}, [{"op": "replace", "path": "", "value": {"b": 2}}], {"b": 2}),
    ({"a": {"x": 1}, "b": {}}, [{"op": "move", "from": "/a/x", "path": "/b/y"}], {"a": {}, "b": {"y": 1}}),
    ({"a": [1, 2, 3]}, [{"op": "move", "from": "/a/0", "path": "/a/2"}], {"a": [2, 3, 1]}),
    ({"a": {"x": 1}}, [{"op": "copy", "from": "/a", "path": "/b"}], {"a": {"x": 1}, "b": {"x": 1}}),
    ({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}], {"/": 9, "~1": 10}),
    ({"a/b": 1}, [{"op": "replace", "path": "/a~1b", "value": 2}], {"a/b": 2}),
    ({"": 1}, [{"op": "replace", "path": "/", "value": 2}], {"": 2}),
]


@pytest.mark.parametrize(("document", "operations", "result"), OPERATIONS)
def test_json_patch_does_what_its_rfc_shows(document: Any, operations: Any, result: Any) -> None:
    before = copy.deepcopy(document)
    assert apply_json_patch(document, operations) == result
    assert document == before


@pytest.mark.parametrize(
    "operations",
    [
        {"op": "add"},
        ["add"],
        [{"op": "put", "path": "/a", "value": 1}],
        [{"op": ["add"], "path": "/a", "value": 1}],
        [{"op": "add", "path": "a", "value": 1}],
        [{"op": "add", "path": 1, "value": 1}],
        [{"op": "add", "path": "/a"}],
        [{"op": "add", "path": "/~2", "value": 1}],
        [{"op": "move", "path": "/a"}],
        [{"op": "copy", "from": "", "path": f"/x{n}"} for n in range(60)],
        [LONG_TEXT, *({"op": "copy", "from": "/t", "path": f"/x{n}"} for n in range(4))],
    ],
)
def test_a_malformed_json_patch_is_named_so(operations: Any) -> None:
    with pytest.raises(MalformedPatch):
        apply_json_patch({"a": [1]}, operations)


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/a", "value": True},
        {"op": "test", "path": "/a", "value": "1"},
        {"op": "remove", "path": "/x"},
        {"op": "replace", "path": "/x", "value": 1},
        {"op": "add", "path": "/x/y", "value": 1},
        {"op": "add", "path": "/l/5", "value": 1},
        {"op": "add", "path": "/l/01", "value": 1},
        {"op": "add", "path": "/l/x", "value": 1},
        {"op": "add", "path": "/a/b", "value": 1},
        {"op": "remove", "path": "/l/-"},
        {"op": "move", "from": "/m", "path": "/m/n"},
    ],
)
def test_an_operation_that_does_not_fit_is_refused(operation: Any) -> None:
    with pytest.raises(PatchDoesNotApply):
        apply_json_patch({"a": 1, "l": [1], "m": {}}, [operation])


def _pod(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web"}, "spec": {"containers": list(containers), **spec}}


A, B, C = ({"name": name, "image": f"{name}:1"} for name in "abc")

# name, target, patch, result: all of a Pod.
STRATEGIC: list[tuple[str, Any, Any, Any]] = [
    ("an item is found by its key", _pod(A, B), {"spec": {"containers": [{"name": "b", "image": "b:2"}]}},
     _pod(A, {"name": "b", "image": "b:2"})),
    ("a new item comes last", _pod(A), {"spec": {"containers": [B]}}, _pod(A, B)),
    ("an item is deleted", _pod(A, B), {"spec": {"containers": [{"name": "a", "$patch": "delete"}]}}, _pod(B)),
    ("a list is replaced", _pod(A, B), {"spec": {"containers": [{"$patch": "replace"}, C]}}, _pod(C)),
    ("an object is replaced", _pod(A, nodeSelector={"x": "1"}),
     {"spec": {"nodeSelector": {"$patch": "replace", "y": "2"}}}, _pod(A, nodeSelector={"y": "2"})),
    ("an order is kept", _pod(A, B),
     {"spec": {"$setElementOrder/containers": [{"name": "c"}, {"name": "b"}, {"name": "a"}], "containers": [C]}},
     _pod(C, B, A)),
    ("what an order leaves out stays in place", _pod(A, B, C),
     {"spec": {"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}]}}, _pod(B, C, A)),
    ("tolerations are replaced whole", _pod(A, tolerations=[{"key": "x"}]),
     {"spec": {"tolerations": [{"key": "y"}]}}, _pod(A, tolerations=[{"key": "y"}])),
    ("finalizers are a set", {"metadata": {"finalizers": ["a", "b"]}},
     {"metadata": {"finalizers": ["b", "c"]}}, {"metadata": {"finalizers": ["a", "b", "c"]}}),
    ("values are taken from a set", {"metadata": {"finalizers": ["a", "b"]}},
     {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}, {"metadata": {"finalizers": ["b"]}}),
    ("a null removes", {"metadata": {"labels": {"a": "1", "b": "2"}}},
     {"metadata": {"labels": {"a": None}}}, {"metadata": {"labels": {"b": "2"}}}),
    ("only the kept keys stay", {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}},
     {"spec": {"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}]}},
     {"spec": {"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]}}),
    ("one port number may stand for two protocols",
     _pod({"name": "a", "ports": [{"containerPort": 53, "protocol": "TCP"}, {"containerPort": 53, "protocol": "UDP"}]}),
     {"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 53, "protocol": "UDP", "name": "dns"}]}]}},
     _pod({"name": "a", "ports": [{"containerPort": 53, "protocol": "TCP"},
                                  {"containerPort": 53, "protocol": "UDP", "name": "dns"}]})),
    ("a port changes its protocol", _pod({"name": "a", "ports": [{"containerPort": 53, "protocol": "TCP"}]}),
     {"spec": {"containers": [{"name": "a", "$setElementOrder/ports": [{"containerPort": 53}],
                               "ports": [{"containerPort": 53, "protocol": "UDP"}]}]}},
     _pod({"name": "a", "ports": [{"containerPort": 53, "protocol": "UDP"}]})),
]  # fmt: skip


@pytest.mark.parametrize(
    ("target", "patch", "result"), [case[1:] for case in STRATEGIC], ids=[c[0] for c in STRATEGIC]
)
def test_strategic_patch(target: Any, patch: Any, result: Any) -> None:
    before = copy.deepcopy((target, patch))
    assert apply_strategic_patch(target, patch, types.Pod) == result
    assert (target, patch) == before


@pytest.mark.parametrize(
    "patch",
    [
        [],
        {"spec": {"containers": [{"image": "x"}]}},
        {"spec": {"containers": ["a"]}},
        {"spec": {"$patch": "drop"}},
        {"spec": {"$patch": ["replace"]}},
        {"spec": {"$unheard": 1}},
        {"spec": {"$setElementOrder/containers": "a"}},
        {"metadata": {"$deleteFromPrimitiveList/finalizers": None}},
        {"spec": {"$retainKeys": 1}},
    ],
)
def test_a_malformed_strategic_patch_is_named_so(patch: Any) -> None:
    with pytest.raises(MalformedPatch):
        apply_strategic_patch(_pod(A), patch, types.Pod)


_names = st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=8)


@given(have=_names, order=_names, touched=_names)
def test_an_order_loses_nothing_and_doubles_nothing(
    have: list[str], order: list[str], touched: list[str]
) -> None:
    target = _pod(*({"name": name, "image": "old"} for name in have))
    patch = {
        "spec": {
            "$setElementOrder/containers": [{"name": name} for name in order],
            "containers": [{"name": name, "image": "new"} for name in touched],
        }
    }
    containers = apply_strategic_patch(target, patch, types.Pod)["spec"]["containers"]
    names = [container["name"] for container in containers]
    assert sorted(names) == sorted({*have, *touched})
    assert [name for name in names if name in order] == [name for name in order if name in names]
    rest = [name for name in names if name not in order]
    assert rest == [name for name in [*have, *(t for t in touched if t not in have)] if name not in order]
    assert {c["name"] for c in containers if c["image"] == "new"} == set(touched)


_json: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(target=_json, patch=_json)
def test_a_merge_patch_applied_twice_changes_no_more(target: Any, patch: Any) -> None:
    once = apply_merge_patch(target, patch)
    assert apply_merge_patch(once, patch) == once


@given(document=_json, value=_json)
def test_what_is_added_can_be_tested_and_removed(document: Any, value: Any) -> None:
    holder = {"held": document}
    added = apply_json_patch(holder, [{"op": "add", "path": "/new", "value": value}])
    operations = [{"op": "test", "path": "/new", "value": value}, {"op": "remove", "path": "/new"}]
    assert apply_json_patch(added, operations) == holder
