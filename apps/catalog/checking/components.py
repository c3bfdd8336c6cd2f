"""Rules for components: images, ports, files, volumes, probes, privileges."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from apps.catalog import graph, parameters
from apps.catalog.checking.requirements import PRIVILEGES
from apps.catalog.checking.words import literal, number, unknown
from apps.catalog.format import Component, Definition, Port, Probe, SecretValue
from apps.cluster import names
from apps.cluster.kinds import refusals
from apps.cluster.types import Problem

KINDS = ("deployment", "job")
UPDATES = ("rolling", "recreate")
PROTOCOLS = ("TCP", "UDP")
MODE = re.compile(r"0?[0-7]{3}", re.ASCII)
NAME_LIMIT = 30
"""Of components: together with the application's they must fit into one DNS label."""
MOST_COMPONENTS = 100


def problems(definition: Definition, path: str) -> Iterator[Problem]:
    """Everything wrong with them."""
    if not definition.components:
        yield refusals.required(f"{path}.components", "an application has at least one component")
    if len(definition.components) > MOST_COMPONENTS:
        too_many = f"Too many: must have at most {MOST_COMPONENTS} items"
        yield Problem(f"{path}.components", too_many, "FieldValueTooMany")
    hosts: dict[str, str] = {}
    for name, component in definition.components.items():
        here = f"{path}.components[{name}]"
        for rule in RULES:
            yield from rule(Place(definition, name, component, here))
        if component.host and (other := hosts.setdefault(component.host, name)) != name:
            yield refusals.invalid(f"{here}.host", component.host, f"is {other}'s already")


class Place(NamedTuple):
    """A component where it stands."""

    definition: Definition
    name: str
    component: Component
    here: str


def _name(at: Place) -> Iterator[Problem]:
    yield from refusals.spelled(at.here, at.name, names.dns_1035_problem)
    if len(at.name) > NAME_LIMIT:
        yield refusals.too_long(at.here, NAME_LIMIT, "characters")
    yield from refusals.one_of(f"{at.here}.kind", at.component.kind or KINDS[0], KINDS)
    if at.component.host:
        yield from refusals.spelled(f"{at.here}.host", at.component.host, names.dns_1035_problem)


def _image(at: Place) -> Iterator[Problem]:
    image, here = at.component.image, f"{at.here}.image"
    if not image:
        yield refusals.required(here)
    _, _, tag = image.rpartition("/")[2].partition(":")
    if image and "${" not in image and "@" not in image and tag in {"", "latest"}:
        why = "must have a pinned tag: 'latest' changes under running applications"
        yield refusals.invalid(here, image, why)


def _replicas(at: Place) -> Iterator[Problem]:
    component = at.component
    yield from number(component.replicas, f"{at.here}.replicas")
    for name in ("min", "max", "cpu") if component.autoscale is not None else ():
        yield from number(getattr(component.autoscale, name), f"{at.here}.autoscale.{name}")
    if component.autoscale is not None and component.replicas is not None:
        yield refusals.forbidden(f"{at.here}.replicas", "autoscale decides on the replicas")
    if component.volumes and (component.autoscale is not None or component.replicas not in (None, 0, 1)):
        yield refusals.forbidden(f"{at.here}.volumes", "a volume has one writer: replicas must be 1")


def _after(at: Place) -> Iterator[Problem]:
    components = at.definition.components
    for other, stage in at.component.after.items():
        here = f"{at.here}.after[{other}]"
        if other not in components or other == at.name:
            yield unknown(here, "other component", other, components)
            continue
        yield from refusals.one_of(here, stage, graph.STAGES)
        if stage in graph.STAGES and (stage == graph.COMPLETE) != (components[other].kind == "job"):
            why = "a job is waited for until it is complete, anything else until ready or started"
            yield refusals.invalid(here, stage, why)


def _probes(at: Place) -> Iterator[Problem]:
    for kind in ("ready", "live", "start"):
        probe: Probe | None = getattr(at.component.probes, kind)
        if probe is not None:
            yield from _probe(at.component, probe, f"{at.here}.probes.{kind}")


def _probe(component: Component, probe: Probe, here: str) -> Iterator[Problem]:
    if sum([bool(probe.http), probe.tcp is not None, probe.exec is not None]) != 1:
        yield Problem(here, "must have exactly one of http, tcp and exec", "FieldValueInvalid")
        return
    if probe.exec == []:
        yield refusals.required(f"{here}.exec", "which command is run?")
    field, port = ("tcp", probe.tcp) if probe.tcp is not None else ("port", probe.port)
    if probe.http and not probe.http.startswith(("/", "${")):
        why = "must be a path that begins with '/'; the port stands beside it"
        yield refusals.invalid(f"{here}.http", probe.http, why)
    if probe.http and port is None and len(component.ports) != 1:
        yield refusals.required(f"{here}.port", "the component has more than one port, or none")
    if isinstance(port, str) and "${" not in port and port not in component.ports:
        yield unknown(f"{here}.{field}", "port", port, component.ports)
    yield from refusals.between(f"{here}.failures", probe.failures, 1, 1000)
    for name in ("every", "timeout", "wait"):
        yield from literal(getattr(probe, name), f"{here}.{name}", parameters.TEXT_TYPES["duration"])


def _env(at: Place) -> Iterator[Problem]:
    known = at.definition.parameters
    secrets = [name for name, parameter in known.items() if parameter.type == parameters.SECRET]
    for variable, value in at.component.env.items():
        here = f"{at.here}.env[{variable}]"
        yield from refusals.spelled(here, variable, names.env_name_problem)
        if isinstance(value, SecretValue) and value.secret not in secrets:
            yield unknown(f"{here}.secret", "secret parameter", value.secret, secrets)


def _ports(at: Place) -> Iterator[Problem]:
    for name, given in at.component.ports.items():
        here = f"{at.here}.ports[{name}]"
        port = given if isinstance(given, Port) else Port(port=given)
        yield from refusals.spelled(here, name, names.port_name_problem)
        yield from number(port.port, here)
        if isinstance(port.port, int):
            yield from refusals.between(here, port.port, 1, 65535)
        yield from refusals.one_of(f"{here}.protocol", port.protocol or "TCP", PROTOCOLS)


def _mounts(at: Place) -> Iterator[Problem]:
    taken: dict[str, str] = {}
    for path, file in at.component.files.items():
        here = f"{at.here}.files[{path}]"
        yield from _absolute(path, here)
        if file.mode and not MODE.fullmatch(file.mode):
            yield refusals.invalid(f"{here}.mode", file.mode, "must be octal text such as '0444'")
        taken[path] = f"files[{path}]"
    for name, volume in at.component.volumes.items():
        here = f"{at.here}.volumes[{name}]"
        yield from refusals.spelled(here, name, names.dns_label_problem)
        yield from _absolute(volume.mount, f"{here}.mount")
        yield from literal(volume.size, f"{here}.size", parameters.TEXT_TYPES["size"])
        if volume.mount in taken:
            yield refusals.invalid(f"{here}.mount", volume.mount, f"is taken by {taken[volume.mount]}")
        taken[volume.mount] = f"volumes[{name}]"


def _amounts(at: Place) -> Iterator[Problem]:
    promised = at.component.resources
    for side, given in (("resources", promised), ("resources.limits", promised.limits)):
        for field in ("cpu", "memory"):
            text: str = getattr(given, field)
            yield from literal(text, f"{at.here}.{side}.{field}", parameters.TEXT_TYPES["size"])
    duration = parameters.TEXT_TYPES["duration"]
    yield from literal(at.component.stop_timeout, f"{at.here}.stopTimeout", duration)
    if isinstance(at.component.update, str) and "${" not in at.component.update:
        yield from refusals.one_of(f"{at.here}.update", at.component.update or "rolling", UPDATES)


def _privileges(at: Place) -> Iterator[Problem]:
    """What goes beyond the ordinary must be declared where people look before they install."""
    for name in used_privileges(at.component):
        if name not in at.definition.requires.privileges:
            why = f"{name} must be declared in requires.privileges"
            yield refusals.forbidden(f"{at.here}.security", why)


def _absolute(text: str, here: str) -> Iterator[Problem]:
    if not text.startswith("/") or text == "/" or ".." in text.split("/") or "\0" in text or ":" in text:
        yield refusals.invalid(here, text, "must be an absolute path without '..' and ':'")


def used_privileges(component: Component) -> tuple[str, ...]:
    """The declared words for what a component may do beyond the ordinary."""
    security = component.security
    used = {
        "privileged": security.privileged, "hostNetwork": security.host_network,
        "hostPath": security.host_paths, "capabilities": security.capabilities,
    }  # fmt: skip
    return tuple(name for name in PRIVILEGES if used[name])


RULES: tuple[Callable[[Place], Iterator[Problem]], ...] = (
    _name, _image, _replicas, _after, _probes, _env, _ports, _mounts, _amounts, _privileges,
)  # fmt: skip
