"""Rules of the format: each broken alone, and told with its field and in its words."""

from __future__ import annotations

from typing import Any

import pytest

from apps.catalog import checking
from apps.catalog.format import Definition
from apps.cluster import types
from tests.catalog.plans import shop

IMAGE = "must have a pinned tag: 'latest' changes under running applications"
ONE_OF_THREE = "must have exactly one of http, tcp and exec"

BROKEN: list[tuple[dict[str, Any], str, str]] = [
    ({"requires": {"nodes": 0}}, "requires.nodes", "must be between 1 and 10000"),
    ({"requires": {"platform": "new"}}, "requires.platform", "must say which versions, such as <2.0"),
    ({"requires": {"memory": "plenty"}}, "requires.memory", "must be a number with"),
    ({"requires": {"privileges": ["root"]}}, "requires.privileges[0]", "supported values"),
    ({"components__web__replicas": "three"}, "components[web].replicas", "a whole number, or a reference to one"),
    (
        {"components__web__replicas": None, "components__web__autoscale": {"min": 1, "max": "many"}},
        "components[web].autoscale.max",
        "a whole number, or a reference to one",
    ),
    ({"components__web__ports__http": "web"}, "components[web].ports[http]", "a reference to one"),
    ({"endpoints__web__nodePort": "any"}, "endpoints[web].nodePort", "a reference to one"),
    ({"parameters__title__group": "basic"}, "parameters[title].group", 'Not found: "basic"'),
    ({"groups": [{"id": "basics"}, {"id": "basics"}]}, "groups[1].id", 'Duplicate value: "basics"'),
    (
        {"parameters__title__min": 3},
        "parameters[title].min",
        "a string has none; lengths are minLength and maxLength",
    ),
    ({"parameters__title__pattern": "("}, "parameters[title].pattern", "is no regular expression"),
    (
        {"parameters__title__options": [{"value": "a"}]},
        "parameters[title].options",
        "an enum has options, nothing else has",
    ),
    (
        {"parameters__title__rotatable": True},
        "parameters[title]",
        "only a secret can be generated or rotated",
    ),
    ({"parameters__copies__default": 9}, "parameters[copies].default", "must be at most 5"),
    (
        {"parameters__password__default": "x"},
        "parameters[password].default",
        "a secret has no default: it would be everybody's",
    ),
    (
        {"parameters__password__generate__kind": "dice"},
        "parameters[password].generate.kind",
        "supported values",
    ),
    (
        {"parameters__password__generate__length": 4},
        "parameters[password].generate.length",
        "must be between 8 and 1024",
    ),
    (
        {"parameters__host__showIf": "reach = 1"},
        "parameters[host].showIf",
        "must be of the form name == 'literal'",
    ),
    (
        {"parameters__host__showIf": "reech == 'a'"},
        "parameters[host].showIf",
        'no parameter reech; did you mean "reach"?',
    ),
    (
        {"parameters__a": {"type": "string", "showIf": "a == 'x'"}},
        "parameters[a].showIf",
        "in a circle: a -> a",
    ),
    (
        {"components": {}, "endpoints": {}, "checks": [], "notes": ""},
        "components",
        "an application has at least one component",
    ),
    ({"components__web__kind": "cron"}, "components[web].kind", "supported values"),
    ({"components__web__image": "shop"}, "components[web].image", IMAGE),
    ({"components__web__image": "host:5000/shop:latest"}, "components[web].image", IMAGE),
    ({"components__web__host": "Web"}, "components[web].host", "a DNS-1035 label"),
    ({"components__web__host": "x", "components__db__host": "x"}, "components[web].host", "is db's already"),
    (
        {"components__web__autoscale": {"min": 1, "max": 2}},
        "components[web].replicas",
        "autoscale decides on the replicas",
    ),
    (
        {"components__db__replicas": 2},
        "components[db].volumes",
        "a volume has one writer: replicas must be 1",
    ),
    ({"components__web__after": {"bd": "ready"}}, "components[web].after[bd]", "no other component bd"),
    ({"components__web__after": {"db": "soon"}}, "components[web].after[db]", "supported values"),
    (
        {"components__web__after": {"db": "complete"}},
        "components[web].after[db]",
        "a job is waited for until it is complete",
    ),
    ({"components__web__probes__ready": {"every": "5s"}}, "components[web].probes.ready", ONE_OF_THREE),
    (
        {"components__web__probes__ready": {"http": "x"}},
        "components[web].probes.ready.http",
        "must be a path that begins with '/'",
    ),
    (
        {"components__web__probes__ready__port": "htpt"},
        "components[web].probes.ready.port",
        'no port htpt; did you mean "http"?',
    ),
    (
        {"components__web__probes__ready__every": "5"},
        "components[web].probes.ready.every",
        "a whole number with a unit",
    ),
    ({"components__web__env__1X": "a"}, "components[web].env[1X]", "must not begin with a digit"),
    (
        {"components__web__env__PASSWORD": {"secret": "pasword"}},
        "components[web].env[PASSWORD].secret",
        'did you mean "password"?',
    ),
    ({"components__web__ports__http": 70000}, "components[web].ports[http]", "must be between 1 and 65535"),
    (
        {"components__web__ports__http": {"port": 1, "protocol": "ICMP"}},
        "components[web].ports[http].protocol",
        "supported values",
    ),
    ({"components__web__files__x": {"content": ""}}, "components[web].files[x]", "must be an absolute path"),
    (
        {"components__web__files__/a/../b": {"content": ""}},
        "components[web].files[/a/../b]",
        "must be an absolute path",
    ),
    (
        {"components__db__files__/etc/redis.conf__mode": "0999"},
        "components[db].files[/etc/redis.conf].mode",
        "octal",
    ),
    (
        {"components__db__volumes__data__size": "big"},
        "components[db].volumes[data].size",
        "must be a number with",
    ),
    (
        {"components__db__volumes__data__mount": "/etc/redis.conf"},
        "components[db].volumes[data].mount",
        "is taken by files[/etc/redis.conf]",
    ),
    (
        {"components__web__resources": {"cpu": "fast"}},
        "components[web].resources.cpu",
        "must be a number with",
    ),
    ({"components__web__stopTimeout": "long"}, "components[web].stopTimeout", "a whole number with a unit"),
    ({"components__web__update": "never"}, "components[web].update", "supported values"),
    (
        {"components__web__security": {"privileged": True}},
        "components[web].security",
        "privileged must be declared in requires.privileges",
    ),
    (
        {"components__web__security": {"hostPaths": {"/x": "/y"}}},
        "components[web].security",
        "hostPath must be declared",
    ),
    (
        {"endpoints__web__component": "wep"},
        "endpoints[web].component",
        'no component wep; did you mean "web"?',
    ),
    (
        {"endpoints__web__port": "htt"},
        "endpoints[web].port",
        'no port of web called htt; did you mean "http"?',
    ),
    ({"endpoints__web__via": "balloon"}, "endpoints[web].via", "supported values"),
    ({"endpoints__web__path": "x"}, "endpoints[web].path", "must begin with '/'"),
    (
        {"endpoints__xyz": {"component": "web", "port": "http", "primary": True}},
        "endpoints[xyz].primary",
        "one endpoint is the primary one",
    ),
    ({"checks": [{"name": "x"}]}, "checks[0]", "must have exactly one of http and exec"),
    (
        {"checks": [{"name": "x", "http": "http://169.254.169.254/"}]},
        "checks[0].http",
        "must begin with an endpoint's URL",
    ),
    (
        {"checks": [{"name": "x", "exec": {"component": "y", "command": ["z"]}}]},
        "checks[0].exec.component",
        "no component y",
    ),
    (
        {"checks": [{"name": "x", "exec": {"component": "web", "command": []}}]},
        "checks[0].exec.command",
        "Required value: which command is run?",
    ),
    (
        {"components__web__probes__live": {"exec": []}},
        "components[web].probes.live.exec",
        "Required value: which command is run?",
    ),
    ({"notes": "${params.titel}"}, "notes", "names none of the params"),
    (
        {"notes": "${param.title}"},
        "notes",
        'must begin with one of params, components, endpoints, app here; did you mean "params"?',
    ),
    ({"notes": "${params.password}"}, "notes", "a secret may stand in env and in files' content only"),
    (
        {"components__web__args": ["${params.password}"]},
        "components[web].args[0]",
        "a secret may stand in env and in files' content only",
    ),
    (
        {"components__web__env__X": "${endpoints.web.url}"},
        "components[web].env[X]",
        "is known only once everything runs",
    ),
    (
        {"components__web__env__X": "${components.db.address.rds}"},
        "components[web].env[X]",
        "address wants one of db's ports: redis",
    ),
    (
        {"components__web__env__X": "${components.db.ip}"},
        "components[web].env[X]",
        "a component has host, address, port",
    ),
    ({"components__web__env__X": "${a b}"}, "components[web].env[X]", "is no reference"),
    (
        {"endpoints__web__path": "${endpoints.web.internalUrl}"},
        "endpoints[web].path",
        "must begin with one of params, app here",
    ),
    (
        {"components__db__env": {"W": "${components.web.host}"}},
        "components",
        "components need each other in a circle: db -> web -> db",
    ),
]


def test_the_whole_format_has_nothing_wrong_with_it() -> None:
    assert checking.problems(shop()) == []


@pytest.mark.parametrize(
    ("changes", "path", "words"), BROKEN, ids=[f"{row[1]}: {row[2][:40]}" for row in BROKEN]
)
def test_a_broken_rule_is_told_with_its_field(changes: dict[str, Any], path: str, words: str) -> None:
    found = checking.problems(shop(**changes), "spec")
    assert [problem.path for problem in found] == [f"spec.{path}"], found
    assert words in found[0].message


def test_an_unknown_key_is_named_with_the_one_that_was_meant() -> None:
    data = types.to_data(shop())
    data["components"]["web"]["replicsa"] = 2
    (problem,) = types.problems(Definition, data)
    assert (problem.path, problem.message) == (
        "components[web].replicsa", 'unknown field; did you mean "replicas"?',
    )  # fmt: skip
