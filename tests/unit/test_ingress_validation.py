"""What an Ingress and an IngressClass may say, field by field."""

from __future__ import annotations

from typing import Any

import pytest

from apps.cluster import types
from apps.cluster.kinds import INGRESS, INGRESS_CLASS, SECRET
from apps.cluster.registry import Kind
from apps.cluster.types import ways
from tests.agent_edge.lab import pair
from tests.agent_edge.objects import backend, rule, secret
from tests.builders import defaulted

PATH = "spec.rules[0].http.paths[0]"
NOTE = "metadata.annotations[drover.dev/{}]: Invalid value"


def told(kind: Kind, changes: dict[str, Any]) -> list[str]:
    return [f"{problem.path}: {problem.message}" for problem in kind.validate(defaulted(kind, **changes))]


def path(**changes: Any) -> dict[str, Any]:
    return {f"spec__rules__0__http__paths__0__{name}": value for name, value in changes.items()}


def leads(**changes: Any) -> dict[str, Any]:
    return path(**{f"backend__{name}": value for name, value in changes.items()})


def setting(**notes: str) -> dict[str, Any]:
    return {
        "spec__controller": ways.CONTROLLER,
        "annotations": {f"drover.dev/{name.replace('_', '-')}": text for name, text in notes.items()},
    }


def tls(**changes: Any) -> dict[str, Any]:
    return {"spec__tls": [types.IngressTLS(**changes)]}


PORT = types.ServiceBackendPort
REFERENCE = types.TypedLocalObjectReference(kind="Bucket", name="b")
PARAMETERS = types.IngressClassParametersReference(kind="Own", name="x")
REFUSED: list[tuple[Kind, dict[str, Any], str]] = [
    (INGRESS, {"spec__rules": []}, "spec: Invalid value: []: either `defaultBackend` or `rules` must be specified"),
    (INGRESS, {"spec__rules": [rule("A.example.com")]}, 'spec.rules[0].host: Invalid value: "A.example.com"'),
    (INGRESS, {"spec__rules": [rule("192.0.2.1")]}, 'spec.rules[0].host: Invalid value: "192.0.2.1": must be'),
    (INGRESS, {"spec__rules": [rule("a.*.com")]}, 'spec.rules[0].host: Invalid value: "a.*.com": a wildcard must be'),
    (INGRESS, {"spec__rules": [types.IngressRule(host="a.com")]}, "spec.rules[0].http: Required value"),
    (INGRESS, {"spec__rules__0__http__paths": []}, "spec.rules[0].http.paths: Required value"),
    (INGRESS, path(path_type=""), f"{PATH}.pathType: Required value: pathType must be specified"),
    (INGRESS, path(path_type="Regex"), f'{PATH}.pathType: Unsupported value: "Regex"'),
    (INGRESS, path(path="x"), f'{PATH}.path: Invalid value: "x": must be an absolute path'),
    (INGRESS, path(path=""), f'{PATH}.path: Invalid value: "": must be an absolute path'),
    (INGRESS, path(path="/a//b"), f"""{PATH}.path: Invalid value: "/a//b": must not contain '//'"""),
    (INGRESS, path(path="/a/.."), f"""{PATH}.path: Invalid value: "/a/..": cannot end with '/..'"""),
    (INGRESS, path(path="/a\nb"), f"{PATH}.path: Invalid value"),
    (INGRESS, path(path="/" + "a" * 1024), f"{PATH}.path: Too long"),
    (INGRESS, leads(service=None), f"{PATH}.backend: Required value"),
    (INGRESS, leads(service=None, resource=REFERENCE), f"{PATH}.backend.resource: Forbidden: is not supported"),
    (INGRESS, leads(service__name="-"), f'{PATH}.backend.service.name: Invalid value: "-"'),
    (INGRESS, leads(service__port=PORT()), f"{PATH}.backend.service.port: Required value: exactly one"),
    (INGRESS, leads(service__port=PORT(name="a", number=1)), f"{PATH}.backend.service.port: Required value"),
    (INGRESS, leads(service__port=PORT(number=99999)), f"{PATH}.backend.service.port.number: Invalid"),
    (INGRESS, leads(service__port=PORT(name="A")), f'{PATH}.backend.service.port.name: Invalid value: "A"'),
    (INGRESS, {"spec__default_backend": types.IngressBackend()}, "spec.defaultBackend: Required value"),
    (INGRESS, tls(hosts=["a b"]), 'spec.tls[0].hosts[0]: Invalid value: "a b"'),
    (INGRESS, tls(secret_name="A"), 'spec.tls[0].secretName: Invalid value: "A"'),
    (INGRESS, {"spec__ingress_class_name": ""}, "spec.ingressClassName: Required value"),
    (INGRESS, {"spec__ingress_class_name": "a", "annotations": {ways.CLASS_ANNOTATION: "b"}},
     "metadata.annotations[kubernetes.io/ingress.class]: Invalid value"),
    (INGRESS, {"annotations": {ways.ACME: "yes"}}, 'metadata.annotations[kubernetes.io/tls-acme]: Unsupported'),
    (INGRESS, {"status__load_balancer": types.IngressLoadBalancerStatus(
        ingress=[types.IngressLoadBalancerIngress(ip="x")])}, "status.loadBalancer.ingress[0].ip: Invalid value"),
    (INGRESS_CLASS, {"spec__controller": ""}, "spec.controller: Required value"),
    (INGRESS_CLASS, {"spec__controller": "edge"}, 'spec.controller: Invalid value: "edge": must be'),
    (INGRESS_CLASS, {"spec__controller": ways.CONTROLLER, "spec__parameters": PARAMETERS}, "spec.parameters: "),
    (INGRESS_CLASS, setting(http_port="0"), NOTE.format("http-port")),
    (INGRESS_CLASS, setting(https_port="x"), NOTE.format("https-port")),
    (INGRESS_CLASS, setting(https_port="9" * 5000), NOTE.format("https-port")),
    (INGRESS_CLASS, setting(https_port="80"), NOTE.format("https-port")),
    (INGRESS_CLASS, setting(acme_directory="http://a.com"), NOTE.format("acme-directory")),
    (INGRESS_CLASS, setting(acme_email="me"), NOTE.format("acme-email")),
    (INGRESS_CLASS, setting(acme_roots="PEM"), NOTE.format("acme-roots")),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "changes", "wanted"), REFUSED, ids=[f"{w[:70]}" for _, _, w in REFUSED])
def test_a_rule_is_told_with_its_field(kind: Kind, changes: dict[str, Any], wanted: str) -> None:
    problems = told(kind, changes)
    assert len(problems) == 1, problems
    assert problems[0].startswith(wanted)


ACCEPTED: list[tuple[Kind, dict[str, Any]]] = [
    (INGRESS, {"spec__rules": [], "spec__default_backend": backend("web", "http")}),
    (INGRESS, {"spec__rules": [types.IngressRule(host="a.com")], "spec__default_backend": backend("web")}),
    (INGRESS, {"spec__rules": [rule("*.example.com", "/a", "=/a"), rule("")]}),
    (INGRESS, path(path_type="ImplementationSpecific", path="")),
    (INGRESS, tls()),
    (INGRESS, {"annotations": {ways.ACME: "true", ways.HTTPS_ONLY: "false"}}),
    (INGRESS_CLASS, {"spec__parameters": PARAMETERS}),
    (INGRESS_CLASS, setting(http_port="8080", https_port="80", acme_directory="https://a.com/d", acme_email="a@b.c")),
]


@pytest.mark.parametrize(("kind", "changes"), ACCEPTED)
def test_a_sound_object_is_accepted(kind: Kind, changes: dict[str, Any]) -> None:
    assert told(kind, changes) == []


CHAIN, KEY = pair("a.example.com")
PAIRS = [
    (CHAIN, KEY, ""),
    ("", "", ""),
    (KEY, KEY, "data[tls.crt]"),
    (CHAIN, CHAIN, "data[tls.key]"),
    (CHAIN, pair("b.example.com")[1], "data[tls.key]"),
]


@pytest.mark.parametrize(("chain", "key", "field"), PAIRS, ids=["both", "none", "no chain", "no key", "another key"])
def test_a_certificate_and_its_key_must_fit_and_are_never_shown(chain: str, key: str, field: str) -> None:
    problems = [*SECRET.validate(defaulted_secret(chain, key))]
    assert [problem.path for problem in problems] == ([field] if field else [])
    assert all("<hidden>" in problem.message for problem in problems)


def defaulted_secret(chain: str, key: str) -> types.Secret:
    made = secret("cert", chain, key)
    SECRET.default(made)
    return made


def test_a_class_keeps_its_controller() -> None:
    old, new = defaulted(INGRESS_CLASS), defaulted(INGRESS_CLASS, spec__controller="example.com/new")
    assert [problem.path for problem in INGRESS_CLASS.validate_update(old, new)] == ["spec.controller"]
