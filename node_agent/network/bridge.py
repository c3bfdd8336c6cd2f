"""The default network: one bridge per node, a cable for each pod."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from node_agent.names import Names
from node_agent.network import NetworkError, firewall, links, sysctls
from node_agent.network.firewall import Firewall
from node_agent.network.leases import Leases

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Started:
    """What ``start`` settled."""

    leases: Leases
    service_cidr: str
    firewall: Firewall
    mtu: int


class BridgeNetwork:
    """A ``PodNetwork``, safe to use from several threads. Works in the calling thread's network namespace."""

    def __init__(self, names: Names, state_dir: Path) -> None:
        self._names = names
        self._file = state_dir / "addresses.json"
        self._state: _Started | None = None

    def start(self, pod_cidr: str, service_cidr: str, cluster_cidr: str = "") -> None:
        network = IPv4Network(pod_cidr)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        for cidr in (pod_cidr, service_cidr):
            other = links.taken(self._names.bridge, cidr)
            if other:
                raise NetworkError(f"{cidr} is in use on {other}: choose another range, or remove that link")
        leases = Leases(self._file, network)
        alive = set(links.names_with(self._names.link_prefix))
        leases.keep_only([uid for uid in leases.held() if self._names.link(uid) in alive])
        rules = firewall.plan(self._names, pod_cidr, service_cidr, cluster_cidr or pod_cidr)
        _, mtu = links.uplink()
        self._state = _Started(leases, service_cidr, Firewall(self._names, rules), mtu)
        self.verify()
        for lack in sysctls.missing(self._names.bridge):
            log.warning("the kernel lacks %s: a pod may not reach a service whose pod is beside it", lack)

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
        bridge = self._names.bridge
        network = state.leases.network
        mended = links.ensure_bridge(bridge, state.leases.gateway, network.prefixlen, state.mtu)
        mended += sysctls.ensure(bridge)
        mended += links.ensure_route(bridge, state.service_cidr)
        mended += links.ensure_ports(bridge, {self._names.link(uid) for uid in state.leases.held()})
        mended += state.firewall.ensure()
        return mended

    def remove(self) -> None:
        for name in links.names_with(self._names.link_prefix):
            links.cut(name)
        links.cut(self._names.bridge)
        firewall.remove(self._names)
        self._file.unlink(missing_ok=True)
        self._state = None

    def _started(self) -> _Started:
        if self._state is None:
            raise NetworkError("the pods' network is not started yet")
        return self._state
