"""Which objects a request or a controller means, by their labels or by a few of their fields. No Django here.

A selector is a tuple of requirements that all must hold; the store turns the same tuple into a query,
``matches`` answers for one object. Both must agree: a label that is absent satisfies "!=" and "notin".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from apps.cluster import types
from apps.cluster.names import label_key_problem, label_value_problem


class Operator(Enum):
    """What a requirement asks of one label."""

    IN = "in"
    NOT_IN = "notin"
    EXISTS = "exists"
    ABSENT = "!"
    GREATER = ">"
    LESS = "<"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label; ``values`` is one whole number for GREATER and LESS, empty for EXISTS."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case Operator.IN:
                return value in self.values
            case Operator.NOT_IN:
                return value not in self.values
            case Operator.EXISTS:
                return value is not None
            case Operator.ABSENT:
                return value is None
        if value is None or not WHOLE.fullmatch(value):
            return False
        bound = int(next(iter(self.values)))
        return int(value) > bound if self.operator is Operator.GREATER else int(value) < bound

    def __str__(self) -> str:
        match self.operator:
            case Operator.EXISTS:
                return self.key
            case Operator.ABSENT:
                return f"!{self.key}"
            case Operator.GREATER | Operator.LESS:
                return f"{self.key}{self.operator.value}{next(iter(self.values))}"
        if len(self.values) == 1:
            return f"{self.key}{'=' if self.operator is Operator.IN else '!='}{next(iter(self.values))}"
        return f"{self.key} {self.operator.value} ({','.join(sorted(self.values))})"


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """Requirements on labels that all must hold; none at all means every object."""

    requirements: tuple[Requirement, ...] = ()

    @classmethod
    def of(cls, labels: Mapping[str, str]) -> LabelSelector:
        """The selector of a controller or service: each label must have exactly this value."""
        return cls(
            tuple(Requirement(key, Operator.IN, frozenset((value,))) for key, value in sorted(labels.items()))
        )

    @classmethod
    def meant_by(cls, wanted: types.LabelSelector) -> LabelSelector:
        """The selector as an object of the API writes it, once it was found valid."""
        expressions = (
            Requirement(each.key, EXPRESSED[each.operator], frozenset(each.values))
            for each in wanted.match_expressions
        )
        return cls((*cls.of(wanted.match_labels).requirements, *expressions))

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        return all(requirement.matches(labels or {}) for requirement in self.requirements)

    def __bool__(self) -> bool:
        return bool(self.requirements)

    def __str__(self) -> str:
        return ",".join(str(requirement) for requirement in self.requirements)


@dataclass(frozen=True, slots=True)
class FieldTerm:
    """One condition on one selectable field; ``equal`` False is "!="."""

    field: str
    value: str
    equal: bool = True

    def matches(self, fields: Mapping[str, str]) -> bool:
        return (fields.get(self.field, "") == self.value) is self.equal

    def __str__(self) -> str:
        escaped = ESCAPED.sub(r"\\\g<0>", self.value)
        return f"{self.field}{'=' if self.equal else '!='}{escaped}"


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """Conditions on selectable fields that all must hold; none at all means every object."""

    terms: tuple[FieldTerm, ...] = ()

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> FieldSelector:
        """Each field must have exactly this value."""
        return cls(tuple(FieldTerm(field, value) for field, value in sorted(fields.items())))

    def matches(self, fields: Mapping[str, str]) -> bool:
        return all(term.matches(fields) for term in self.terms)

    def __bool__(self) -> bool:
        return bool(self.terms)

    def __str__(self) -> str:
        return ",".join(str(term) for term in self.terms)


WHOLE = re.compile(r"-?[0-9]{1,18}", re.ASCII)
ESCAPED = re.compile(r"[\\,=]")
TOKEN = re.compile(r"\s*(==|!=|[=!<>(),]|[^\s=!<>(),]+)")
EXPRESSED = {
    "In": Operator.IN,
    "NotIn": Operator.NOT_IN,
    "Exists": Operator.EXISTS,
    "DoesNotExist": Operator.ABSENT,
}
"""The operators that an object of the API may write,"""
EXPRESSED_OF_NODES = EXPRESSED | {"Gt": Operator.GREATER, "Lt": Operator.LESS}
"""and those it may write about nodes."""
WORDS = {"in": Operator.IN, "notin": Operator.NOT_IN}
SIGNS = {
    "=": Operator.IN,
    "==": Operator.IN,
    "!=": Operator.NOT_IN,
    ">": Operator.GREATER,
    "<": Operator.LESS,
}


def parse_labels(text: str) -> LabelSelector:
    """Read "a=b,c in (d,e),!x"; raises ValueError, in words, for anything else."""
    tokens = TOKEN.findall(text)
    if not tokens:
        return LabelSelector()
    reader = _Reader(tokens, text)
    requirements = [reader.requirement()]
    while reader.at < len(tokens):
        reader.expect(",")
        requirements.append(reader.requirement())
    return LabelSelector(tuple(requirements))


def parse_fields(text: str) -> FieldSelector:
    """Read "spec.nodeName=x,status.phase!=y" (a backslash escapes a comma, an equals sign or itself)."""
    return FieldSelector(tuple(_field_term(part) for part in _split_fields(text) if part.strip()))


class _Reader:
    """Takes requirements off a list of tokens, first to last."""

    def __init__(self, tokens: list[str], text: str) -> None:
        self.tokens, self.text, self.at = tokens, text, 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self.at += 1
        return token

    def expect(self, wanted: str) -> None:
        found = self.take()
        if found != wanted:
            raise self.refusal(
                f"found {found!r}, expected {wanted!r}" if found else f"expected {wanted!r} at the end"
            )

    def refusal(self, why: str) -> ValueError:
        return ValueError(f"unable to parse label selector {self.text!r}: {why}")

    def requirement(self) -> Requirement:
        if self.peek() == "!":
            self.take()
            return Requirement(self.key(), Operator.ABSENT)
        key = self.key()
        word = self.peek()
        if word in {"", ","}:
            return Requirement(key, Operator.EXISTS)
        self.take()
        if word in WORDS:
            return Requirement(key, WORDS[word], self.values())
        if word not in SIGNS:
            raise self.refusal(f"found {word!r}, expected one of: in, notin, =, ==, !=, <, >")
        value = self.value()
        if SIGNS[word] in {Operator.GREATER, Operator.LESS} and not WHOLE.fullmatch(value):
            raise self.refusal(f"for {word!r} the value must be a whole number, not {value!r}")
        return Requirement(key, SIGNS[word], frozenset((value,)))

    def key(self) -> str:
        key = self.take()
        if problem := label_key_problem(key):
            raise self.refusal(f"{key!r} is no label key: {problem}")
        return key

    def value(self) -> str:
        value = "" if self.peek() in {"", ",", ")"} else self.take()
        if problem := label_value_problem(value):
            raise self.refusal(f"{value!r} is no label value: {problem}")
        return value

    def values(self) -> frozenset[str]:
        self.expect("(")
        values = {self.value()}
        while self.peek() == ",":
            self.take()
            values.add(self.value())
        self.expect(")")
        return frozenset(values)


def _split_fields(text: str) -> list[str]:
    """The terms, parted at commas that no backslash escapes; the backslashes stay."""
    parts, current, escaped = [], "", False
    for character in text:
        if character == "," and not escaped:
            parts.append(current)
            current = ""
        else:
            current += character
        escaped = character == "\\" and not escaped
    return [*parts, current]


def _field_term(part: str) -> FieldTerm:
    found = re.match(r"\s*([A-Za-z0-9_./\-\[\]']+)(!=|==|=)(.*)\Z", part, re.DOTALL)
    if found is None:
        raise ValueError(
            f"invalid field selector {part!r}: expected field=value, field==value or field!=value"
        )
    return FieldTerm(found[1], _unescaped(found[3], part), equal=found[2] != "!=")


def _unescaped(value: str, part: str) -> str:
    plain, escaped = "", False
    for character in value:
        if escaped:
            if character not in "\\,=":
                raise ValueError(
                    f"invalid field selector {part!r}: a backslash may escape only a comma, = or itself"
                )
            plain, escaped = plain + character, False
        elif character == "\\":
            escaped = True
        elif character == "=":
            raise ValueError(f"invalid field selector {part!r}: write = in a value as \\=")
        else:
            plain += character
    if escaped:
        raise ValueError(f"invalid field selector {part!r}: it ends in a backslash")
    return plain
