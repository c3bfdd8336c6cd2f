"""The merge patch between two objects, as commands show it: applied, it makes the one like the other."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from apps.api.patches.merge_patch import apply_merge_patch
from apps.dashboard.commands import patch_between

KEYS = st.sampled_from("abc")
VALUES = st.recursive(
    st.integers(0, 3) | st.text("x", max_size=1) | st.lists(st.integers(0, 2), max_size=2),
    lambda inner: st.dictionaries(KEYS, inner, min_size=1, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=3)


@given(OBJECTS, OBJECTS)
def test_applied_it_makes_the_one_like_the_other(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert apply_merge_patch(before, patch_between(before, after)) == after


def test_what_the_server_says_itself_is_left_out() -> None:
    before = {"metadata": {"resourceVersion": "1", "labels": {"a": "1"}}, "status": {"ready": 1}}
    after = {"metadata": {"resourceVersion": "2", "generation": 2, "labels": {}}, "status": {}}
    assert patch_between(before, after) == {"metadata": {"labels": {"a": None}}}
