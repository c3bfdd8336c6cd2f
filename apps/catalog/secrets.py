"""Secret parameters: rolled once by the server, kept in the application's own Secret, never rolled again unasked."""

from __future__ import annotations

import base64
import secrets
import string
import uuid
from collections.abc import Callable, Iterable, Mapping

from apps.catalog import parameters
from apps.catalog.format import Generate, Parameter
from apps.cluster.kinds import refusals
from apps.cluster.types import Problem, guess

LETTERS = string.ascii_letters + string.digits
LENGTH = 24

KINDS: Mapping[str, Callable[[int], str]] = {
    "password": lambda length: "".join(secrets.choice(LETTERS) for _ in range(length)),
    "hex": lambda length: secrets.token_hex((length + 1) // 2)[:length],
    "base64": lambda length: base64.b64encode(secrets.token_bytes(length)).decode(),
    "uuid": lambda _: str(uuid.uuid4()),
}
"""How each kind is rolled; the length is in characters, for base64 in bytes."""


def roll(how: Generate) -> str:
    """A new secret. Not pure: this is where chance comes in."""
    return KINDS[how.kind](how.length or LENGTH)


def wanted(definition: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """The secret parameters."""
    return {name: one for name, one in definition.items() if one.type == parameters.SECRET}


def missing(
    definition: Mapping[str, Parameter], kept: Iterable[str], where: str
) -> tuple[dict[str, Generate], list[Problem]]:
    """What must be rolled besides the secrets that are kept, and those that only a person can give."""
    there = set(kept)
    absent = {name: one for name, one in wanted(definition).items() if name not in there}
    rolled = {name: one.generate for name, one in absent.items() if one.generate is not None}
    problems = [
        refusals.required(f"spec.parameters[{name}]", f"put it into the Secret {where} under the key {name}")
        for name, one in absent.items()
        if one.generate is None and one.required
    ]
    return rolled, problems


def rotation_problems(
    definition: Mapping[str, Parameter], old: Mapping[str, int], new: Mapping[str, int]
) -> list[Problem]:
    """Exchanges asked for that cannot be made."""
    known = wanted(definition)
    found = []
    for name, count in new.items():
        here = f"spec.rotations[{name}]"
        if name not in known:
            found.append(
                Problem(here, f"no secret parameter {name}{guess(name, known)}", "FieldValueNotFound")
            )
        elif count != old.get(name, 0) and (not known[name].rotatable or known[name].generate is None):
            found.append(
                refusals.forbidden(here, "this secret cannot be exchanged: what uses it keeps a copy")
            )
        elif count < old.get(name, 0):
            found.append(
                refusals.invalid(here, count, f"must be more than {old[name]} to exchange it once more")
            )
    return found
