"""Rules for endpoints and for the checks that go through them."""

from __future__ import annotations

from collections.abc import Iterator

from apps.catalog import parameters
from apps.catalog.addresses import endpoint_in
from apps.catalog.checking.words import literal, number, unknown
from apps.catalog.format import Check, Definition, Endpoint
from apps.catalog.references import Malformed
from apps.cluster import names
from apps.cluster.kinds import refusals
from apps.cluster.types import Problem

WAYS = ("internal", "nodePort", "ingress")


def problems(definition: Definition, path: str) -> Iterator[Problem]:
    """Everything wrong with them."""
    for name, endpoint in definition.endpoints.items():
        yield from _endpoint(definition, name, endpoint, path)
    for index, check in enumerate(definition.checks):
        yield from _check(definition, check, f"{path}.checks[{index}]")


def _endpoint(definition: Definition, name: str, endpoint: Endpoint, path: str) -> Iterator[Problem]:
    here = f"{path}.endpoints[{name}]"
    yield from refusals.spelled(here, name, names.dns_label_problem)
    component = definition.components.get(endpoint.component)
    if component is None:
        yield unknown(f"{here}.component", "component", endpoint.component, definition.components)
        return
    if endpoint.port not in component.ports:
        yield unknown(f"{here}.port", f"port of {endpoint.component} called", endpoint.port, component.ports)
    if "${" not in endpoint.via:
        yield from refusals.one_of(f"{here}.via", endpoint.via or "internal", WAYS)
    if endpoint.path and not endpoint.path.startswith(("/", "${")):
        yield refusals.invalid(f"{here}.path", endpoint.path, "must begin with '/'")
    yield from number(endpoint.node_port, f"{here}.nodePort")
    if endpoint.primary and any(other.primary for one, other in definition.endpoints.items() if one < name):
        yield refusals.invalid(f"{here}.primary", True, "one endpoint is the primary one")


def _check(definition: Definition, check: Check, here: str) -> Iterator[Problem]:
    if bool(check.http) == (check.exec is not None):
        yield Problem(here, "must have exactly one of http and exec", "FieldValueInvalid")
    if check.exec is not None and check.exec.component not in definition.components:
        yield unknown(f"{here}.exec.component", "component", check.exec.component, definition.components)
    if check.exec is not None and not check.exec.command:
        yield refusals.required(f"{here}.exec.command", "which command is run?")
    yield from number(check.expect, f"{here}.expect")
    if check.http and not _names_endpoint(definition, check.http):
        why = "must begin with an endpoint's URL, such as ${endpoints.web.internalUrl}"
        yield refusals.invalid(f"{here}.http", check.http, why)
    yield from literal(check.within, f"{here}.within", parameters.TEXT_TYPES["duration"])


def _names_endpoint(definition: Definition, text: str) -> bool:
    try:
        return endpoint_in(text) in definition.endpoints
    except Malformed:
        return True  # the rules for references say what is the matter
