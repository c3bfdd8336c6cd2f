"""Turns the data that a client sends into what a kind's struct takes, or names all that is wrong with it."""

from collections.abc import Sequence
from enum import Enum
from typing import Any

import msgspec

from apps.api import bodies
from apps.cluster import types
from apps.cluster.errors import ApiError, BadRequest, invalid
from apps.cluster.registry import Kind

_UNKNOWN, _REQUIRED = "FieldValueUnknown", "FieldValueRequired"


class Validation(Enum):
    """What happens to fields that a kind does not have. Strict is our default; Kubernetes' own is Warn."""

    STRICT = "Strict"
    WARN = "Warn"
    IGNORE = "Ignore"


def checked(kind: Kind, data: Any, validation: Validation) -> tuple[Any, tuple[str, ...]]:
    """The data without nulls and unwanted fields, and warnings. Raises BadRequest or Invalid with every problem."""
    return checked_as(kind.schema, kind.name, kind.api_version, data, validation, group=kind.group)


def checked_as(
    schema: type[Any], name: str, api_version: str, data: Any, validation: Validation, *, group: str = ""
) -> tuple[Any, tuple[str, ...]]:
    """``checked`` for an object that need not be of a registered kind."""
    if not isinstance(data, dict):
        raise BadRequest(f"the body must be an object, a {name}")
    _must_be(name, api_version, data)
    data = types.prune_nulls(data)
    try:
        types.convert(schema, data)
        return data, ()
    except msgspec.ValidationError:
        pass
    unknown: list[str] = []
    if validation is not Validation.STRICT:
        data, unknown = types.without_unknown(schema, data)
    found = types.problems(schema, data)
    if found:
        raise _refused(name, api_version, data, found, group)
    warnings = tuple(f'unknown field "{path}"' for path in unknown) if validation is Validation.WARN else ()
    return data, warnings


def refuse_duplicates(kind: Kind, content_type: str, body: bytes, validation: Validation) -> tuple[str, ...]:
    """Warnings for fields that stand twice in a body; raises BadRequest when they may not."""
    if validation is Validation.IGNORE:
        return ()
    words = tuple(f'duplicate field "{name}"' for name in bodies.duplicates(content_type, body))
    if words and validation is Validation.STRICT:
        raise BadRequest(f"{_cannot(kind.name, kind.api_version)}: strict decoding error: {', '.join(words)}")
    return words


def _must_be(name: str, api_version: str, data: dict[str, Any]) -> None:
    """A body may leave out what the path says already, but must not say something else."""
    said_kind, said_version = data.get("kind") or name, data.get("apiVersion") or api_version
    if (said_kind, said_version) != (name, api_version):
        raise BadRequest(
            f'the object provided is unrecognized (must be of type {name} in version "{api_version}"): '
            f"it says kind {_short(said_kind)}, apiVersion {_short(said_version)}"
        )


def _refused(name: str, api_version: str, data: Any, found: Sequence[types.Problem], group: str) -> ApiError:
    if all(problem.reason == _REQUIRED for problem in found):
        meta = data.get("metadata")
        return invalid(name, str(meta.get("name", "")) if isinstance(meta, dict) else "", found, group=group)
    words = [
        f'unknown field "{problem.path}"'
        if problem.reason == _UNKNOWN
        else f"{problem.path}: {problem.message}"
        for problem in found
    ]
    strict = "strict decoding error: " if any(problem.reason == _UNKNOWN for problem in found) else ""
    return BadRequest(f"{_cannot(name, api_version)}: {strict}{', '.join(words)}", causes=found)


def _cannot(name: str, api_version: str) -> str:
    return f'{name} in version "{api_version}" cannot be handled as a {name}'


def _short(value: Any) -> str:
    return repr(value)[:60]
