"""What an agent is told when it is started."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

SERVICE_CIDR = "10.254.0.0/16"
CLUSTER_CIDR = "10.64.0.0/10"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    server: str
    state: Path
    node: str
    address: str
    docker: str = "unix:///var/run/docker.sock"
    mirror: str = ""
    door_port: int = 10250
    runtime: str = "docker"
    service_cidr: str = SERVICE_CIDR
    cluster_cidr: str = CLUSTER_CIDR
    pod_network: str = "auto"

    @property
    def dns(self) -> str:
        """Where every node answers names: the tenth address of the services' range, as the server has it too."""
        return str(IPv4Network(self.service_cidr)[10])

    @property
    def servers(self) -> Path:
        return self.state / "servers"

    @property
    def token(self) -> Path:
        return self.state / "token"

    @property
    def ca(self) -> Path:
        return self.state / "ca.crt"

    @property
    def certificate(self) -> Path:
        return self.state / "agent.crt"

    @property
    def key(self) -> Path:
        return self.state / "agent.key"

    @property
    def view(self) -> Path:
        return self.state / "view"

    @property
    def pods(self) -> Path:
        return self.state / "pods"

    @property
    def volumes(self) -> Path:
        return self.state / "volumes"

    @property
    def ended(self) -> Path:
        return self.state / "ended"

    @property
    def edge(self) -> Path:
        return self.state / "edge"

    @property
    def network(self) -> Path:
        return self.state / "network"
