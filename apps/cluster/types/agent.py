"""What an agent and the server say to each other: version 1 of the agents' protocol. No Django here.

One JSON object per text frame; its field ``t`` says which struct it is. Frames may gain fields: both ends
pass over those they do not know. Objects travel raw, and the agent reads them leniently; statuses are read
strictly. After ``Hello`` the server sends the whole state of every kind the node needs (``Objects``), then
``Synced``; from then on single ``Changed``, each batch closed by another ``Synced``. What the agent sends
with a ``seq`` is answered by ``Accepted`` once committed, or by ``Refused``.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from apps.cluster.types.base import encode, wire_name
from apps.cluster.types.core import NodeStatus
from apps.cluster.types.meta import Resource
from apps.cluster.types.pods import PodStatus

SUBPROTOCOL_FAMILY, SUBPROTOCOL_NUMBER = "agent.drover.dev.v", 1
SUBPROTOCOL = f"{SUBPROTOCOL_FAMILY}{SUBPROTOCOL_NUMBER}"
PATH = "/nodes/agent"
REMOVED_CODE, REMOVED_STATUS = 4410, 410
"""How a socket ends, or is refused, whose node was taken out of the cluster: its agent takes everything down."""
LEFT_EXIT = 3
"""How such an agent's process ends then, and one that never was in a cluster: nobody starts it again."""
PING_SECONDS = 1.0
ANNOUNCED_BY = "drover.dev/announced-by"
"""On a service: the node that answers on the link for the addresses of its balancer."""
BALANCER_CLASS = "drover.dev/edge"
"""``loadBalancerClass`` of services that name one and mean ours."""
EDGE_UNAVAILABLE = "EdgeUnavailable"
"""A condition of a node that was given Ingresses and cannot serve them. It is absent where all is well."""
IMAGES_AHEAD = "drover.dev/images"
"""An annotation of a node: images, parted by commas, that its agent has ready before a pod needs them."""
NODE_LABEL_PREFIXES = ("kubernetes.io/", "node.drover.dev/")


class Message(msgspec.Struct, kw_only=True, rename=wire_name, tag_field="t"):
    """One frame."""


class PodReport(msgspec.Struct, kw_only=True, omit_defaults=True, rename=wire_name):
    """The newest observed state of one pod; ``gone`` once nothing of it is left on the node."""

    namespace: str
    name: str
    uid: str
    status: PodStatus = msgspec.field(default_factory=PodStatus)
    gone: bool = False


class EndedLog(msgspec.Struct, kw_only=True, omit_defaults=True, rename=wire_name):
    """What a container of a pod that is gone had written: whose it was, and by which name its node keeps it."""

    id: str
    namespace: str
    pod: str
    container: str
    ended_at: datetime
    labels: dict[str, str] = {}
    """The pod's."""

    @property
    def pod_uid(self) -> str:
        """With which the name begins."""
        return self.id.partition("_")[0]


class EventReport(msgspec.Struct, kw_only=True, omit_defaults=True, rename=wire_name):
    """Something worth telling about a pod (or, with an empty uid, about the node).

    Equal ones are counted by the server.
    """

    namespace: str
    name: str
    uid: str
    reason: str
    message: str
    type: str = "Normal"
    container: str = ""


class PodToken(msgspec.Struct, kw_only=True, omit_defaults=True, rename=wire_name):
    """A token for one audience ("" is the API server), asked for this many seconds."""

    token: str
    expires_at: datetime
    audience: str = ""
    seconds: int = 0


class PodTokens(Resource):
    """All tokens a pod mounts; its metadata is the pod's. Travels like an object of kind ``tokens``."""

    items: list[PodToken] = []


TOKENS = "tokens"


class Peer(Resource):
    """Another node, as far as the way to its pods goes; of its metadata only the name. Travels like an object of
    kind ``peers``."""

    address: str = ""
    pod_cidr: str = ""
    edge: bool = False
    """Whether it is labelled as part of the edge."""


PEERS = "peers"


class Identity(msgspec.Struct, kw_only=True, rename=wire_name):
    """What a node proves itself with: a token, and the certificate of its door; and whom it trusts. All but the
    token are PEM; the certificate's key never leaves the node."""

    token: str
    certificate: str
    authority: str


class Hello(Message, tag="hello"):
    """The agent's first frame. ``number`` is the last one it was synced to, 0 for a new agent.

    One that is ``alone`` makes no ways to the pods of other nodes, and is not told of these.
    """

    node: str
    version: str
    boot_id: str = ""
    number: int = 0
    alone: bool = False


class Ping(Message, tag="ping"):
    """``programmed``: this node's service rules follow the log up to there; None where nothing makes rules."""

    seq: int
    programmed: int | None = None


class Waiting(Message, tag="waiting"):
    """A pod is to end once every node's rules follow the log up to ``number``: answered by ``Everywhere``."""

    number: int


class StatusBatch(Message, tag="status"):
    seq: int
    items: list[PodReport]


class NodeReport(Message, tag="node"):
    seq: int
    status: NodeStatus
    labels: dict[str, str] = {}
    door_port: int = 0


class EventBatch(Message, tag="events"):
    seq: int
    items: list[EventReport]


class VolumeReport(msgspec.Struct, kw_only=True, rename=wire_name):
    """A persistent volume whose data is no more on this node."""

    name: str
    uid: str


class VolumeBatch(Message, tag="volumes"):
    seq: int
    items: list[VolumeReport]


class ContainerSample(msgspec.Struct, kw_only=True, rename=wire_name):
    """What one container uses: ``cpu`` in thousand millionths of a core, ``memory`` (its working set) in bytes."""

    namespace: str
    pod: str
    name: str
    cpu: int
    memory: int


class Samples(Message, tag="samples"):
    """What the node and its containers used in the last ``window`` seconds. Not answered; a lost one is not resent."""

    window: float
    cpu: int
    memory: int
    containers: list[ContainerSample]


class Objects(Message, tag="objects"):
    """The whole state of one kind (``replace``), or more of it. ``kind`` is the plural, as in paths."""

    kind: str
    items: list[msgspec.Raw]
    replace: bool = True


class Changed(Message, tag="changed"):
    """One change; ``type`` is ADDED, MODIFIED or DELETED, and ``object`` the object as served."""

    number: int
    type: str
    kind: str
    object: msgspec.Raw


class Synced(Message, tag="synced"):
    """All that happened up to ``number`` and concerns the node has been sent."""

    number: int


class Accepted(Message, tag="accepted"):
    seq: int


class Refused(Message, tag="refused"):
    seq: int
    message: str


class Everywhere(Message, tag="everywhere"):
    """The service rules of every node that was heard of lately follow the log up to ``number``."""

    number: int


class Pong(Message, tag="pong"):
    """``every``: seconds the agent may take until its next ping, more where many share the server; 0 as usual.

    ``renew``: the agent's identity comes to its end, and it should ask for a new one. ``servers``: where all servers
    of the cluster are reached (host:port), told anew when that changes; empty as before.
    """

    seq: int
    every: float = 0
    renew: bool = False
    servers: list[str] = []


class Renew(Message, tag="renew"):
    """Asks for a new identity for the key that ``request``, a PEM signing request, holds."""

    request: str


class Renewed(Message, tag="renewed"):
    """The identity; the old one ends when a connection is opened with the new one."""

    identity: Identity


FromAgent = Hello | Ping | Waiting | StatusBatch | NodeReport | EventBatch | VolumeBatch | Samples | Renew
FromServer = Objects | Changed | Synced | Accepted | Refused | Pong | Everywhere | Renewed

_from_agent: msgspec.json.Decoder[FromAgent] = msgspec.json.Decoder(FromAgent)
_from_server: msgspec.json.Decoder[FromServer] = msgspec.json.Decoder(FromServer)


def frame(message: Message) -> str:
    """The text of one frame."""
    return encode(message).decode()


def from_agent(text: str | bytes) -> FromAgent:
    """Read a frame an agent sent; raises ``msgspec.DecodeError`` (of which ValidationError is one)."""
    return _from_agent.decode(text)


def from_server(text: str | bytes) -> FromServer:
    """Read a frame the server sent; raises ``msgspec.DecodeError``."""
    return _from_server.decode(text)


def stranger(offered: Iterable[str]) -> str:
    """Why an agent that offers these sub-protocols is not understood, and what to do; "" for one that is. Pure."""
    if SUBPROTOCOL in offered:
        return ""
    numbers = [each.removeprefix(SUBPROTOCOL_FAMILY) for each in offered if each.startswith(SUBPROTOCOL_FAMILY)]
    spoken = max((int(each) for each in numbers if each.isascii() and each.isdigit()), default=0)
    if not spoken:
        return f"this door is for agents that speak {SUBPROTOCOL}"
    if spoken > SUBPROTOCOL_NUMBER:
        return (
            f"this agent is too new: it speaks version {spoken} of the agents' protocol and this server "
            f"{SUBPROTOCOL_NUMBER}: upgrade the servers first, then the agents"
        )
    return (
        f"this agent is too old: it speaks version {spoken} of the agents' protocol and this server "
        f"{SUBPROTOCOL_NUMBER}: paste a new join line (manage.py join-command) on its machine; its pods keep running"
    )


def raw(data: Any) -> msgspec.Raw:
    """JSON that is at hand as text goes into a frame as it is; anything else is encoded."""
    if isinstance(data, bytes | str):
        return msgspec.Raw(data if isinstance(data, bytes) else data.encode())
    return msgspec.Raw(encode(data))
