"""The format of applications: what a template's author writes, one struct per thing. Strict: unknown keys are errors.

A scalar may hold references such as ``${params.title}``; where a number or a switch is wanted, text is a reference to
one. ``docs/templates.md`` teaches the format, ``schema.py`` publishes it as JSON Schema.
"""

from __future__ import annotations

from msgspec import field

from apps.cluster.types import Extensible

Whole = int | str
Scalar = str | int | float | bool


class Group(Extensible):
    """A heading of the install form."""

    id: str
    title: str = ""
    collapsed: bool = False


class Option(Extensible):
    """One choice of an enum."""

    value: str | int
    label: str = ""


class Generate(Extensible):
    """How a secret comes into being: once, by the server, never again."""

    kind: str
    length: int | None = None


class Parameter(Extensible):
    """One question of the install form."""

    type: str
    label: str = ""
    help: str = ""
    group: str = ""
    example: str = ""
    default: Scalar | None = None
    required: bool = False
    min: Whole | None = None
    max: Whole | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str = ""
    pattern_help: str = ""
    options: list[Option] = []
    show_if: str = ""
    advanced: bool = False
    immutable: bool = False
    image: str = ""
    generate: Generate | None = None
    rotatable: bool = False


class Requires(Extensible):
    """What a cluster must have before this can be installed."""

    platform: str = ""
    nodes: int | None = None
    cpu: str = ""
    memory: str = ""
    privileges: list[str] = []


class File(Extensible):
    """One file in a container; ``mode`` is octal text."""

    content: str
    mode: str = ""


class SecretValue(Extensible):
    """A variable whose value is a secret parameter."""

    secret: str


class Volume(Extensible):
    """Data that outlives containers."""

    mount: str
    size: str


class Port(Extensible):
    port: Whole
    protocol: str = ""


class Probe(Extensible):
    """Exactly one of ``http``, ``tcp``, ``exec``; durations as "5s"."""

    http: str = ""
    tcp: Whole | None = None
    exec: list[str] | None = None
    port: Whole | None = None
    every: str = ""
    timeout: str = ""
    wait: str = ""
    failures: int | None = None


class Probes(Extensible):
    ready: Probe | None = None
    live: Probe | None = None
    start: Probe | None = None


class Limits(Extensible):
    cpu: str = ""
    memory: str = ""


class Resources(Extensible):
    """What a replica is promised, and the most it may take."""

    cpu: str = ""
    memory: str = ""
    limits: Limits = field(default_factory=Limits)


class Update(Extensible):
    """How replicas are exchanged: so many more, so many fewer, as numbers or per cent."""

    max_surge: Whole | None = None
    max_unavailable: Whole | None = None


class Autoscale(Extensible):
    """Between so many replicas, by CPU use in per cent of what is promised."""

    min: Whole
    max: Whole
    cpu: Whole = 80


class Security(Extensible):
    """Who the processes are, and what they may do beyond that: privileges must stand in ``requires.privileges`` too."""

    run_as_user: int | None = None
    run_as_group: int | None = None
    fs_group: int | None = None
    read_only: bool | None = None
    privileged: bool | None = None
    capabilities: list[str] = []
    host_network: bool | None = None
    host_paths: dict[str, str] = {}


class Component(Extensible):
    """One kind of container of the application, in so many replicas."""

    image: str
    kind: str = ""
    host: str = ""
    replicas: Whole | None = None
    autoscale: Autoscale | None = None
    update: str | Update = ""
    after: dict[str, str] = {}
    command: list[str] = []
    args: list[str] = []
    working_dir: str = ""
    env: dict[str, Scalar | SecretValue] = {}
    files: dict[str, File] = {}
    ports: dict[str, Whole | Port] = {}
    volumes: dict[str, Volume] = {}
    probes: Probes = field(default_factory=Probes)
    resources: Resources = field(default_factory=Resources)
    security: Security = field(default_factory=Security)
    nodes: dict[str, str] = {}
    stop_timeout: str = ""


class Endpoint(Extensible):
    """A way in from outside: ``via`` is internal, nodePort or ingress."""

    component: str
    port: str
    via: str = ""
    host: str = ""
    path: str = ""
    node_port: Whole | None = None
    primary: bool = False


class Command(Extensible):
    """What to run in a container of a component."""

    component: str
    command: list[str]


class Check(Extensible):
    """What must work once the application runs: a page that answers, or a command that ends well. What ``writes``
    leaves something behind that a later check reads, today or after everything was restarted."""

    name: str
    http: str = ""
    expect: Whole = 200
    contains: str = ""
    exec: Command | None = None
    within: str = ""
    writes: bool = False


class Definition(Extensible):
    """An application's plan: questions, components, ways in."""

    requires: Requires = field(default_factory=Requires)
    groups: list[Group] = []
    parameters: dict[str, Parameter] = {}
    components: dict[str, Component] = {}
    endpoints: dict[str, Endpoint] = {}
    checks: list[Check] = []
    notes: str = ""


class Upgrade(Extensible):
    """A word of warning for those who come from these versions: ``<2.0``."""

    from_: str
    note: str


class Links(Extensible):
    docs: str = ""
    source: str = ""
    website: str = ""


class TemplateSpec(Definition):
    """A definition with what a catalog shows of it. ``version`` is the template's own, not its images'."""

    version: str = ""
    title: str = ""
    summary: str = ""
    icon: str = ""
    categories: list[str] = []
    links: Links = field(default_factory=Links)
    upgrades: list[Upgrade] = []
