"""Amounts of cpu, memory and the like, as the API writes them: "250m", "64Mi", "1.5", "2e3". No Django here.

All arithmetic is on whole numbers (thousand millionths, the smallest amount the API knows), so nothing is
lost to binary fractions. Finer amounts are rounded up and those beyond 2**63 - 1 capped, as the API does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

NANO = 10**9
LARGEST = 2**63 - 1
LONGEST = 64  # characters; real amounts have a handful, and huge exponents must not cost time

DECIMAL_SUFFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
BINARY_SUFFIXES = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
SUFFIX_OF_EXPONENT = {exponent: suffix for suffix, exponent in DECIMAL_SUFFIXES.items()}

SYNTAX = re.compile(
    r"([+-]?)([0-9]*)(?:\.([0-9]*))?(Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?[0-9]+|[numkMGTPE]?)", re.ASCII
)
RULE = "must be a number with an optional suffix, such as '500m', '1.5' or '64Mi'"


MOST_DIGITS = 18


def number_in(text: str) -> int | None:
    """A whole number that a stranger wrote, in ASCII digits and not too many of them; None for all else.

    ``int`` alone raises for what ``isdigit`` lets pass: other scripts' digits, and some thousands of digits.
    """
    return int(text) if len(text) <= MOST_DIGITS and text.isascii() and text.isdecimal() else None


class Form(Enum):
    """How an amount was written, which is how it is written back."""

    DECIMAL = "decimal"
    BINARY = "binary"
    EXPONENT = "exponent"


@dataclass(frozen=True, slots=True)
class Quantity:
    """An amount in thousand millionths, with the form it was written in."""

    nanos: int
    form: Form

    def __str__(self) -> str:
        if self.form is Form.BINARY and abs(self.nanos) >= 1024 * NANO and self.nanos % NANO == 0:
            return _binary_text(self.nanos // NANO)
        return _decimal_text(self.nanos, self.form)


def parse(text: str | int | float) -> Quantity:
    """Read an amount; raises ValueError, in words, for anything that is none."""
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        raise ValueError(RULE)
    return _parse(str(text) if isinstance(text, str | int) else repr(text))


def exact(text: str | int | float) -> int:
    """The exact amount in thousand millionths, for comparing two amounts."""
    return parse(text).nanos


def cpu_milli(text: str | int | float) -> int:
    """Thousandths of a cpu, rounded up."""
    return -(-parse(text).nanos // (NANO // 1000))


def whole(text: str | int | float) -> int:
    """The amount as a whole number, rounded up: bytes, pods, process ids."""
    return -(-parse(text).nanos // NANO)


def bytes_of(text: str | int | float) -> int:
    """Bytes, rounded up."""
    return whole(text)


def canonical(text: str | int | float) -> str:
    """The one way the API writes this amount: no fraction, the largest suffix that loses nothing."""
    return str(parse(text))


@lru_cache(maxsize=4096)
def _parse(text: str) -> Quantity:
    found = SYNTAX.fullmatch(text) if len(text) <= LONGEST else None
    if found is None:
        raise ValueError(RULE)
    sign, digits, fraction, suffix = found[1], found[2], found[3] or "", found[4]
    if not digits and not fraction:
        raise ValueError(RULE)
    form, base2, base10 = _scale(suffix)
    amount = int(digits + fraction) << base2
    exponent = base10 - len(fraction) + 9
    limit = LARGEST * NANO
    if amount == 0:
        whole_nanos = 0
    elif exponent > 40:  # beyond the cap whatever the digits are
        whole_nanos = limit
    elif exponent >= 0:
        whole_nanos = min(amount * 10**exponent, limit)
    else:
        whole_nanos = min(-(-amount // 10 ** min(-exponent, 2 * LONGEST)), limit)
    return Quantity(-whole_nanos if sign == "-" else whole_nanos, form)


def _scale(suffix: str) -> tuple[Form, int, int]:
    if suffix in BINARY_SUFFIXES:
        return Form.BINARY, BINARY_SUFFIXES[suffix], 0
    if suffix in DECIMAL_SUFFIXES:
        return Form.DECIMAL, 0, DECIMAL_SUFFIXES[suffix]
    return Form.EXPONENT, 0, int(suffix[1:])


def _decimal_text(nanos: int, form: Form) -> str:
    if nanos == 0:
        return "0"
    number, exponent = nanos, -9
    while number % 1000 == 0 and exponent < 18:
        number, exponent = number // 1000, exponent + 3
    if form is Form.EXPONENT:
        return f"{number}e{exponent}" if exponent else str(number)
    return f"{number}{SUFFIX_OF_EXPONENT[exponent]}"


def _binary_text(number: int) -> str:
    for suffix, bits in reversed(BINARY_SUFFIXES.items()):
        if number % (1 << bits) == 0:
            return f"{number >> bits}{suffix}"
    return str(number)
