"""What the edge makes of Ingresses: which request is led where. No process runs here."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.cluster import types
from apps.cluster.kinds import INGRESS_CLASS, SERVICE
from apps.cluster.types import ways
from node_agent.edge.plan import Plan, plan
from tests.agent_edge.objects import EDGE, backend, ingress, rule, secret, service, sight
from tests.builders import build


def asked(plan: Plan | None, url: str, port: int = 80) -> str:
    """Where a request goes: an upstream, a status, or a location. Reads the configuration as Caddy does."""
    assert plan is not None
    host, _, path = url.partition("/")
    return _outcome(plan.config["apps"]["http"]["servers"][str(port)]["routes"], host, f"/{path}")


def _outcome(routes: list[dict[str, Any]], host: str, path: str) -> str:
    for route in routes:
        if not all(_matches(match, host, path) for match in route.get("match", [])):
            continue
        for handler in route["handle"]:
            if handler["handler"] == "subroute":
                return _outcome(handler["routes"], host, path)
            if handler["handler"] == "reverse_proxy":
                return str(",".join(each["dial"] for each in handler["upstreams"]))
            return str(handler.get("headers", {}).get("Location", [handler["status_code"]])[0])
    return "nothing"


def _matches(match: dict[str, Any], host: str, path: str) -> bool:
    if "path" in match:
        return False  # an authority's questions
    if "host" in match:
        (wanted,) = match["host"]
        first, _, rest = host.partition(".")
        return host == wanted or (wanted.startswith("*.") and wanted[2:] == rest and bool(first))
    return re.search(match["path_regexp"]["pattern"].replace("$", r"\Z"), path) is not None


ROOT = service("root", "10.254.0.1")
API = service("api", "10.254.0.2")
DEEP = service("api-v1", "10.254.0.3")
OTHER = service("other", "10.254.0.4")


def test_without_an_ingress_of_ours_nothing_runs() -> None:
    assert plan(sight(ROOT)) is None
    foreign = ingress(rule("a.example.com"), of="nginx")
    assert plan(sight(foreign, ROOT, classes=(EDGE, build(INGRESS_CLASS, name="nginx")))) is None


PATHS = [
    ("/", "10.254.0.1:80"),
    ("/elsewhere", "10.254.0.1:80"),
    ("/api", "10.254.0.2:80"),
    ("/api/", "10.254.0.2:80"),
    ("/api/x", "10.254.0.2:80"),
    ("/apix", "10.254.0.1:80"),
    ("/API", "10.254.0.1:80"),
    ("/api/v1", "10.254.0.3:80"),
    ("/api/v1/", "10.254.0.2:80"),
    ("/api/v1/x", "10.254.0.2:80"),
]


@pytest.mark.parametrize(("path", "where"), PATHS)
def test_the_longest_path_decides_part_by_part(path: str, where: str) -> None:
    found = plan(sight(ingress(rule("a.example.com", "/", "/api/", "=/api/v1")), ROOT, API, DEEP))
    assert asked(found, f"a.example.com{path}") == where


def test_of_two_equal_paths_the_exact_one_decides() -> None:
    both = ingress(rule("a.example.com", "/api", to="root"), rule("a.example.com", "=/api", to="other"))
    found = plan(sight(both, ROOT, OTHER))
    assert asked(found, "a.example.com/api") == "10.254.0.4:80"
    assert asked(found, "a.example.com/api/x") == "10.254.0.1:80"


HOSTS = [
    ("a.example.com", "10.254.0.1:80"),
    ("b.example.com", "10.254.0.2:80"),
    ("c.b.example.com", "10.254.0.4:80"),
    ("example.com", "10.254.0.4:80"),
    ("192.0.2.1", "10.254.0.4:80"),
]


@pytest.mark.parametrize(("host", "where"), HOSTS)
def test_a_whole_name_comes_before_a_wildcard_and_that_before_the_rest(host: str, where: str) -> None:
    rules = (rule("", to="other"), rule("*.example.com", to="api"), rule("a.example.com", to="root"))
    assert asked(plan(sight(ingress(*rules), ROOT, API, OTHER)), f"{host}/") == where


def test_a_host_whose_paths_do_not_fit_is_not_given_to_others() -> None:
    found = plan(sight(ingress(rule("a.example.com", "/api"), rule("", to="other")), API, OTHER))
    assert asked(found, "a.example.com/else") == "404"
    assert asked(found, "b.example.com/else") == "10.254.0.4:80"


def test_a_default_backend_takes_what_is_left_of_its_own_hosts_and_without_rules_everything() -> None:
    own = ingress(rule("a.example.com", "/api"), spec__default_backend=backend("root"))
    found = plan(sight(own, ROOT, API))
    assert asked(found, "a.example.com/else") == "10.254.0.1:80"
    assert asked(found, "b.example.com/") == "404"
    assert asked(plan(sight(ingress(spec__default_backend=backend("root")), ROOT)), "any/") == "10.254.0.1:80"


OUTSIDE = build(SERVICE, name="root", spec__type="ExternalName", spec__external_name="example.org")
NOWHERE = {
    "no service": (), "no such port": (service("root", port=8080),), "no address": (service("root", ""),),
    "outside": (OUTSIDE,),
}  # fmt: skip


@pytest.mark.parametrize("given", NOWHERE.values(), ids=NOWHERE)
def test_what_leads_nowhere_says_so(given: tuple[types.Service, ...]) -> None:
    assert asked(plan(sight(ingress(rule("a.example.com")), *given)), "a.example.com/") == "503"


def test_a_port_is_meant_by_name_or_number() -> None:
    web = service("root", "10.254.0.1", port=8080, name="web")
    for port in ("web", 8080):
        found = plan(sight(ingress(rule("a.example.com", to="root", port=port)), web))
        assert asked(found, "a.example.com/") == "10.254.0.1:8080"


def test_a_headless_service_is_its_ready_pods() -> None:
    slices = types.EndpointSlice(
        metadata=types.ObjectMeta(
            name="root-1", namespace="default", labels={"kubernetes.io/service-name": "root"}
        ),
        address_type="IPv4",
        ports=[types.SlicePort(name="", port=8000)],
        endpoints=[
            types.Endpoint(addresses=["10.64.0.3"]),
            types.Endpoint(addresses=["10.64.0.2"]),
            types.Endpoint(addresses=["10.64.0.4"], conditions=types.EndpointConditions(ready=False)),
        ],
    )
    found = plan(sight(ingress(rule("a.example.com")), service("root", "None"), slices))
    assert asked(found, "a.example.com/") == "10.64.0.2:8000,10.64.0.3:8000"


# TLS


def secured(*hosts: str, secret: str = "", **changes: Any) -> types.Ingress:
    tls = [types.IngressTLS(hosts=list(hosts), secret_name=secret)]
    return ingress(*(rule(host) for host in hosts), spec__tls=tls, **changes)


PAIR = secret("cert", "CHAIN", "KEY")


def tls(plan: Plan | None) -> Any:
    assert plan is not None
    return plan.config["apps"]["tls"]


def test_only_hosts_with_tls_are_served_there_and_are_sent_on_to_it() -> None:
    found = plan(sight(secured("a.example.com", secret="cert"), ingress(rule("b.example.com"), name="b"), ROOT, PAIR))
    assert found is not None
    assert found.ports == {80, 443}
    assert asked(found, "a.example.com/x") == "https://{http.request.host}{http.request.uri}"
    assert asked(found, "a.example.com/", 443) == "10.254.0.1:80"
    assert asked(found, "b.example.com/", 443) == "404"
    assert asked(found, "b.example.com/") == "10.254.0.1:80"
    plain = plan(sight(ingress(rule("b.example.com")), ROOT))
    assert plain is not None and plain.ports == {80}


def test_a_host_may_be_served_without_tls_too() -> None:
    both = secured("a.example.com", secret="cert", annotations={ways.HTTPS_ONLY: "false"})
    assert asked(plan(sight(both, ROOT, PAIR)), "a.example.com/") == "10.254.0.1:80"


def test_a_host_has_its_own_certificate_and_no_other() -> None:
    found = plan(sight(secured("a.example.com", secret="cert"), ROOT, PAIR, secret("unused", "OTHER", "KEY")))
    assert tls(found)["certificates"]["load_pem"] == [{"certificate": "CHAIN", "key": "KEY", "tags": ["default/cert"]}]
    assert found is not None
    server = found.config["apps"]["http"]["servers"]["443"]
    selection = {"certificate_selection": {"any_tag": ["default/cert"]}}
    assert server["tls_connection_policies"] == [{"match": {"sni": ["a.example.com"]}, **selection}]


def test_a_missing_secret_costs_its_own_host_only() -> None:
    found = plan(sight(secured("a.example.com", secret="gone"), ROOT))
    assert tls(found)["certificates"]["load_pem"] == []
    assert asked(found, "a.example.com/", 443) == "10.254.0.1:80"


ACME = {
    ways.ACME_DIRECTORY: "https://acme.example.com/directory", ways.ACME_EMAIL: "ops@example.com",
    ways.ACME_ROOTS: "PEM", ways.HTTP_PORT: "8080",
}  # fmt: skip


def test_a_host_without_a_secret_is_certified_by_the_authority_that_its_class_names() -> None:
    asking = build(INGRESS_CLASS, name="edge", annotations=ACME, spec__controller=ways.CONTROLLER)
    wanted = secured("a.example.com", annotations={ways.ACME: "true"})
    found = plan(sight(wanted, ROOT, classes=(asking,)))
    assert found is not None
    (policy,) = tls(found)["automation"]["policies"]
    (issuer,) = policy["issuers"]
    (file,) = found.files
    assert (policy["subjects"], issuer["ca"]) == (["a.example.com"], ACME[ways.ACME_DIRECTORY])
    assert (issuer["email"], issuer["trusted_roots_pem_files"]) == ("ops@example.com", [file])
    assert found.files[file] == "PEM"
    assert issuer["challenges"]["http"] == {"alternate_port": 8080}
    assert tls(found)["certificates"]["automate"] == ["a.example.com"]
    assert found.ports == {8080, 443}


@pytest.mark.parametrize(
    ("host", "acme"), [("a.example.com", "false"), ("*.example.com", "true")], ids=["unasked", "a wildcard"]
)
def test_any_other_host_without_a_secret_is_certified_by_the_node_itself(host: str, acme: str) -> None:
    found = plan(sight(secured(host, annotations={ways.ACME: acme}), ROOT))
    assert tls(found)["automation"]["policies"] == [{"subjects": [host], "issuers": [{"module": "internal"}]}]
    assert found is not None
    assert found.config["apps"]["pki"]["certificate_authorities"]["local"] == {"install_trust": False}


def test_every_edge_node_passes_on_what_the_authority_asks_of_another() -> None:
    wanted = secured("a.example.com", annotations={ways.ACME: "true"})
    found = plan(sight(wanted, ROOT, peers=("10.55.0.2", "10.55.0.3")))
    assert found is not None
    first = found.config["apps"]["http"]["servers"]["80"]["routes"][0]
    (match,) = first["match"]
    assert match == {"host": ["a.example.com"], "path": ["/.well-known/acme-challenge/*"]}
    assert str(first).count("10.55.0.2:80") == str(first).count("10.55.0.3:80") == 1
    alone = plan(sight(ingress(rule("a.example.com")), ROOT, peers=("10.55.0.2",)))
    assert "acme-challenge" not in str(alone)


def test_a_certificate_that_caddy_does_not_take_is_left_out_alone() -> None:
    two = (secured("a.example.com", secret="a", name="a"), secured("b.example.com", secret="b", name="b"))
    found = plan(sight(*two, ROOT, secret("a", "A", "K"), secret("b", "B", "K")))
    assert found is not None
    assert found.certificates() == ["default/a", "default/b"]
    assert found.without(0).certificates() == ["default/b"]
    assert found.without(None).certificates() == []
    assert found.certificates() == ["default/a", "default/b"]


# Properties

parts = st.text("ab.", min_size=1, max_size=2)
path_texts = st.lists(parts, max_size=3).map(lambda found: "/" + "/".join(found))


def means(path: str, exact: bool, request: str) -> bool:
    """The API's words for it, part by part."""
    if exact:
        return path == request
    wanted = [part for part in path.split("/") if part]
    return request.split("/")[1 : len(wanted) + 1] == wanted


@given(paths=st.dictionaries(st.tuples(path_texts, st.booleans()), st.integers(1, 250), max_size=6), request=path_texts)
def test_any_request_goes_where_the_longest_path_that_means_it_leads(
    paths: dict[tuple[str, bool], int], request: str
) -> None:
    services = [service(f"s{number}", f"10.254.1.{number}") for number in set(paths.values())]
    rules = [
        rule("a.example.com", f"={path}" if exact else path, to=f"s{number}") for (path, exact), number in paths.items()
    ]
    able = {key: number for key, number in paths.items() if means(*key, request)}
    best = max(able, key=lambda key: (len(key[0]), key[1]), default=None)
    where = f"10.254.1.{able[best]}:80" if best else "404"
    found = plan(sight(ingress(*rules, rule("b.example.com", to="x")), *services))
    assert asked(found, f"a.example.com{request}") == where


def test_the_plan_follows_from_what_is_there_and_not_from_its_order() -> None:
    given = [ingress(rule("a.example.com"), name="a"), ingress(rule("b.example.com"), name="b"), ROOT, API]
    assert plan(sight(*given)) == plan(sight(*reversed(given)))
