"""Every page that Django serves, and who may ask for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from apps.api import asgi
from apps.cluster.registry import all_kinds
from tests.contract.routes import NAME, SPACE

API = "^(?:" + "|".join(sorted(asgi.ROOTS)) + ")(?:/.*)?$"
OBJECT = "<str:key>/<str:namespace>/<str:name>"
APP = "<str:namespace>/<str:name>"
APPLICATIONS, CATALOG = "applications.drover.dev", "applicationtemplates.drover.dev"
FILLED = {
    "<str:token>": "guessed", "<str:namespace>": SPACE, "<str:name>": NAME, "<str:number>": "1",
    "<int:number>": "1", "<str:parameter>": "x", "<str:component>": "x",
}  # fmt: skip
OPEN, PEOPLE, OBJECTS, SWEPT = "open to all", "people", "people, by what they may", "swept above"
MACHINES = "machines, with the token of a line"
PAGES = {
    API: SWEPT,
    "login": OPEN,
    "schemas/drover.dev/v1/ApplicationTemplate.json": OPEN,
    "setup/<str:token>": OPEN,
    "join/ca": OPEN,
    "join/start": OPEN,
    "join/needs": MACHINES,
    "join/agent": MACHINES,
    "join": MACHINES,
    "logout": PEOPLE,
    "": PEOPLE,
    "cluster": PEOPLE,
    "catalog": PEOPLE,
    "catalog/<str:name>": OBJECTS,
    f"apps/{APP}": OBJECTS,
    f"apps/{APP}/change": OBJECTS,
    f"apps/{APP}/back/<str:number>": OBJECTS,
    f"apps/{APP}/cancel/<str:number>": OBJECTS,
    f"apps/{APP}/rotate/<str:parameter>": OBJECTS,
    f"apps/{APP}/scale/<str:component>": OBJECTS,
    f"apps/{APP}/image/<str:component>": OBJECTS,
    f"apps/{APP}/log": OBJECTS,
    f"apps/{APP}/repair": OBJECTS,
    f"apps/{APP}/check": OBJECTS,
    f"apps/{APP}/delete": OBJECTS,
    "exposure": PEOPLE,
    "compose": PEOPLE,
    f"apps/{APP}/compose": OBJECTS,
    f"apps/{APP}/compose/apply": OBJECTS,
    f"apps/{APP}/compose/theirs": OBJECTS,
    f"apps/{APP}/compose/object": OBJECTS,
    "find": PEOPLE,
    "styleguide": PEOPLE,
    "create": PEOPLE,
    "machines/add": PEOPLE,
    "machines/<int:number>": PEOPLE,
    "kinds/<str:key>": PEOPLE,
    f"kinds/{OBJECT}": OBJECTS,
    f"actions/delete/{OBJECT}": OBJECTS,
    f"actions/scale/{OBJECT}": OBJECTS,
    f"actions/rollout/{OBJECT}": OBJECTS,
    f"actions/cordon/{OBJECT}": OBJECTS,
    f"actions/drain/{OBJECT}": OBJECTS,
    f"actions/mark/{OBJECT}": OBJECTS,
    f"actions/reveal/{OBJECT}": OBJECTS,
    f"actions/logs/{OBJECT}": OBJECTS,
    f"actions/terminal/{OBJECT}": OBJECTS,
}


def patterns(found: Any = None, lead: str = "") -> Iterator[str]:
    """Every address Django knows."""
    for each in (found or get_resolver("paas.urls")).url_patterns:
        if isinstance(each, URLResolver):
            yield from patterns(each, lead + str(each.pattern))
        elif isinstance(each, URLPattern):
            yield lead + str(each.pattern)


def concrete() -> Iterator[tuple[str, str, str, str]]:
    """(pattern, class, path, kind key) for every page and kind."""
    for pattern, judged in PAGES.items():
        if judged == SWEPT:
            continue
        if "<str:key>" not in pattern:
            path = pattern
            for step, text in FILLED.items():
                path = path.replace(step, text)
            yield pattern, judged, f"/{path}", APPLICATIONS if APP in pattern else CATALOG
            continue
        for kind in all_kinds():
            namespace = SPACE if kind.namespaced else "-"
            path = pattern.replace("<str:key>", kind.key).replace("<str:namespace>", namespace)
            yield pattern, judged, "/" + path.replace("<str:name>", NAME), kind.key
