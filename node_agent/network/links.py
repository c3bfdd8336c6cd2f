"""Bridge, cables, addresses and routes of one machine, by netlink; ``tunnels`` leads to the others.

Each call opens its own socket, in the network namespace of the calling thread; that costs about a millisecond
and spares any sharing between the threads of the pods.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Network
from threading import Thread
from typing import Any, NamedTuple, TypeVar

from pyroute2 import IPRoute, netns
from pyroute2.netlink.exceptions import NetlinkError

from node_agent.names import Names
from node_agent.network import NetworkError

T = TypeVar("T")

ETHERNET_MTU = 1500
MAIN_TABLE = 254
LOOPBACK = 1
HOST_SCOPE = 254
HAIRPIN = 1
"""A pod that reaches itself through a service gets its frame back on the port it came from."""


@dataclass(frozen=True)
class Cable:
    """One pod's pair of links: ``name`` on the bridge, eth0 with ``address`` in the pod."""

    name: str
    bridge: str
    address: str
    prefix: int
    gateway: str
    mtu: int


def mac_of(address: str) -> str:
    """The hardware address that goes with an address: caches elsewhere stay right whoever has it next."""
    return "02:d0:" + ":".join(f"{byte:02x}" for byte in socket.inet_aton(address))


@contextmanager
def kernel() -> Iterator[Any]:
    """A netlink socket; what the kernel refuses is said as a ``NetworkError``."""
    with closing(IPRoute()) as ipr:
        try:
            yield ipr
        except NetlinkError as error:
            raise NetworkError(f"the kernel refused a change of the network: {error}") from error


def uplink_mtu(address: str) -> int:
    """The MTU of the link that has the machine's address, else of the one that carries the default route, else
    Ethernet's."""
    with kernel() as ipr:
        for one in ipr.get_addr(family=socket.AF_INET, address=address) if address else ():
            if one["index"] != LOOPBACK:
                return int(ipr.get_links(one["index"])[0].get_attr("IFLA_MTU"))
        for route in ipr.get_default_routes(family=socket.AF_INET, table=MAIN_TABLE):
            index = route.get_attr("RTA_OIF")
            if index is not None:
                return int(ipr.get_links(index)[0].get_attr("IFLA_MTU"))
    return ETHERNET_MTU


def ensure_bridge(name: str, address: str, prefix: int, mtu: int) -> list[str]:
    """Makes bridge and address where they are missing; says what it made."""
    made = []
    with kernel() as ipr:
        link = find(ipr, name)
        if link is None:
            # A fixed hardware address: a bridge without one changes it with its ports, and pods cache it.
            ipr.link("add", ifname=name, kind="bridge", address=mac_of(address), mtu=mtu)
            link = find(ipr, name)
            made.append(f"bridge {name}")
        if link is None:
            raise NetworkError(f"bridge {name} vanished while it was made")
        index = link["index"]
        present = {
            (one.get_attr("IFA_ADDRESS"), one["prefixlen"])
            for one in ipr.get_addr(family=socket.AF_INET, index=index)
        }
        if (address, prefix) not in present:
            ipr.addr("add", index=index, address=address, prefixlen=prefix)
            made.append(f"address {address}/{prefix}")
        if not link["flags"] & 1:
            ipr.link("set", index=index, state="up")
            made.append(f"bridge {name} up")
    return made


def ensure_address(bridge: str, address: str) -> list[str]:
    """Gives the bridge one more address of the machine's own. Nothing is ever sent from it unasked: where it is not
    the answer's, the kernel goes on choosing the first."""
    with kernel() as ipr:
        index = _index(ipr, bridge)
        present = {one.get_attr("IFA_ADDRESS") for one in ipr.get_addr(family=socket.AF_INET, index=index)}
        if address in present:
            return []
        ipr.addr("add", index=index, address=address, prefixlen=32, scope=HOST_SCOPE)
    return [f"address {address}/32"]


def ensure_addresses(name: str, addresses: Collection[str]) -> list[str]:
    """Makes a link of its own hold exactly these addresses; says what was missing."""
    made = []
    with kernel() as ipr:
        link = find(ipr, name)
        if link is None:
            ipr.link("add", ifname=name, kind="bridge")
            link = find(ipr, name)
        if link is None:
            raise NetworkError(f"link {name} vanished while it was made")
        index = link["index"]
        if not link["flags"] & 1:
            ipr.link("set", index=index, state="up")
        held = {one.get_attr("IFA_ADDRESS") for one in ipr.get_addr(family=socket.AF_INET, index=index)}
        for address in held - set(addresses):
            ipr.addr("del", index=index, address=address, prefixlen=32)
        for address in sorted(set(addresses) - held):
            ipr.addr("add", index=index, address=address, prefixlen=32)
            made.append(f"address {address}")
    return made


def link_of(address: str) -> tuple[str, str] | None:
    """Name and hardware address of the link that has the machine's address; None for loopback or none at all."""
    with kernel() as ipr:
        for one in ipr.get_addr(family=socket.AF_INET, address=address) if address else ():
            link = ipr.get_links(one["index"])[0]
            if link["index"] != LOOPBACK:
                return link.get_attr("IFLA_IFNAME"), link.get_attr("IFLA_ADDRESS")
    return None


def ensure_route(bridge: str, cidr: str, source: str) -> list[str]:
    """Sends what goes to a service into the bridge, so that it is routed at all before rules rewrite it.

    What this machine sends there comes from ``source``: of the bridge's other addresses pods know no way back.
    """
    with kernel() as ipr:
        index = _index(ipr, bridge)
        for route in ipr.get_routes(family=socket.AF_INET, table=MAIN_TABLE, oif=index):
            same = f"{route.get_attr('RTA_DST')}/{route['dst_len']}" == cidr
            if same and route.get_attr("RTA_PREFSRC") == source:
                return []
        ipr.route("replace", dst=cidr, oif=index, scope="link", prefsrc=source)
    return [f"route {cidr}"]


class Found(NamedTuple):
    """An IPv4 route of the machine; ``direct`` when its network is right there, behind no gateway."""

    network: IPv4Network
    link: str
    direct: bool


def foreign_routes(ours: Names) -> Iterator[Found]:
    """Where the machine sends what, this agent's own routes aside."""
    with kernel() as ipr:
        names = {link["index"]: link.get_attr("IFLA_IFNAME") for link in ipr.get_links()}
        for route in ipr.get_routes(family=socket.AF_INET, table=MAIN_TABLE):
            name, address = names.get(route.get_attr("RTA_OIF"), ""), route.get_attr("RTA_DST")
            own = name in ("", ours.bridge, ours.tunnel) or route.get_attr("RTA_PRIORITY") == ours.metric
            if not own and address is not None:
                direct = route.get_attr("RTA_GATEWAY") is None
                yield Found(IPv4Network((address, route["dst_len"])), name, direct)


def taken(ours: Names, cidr: str) -> str:
    """Which other link already leads into this range; "" for none. Wider routes do not count: ours wins."""
    wanted = IPv4Network(cidr)
    found = (route.link for route in foreign_routes(ours) if route.network.subnet_of(wanted))
    return next(found, "")


def ensure_ports(bridge: str, names: set[str]) -> list[str]:
    """Plugs cables back into the bridge, with hairpin, where that was undone."""
    mended = []
    with kernel() as ipr:
        index = _index(ipr, bridge)
        for link in ipr.get_links():
            name = link.get_attr("IFLA_IFNAME")
            if name not in names:
                continue
            if (link.get_attr("IFLA_MASTER") != index or not _hairpin(link)) and _plug(ipr, link, index):
                mended.append(f"cable {name}")
    return mended


def lay(cable: Cable, pid: int) -> None:
    """Connects the network namespace of ``pid``; a whole cable stays, a half one is laid anew."""
    with _space_of(pid) as space, kernel() as ipr:
        bridge = _index(ipr, cable.bridge)
        if not _add_pair(ipr, cable, bridge, space):
            if _inside(space, partial(_asked, _Ready(cable))):
                return
            _cut(ipr, cable.name)
            if not _add_pair(ipr, cable, bridge, space):
                raise NetworkError("cannot connect the pod: it has an eth0 that is not ours")
        ipr.brport("set", index=_index(ipr, cable.name), mode=HAIRPIN)
        _inside(space, partial(_asked, _Dress(cable)))


def cut(name: str) -> None:
    """Removes a cable; nothing happens when there is none."""
    with kernel() as ipr:
        _cut(ipr, name)


def names_with(prefix: str) -> list[str]:
    with kernel() as ipr:
        names = [link.get_attr("IFLA_IFNAME") for link in ipr.get_links()]
    return [name for name in names if name.startswith(prefix)]


def find(ipr: Any, name: str) -> Any:
    try:
        return ipr.link("get", ifname=name)[0]
    except NetlinkError as error:
        if error.code == errno.ENODEV:
            return None
        raise


def _index(ipr: Any, name: str) -> int:
    link = find(ipr, name)
    if link is None:
        raise NetworkError(f"there is no link {name}")
    return int(link["index"])


def _add_pair(ipr: Any, cable: Cable, bridge: int, space: int) -> bool:
    """False when one of its ends is there already."""
    peer = {"ifname": "eth0", "net_ns_fd": space, "address": mac_of(cable.address), "mtu": cable.mtu}
    try:
        ipr.link("add", ifname=cable.name, kind="veth", master=bridge, mtu=cable.mtu, state="up", peer=peer)
    except NetlinkError as error:
        if error.code == errno.EEXIST:
            return False
        raise
    return True


def _plug(ipr: Any, link: Any, bridge: int) -> bool:
    """False when the cable went away meanwhile."""
    try:
        ipr.link("set", index=link["index"], master=bridge, state="up")
        ipr.brport("set", index=link["index"], mode=HAIRPIN)
    except NetlinkError as error:
        if error.code == errno.ENODEV:
            return False
        raise
    return True


def _hairpin(link: Any) -> bool:
    data = (link.get_attr("IFLA_LINKINFO") or {}).get("attrs", [])
    for name, value in data:
        if name == "IFLA_INFO_SLAVE_DATA":
            return bool(value.get_attr("IFLA_BRPORT_MODE"))
    return False


def _cut(ipr: Any, name: str) -> None:
    try:
        ipr.link("del", ifname=name)
    except NetlinkError as error:
        if error.code != errno.ENODEV:
            raise


@dataclass(frozen=True)
class _Ready:
    """Is eth0 there with its address?"""

    cable: Cable

    def __call__(self, ipr: Any) -> bool:
        link = find(ipr, "eth0")
        if link is None:
            return False
        addresses = ipr.get_addr(family=socket.AF_INET, index=link["index"])
        return any(one.get_attr("IFA_ADDRESS") == self.cable.address for one in addresses)


@dataclass(frozen=True)
class _Dress:
    """Gives the pod's side its address and its way out."""

    cable: Cable

    def __call__(self, ipr: Any) -> bool:
        ipr.link("set", index=LOOPBACK, state="up")
        index = _index(ipr, "eth0")
        ipr.addr("add", index=index, address=self.cable.address, prefixlen=self.cable.prefix)
        ipr.link("set", index=index, state="up")
        ipr.route("add", dst="default", gateway=self.cable.gateway)
        return True


def socket_inside(pid: int, family: int) -> socket.socket:
    """A TCP socket in the network of ``pid``, not blocking: it stays there, whoever uses it."""
    with _space_of(pid) as space:
        made = _inside(space, lambda: socket.socket(family, socket.SOCK_STREAM))
    made.setblocking(False)
    return made


@contextmanager
def _space_of(pid: int) -> Iterator[int]:
    try:
        space = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    except OSError:
        raise NetworkError(f"process {pid} of the pod is gone") from None
    try:
        yield space
    finally:
        os.close(space)


def _asked(act: _Ready | _Dress) -> bool:
    with kernel() as ipr:
        return act(ipr)


def _inside(space: int, act: Callable[[], T]) -> T:
    """Runs ``act`` in another network namespace, in a thread of its own that ends there."""
    answer: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            netns.setns(space)
            answer.append(act())
        except BaseException as error:  # noqa: BLE001 - it is raised again in the calling thread
            failure.append(error)

    thread = Thread(target=run, name="inside")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return answer[0]
