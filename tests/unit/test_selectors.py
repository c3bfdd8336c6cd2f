"""Selectors: what they match, and that every text is a selector or a refusal in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.cluster.selectors import (
    FieldSelector,
    FieldTerm,
    LabelSelector,
    Operator,
    Requirement,
    parse_fields,
    parse_labels,
)

WEB = {"app": "web", "tier": "front", "weight": "5", "empty": ""}

MATCHES = [
    ("", True), (" ", True), ("app=web", True), ("app==web", True), ("app = web", True), ("app=db", False),
    ("app!=db", True),
    ("app!=web", False), ("missing!=x", True), ("missing=x", False), ("app in (web,db)", True),
    ("app in ( db )", False),
    ("app notin (db)", True), ("missing notin (db)", True), ("app", True), ("missing", False),
    ("!missing", True), ("!app", False),
    ("app=web,tier=front", True), ("app=web,tier=back", False), ("app=web,tier in (back,front),!x", True),
    ("empty=", True),
    ("app=", False), ("weight>4", True), ("weight>5", False), ("weight<6", True), ("app>4", False),
    ("in in (x)", False),
    ("app in (,web)", True), ("empty in (,web)", True),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), MATCHES)
def test_a_label_selector_matches(text: str, wanted: bool) -> None:
    assert parse_labels(text).matches(WEB) is wanted


@pytest.mark.parametrize(
    "text",
    ["=", ",", "a,", ",a", "a,,b", "a=b=c", "a in", "a in x", "a in (x", "a in (x y)", "a ! b", "!", "a>x",
     "a b", "-a=b", "a=-",
     "a/b/c=d", "a=" + "x" * 64, "()", "a in (x)) "],
)  # fmt: skip
def test_what_is_no_label_selector_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="unable to parse label selector"):
        parse_labels(text)


def test_a_controllers_selector_wants_each_label_exactly() -> None:
    selector = LabelSelector.of({"b": "2", "a": "1"})
    assert str(selector) == "a=1,b=2"
    assert selector.matches({"a": "1", "b": "2", "c": "3"})
    assert not selector.matches({"a": "1"})


POD = {"spec.nodeName": "n1", "status.phase": "Running", "metadata.name": "a"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("", True), ("spec.nodeName=n1", True), ("spec.nodeName==n1", True), ("spec.nodeName!=n1", False),
     ("spec.nodeName=", False),
     ("spec.nodeName=n1,status.phase!=Failed", True), ("spec.nodeName=n1,status.phase!=Running", False),
     ("other=", True)],
)  # fmt: skip
def test_a_field_selector_matches(text: str, wanted: bool) -> None:
    assert parse_fields(text).matches(POD) is wanted


def test_a_backslash_escapes_in_a_field_selector() -> None:
    assert parse_fields(r"a=x\,y\=z\\,b=c").terms == (FieldTerm("a", r"x,y=z" + "\\"), FieldTerm("b", "c"))


@pytest.mark.parametrize("text", ["a", "=b", "a=b=c", "a=b\\", r"a=\x", "a>b"])
def test_what_is_no_field_selector_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="invalid field selector"):
        parse_fields(text)


keys = st.sampled_from(["app", "tier", "example.com/name", "in", "notin", "x1"])
values = st.sampled_from(["", "a", "b", "A.b-c_d", "7"])
requirements = st.one_of(
    st.builds(
        Requirement,
        keys,
        st.sampled_from([Operator.IN, Operator.NOT_IN]),
        st.frozensets(values, min_size=1, max_size=3),
    ),
    st.builds(Requirement, keys, st.sampled_from([Operator.EXISTS, Operator.ABSENT])),
    st.builds(
        Requirement, keys, st.sampled_from([Operator.GREATER, Operator.LESS]), st.just(frozenset(("7",)))
    ),
)
selectors = st.lists(requirements, max_size=4).map(lambda several: LabelSelector(tuple(several)))
labels = st.dictionaries(keys, values)


@given(selectors)
def test_a_selector_written_out_reads_back_as_itself(selector: LabelSelector) -> None:
    assert parse_labels(str(selector)) == selector


@given(selectors, labels)
def test_a_selector_matches_when_each_of_its_parts_does(
    selector: LabelSelector, some: dict[str, str]
) -> None:
    assert selector.matches(some) is all(
        LabelSelector((part,)).matches(some) for part in selector.requirements
    )


@given(labels, labels)
def test_a_controllers_selector_is_a_subset_test(wanted: dict[str, str], some: dict[str, str]) -> None:
    assert LabelSelector.of(wanted).matches(some) is (wanted.items() <= some.items())


@given(st.lists(st.builds(FieldTerm, st.sampled_from(["a", "spec.x"]), st.text(), st.booleans()), max_size=3))
def test_a_field_selector_written_out_reads_back_as_itself(terms: list[FieldTerm]) -> None:
    selector = FieldSelector(tuple(terms))
    assert parse_fields(str(selector)) == selector


@given(st.text(alphabet="ab=!<>(), \\.", max_size=20))
def test_any_text_is_a_selector_or_a_value_error(text: str) -> None:
    for parse in (parse_labels, parse_fields):
        try:
            parse(text)
        except ValueError as refusal:
            assert "selector" in str(refusal)
