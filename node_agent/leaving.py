"""Whether new requests still go to a pod that is to end: its containers are stopped once no node sends any.

This node knows from the slices when its pods were taken out of them; the server tells up to which number of its log
every node has put the slices into rules.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from apps.cluster import types

Key = tuple[str, str]  # namespace, name


class Offers:
    """Which pods the slices offer, and at which number of the log each was last taken out. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._offered: dict[Key, frozenset[str]] = {}  # uids by slice
        self._left: dict[str, int] = {}  # of this node's pods

    def begin(self, uid: str) -> None:
        """A pod of this node's."""
        with self._lock:
            self._left.setdefault(uid, 0)

    def forget(self, uid: str) -> None:
        with self._lock:
            self._left.pop(uid, None)

    def note(self, key: Key, found: types.EndpointSlice | None, number: int) -> None:
        """A slice as it is at this number, None once it is gone."""
        fresh = offered(found) if found is not None else frozenset()
        with self._lock:
            before = self._offered.pop(key, frozenset())
            if fresh:
                self._offered[key] = fresh
            self._left.update(dict.fromkeys((before - fresh) & self._left.keys(), number))

    def left(self, uid: str) -> int | None:
        """The number at which it was taken out of its last slice, 0 when it was in none; None while one offers it."""
        with self._lock:
            if any(uid in some for some in self._offered.values()):
                return None
            return self._left.get(uid, 0)


def offered(found: types.EndpointSlice) -> frozenset[str]:
    """The uids of pods that new requests are sent to while there is any other. Pure.

    One that is published whatever its state stays offered to its end: there is nothing to wait for.
    """
    return frozenset(
        endpoint.target_ref.uid
        for endpoint in found.endpoints
        if endpoint.target_ref is not None
        and (endpoint.conditions is None or (endpoint.conditions.ready and not endpoint.conditions.terminating))
    )


class Farewell:
    """Answers a pod's worker, and asks the server only while a pod waits."""

    def __init__(self, offers: Offers, ask: Callable[[int], None]) -> None:
        self._offers, self._ask = offers, ask
        self._everywhere = 0

    def said(self, uid: str) -> bool:
        """Whether no node sends new requests to the pod any more."""
        number = self._offers.left(uid)
        if number is None:
            return False
        if number > self._everywhere:
            self._ask(number)
            return False
        return True

    def everywhere(self, number: int) -> None:
        """Every node's rules follow the log up to there."""
        self._everywhere = number


class Programmed:
    """Up to which number of the log this node's rules follow: told whenever that moves."""

    def __init__(self, tell: Callable[[int], None]) -> None:
        self._tell = tell
        self._lock = threading.Lock()
        self._waiting: list[tuple[int, int]] = []  # order, number
        self._applied = self._told = 0

    def follow(self, number: int) -> bool:
        """Whether the rules are as new as that."""
        return self._told >= number

    def ordered(self, order: int, number: int) -> None:
        """The order holds all that the log says up to ``number``."""
        with self._lock:
            self._waiting.append((order, number))
        self.applied(self._applied)

    def applied(self, order: int) -> None:
        """Every order up to this one is in the kernel, or was replaced by one that is."""
        with self._lock:
            self._applied = max(self._applied, order)
            done = [number for each, number in self._waiting if each <= self._applied]
            self._waiting = [each for each in self._waiting if each[0] > self._applied]
            moved = bool(done) and done[-1] != self._told
            if moved:
                self._told = done[-1]
        if moved:
            self._tell(self._told)
