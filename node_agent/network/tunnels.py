"""Roads to other nodes in the kernel: their routes, and the tunnel where one is needed. By netlink, as ``links``."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Interface
from typing import Any

from pyroute2.netlink.exceptions import NetlinkError

from node_agent.names import Names
from node_agent.network import Neighbour
from node_agent.network.links import MAIN_TABLE, find, kernel, mac_of
from node_agent.network.roads import Road, end_of

log = logging.getLogger(__name__)

PORT = 8472
"""UDP; the kernel's own default, and flannel's."""
OVERHEAD = 50
"""What the tunnel adds to each packet, in bytes."""


@dataclass(frozen=True)
class Tunnel:
    """This node's end: ``name`` sends from ``local`` and belongs to the node with these ``pods``."""

    name: str
    number: int
    local: str
    pods: str
    mtu: int


def faces(foreign: Collection[str]) -> list[tuple[str, IPv4Interface]]:
    """The machine's links and their addresses, without ``foreign`` links and the loopback.

    Also those that are down: a node that shares one with us is no farther away for that.
    """
    found = []
    with kernel() as ipr:
        names = {link["index"]: link.get_attr("IFLA_IFNAME") for link in ipr.get_links()}
        for one in ipr.get_addr(family=socket.AF_INET):
            name = names.get(one["index"], "lo")
            if name != "lo" and name not in foreign:
                text = f"{one.get_attr('IFA_LOCAL') or one.get_attr('IFA_ADDRESS')}/{one['prefixlen']}"
                found.append((name, IPv4Interface(text)))
    return found


def ensure_routes(ours: Names, wanted: Collection[Road]) -> list[str]:
    """Makes our routes to other nodes as ``wanted``; says what it made or took away."""
    changed = []
    with kernel() as ipr:
        indexes = {link.get_attr("IFLA_IFNAME"): link["index"] for link in ipr.get_links()}
        names = {index: name for name, index in indexes.items()}
        present = set()
        for route in ipr.get_routes(family=socket.AF_INET, table=MAIN_TABLE, priority=ours.metric):
            link = names.get(route.get_attr("RTA_OIF"), "")
            pods = f"{route.get_attr('RTA_DST')}/{route['dst_len']}"
            present.add(Road(pods, route.get_attr("RTA_GATEWAY") or "", "" if link == ours.tunnel else link))
        for road in sorted(present - set(wanted)):
            _quietly(ipr.route, "del", dst=road.pods, gateway=road.gateway, priority=ours.metric)
            changed.append(f"route {road.pods}")
        for road in sorted(set(wanted) - present):
            more = {} if road.link else {"flags": "onlink"}
            index = indexes[road.link or ours.tunnel]
            try:
                ipr.route(
                    "replace", dst=road.pods, gateway=road.gateway, oif=index, priority=ours.metric, **more
                )
            except NetlinkError as error:  # the others must not wait for this one; it is tried again
                log.warning("no route to the pods of %s: %s", road.gateway, error)
                continue
            changed.append(f"route {road.pods}")
    return list(dict.fromkeys(changed))


def ensure_tunnel(wanted: Tunnel, far: Collection[Neighbour]) -> list[str]:
    """Makes the tunnel and what it knows of its far ends; says what was missing."""
    made = []
    with kernel() as ipr:
        link = find(ipr, wanted.name)
        if link is not None and not _fits(link, wanted):
            ipr.link("del", index=link["index"])
            link = None
        if link is None:
            ipr.link(
                "add", ifname=wanted.name, kind="vxlan", vxlan_id=wanted.number, vxlan_port=PORT,
                vxlan_learning=False, vxlan_local=wanted.local, address=mac_of(wanted.local), mtu=wanted.mtu,
            )  # fmt: skip
            link = find(ipr, wanted.name)
            made.append(f"tunnel {wanted.name}")
        index = link["index"]
        held = {one.get_attr("IFA_LOCAL") for one in ipr.get_addr(family=socket.AF_INET, index=index)}
        if end_of(wanted.pods) not in held:
            ipr.addr("add", index=index, address=end_of(wanted.pods), prefixlen=32)
            made.append(f"address of {wanted.name}")
        if not link["flags"] & 1:
            ipr.link("set", index=index, state="up")
            made.append(f"tunnel {wanted.name} up")
        made += _ensure_ends(ipr, index, far)
    return made


def _fits(link: Any, wanted: Tunnel) -> bool:
    info = link.get_attr("IFLA_LINKINFO")
    data = info.get_attr("IFLA_INFO_DATA") if info is not None else None
    return (
        data is not None
        and data.get_attr("IFLA_VXLAN_ID") == wanted.number
        and data.get_attr("IFLA_VXLAN_LOCAL") == wanted.local
        and link.get_attr("IFLA_MTU") == wanted.mtu
    )


def _ensure_ends(ipr: Any, index: int, far: Collection[Neighbour]) -> list[str]:
    """Which node has which end of the tunnel, fixed: nothing is asked and nothing learned."""
    made = []
    cards = {
        (one.get_attr("NDA_DST"), one.get_attr("NDA_LLADDR")) for one in ipr.get_neighbours(ifindex=index)
    }
    hosts = {
        (one.get_attr("NDA_LLADDR"), one.get_attr("NDA_DST"))
        for one in ipr.get_neighbours(family=socket.AF_BRIDGE, ifindex=index)
    }
    for each in far:
        card, end = mac_of(each.address), end_of(each.pods)
        if (end, card) not in cards:
            ipr.neigh("replace", ifindex=index, dst=end, lladdr=card, state="permanent")
            made.append(f"tunnel end {end}")
        if (card, each.address) not in hosts:
            ipr.fdb("append", ifindex=index, lladdr=card, dst=each.address)
            made.append(f"tunnel to {each.address}")
    ends = {(end_of(each.pods), mac_of(each.address)) for each in far}
    for end, card in cards - ends:
        if end is not None and card is not None:
            _quietly(ipr.neigh, "del", ifindex=index, dst=end, lladdr=card)
    cards_wanted = {(mac_of(each.address), each.address) for each in far}
    for card, host in hosts - cards_wanted:
        if host is not None:
            _quietly(ipr.fdb, "del", ifindex=index, lladdr=card, dst=host)
    return made


def _quietly(act: Any, *words: str, **what: Any) -> None:
    """What is to go may have gone already."""
    try:
        act(*words, **what)
    except NetlinkError as error:
        if error.code not in (errno.ESRCH, errno.ENOENT, errno.ENODEV):
            raise
