"""A small definition that uses every part of the format; tests change one thing of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from apps.catalog import parameters
from apps.catalog.format import Definition
from apps.catalog.render import Identity, Rendered, render
from apps.cluster import types

SHOP = """
groups: [{id: basics, title: Basics}]
parameters:
  title: {type: string, group: basics, label: Title, default: Shop, maxLength: 20}
  copies: {type: integer, default: 2, min: 1, max: 5}
  reach: {type: enum, default: nodePort, options: [{value: internal}, {value: nodePort}, {value: ingress}]}
  host: {type: hostname, required: true, showIf: reach == 'ingress'}
  password: {type: secret, generate: {kind: password, length: 20}, rotatable: true}
  disk: {type: size, default: 1Gi, min: 256Mi, max: 10Gi, immutable: true}
components:
  db:
    image: redis:7.2.5
    ports: {redis: 6379}
    volumes: {data: {mount: /data, size: "${params.disk}"}}
    files: {/etc/redis.conf: {content: "requirepass ${params.password}\\n", mode: "0400"}}
    probes: {ready: {tcp: redis, every: 5s}}
  web:
    image: shop:1.2
    replicas: ${params.copies}
    after: {db: ready}
    env:
      TITLE: ${params.title}
      DB: ${components.db.address.redis}
      PASSWORD: {secret: password}
      URL: "redis://:${params.password}@${components.db.host}"
    args: [--title, "${params.title}"]
    files: {/etc/title: {content: "${params.title}"}}
    ports: {http: 8080}
    probes: {ready: {http: /healthz, port: http}}
endpoints:
  web: {component: web, port: http, via: "${params.reach}", host: "${params.host}", primary: true}
checks: [{name: answers, http: "${endpoints.web.internalUrl}", within: 60s}]
notes: Open ${endpoints.web.url}.
"""


def shop(**changes: Any) -> Definition:
    """The definition, with ``components__web__image="x"`` and the like changed; None takes a key away."""
    data = yaml.safe_load(SHOP)
    for path, value in changes.items():
        put(data, path.split("__"), value)
    return types.convert(Definition, data)


def put(data: Any, steps: list[str], value: Any) -> None:
    *way, last = steps
    for step in way:
        data = data.setdefault(step, {}) if isinstance(data, dict) else data[int(step)]
    if value is None:
        data.pop(last)
    else:
        data[last] = value


def made(definition: Definition, given: Mapping[str, Any] | None = None, **rotations: int) -> Rendered:
    """The definition rendered as the application ``acme`` with these values."""
    values, problems = parameters.resolve(definition.parameters, given or {})
    assert not problems, problems
    return render(Identity("default", "acme", "uid-1"), definition, values, rotations)


def one(rendered: Rendered, kind: str, name: str) -> dict[str, Any]:
    """The one object of that kind and name."""
    found = [o for o in rendered.objects if o["kind"] == kind and o["metadata"]["name"] == name]
    assert len(found) == 1, [(o["kind"], o["metadata"]["name"]) for o in rendered.objects]
    return found[0]


def container(rendered: Rendered, name: str) -> dict[str, Any]:
    """The container of a component."""
    template = one(rendered, "Deployment", f"acme-{name}")["spec"]["template"]
    found: dict[str, Any] = template["spec"]["containers"][0]
    return found
