"""What a machine that joins and the server say to each other, once, over TLS. No Django here."""

from datetime import datetime

import msgspec

from apps.cluster.types.agent import Identity
from apps.cluster.types.base import wire_name

PATH = "/join"


class Route(msgspec.Struct, kw_only=True, rename=wire_name):
    """One route of the machine: an IPv4 network, the link it leads to, and whether neighbours are right there."""

    network: str
    link: str
    direct: bool = False


class JoinRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename=wire_name):
    """What the machine says of itself; ``request`` is a PEM signing request for the key of its door."""

    node: str
    address: str
    request: str
    clock: datetime
    routes: list[Route] = []


class Joined(msgspec.Struct, kw_only=True, rename=wire_name):
    """Who it is from now on, and what its agent is started with."""

    node: str
    identity: Identity
    service_cidr: str
    cluster_cidr: str
    pod_network: str = "auto"
    mirror: str = ""
