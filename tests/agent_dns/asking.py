"""A small cluster's names, and questions in words."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path

import dns.message
import dns.rcode
import dns.rdatatype
from msgspec.structs import replace

from apps.cluster import types
from node_agent.dns.records import Listed, listed
from node_agent.dns.server import Answers
from node_agent.dns.upstream import Servers, Upstream
from node_agent.dns.wire import TCP_ROOM, question
from node_agent.dns.zone import Zone
from tests.agent_net.objects import endpoints, service

OWN = "10.254.0.10"
NETWORKS = ("10.254.0.0/16", "10.64.0.0/10")
REDIS = service("redis-master", "10.254.0.11", ("redis", 6379, 0))
BEHIND_REDIS = [endpoints("redis-master", ["10.64.0.9"], ("redis", 6379))]
DNS = service("kube-dns", OWN, ("dns", 53, 0), namespace="kube-system", protocol="UDP")
PEERS = service("peers", "None", ("gossip", 7000, 0), namespace="shop")
BEHIND_PEERS = [
    replace(
        endpoints("peers", ["10.64.0.5", "10.64.1.6"], ("gossip", 7000), namespace="shop"),
        endpoints=[
            types.Endpoint(addresses=["10.64.0.5"], hostname="peer-0"),
            types.Endpoint(addresses=["10.64.1.6"]),
            types.Endpoint(
                addresses=["10.64.0.7"], hostname="peer-1", conditions=types.EndpointConditions(ready=False)
            ),
        ],
    )
]
EMPTY = service("empty", "None", ("http", 80, 0), namespace="shop")
ALIASES = (
    Listed("shop", "inner", alias="redis-master.default.svc.cluster.local"),
    Listed("shop", "chain", alias="inner.shop.svc.cluster.local"),
    Listed("shop", "round", alias="round.shop.svc.cluster.local"),
    Listed("shop", "dangling", alias="gone.shop.svc.cluster.local"),
    Listed("shop", "outer", alias="db.example.org"),
)


def zone() -> Zone:
    made = Zone([IPv4Network(each) for each in NETWORKS])
    for one, behind in ((REDIS, BEHIND_REDIS), (DNS, []), (PEERS, BEHIND_PEERS), (EMPTY, [])):
        made.put(listed(one, behind))
    for alias in ALIASES:
        made.put(alias)
    return made


def answers(of: Zone | None = None) -> Answers:
    """With no server to ask for other names."""
    return Answers(of or zone(), Upstream(Servers(OWN, Path("/nowhere"))))


def packet(name: str, kind: str = "A", **options: object) -> bytes:
    return dns.message.make_query(name, kind, **options).to_wire()  # type: ignore[arg-type]


def told(made: bytes | None) -> list[str]:
    """rcode, then the answers in short: type and value."""
    assert made is not None
    message = dns.message.from_wire(made)
    found = [
        f"{dns.rdatatype.to_text(rrset.rdtype)} {str(rdata).lower()}"
        for rrset in message.answer
        for rdata in rrset
    ]
    return [dns.rcode.to_text(message.rcode()), *found]


def ask(name: str, kind: str = "A", of: Answers | None = None) -> list[str]:
    return told((of or answers()).at_once(question(packet(name, kind)), TCP_ROOM))
