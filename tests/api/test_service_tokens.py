"""serviceaccounts/token and tokenreviews, as clients, nodes and other servers ask for them."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts import service_tokens, tokens
from apps.cluster import store, types
from apps.cluster.actors import node, system
from apps.cluster.kinds import NODE, POD, SERVICE_ACCOUNT
from apps.cluster.registry import Kind
from apps.cluster.work import in_db
from tests.api.doors import Door, Reply
from tests.builders import build

TEST = system("test")
PATH = "/api/v1/namespaces/default/serviceaccounts/reader/token"
REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"


def request(**spec: Any) -> dict[str, Any]:
    return {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": spec}


def to_pod(name: str, **more: str) -> dict[str, Any]:
    return request(boundObjectRef={"kind": "Pod", "apiVersion": "v1", "name": name, **more})


async def create(kind: Kind, **changes: Any) -> Any:
    return await in_db(lambda: store.write(TEST, lambda tx: tx.create(kind, build(kind, **changes))))


async def bound_pod(name: str, to: str) -> types.Pod:
    await create(POD, name=name, spec__service_account_name="reader")
    pod: types.Pod = await in_db(lambda: store.write(TEST, lambda tx: tx.bind("default", name, to)))
    return pod


async def as_node(door: Door, name: str) -> Door:
    actor = node(name)
    return type(door)(await in_db(tokens.issue, actor.name, actor.groups))


def refused(reply: Reply, code: int) -> bool:
    return reply.code == code and reply.data["kind"] == "Status"


async def test_a_token_is_given_with_its_end(door: Door) -> None:
    await create(SERVICE_ACCOUNT, name="reader")
    given = await door.ask("POST", PATH, request(expirationSeconds=900))
    assert given.code == 201
    assert given.data["spec"]["expirationSeconds"] == 900
    actor = await in_db(service_tokens.check, given.data["status"]["token"])
    assert actor is not None and actor.name == "system:serviceaccount:default:reader"
    assert given.data["status"]["expirationTimestamp"]


async def test_kubectls_protobuf_is_read(door: Door) -> None:
    await create(SERVICE_ACCOUNT, name="reader")
    named = b"\x0a\x18authentication.k8s.io/v1" + b"\x12\x0cTokenRequest"
    spec = b"\x12\x03" + b"\x20\x84\x07"  # spec { expirationSeconds: 900 }
    body = b"k8s\x00" + b"\x0a" + bytes([len(named)]) + named + b"\x12" + bytes([len(spec)]) + spec
    given = await door.ask("POST", PATH, body, {"content-type": "application/vnd.kubernetes.protobuf"})
    assert given.code == 201, given.body
    assert given.data["spec"]["expirationSeconds"] == 900


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (request(expirationSeconds=1), 422),
        (request(audiences=["a"] * 17), 422),
        (to_pod("nosuch"), 404),
        (request(boundObjectRef={"kind": "Node", "name": "n1"}), 422),
        (to_pod("web", uid="another"), 409),
        (to_pod("other"), 400),
        (request(surprise=1), 400),
    ],
)
async def test_what_cannot_be_given_is_refused(door: Door, body: dict[str, Any], code: int) -> None:
    await create(SERVICE_ACCOUNT, name="reader")
    await create(POD, name="web", spec__service_account_name="reader")
    await create(POD, name="other")
    assert refused(await door.ask("POST", PATH, body), code)


async def test_a_node_gets_tokens_of_its_own_pods_alone(door: Door) -> None:
    await create(SERVICE_ACCOUNT, name="reader")
    await create(SERVICE_ACCOUNT, name="unused")
    for name in ("n1", "n2"):
        await create(NODE, name=name)
    mine, foreign = await bound_pod("mine", "n1"), await bound_pod("foreign", "n2")
    agent = await as_node(door, "n1")
    given = await agent.ask("POST", PATH, to_pod("mine", uid=mine.metadata.uid))
    assert given.code == 201, given.body
    assert refused(await agent.ask("POST", PATH, to_pod("foreign", uid=foreign.metadata.uid)), 403)
    assert refused(await agent.ask("POST", PATH, request()), 403), "not without a pod"
    unused = PATH.replace("reader", "unused")
    assert (await agent.ask("POST", unused, to_pod("mine"))).code in {403, 404}
    assert (await agent.ask("GET", PATH.removesuffix("/token"))).code in {403, 404}


async def test_without_a_role_nobody_gets_one(door: Door) -> None:
    await create(SERVICE_ACCOUNT, name="reader")
    stranger = type(door)(await in_db(tokens.issue, "ana"))
    assert (await stranger.ask("POST", PATH, request())).code in {403, 404}


async def test_other_servers_ask_whose_a_token_is(door: Door) -> None:
    made = await create(SERVICE_ACCOUNT, name="reader")
    text = (await in_db(service_tokens.issue, made)).text
    body = {"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "spec": {"token": text}}
    told = await door.ask("POST", REVIEWS, body)
    assert told.data["status"]["authenticated"] is True
    assert told.data["status"]["user"]["username"] == "system:serviceaccount:default:reader"
    assert text.encode() not in told.body, "an answer is no place for a token"
    told = await door.ask("POST", REVIEWS, {**body, "spec": {"token": text, "audiences": ["vault"]}})
    assert told.data["status"]["authenticated"] is False
    bearer = type(door)(text)
    assert refused(await bearer.ask("POST", REVIEWS, body), 403), "it needs a role"
