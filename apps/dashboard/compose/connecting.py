"""A line from one component to another: which port, and by which variables the one learns where the other is. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from apps.catalog import graph
from apps.catalog.format import Definition, Port

WEB_PORTS = (80, 3000, 5000, 8000, 8080)
USUAL = {
    "redis": ("redis", 6379), "valkey": ("redis", 6379), "postgres": ("postgres", 5432), "mariadb": ("mysql", 3306),
    "mysql": ("mysql", 3306), "mongo": ("mongo", 27017), "memcached": ("memcached", 11211), "rabbitmq": ("amqp", 5672),
    "nginx": ("http", 80), "httpd": ("http", 80), "caddy": ("http", 80), "traefik": ("http", 80),
}  # fmt: skip
"""The port that an image of this name listens at, unless somebody says otherwise."""


@dataclass(frozen=True)
class Proposal:
    """One way to tell: the variables with the references they are set to."""

    id: str
    words: str
    variables: Mapping[str, str]


def proposals(definition: Definition, of: str, on: str, port: str, lead: str = "") -> list[Proposal]:
    """The ways to tell ``of`` where a port of ``on`` is, the likeliest first. ``lead`` begins the variables' names."""
    lead = lead or default_lead(definition, of, on)
    where = f"components.{on}"
    both = Proposal(
        "parts", "Host and port",
        {f"{lead}_HOST": f"${{{where}.host}}", f"{lead}_PORT": f"${{{where}.port.{port}}}"},
    )  # fmt: skip
    address = Proposal("address", "One address", {f"{lead}_ADDRESS": f"${{{where}.address.{port}}}"})
    url = Proposal("url", "A URL", {f"{lead}_URL": f"http://${{{where}.address.{port}}}"})
    return [url, both, address] if is_web(definition, on, port) else [both, address, url]


def default_lead(definition: Definition, of: str, on: str) -> str:
    """The component's name as variables are spelled, with a number where such variables mean something else."""
    plain = on.upper().replace("-", "_")
    lead, number = plain if plain[:1].isalpha() else f"_{plain}", 1
    taken = {name for name, value in definition.components[of].env.items() if on not in str(value)}
    while any(f"{lead}_{end}" in taken for end in ("HOST", "PORT", "ADDRESS", "URL")):
        number += 1
        lead = f"{plain}_{number}"
    return lead


def is_web(definition: Definition, name: str, port: str) -> bool:
    given = definition.components[name].ports.get(port)
    number = given.port if isinstance(given, Port) else given
    return "http" in port or "web" in port or number in WEB_PORTS


def usual_port(image: str) -> tuple[str, int] | None:
    """Name and number of the port that an image is known to listen at."""
    repository = image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    return USUAL.get(repository)


def name_of_image(image: str) -> str:
    """What a component made from an image may be called: ``registry.example/shop/web-api:1.2`` is ``web-api``."""
    base = image.partition("@")[0].rpartition("/")[2].partition(":")[0].lower()
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in base).strip("-")
    return plain.lstrip("0123456789-")[:30].rstrip("-") or "component"


def stage_of(definition: Definition, on: str) -> str:
    """Until when those that need a component wait."""
    return graph.COMPLETE if definition.components[on].kind == "job" else graph.READY


def circle(definition: Definition, of: str, on: str) -> str:
    """The way round that a line would close, as words; "" when it closes none."""
    needed = {name: {*others} for name, others in graph.needs(graph.edges(definition)).items()}
    needed.setdefault(of, set()).add(on)
    return " needs ".join(graph.cycle(needed)) if of != on else f"{of} needs itself"


@dataclass(frozen=True)
class Tie:
    """What one component holds of another: the variables, and the stage that it waits for."""

    on: str
    variables: tuple[str, ...]
    after: str
    elsewhere: bool
    stages: tuple[tuple[str, str], ...]
    """What can be waited for, with the words for it."""


def ties(definition: Definition, of: str) -> Iterator[Tie]:
    """Whom a component needs, and by what. ``elsewhere``: also in files or arguments, which stay with their author."""
    edges = [edge for edge in graph.edges(definition) if edge.of == of]
    env = definition.components[of].env
    for on in dict.fromkeys(edge.on for edge in edges):
        variables = tuple(name for name, value in env.items() if _refers(value, on))
        ports = {edge.port for edge in edges if edge.on == on and not edge.after}
        after = next((edge.after for edge in edges if edge.on == on and edge.after), "")
        yield Tie(on, variables, after, bool(ports) and not variables, _stages(definition, on, after))


def _stages(definition: Definition, on: str, after: str) -> tuple[tuple[str, str], ...]:
    """A job is waited for until it is complete, all else until started or ready; what is written stays."""
    offered = (graph.COMPLETE,) if stage_of(definition, on) == graph.COMPLETE else (graph.STARTED, graph.READY)
    known = (*offered, *(() if not after or after in offered else (after,)))
    return (("", "does not wait"), *((one, f"waits until {one}") for one in known))


def _refers(value: Any, on: str) -> bool:
    return isinstance(value, str) and f"${{components.{on}." in value
