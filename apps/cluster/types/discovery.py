"""The group discovery.k8s.io: the addresses behind a service, in slices."""

from apps.cluster.types.base import Wire
from apps.cluster.types.meta import ObjectReference, Resource


class EndpointConditions(Wire):
    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class ForZone(Wire):
    name: str


class ForNode(Wire):
    name: str


class EndpointHints(Wire):
    for_zones: list[ForZone] = []
    for_nodes: list[ForNode] = []


class Endpoint(Wire):
    addresses: list[str]
    conditions: EndpointConditions | None = None
    hostname: str | None = None
    target_ref: ObjectReference | None = None
    node_name: str | None = None
    zone: str | None = None
    hints: EndpointHints | None = None
    deprecated_topology: dict[str, str] = {}


class SlicePort(Wire):
    """The API's EndpointPort of this group: nothing in it is required."""

    name: str | None = None
    protocol: str | None = None
    port: int | None = None
    app_protocol: str | None = None


class EndpointSlice(Resource):
    address_type: str = ""
    endpoints: list[Endpoint] = []
    ports: list[SlicePort] = []
