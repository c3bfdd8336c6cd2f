"""One node with its network, its proxy and pods that serve, in namespaces of the test's own."""

from __future__ import annotations

from pathlib import Path
from queue import SimpleQueue

from apps.cluster import types
from node_agent.names import Names
from node_agent.network.bridge import BridgeNetwork
from node_agent.proxy.client import ProxyProcess
from node_agent.proxy.rules import HostPort
from tests.agent_net.lab import Server, Space
from tests.agent_net.objects import endpoints, service
from tests.calm import PATIENCE

PODS, SERVICES = "10.64.3.0/24", "10.254.0.0/16"
VIP = "10.254.0.77"
WEB = service("web", VIP, ("", 80, 30061))


class Cluster:
    """One node with its network and its proxy, and servers in pods."""

    def __init__(self, space: Space, outside: Space, state: Path, backend: str) -> None:
        self.space, self.outside = space, outside
        self.names = Names.of(state)
        self.network = BridgeNetwork(self.names, state)
        self.addresses: dict[str, str] = {}
        self.pods: dict[str, Space] = {}
        self.restored: SimpleQueue[tuple[str, ...]] = SimpleQueue()
        space.run(self.network.start, PODS, SERVICES)
        self.backend = backend
        self.proxy = self.new_proxy()

    def new_proxy(self) -> ProxyProcess:
        proxy = ProxyProcess(
            self.names, "node-1", backend=self.backend, verify_seconds=0.2, on_restored=self.restored.put
        )
        self.space.run(proxy.start)
        return proxy

    def pod(self, name: str, *ports: int) -> Space:
        self.pods[name] = Space()
        self.addresses[name] = self.space.run(self.network.attach, name, self.pods[name].pid)
        for port in ports:
            Server(self.pods[name], name, port)
        return self.pods[name]

    def update(
        self,
        services: list[types.Service],
        found: list[types.EndpointSlice],
        host_ports: list[HostPort] | None = None,
        within: float = PATIENCE,
    ) -> None:
        number = self.proxy.update(services, found, host_ports or [])
        assert self.proxy.wait(number, within), self.proxy.error

    def web(self, *names: str, port: int = 8080) -> types.EndpointSlice:
        return endpoints("web", [self.addresses[name] for name in names], ("", port))

    def rules(self) -> str:
        """Every rule of the namespace, without counters and what the kernel adds by itself."""
        commands = (["iptables-legacy-save"], ["iptables-save"], ["nft", "--stateless", "list", "ruleset"])
        lines = [line for command in commands for line in self.space.command(*command).splitlines()]
        return "\n".join(
            line for line in lines if line[:1] not in {"#", ":"} and "counter packets" not in line
        )

    def flush(self) -> None:
        """What an administrator does who wants a clean firewall."""
        if self.backend == "nftables":
            self.space.command("nft", "flush", "ruleset")
        else:
            for table in ("nat", "filter"):
                self.space.command("iptables-legacy", "-t", table, "-F")
                self.space.command("iptables-legacy", "-t", table, "-X")
        self.space.run(self.network.verify)

    def close(self) -> None:
        self.proxy.stop()
        for pod in self.pods.values():
            pod.close()
