"""References: what they are, what they become, and that values are never read again."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.catalog.references import Hidden, Malformed, Mixed, Reference, pieces, substitute

VALUES = {"params.title": "Shop", "params.copies": 3, "params.on": True, "params.none": None}


def value_of(reference: Reference) -> Any:
    if reference.steps[1] == "password":
        return Hidden("password")
    return VALUES[".".join(reference.steps)]


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("plain", "plain"),
        ("${params.title}", "Shop"),
        ("${params.copies}", 3),
        ("${params.on}", True),
        ("${params.none}", None),
        ("a ${params.title}, ${params.copies} times: ${params.on}${params.none}", "a Shop, 3 times: true"),
        ("$${params.title}", "${params.title}"),
        ("$HOME $(NAME) $$", "$HOME $(NAME) $$"),
        ("${params.password}", Hidden("password")),
        ("x ${params.password} y", Mixed(("x ", Hidden("password"), " y"))),
    ],
)
def test_a_scalar_becomes(text: str, becomes: Any) -> None:
    assert substitute(text, value_of) == becomes


@pytest.mark.parametrize(
    "text", ["${}", "${params.title", "${a b}", "${params..x}", "${params.x|upper}", "${a.b()}"]
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match=r"is no reference"):
        pieces(text)


def test_keys_are_left_alone_and_everything_else_is_walked() -> None:
    data = {"${params.title}": ["${params.title}", {"x": "${params.copies}"}], "n": 1}
    assert substitute(data, value_of) == {"${params.title}": ["Shop", {"x": 3}], "n": 1}


@given(st.text())
def test_a_value_is_put_in_as_it_is_and_never_read_again(text: str) -> None:
    assert substitute("<${params.any}>", lambda _: text) == f"<{text}>"


@given(st.text(alphabet="${}paramstle.", max_size=30))
def test_escaping_gives_any_text_back(text: str) -> None:
    assert substitute(text.replace("${", "$${"), value_of) == text
