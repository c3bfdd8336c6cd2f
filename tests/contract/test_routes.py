"""Every door, tried by those who should not get in: nobody does, and a door that nobody has judged fails the test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.test import Client

from apps.accounts import policy, roles, tokens
from apps.accounts.cookies import outer_name
from apps.api import core
from apps.api.messages import Query, Request, Stream
from apps.cluster import store, types, work
from apps.cluster.actors import Actor, node, system
from apps.cluster.kinds import (
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    CONFIG_MAP,
    LIMIT_RANGE,
    NAMESPACE,
    NODE,
    RESOURCE_QUOTA,
    ROLE_BINDING,
)
from apps.cluster.registry import all_kinds, by_key
from apps.cluster.types import agent
from apps.nodes import heartbeats, invitations
from tests.api.doors import DOORS, Door
from tests.builders import build
from tests.contract import routes
from tests.contract.page_routes import (
    APP,
    CATALOG,
    MACHINES,
    OBJECTS,
    OPEN,
    PAGES,
    PEOPLE,
    concrete,
    patterns,
)
from tests.contract.routes import NAME, SPACE, Route
from tests.nodes.wire import Wire

TEST = system("test")
VIEWER, EDITOR, NODE_2 = Actor("vera"), Actor("ed"), node("n2")
LIMITS = (LIMIT_RANGE.name, RESOURCE_QUOTA.name)
STRANGERS = ("anonymous", "viewer", "editor", "node", "revoked", "invited")
READ = frozenset({"get", "list", "watch"})
STATUS_REPORTS = frozenset({"update", "patch"})
"""What everybody who is known may look at."""
VIEWED = frozenset({
    "applications.drover.dev", "applications.drover.dev/status",
    "applicationrevisions.drover.dev", "applicationrevisions.drover.dev/status",
    "pods", "pods/status", "pods/log", "replicationcontrollers", "replicationcontrollers/scale",
    "replicationcontrollers/status", "services", "services/status", "endpoints", "configmaps", "serviceaccounts",
    "events", "resourcequotas", "limitranges", "replicasets.apps", "replicasets.apps/scale", "replicasets.apps/status",
    "horizontalpodautoscalers.autoscaling", "horizontalpodautoscalers.autoscaling/status", "jobs.batch",
    "jobs.batch/status", "cronjobs.batch", "cronjobs.batch/status",
    "persistentvolumeclaims", "persistentvolumeclaims/status", "deployments.apps", "deployments.apps/scale",
    "deployments.apps/status", "endpointslices.discovery.k8s.io", "poddisruptionbudgets.policy",
    "poddisruptionbudgets.policy/status",
    "ingresses.networking.k8s.io", "ingresses.networking.k8s.io/status",
})  # fmt: skip
FOR_ALL_NODES = frozenset({
    "services", "endpointslices.discovery.k8s.io", "ingresses.networking.k8s.io", "ingressclasses.networking.k8s.io",
})  # fmt: skip
"""Here no node is labelled as the edge, so each one is."""
FILTERED = frozenset({
    "pods", "nodes", "secrets", "configmaps", "persistentvolumeclaims", "persistentvolumes",
    "leases.coordination.k8s.io",
})  # fmt: skip
"""What a node may list: it sees its own there, and here it has none."""


def expected(who: str, route: Route) -> bool:
    """Whether this request is to succeed: the only place that says so, and not by asking policy."""
    if who == "admin":
        return True
    if route.what == "public":
        return who not in {"revoked", "invited"}
    if who in {"anonymous", "revoked", "invited"}:
        return False
    if route.what in {"document", "review"}:
        return True
    if who != "node" and route.what == CATALOG:
        return route.verb in READ
    if who == "viewer":
        return route.verb in READ and route.what in VIEWED and route.where != "all"
    if who == "node":
        return _expected_of_node(route)
    return False


def _expected_of_node(route: Route) -> bool:
    if route.what in FOR_ALL_NODES:
        return route.verb in READ
    if route.what in FILTERED:
        return route.verb in {"list", "watch"} and route.where != "object"
    return route.what == "events" and route.verb in {"create", "update", "patch"}


@pytest.fixture
def town(cluster: None, settings: Any) -> Iterator[dict[str, str]]:
    """Two namespaces, one object of each kind in ``shop``, and a token for everybody."""
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "StaticFiles" not in name]

    def write(tx: Any) -> None:
        for name in (SPACE, "bank"):
            tx.create(NAMESPACE, build(NAMESPACE, name=name))
        for role in roles.cluster_roles():
            tx.create(CLUSTER_ROLE, role)
        for binding in roles.cluster_role_bindings():
            tx.create(CLUSTER_ROLE_BINDING, binding)
        # What limits pods last: else an update would leave out what a limit filled in.
        for kind in sorted(all_kinds(), key=lambda kind: kind.name in LIMITS):
            tx.create(kind, routes.made(kind, NAME))
        for user, given, namespace in (("vera", "view", SPACE), ("ed", "edit", "bank")):
            tx.create(ROLE_BINDING, _binding(user, given, namespace))
        tx.create(NODE, build(NODE, name="n2"))

    store.write(TEST, write)
    heartbeats.claim(NAME, "c", datetime.now(UTC))
    policy.forget()
    masters = ["system:masters"]
    held = {
        "admin": tokens.issue("root", masters),
        "anonymous": "",
        "viewer": tokens.issue("vera"),
        "editor": tokens.issue("ed"),
        "node": tokens.issue(NODE_2.name, NODE_2.groups, purpose=tokens.NODE),
        "revoked": tokens.issue("gone", masters),
        "invited": invitations.invite(TEST, invitations.Wish(), datetime.now(UTC))[0],
    }
    tokens.revoke(text=held["revoked"])
    yield held
    work.close_connections()
    policy.forget()


def _binding(user: str, role: str, namespace: str) -> types.RoleBinding:
    return types.RoleBinding(
        metadata=types.ObjectMeta(name=f"{role}-{user}", namespace=namespace),
        role_ref=types.RoleRef(api_group=roles.RBAC, kind="ClusterRole", name=role),
        subjects=[types.Subject(kind="User", name=user, api_group=roles.RBAC)],
    )


# The REST API


def test_every_part_of_an_object_is_classified() -> None:
    parts = {part for kind in all_kinds() for part in kind.subresources}
    assert parts <= set(routes.PARTS), "say in tests/contract/routes.py what the new part answers to"


@pytest.mark.parametrize("adapter", DOORS, ids=lambda door: door.name)
@pytest.mark.parametrize("who", STRANGERS)
async def test_no_request_succeeds_that_should_not(
    who: str, adapter: type[Door], town: dict[str, str]
) -> None:
    door = adapter(town[who])
    before = store.clock
    number = await work.in_db(before)
    wrong = []
    for route in routes.of_api():
        if expected(who, route) and route.streams:
            continue  # asked below, where nobody waits for its end
        reply = await door.ask(route.method, route.path, route.body, route.headers)
        if problem := _problem(who, route, reply.code, reply.body):
            wrong.append(problem)
    assert not wrong, "\n".join(wrong)
    assert await work.in_db(before) == number


def _problem(who: str, route: Route, code: int, body: bytes) -> str:
    if not expected(who, route):
        refusals = {401} if who in {"anonymous", "revoked", "invited"} else {403, 404}
        return "" if code in refusals else f"{who}: {route.id} ({route.path}): {code} {body[:120]!r}"
    if code in {401, 403, 404} or code >= 500:
        return f"{who} may: {route.id} ({route.path}): {code} {body[:120]!r}"
    if who == "node" and route.what in FILTERED and NAME.encode() in body:
        return f"{who} sees what is not its own: {route.id}"
    return ""


async def test_each_of_them_is_a_door_that_opens_for_an_administrator(town: dict[str, str]) -> None:
    """Else the sweep would prove nothing: what is not there refuses everybody."""
    door = DOORS[0](town["admin"])
    wrong = []
    for route in routes.of_api():
        if route.streams:
            continue
        reply = await door.ask(route.method, route.path, route.body, route.headers)
        if reply.code in {401, 403, 404, 405, 415, 422} or reply.code >= 500:
            wrong.append(f"{route.method} {route.path}: {reply.code} {reply.body[:200]!r}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("who", [*STRANGERS, "admin"])
def test_a_watch_opens_for_those_who_may(who: str, town: dict[str, str]) -> None:
    actor = tokens.check(town[who])
    for route in routes.of_api():
        if actor is not None and route.streams:
            path, _, query = route.path.partition("?")
            answer = core.handle(actor, Request("GET", path, Query.parse(query)))
            assert isinstance(answer, Stream) is expected(who, route), route


# Sockets

SOCKETS = {
    "nodes/agent": {"node"},
    "live": {"viewer", "editor", "node", "admin"},
    "terminal": {"viewer", "editor", "node", "admin"},
}
"""Who gets in. Behind ``live`` each sees what policy lets them see; ``terminal`` asks for a ticket next."""


def _socket(path: str, token: str, subprotocols: list[str]) -> Wire:
    import paas.asgi

    bare, _, query = path.partition("?")
    headers = [(b"host", b"localhost"), *([(b"authorization", f"Bearer {token}".encode())] if token else [])]
    scope = {"type": "websocket", "path": bare, "raw_path": quote(bare).encode(), "query_string": query.encode(),
             "headers": headers, "subprotocols": subprotocols, "scheme": "ws"}  # fmt: skip
    return Wire(paas.asgi.application, scope)


async def _opens(path: str, token: str, subprotocols: list[str]) -> bool:
    """Whether the socket is let in and stays."""
    wire = _socket(path, token, subprotocols)
    answer = await wire.connect()
    try:
        if answer["type"] != "websocket.accept":
            return False
        async with asyncio.timeout(0.2):
            return str((await wire.get())["type"]) != "websocket.close"
    except TimeoutError:
        return True
    finally:
        await wire.leave()  # a consumer that refused waits for that too


def test_every_socket_is_classified() -> None:
    import paas.asgi

    assert {str(route.pattern) for route in paas.asgi._sockets.routes} == set(SOCKETS)


@pytest.mark.parametrize("who", [*STRANGERS, "admin"])
async def test_a_socket_opens_for_those_who_may(who: str, town: dict[str, str]) -> None:
    for path, welcome in SOCKETS.items():
        subprotocols = [agent.SUBPROTOCOL] if path == "nodes/agent" else []
        assert await _opens(f"/{path}", town[who], subprotocols) is (who in welcome), path


@pytest.mark.parametrize("who", STRANGERS)
async def test_no_stream_of_the_api_opens_over_a_socket_that_should_not(
    who: str, town: dict[str, str]
) -> None:
    for route in routes.of_api():
        if route.method == "GET" and not expected(who, route):
            assert not await _opens(route.path, town[who], ["v5.channel.k8s.io"]), route


# Pages

def test_every_page_is_classified() -> None:
    assert set(patterns()) == set(PAGES), "say in PAGES who may ask for the new page"


def browser(user: str) -> Client:
    client = Client()
    if user:
        client.force_login(User.objects.get_or_create(username=user)[0])
        client.cookies[outer_name("sessionid", secure=False)] = client.cookies["sessionid"].value
    return client


def asked(client: Client, method: str, path: str, token: str) -> Any:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return client.get(path, headers=headers) if method == "GET" else client.post(path, headers=headers)


@pytest.mark.parametrize("who", ["anonymous", "node", "revoked"])
def test_nobody_sees_a_page_without_a_session(who: str, town: dict[str, str]) -> None:
    client = browser("")
    for pattern, judged, path, _ in concrete():
        if judged == OPEN:
            continue
        for method in ("GET", "POST"):
            answer = asked(client, method, path, town[who])
            away = answer.status_code == 302 and answer.headers["location"].startswith("/login")
            assert away or answer.status_code in {401, 403, 404, 405}, (method, pattern, answer.status_code)
            assert NAME.encode() not in answer.content.replace(path.encode(), b""), (method, path)


def test_the_token_of_a_line_opens_what_a_machine_needs_to_join(town: dict[str, str]) -> None:
    for pattern, judged, path, _ in concrete():
        if judged == MACHINES and pattern != "join":
            assert asked(browser(""), "GET", path, town["invited"]).status_code == 200
    assert (
        asked(browser(""), "POST", "/join", town["invited"]).status_code == 400
    )  # an empty request, let in and read


def test_what_is_open_to_all_gives_nothing(town: dict[str, str]) -> None:
    client = browser("")
    assert client.get("/login").status_code == 200
    assert client.post("/login", {"username": "root", "password": "guess"}).status_code == 200
    for method in ("GET", "POST"):
        assert asked(client, method, "/setup/guessed", "").status_code == 410


def test_an_editor_of_another_namespace_sees_none_of_it(town: dict[str, str]) -> None:
    client = browser("ed")
    store.write(TEST, lambda tx: tx.delete(by_key(CATALOG), "", NAME))
    for pattern, judged, path, _ in concrete():
        if judged == OBJECTS:
            for method in ("GET", "POST"):
                answer = asked(client, method, path, "")
                assert answer.status_code in {403, 404, 405}, (method, path, answer.status_code)
        elif judged == PEOPLE and pattern != "logout":
            answer = client.get(f"{path}?q={NAME[:3]}")
            assert answer.status_code in {200, 403, 404}, path
            assert NAME.encode() not in answer.content, path


LOOKED_AT = {
    f"apps/{APP}", f"apps/{APP}/compose", f"apps/{APP}/compose/object", "catalog/<str:name>",
}  # fmt: skip


def test_a_viewer_looks_and_does_nothing(town: dict[str, str]) -> None:
    client, before = browser("vera"), store.clock()
    for pattern, judged, path, key in concrete():
        if judged != OBJECTS:
            continue
        looks = pattern.startswith("kinds/") or pattern in LOOKED_AT
        reads = pattern.startswith("actions/logs") or pattern.endswith("/log")
        may_look = (looks or reads) and key in {*VIEWED, CATALOG}
        answer = client.get(path)
        if looks and may_look:
            assert answer.status_code == 200, path
        elif not may_look:
            assert answer.status_code in {403, 404, 405}, (path, answer.status_code)
        said = {"typed": NAME, "replicas": "3", "entry": "password", "do": "pause"}
        assert client.post(path, said).status_code in {403, 404, 405}
    manifest = json.dumps(types.to_data(routes.made(CONFIG_MAP, "new")))
    assert client.post("/create", {"text": manifest, "namespace": SPACE, "do": "create"}).status_code == 403
    assert store.clock() == before
