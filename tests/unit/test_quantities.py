"""Amounts: what they mean, how they are written back, and that nothing else is accepted."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.cluster import quantities

CANONICAL = [
    ("1", "1"), ("0", "0"), ("-0", "0"), ("0.0Mi", "0"), ("1000m", "1"), ("1500m", "1500m"), ("1.5",
    "1500m"), ("0.5", "500m"),
    ("100m", "100m"), ("2000", "2k"), ("64Mi", "64Mi"), ("1024Mi", "1Gi"), ("0.5Mi", "512Ki"), ("1.5Gi",
    "1536Mi"),
    ("0.5Ki", "512"), ("0.1Ki", "102400m"), ("1e3", "1e3"), ("12E6", "12e6"), ("1500e-3", "1500e-3"),
    ("1E", "1E"), ("+5", "5"),
    (".5", "500m"), ("5.", "5"), ("-1", "-1"), ("1.5n", "2n"), ("1u", "1u"), ("128974848", "128974848"),
    ("123Mi", "123Mi"),
    (2, "2"), (0.25, "250m"), (1e-07, "100e-9"), ("1e-60", "1e-9"), ("1e60", "9223372036854775807"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("007", 7), ("9" * 18, 10**18 - 1), ("9" * 19, None), ("9" * 5000, None), ("", None), ("-1", None),
     (" 1", None), ("1_0", None), ("²", None), ("٣", None)],
)  # fmt: skip
def test_a_whole_number_of_a_stranger_is_one_or_none(text: str, number: int | None) -> None:
    assert quantities.number_in(text) == number


@pytest.mark.parametrize(("given_", "wanted"), CANONICAL)
def test_an_amount_is_written_in_one_way(given_: str | int | float, wanted: str) -> None:
    assert quantities.canonical(given_) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "m",
        ".",
        "1 ",
        " 1",
        "1mi",
        "1KI",
        "1ki",
        "--1",
        "1e",
        "1e5.5",
        "1Mi5",
        "0x10",
        "١",
        "1_000",
        "nan",
        "1" * 65,
    ],
)
def test_what_is_no_amount_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="must be a number"):
        quantities.parse(text)


@pytest.mark.parametrize("value", [True, None, [], float("nan"), float("inf")])
def test_what_is_no_number_is_refused_in_words(value: Any) -> None:
    with pytest.raises(ValueError, match="must be a number"):
        quantities.parse(value)


def test_cpu_is_counted_in_thousandths_and_rounded_up() -> None:
    assert [quantities.cpu_milli(text) for text in ("250m", "2", "0.1", "1u", 1)] == [250, 2000, 100, 1, 1000]


def test_memory_is_counted_in_bytes_and_rounded_up() -> None:
    assert [quantities.bytes_of(text) for text in ("64Mi", "1k", "1500m", "1G")] == [67108864, 1000, 2, 10**9]


numbers = st.decimals(min_value=0, max_value=10**6, places=3, allow_nan=False).map(
    lambda number: f"{number:f}"
)
suffixes = st.sampled_from([*quantities.DECIMAL_SUFFIXES, *quantities.BINARY_SUFFIXES, "e3", "E-2", "e0"])


@given(numbers, suffixes)
def test_the_canonical_text_means_the_same_and_is_its_own_canonical_text(number: str, suffix: str) -> None:
    amount = quantities.exact(number + suffix)
    text = quantities.canonical(number + suffix)
    assert quantities.exact(text) == amount
    assert quantities.canonical(text) == text
    assert "." not in text


@given(numbers, st.sampled_from(list(quantities.DECIMAL_SUFFIXES)))
def test_an_amount_is_never_less_than_what_was_written_and_less_than_one_unit_more(
    number: str, suffix: str
) -> None:
    true = Fraction(number) * Fraction(10) ** (quantities.DECIMAL_SUFFIXES[suffix] + 9)
    amount = quantities.exact(number + suffix)
    assert amount >= true or amount == quantities.LARGEST * quantities.NANO
    assert amount < true + 1


@given(st.text(max_size=12))
def test_any_text_is_an_amount_or_a_value_error(text: str) -> None:
    try:
        quantities.parse(text)
    except ValueError as refusal:
        assert "must be" in str(refusal)
