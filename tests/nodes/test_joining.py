"""A machine becomes a node: once, with a line that is good, under a name and with routes that fit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from apps.accounts import node_identity, tokens
from apps.accounts.models import Token
from apps.cluster import store, types
from apps.cluster.actors import system
from apps.cluster.errors import ApiError, BadRequest, Conflict, Invalid, Unauthorized
from apps.cluster.kinds import NODE
from apps.cluster.types.joining import Joined, JoinRequest, Route
from apps.nodes import heartbeats, invitations, joining
from apps.nodes.invitations import Wish
from apps.nodes.models import Invitation
from node_agent import keys

TEST = system("test")
KEY, OTHER_KEY = keys.new(), keys.new()


def now() -> datetime:
    return datetime.now(UTC)


def line(**wish: object) -> str:
    return invitations.invite(TEST, Wish(**wish), now())[0]  # type: ignore[arg-type]


def asked(node: str = "web-1", key: str = KEY, **changes: object) -> JoinRequest:
    usual = {"address": "192.0.2.7", "request": keys.request(node, key), "clock": now()}
    return JoinRequest(node=node, **(usual | changes))  # type: ignore[arg-type]


def join(text: str, request: JoinRequest | None = None) -> Joined:
    return joining.join(text, request or asked(), now())


def node(name: str = "web-1") -> types.Node:
    found: types.Node = store.get(NODE, "", name).object
    return found


def speaks_for(joined: Joined) -> str:
    actor = tokens.check(joined.identity.token)
    return actor.node if actor else ""


def test_a_machine_that_joins_has_an_identity_and_what_the_line_says(cluster: None) -> None:
    taint = types.Taint(key="gpu", value="yes", effect="NoSchedule")
    joined = join(line(labels={"disk": "ssd"}, taints=[taint]))
    assert speaks_for(joined) == "web-1"
    assert node().metadata.labels == {"disk": "ssd", "kubernetes.io/hostname": "web-1"}
    assert node().spec.taints == [taint]
    assert node().spec.pod_cidr
    assert "BEGIN CERTIFICATE" in joined.identity.certificate
    assert KEY not in types.encode(joined).decode()


def test_a_line_is_kept_as_a_digest_only(cluster: None) -> None:
    text = line()
    assert text not in str(Invitation.objects.values().get())


def test_a_line_works_once(cluster: None) -> None:
    text = line()
    join(text)
    with pytest.raises(Unauthorized, match=r"used by node web-1: make a new one"):
        join(text, asked("web-2", OTHER_KEY))
    assert store.find(NODE, "", "web-2") is None


def test_an_answer_that_was_lost_is_given_again_to_the_same_machine(cluster: None) -> None:
    text = line()
    join(text)
    assert speaks_for(join(text)) == "web-1"


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "does not know"), ("drv_something", "does not know"), (invitations.PREFIX + "x", "does not know")],
)
def test_a_token_that_is_none_is_refused(text: str, words: str, cluster: None) -> None:
    with pytest.raises(Unauthorized, match=words):
        join(text)


def test_a_line_ends(cluster: None) -> None:
    text = line(ttl=timedelta(minutes=5))
    Invitation.objects.update(expires_at=now())
    with pytest.raises(Unauthorized, match="this line ended at"):
        join(text)


REFUSED: list[tuple[dict[str, object], type[ApiError], str]] = [
    ({"node": "A_b"}, Invalid, "choose one with --name"),
    ({"node": "n" * 64}, Invalid, "63"),
    ({"clock": datetime.now(UTC) + timedelta(hours=2)}, BadRequest, "s ahead of the server's.*timedatectl"),
    ({"clock": datetime.now(UTC) - timedelta(hours=2)}, BadRequest, "s behind the server's"),
    ({"routes": [Route(network="10.64.3.0/24", link="tun0")]}, BadRequest, "10.64.3.0/24 by tun0.*POD_CIDR"),
    ({"routes": [Route(network="10.254.0.0/16", link="eth1")]}, BadRequest, "SERVICE_CIDR"),
    ({"routes": [Route(network="10.0.0.0/8", link="eth0", direct=True)]}, BadRequest, "10.0.0.0/8 by eth0"),
    ({"request": "no request"}, Invalid, "PEM signing request"),
]


@pytest.mark.parametrize(("changes", "error", "words"), REFUSED)
def test_a_machine_that_does_not_fit_is_told_why_and_keeps_its_line(
    changes: dict[str, object], error: type[ApiError], words: str, cluster: None
) -> None:
    text, before = line(), store.clock()
    name = str(changes.get("node", "web-1"))
    with pytest.raises(error, match=words):
        join(text, asked(**({"node": name, "request": keys.request("n", KEY)} | changes)))  # type: ignore[arg-type]
    assert store.clock() == before
    assert speaks_for(join(text)) == "web-1"


def test_a_wider_route_through_a_gateway_may_stay(cluster: None) -> None:
    routes = [Route(network="0.0.0.0/0", link="eth0"), Route(network="10.0.0.0/8", link="eth0")]
    assert speaks_for(join(line(), asked(routes=routes)))


# Names that are taken


def heard(name: str, ago: timedelta) -> None:
    heartbeats.claim(name, "a-connection", now() - ago)


ALIVE, SILENT = timedelta(0), timedelta(hours=1)


@pytest.mark.parametrize("ago", [ALIVE, SILENT])
def test_the_same_machine_takes_its_name_back_with_a_new_line(ago: timedelta, cluster: None) -> None:
    first = join(line())
    heard("web-1", ago)
    second = join(line(labels={"disk": "ssd"}))
    assert speaks_for(second) == "web-1"
    assert node().metadata.labels["disk"] == "ssd"
    assert speaks_for(first), "the agent that runs with it may go on until it is started anew"


def test_a_machine_whose_token_leaked_and_was_revoked_is_let_in_again_by_its_key(cluster: None) -> None:
    first = join(line())
    tokens.revoke(actor="system:node:web-1")
    assert speaks_for(join(line())) == "web-1"
    assert not speaks_for(first)


def test_nobody_else_gets_the_name_of_a_node_that_lives(cluster: None) -> None:
    first = join(line())
    heard("web-1", ALIVE)
    for text in (line(), line(name="web-1")):
        with pytest.raises(Conflict, match="alive: choose another with --name"):
            join(text, asked(key=OTHER_KEY))
    assert speaks_for(first)


def test_the_name_of_a_silent_node_goes_to_the_machine_that_a_line_names_it_for(cluster: None) -> None:
    first = join(line())
    heard("web-1", SILENT)
    with pytest.raises(Conflict, match=r"last heard at .*node remove web-1"):
        join(line(), asked(key=OTHER_KEY))
    assert speaks_for(join(line(name="web-1"), asked(key=OTHER_KEY))) == "web-1"
    assert not speaks_for(first)
    assert node_identity.node_left(first.identity.token) == "web-1", "the machine that had it must stop what it runs"


def test_a_line_for_one_node_lets_in_no_other(cluster: None) -> None:
    with pytest.raises(Conflict, match="made for node web-2"):
        join(line(name="web-2"))


# Identities


def test_a_removed_node_loses_its_identity_in_the_same_write(cluster: None) -> None:
    joined = join(line())
    cidr = node().spec.pod_cidr
    with pytest.raises(ZeroDivisionError):
        store.write(TEST, lambda tx: (tx.delete(NODE, "", "web-1"), 1 / 0))
    assert speaks_for(joined)
    store.write(TEST, lambda tx: tx.delete(NODE, "", "web-1"))
    assert not speaks_for(joined)
    assert node_identity.node_left(joined.identity.token) == "web-1"
    assert speaks_for(join(line(), asked("web-2", OTHER_KEY)))
    assert node("web-2").spec.pod_cidr == cidr, "its network is free again"


def test_a_token_that_is_merely_revoked_does_not_say_that_the_node_left(cluster: None) -> None:
    joined = join(line())
    tokens.revoke(actor="system:node:web-1")
    assert not speaks_for(joined)
    assert not node_identity.node_left(joined.identity.token)


def test_a_new_identity_ends_the_older_ones_when_it_is_used(cluster: None) -> None:
    first = join(line()).identity.token
    second = node_identity.issue("web-1", keys.request("web-1", OTHER_KEY).encode(), now()).token
    assert tokens.check(first)
    node_identity.used(second)
    assert not tokens.check(first)
    assert tokens.check(second)
    assert not node_identity.node_left(first)


def test_an_identity_is_due_well_before_it_ends(cluster: None) -> None:
    text = join(line()).identity.token
    assert not node_identity.is_due(text, now())
    assert node_identity.is_due(text, now() + node_identity.LIFE - node_identity.RENEW_BEFORE + timedelta(hours=1))
    assert Token.objects.get().expires_at


# What a line may say


@pytest.mark.parametrize(
    ("read", "text", "words"),
    [
        (invitations.read_labels, "disk", "labels"),
        (invitations.read_labels, "a=1,a=2", "labels"),
        (invitations.read_taints, "gpu", "taints"),
        (invitations.read_ttl, "10", "ttl"),
        (invitations.read_ttl, "", "ttl"),
    ],
)
def test_what_cannot_be_read_names_the_option(read: Callable[[str], object], text: str, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        read(text)


@pytest.mark.parametrize(
    ("wish", "error"),
    [
        (Wish(labels={"a b": "c"}), Invalid),
        (Wish(taints=[types.Taint(key="a", effect="Never")]), Invalid),
        (Wish(name="A"), Invalid),
        (Wish(ttl=timedelta(0)), BadRequest),
        (Wish(ttl=timedelta(days=8)), BadRequest),
    ],
)
def test_a_line_that_no_node_could_come_from_is_not_made(wish: Wish, error: type[ApiError], cluster: None) -> None:
    with pytest.raises(error):
        invitations.invite(TEST, wish, now())
    assert not Invitation.objects.exists()


def test_what_is_written_is_read() -> None:
    assert invitations.read_labels("disk=ssd, zone=a") == {"disk": "ssd", "zone": "a"}
    assert invitations.read_taints("gpu=yes:NoSchedule,quiet:NoExecute") == [
        types.Taint(key="gpu", value="yes", effect="NoSchedule"), types.Taint(key="quiet", effect="NoExecute"),
    ]  # fmt: skip
    assert invitations.read_ttl("90s") == timedelta(seconds=90)
    assert invitations.read_ttl("2d") == timedelta(days=2)
