"""What goes to the server: the newest status of each pod, the node's own, and events; resent until accepted.

A status that is overtaken while it waits is never sent. One batch of statuses is under way at a time: when it is
accepted the next goes at once, so a quiet agent reports within a moment and a busy one in few, large batches.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from apps.cluster.types.agent import (
    EventBatch,
    EventReport,
    Message,
    NodeReport,
    Ping,
    PodReport,
    Samples,
    StatusBatch,
    VolumeBatch,
    VolumeReport,
    Waiting,
)

STATUS_LIMIT, EVENT_LIMIT = 500, 200
EVENTS_KEPT = 5000  # older ones are dropped while the server is away


@dataclass(slots=True)
class Flight:
    """What was sent and not yet answered."""

    pods: dict[str, PodReport] = field(default_factory=dict)
    events: list[EventReport] = field(default_factory=list)
    volumes: dict[str, VolumeReport] = field(default_factory=dict)
    node: bool = False


class Outbox:
    """Filled from any thread, emptied by the connection's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pods: dict[str, PodReport] = {}
        self._events: deque[EventReport] = deque(maxlen=EVENTS_KEPT)
        self._volumes: dict[str, VolumeReport] = {}
        self._node: NodeReport | None = None
        self._node_waits = False
        self._samples: Samples | None = None
        self._programmed: int | None = None
        self._programmed_waits = False
        self._awaited = self._asked = 0
        self._flights: dict[int, Flight] = {}
        self._seq = itertools.count(1)
        self._filled: Callable[[], None] = lambda: None

    def on_filled(self, call: Callable[[], None]) -> None:
        """``call`` is called, from any thread, whenever there is something to take."""
        self._filled = call

    def status(self, report: PodReport) -> None:
        with self._lock:
            self._pods[report.uid] = report
        self._filled()

    def event(self, report: EventReport) -> None:
        with self._lock:
            self._events.append(report)
        self._filled()

    def about_node(self, told: tuple[str, str]) -> None:
        """A warning about the node itself: reason and words."""
        reason, message = told
        self.event(EventReport(namespace="", name="", uid="", reason=reason, message=message, type="Warning"))

    def volume(self, report: VolumeReport) -> None:
        with self._lock:
            if not any(report.uid in flight.volumes for flight in self._flights.values()):
                self._volumes[report.uid] = report
        self._filled()

    def node(self, report: NodeReport) -> None:
        with self._lock:
            self._node, self._node_waits = report, True
        self._filled()

    def samples(self, samples: Samples) -> None:
        """Sent once, or never when the server is away: newer ones follow soon."""
        with self._lock:
            self._samples = samples
        self._filled()

    def programmed(self, number: int) -> None:
        """This node's service rules follow the log up to there: told at once, and with every sign of life."""
        with self._lock:
            self._programmed, self._programmed_waits = number, True
        self._filled()

    def waiting(self, number: int) -> None:
        """Ask to be told when every node's rules follow the log up to there."""
        with self._lock:
            self._awaited = max(self._awaited, number)
        self._filled()

    def ping(self, seq: int) -> Ping:
        """A sign of life."""
        return Ping(seq=seq, programmed=self._programmed)

    def pending(self, uid: str) -> bool:
        """Whether a status of the pod is on its way."""
        with self._lock:
            return uid in self._pods or any(uid in flight.pods for flight in self._flights.values())

    def take(self, *, events: bool) -> list[Message]:
        """The frames to send now: at most one batch of each sort is under way. ``events`` when those may go."""
        with self._lock:
            frames = (
                *self._take_progress(),
                self._take_node(),
                self._take_pods(),
                self._take_volumes(),
                self._take_events(events),
                self._samples,
            )
            self._samples = None
            return [frame for frame in frames if frame]

    def accepted(self, seq: int) -> None:
        """The server has it for good."""
        with self._lock:
            self._flights.pop(seq, None)
        self._filled()

    def refused(self, seq: int) -> None:
        """The server will never take it; sending it again would change nothing. Newer reports still go."""
        self.accepted(seq)

    def disconnected(self) -> None:
        """What was not answered goes again, unless something newer took its place."""
        with self._lock:
            for flight in self._flights.values():
                self._pods = flight.pods | self._pods
                self._events.extendleft(reversed(flight.events))
                self._volumes = flight.volumes | self._volumes
                self._node_waits = self._node_waits or flight.node
            self._flights.clear()
            self._node_waits = self._node is not None
            self._asked = 0

    @property
    def has_events(self) -> bool:
        return bool(self._events)

    def _under_way(self, pick: Callable[[Flight], object]) -> bool:
        return any(pick(flight) for flight in self._flights.values())

    def _fly(self, flight: Flight) -> int:
        seq = next(self._seq)
        self._flights[seq] = flight
        return seq

    def _take_progress(self) -> Iterator[Message]:
        if self._programmed_waits:
            self._programmed_waits = False
            yield self.ping(0)
        if self._awaited > self._asked:
            self._asked = self._awaited
            yield Waiting(number=self._awaited)

    def _take_node(self) -> Message | None:
        if not self._node_waits or self._node is None or self._under_way(lambda flight: flight.node):
            return None
        self._node_waits = False
        self._node.seq = self._fly(Flight(node=True))
        return self._node

    def _take_pods(self) -> Message | None:
        if not self._pods or self._under_way(lambda flight: flight.pods):
            return None
        chosen = dict(itertools.islice(self._pods.items(), STATUS_LIMIT))
        for uid in chosen:
            del self._pods[uid]
        return StatusBatch(seq=self._fly(Flight(pods=chosen)), items=list(chosen.values()))

    def _take_volumes(self) -> Message | None:
        if not self._volumes:
            return None
        chosen, self._volumes = self._volumes, {}
        return VolumeBatch(seq=self._fly(Flight(volumes=chosen)), items=list(chosen.values()))

    def _take_events(self, allowed: bool) -> Message | None:
        if not allowed or not self._events or self._under_way(lambda flight: flight.events):
            return None
        chosen = [self._events.popleft() for _ in range(min(EVENT_LIMIT, len(self._events)))]
        return EventBatch(seq=self._fly(Flight(events=chosen)), items=chosen)
