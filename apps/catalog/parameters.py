"""Parameters: what a type lets through, and the values an application ends up with. Pure.

A secret is never a value here: ``resolve`` puts ``Hidden`` in its place, and the server keeps what it stands for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import re2

from apps.catalog import conditions
from apps.catalog.format import Parameter
from apps.catalog.references import Hidden
from apps.cluster import names, quantities
from apps.cluster.kinds import refusals
from apps.cluster.types import Problem, guess

SECRET = "secret"
DURATION = re.compile(r"([0-9]+)(ms|s|m|h|d)", re.ASCII)
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
IMAGE_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}(?:@sha256:[0-9a-f]{64})?", re.ASCII)
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
LONGEST = 64 * 1024


def seconds(text: str) -> float:
    """A duration such as "5s" or "2m". Raises ValueError in words."""
    found = DURATION.fullmatch(text)
    if found is None:
        raise ValueError("must be a whole number with a unit: ms, s, m, h or d, such as '30s'")
    return int(found.group(1)) * SECONDS[found.group(2)]


def _hostname(text: str) -> str | None:
    return names.dns_subdomain_problem(text)


def _url(text: str) -> str | None:
    parts = urlsplit(text)
    fine = parts.scheme in {"http", "https"} and parts.hostname and not parts.username
    return None if fine else "must be an http or https address without a user in it"


def _image_tag(text: str) -> str | None:
    if text.partition("@")[0] == "latest":
        return "must be a pinned tag, not 'latest': what it means changes under running applications"
    return None if IMAGE_TAG.fullmatch(text) else "must be an image's tag such as '7.2.5'"


def _email(text: str) -> str | None:
    return None if EMAIL.fullmatch(text) else "must be an e-mail address"


def _size(text: str) -> str | None:
    return _told_by(quantities.parse, text)


def _duration(text: str) -> str | None:
    return _told_by(seconds, text)


def _node_selector(text: str) -> str | None:
    key, equals, value = text.partition("=")
    if not equals:
        return "must be a node label of the form key=value"
    return names.label_key_problem(key) or names.label_value_problem(value)


def _told_by(read: Callable[[str], Any], text: str) -> str | None:
    try:
        read(text)
    except ValueError as error:
        return str(error)
    return None


def _anything(_: str) -> str | None:
    return None


TEXT_TYPES: Mapping[str, Callable[[str], str | None]] = {
    "string": lambda text: None if text.isprintable() else "must be one line without control characters",
    "text": _anything,
    "size": _size,
    "duration": _duration,
    "hostname": _hostname,
    "imageTag": _image_tag,
    "url": _url,
    "email": _email,
    "nodeSelector": _node_selector,
    "existingSecret": names.dns_subdomain_problem,
    "existingApp": names.dns_label_problem,
}
"""Types whose values are text, each with its rule."""

TYPES = (*TEXT_TYPES, "integer", "boolean", "enum", "port", SECRET)
MEASURES: Mapping[str, Callable[[Any], float]] = {
    "integer": float,
    "port": float,
    "size": lambda value: float(quantities.exact(value)),
    "duration": lambda value: seconds(str(value)),
}
"""What ``min`` and ``max`` compare, for the types that have them."""


_QUIET = re2.Options()
_QUIET.log_errors = False


def pattern(text: str) -> Any:
    """A pattern that a stranger wrote, matched in linear time. Raises ValueError."""
    try:
        return re2.compile(text, _QUIET)
    except re2.error as error:
        raise ValueError(f"is no regular expression: {error.args[0].decode(errors='replace')}") from None


def value_problems(parameter: Parameter, value: Any, path: str) -> Iterator[Problem]:
    """Everything wrong with a value that was given for a parameter (no secret)."""
    found = type_problem(parameter, value)
    if found:
        yield refusals.invalid(path, value, found)
        return
    if parameter.type in MEASURES:
        yield from _bounds(parameter, value, path)
    if isinstance(value, str):
        yield from _text_problems(parameter, value, path)


def read(parameter: Parameter, text: str) -> Any:
    """Text from a form or a terminal as the parameter's type has it; text that does not fit stays as it is."""
    match parameter.type:
        case "boolean" if text in {"true", "false"}:
            return text == "true"
        case "integer" | "port" if quantities.number_in(text.removeprefix("-")) is not None:
            return int(text)
        case "enum":
            return next((one.value for one in parameter.options if str(one.value) == text), text)
    return text


def type_problem(parameter: Parameter, value: Any) -> str | None:
    match parameter.type:
        case "boolean":
            return None if isinstance(value, bool) else "must be true or false"
        case "integer":
            return None if _whole(value) else "must be a whole number"
        case "port":
            return None if _whole(value) and 0 < value < 65536 else "must be a port from 1 to 65535"
        case "enum":
            known = [option.value for option in parameter.options]
            return None if value in known else f"must be one of {', '.join(map(repr, known))}"
    if not isinstance(value, str):
        return "must be text"
    if "\0" in value or len(value) > LONGEST:
        return f"must be at most {LONGEST} characters without NUL"
    return TEXT_TYPES[parameter.type](value)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _bounds(parameter: Parameter, value: Any, path: str) -> Iterator[Problem]:
    measure = MEASURES[parameter.type]
    if parameter.min is not None and measure(value) < measure(parameter.min):
        yield refusals.invalid(path, value, f"must be at least {parameter.min}")
    if parameter.max is not None and measure(value) > measure(parameter.max):
        yield refusals.invalid(path, value, f"must be at most {parameter.max}")


def _text_problems(parameter: Parameter, value: str, path: str) -> Iterator[Problem]:
    if parameter.min_length is not None and len(value) < parameter.min_length:
        yield refusals.invalid(path, value, f"must be at least {parameter.min_length} characters")
    if parameter.max_length is not None and len(value) > parameter.max_length:
        yield refusals.invalid(path, value, f"must be at most {parameter.max_length} characters")
    if parameter.pattern and not pattern(parameter.pattern).fullmatch(value):
        yield refusals.invalid(path, value, parameter.pattern_help or f"must match {parameter.pattern}")


def asked(parameters: Mapping[str, Parameter], values: Mapping[str, Any]) -> dict[str, bool]:
    """Which parameters are asked for, given the others' values; a hidden one hides those that ask for it."""
    shown: dict[str, bool] = {}
    for name, parameter in parameters.items():
        needed = [term.parameter for term in conditions.terms(parameter.show_if)]
        shown[name] = all(shown.get(other, True) for other in needed) and conditions.holds(
            parameter.show_if, values
        )
    return shown


def resolve(
    parameters: Mapping[str, Parameter], given: Mapping[str, Any], path: str = "spec.parameters"
) -> tuple[dict[str, Any], list[Problem]]:
    """The value of every parameter (``Hidden`` for secrets, None for what is not asked for or not set).

    The problems name the field that was given, or that is missing.
    """
    problems = [*_unknown(parameters, given, path)]
    values = {
        name: Hidden(name) if parameter.type == SECRET else given.get(name, parameter.default)
        for name, parameter in parameters.items()
    }
    shown = asked(parameters, values)
    for name, parameter in parameters.items():
        here = f"{path}[{name}]"
        if not shown[name] and parameter.type != SECRET:
            values[name] = None
        elif parameter.type == SECRET:
            continue
        elif values[name] is None or values[name] == "":
            if parameter.required:
                problems.append(refusals.required(here, parameter.label or name))
        else:
            problems += value_problems(parameter, values[name], here)
    return values, problems


def _unknown(parameters: Mapping[str, Parameter], given: Mapping[str, Any], path: str) -> Iterator[Problem]:
    for name in given:
        if name not in parameters:
            yield Problem(
                f"{path}[{name}]", f"unknown parameter{guess(name, parameters)}", "FieldValueUnknown"
            )
        elif parameters[name].type == SECRET:
            yield refusals.forbidden(
                f"{path}[{name}]",
                "a secret is not written here: leave it out to have it generated, or put it into the "
                "application's Secret first",
            )


def fixed_problems(
    parameters: Mapping[str, Parameter], old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[Problem]:
    """Values that may not change once the application is there."""
    for name, parameter in parameters.items():
        if parameter.immutable and name in old and old[name] != new.get(name):
            yield refusals.forbidden(
                f"spec.parameters[{name}]", f"cannot change once installed (it is {old[name]!r})"
            )
