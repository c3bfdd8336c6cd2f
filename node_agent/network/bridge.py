"""The default network: one bridge per node, a cable for each pod."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network
from math import inf
from pathlib import Path
from time import monotonic

from node_agent.names import Names
from node_agent.network import Neighbour, NetworkError, firewall, links, roads, sysctls, tunnels
from node_agent.network.firewall import Firewall
from node_agent.network.kernel import Changes
from node_agent.network.leases import Leases
from node_agent.network.roads import Roads
from node_agent.network.tunnels import Tunnel

log = logging.getLogger(__name__)

LOOK_SECONDS = 60.0
"""Now and then all is read, whatever the kernel has told of changes."""


@dataclass(frozen=True)
class _Started:
    """What ``start`` settled."""

    leases: Leases
    service_cidr: str
    cluster_cidr: str
    uplink_mtu: int
    dns: str
    mtu: int
    changes: Changes


class BridgeNetwork:
    """A ``PodNetwork``, safe to use from several threads. Works in the calling thread's network namespace.

    ``address`` is the machine's own; ``mode`` one of ``roads.MODES``.
    """

    def __init__(self, names: Names, state_dir: Path, address: str = "", mode: str = roads.AUTO) -> None:
        self._names = names
        self._file = state_dir / "addresses.json"
        self._address = address
        self._mode = mode
        self._others: tuple[Neighbour, ...] = ()
        self._lost: tuple[str, ...] = ()
        self._state: _Started | None = None
        self._looked = -inf
        """When all was found as it should be."""

    def start(self, pod_cidr: str, service_cidr: str, cluster_cidr: str = "", dns: str = "") -> None:
        network = IPv4Network(pod_cidr)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        for setting, cidr in (("POD_CIDR", cluster_cidr or pod_cidr), ("SERVICE_CIDR", service_cidr)):
            other = links.taken(self._names, cidr)
            if other:
                raise NetworkError(
                    f"{cidr} is in use on {other}: choose another range with {setting}=, or remove that link"
                )
        leases = Leases(self._file, network)
        alive = set(links.names_with(self._names.link_prefix))
        leases.keep_only([uid for uid in leases.held() if self._names.link(uid) in alive])
        uplink_mtu = links.uplink_mtu(self._address)
        # Where only some nodes are behind the tunnel, the kernel tells pods of the smaller size as they meet it.
        mtu = uplink_mtu - (tunnels.OVERHEAD if self._mode == roads.VXLAN else 0)
        changes = self._state.changes if self._state is not None else Changes()
        self._state = _Started(leases, service_cidr, cluster_cidr or pod_cidr, uplink_mtu, dns, mtu, changes)
        self._looked = -inf
        self.verify()
        for lack in sysctls.missing(self._names.bridge):
            log.warning("the kernel lacks %s: a pod may not reach a service whose pod is beside it", lack)

    def connect(self, others: Iterable[Neighbour]) -> None:
        wanted = tuple(sorted(others))
        if wanted == self._others:
            return
        self._others, self._looked = wanted, -inf
        if self._state is not None:
            self.verify()

    def attach(self, uid: str, pid: int) -> str:
        state = self._started()
        address = state.leases.take(uid)
        cable = links.Cable(
            name=self._names.link(uid),
            bridge=self._names.bridge,
            address=address,
            prefix=state.leases.network.prefixlen,
            gateway=state.leases.gateway,
            mtu=state.mtu,
        )
        links.lay(cable, pid)
        return address

    def adopt(self, uid: str, address: str) -> None:
        self._started().leases.hold(uid, address)

    def detach(self, uid: str) -> None:
        links.cut(self._names.link(uid))
        self._started().leases.give(uid)

    def verify(self) -> list[str]:
        state = self._started()
        mended: list[str] = []
        if state.changes.happened() or monotonic() - self._looked > LOOK_SECONDS:
            self._looked = -inf
            mended = self._look(state)
            if not mended:
                self._looked = monotonic()
        return mended + sysctls.ensure(self._names.bridge, self._names.tunnel)

    def _look(self, state: _Started) -> list[str]:
        bridge = self._names.bridge
        network = state.leases.network
        mended = links.ensure_bridge(bridge, state.leases.gateway, network.prefixlen, state.mtu)
        mended += links.ensure_route(bridge, state.service_cidr, state.leases.gateway)
        if state.dns:
            mended += links.ensure_address(bridge, state.dns)
        mended += links.ensure_ports(bridge, {self._names.link(uid) for uid in state.leases.held()})
        led, laid = self._lead(state)
        rules = firewall.plan(
            self._names, str(network), state.service_cidr, state.cluster_cidr, led, state.dns
        )
        return mended + laid + Firewall(self._names, rules).ensure()

    def _lead(self, state: _Started) -> tuple[Roads, list[str]]:
        """The ways to the other nodes, laid; and what was missing of them."""
        names, pods = self._names, str(state.leases.network)
        own = tunnels.faces((names.bridge, names.tunnel))
        led = roads.plan((each for each in self._others if each.pods != pods), own, self._mode)
        mended = []
        if led.tunnelled:
            mtu = state.uplink_mtu - tunnels.OVERHEAD
            number = roads.tunnel_number(state.cluster_cidr)
            tunnel = Tunnel(names.tunnel, number, self._address, pods, mtu)
            mended += tunnels.ensure_tunnel(tunnel, led.tunnelled)
        else:
            links.cut(names.tunnel)
        if led.lost != self._lost:
            self._lost = led.lost
            if led.lost:
                log.warning(
                    "no way to the pods of %s: they share no link with this node", ", ".join(led.lost)
                )
        return led, mended + tunnels.ensure_routes(names, led.routes)

    def remove(self) -> None:
        for name in links.names_with(self._names.link_prefix):
            links.cut(name)
        tunnels.ensure_routes(self._names, ())
        for name in (self._names.tunnel, self._names.bridge):
            links.cut(name)
        firewall.remove(self._names)
        self._file.unlink(missing_ok=True)
        self._state = None

    def _started(self) -> _Started:
        if self._state is None:
            raise NetworkError("the pods' network is not started yet")
        return self._state
