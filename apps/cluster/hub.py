"""The watch: one reader of the log per process and event loop hands each change to the watchers it concerns.

The nudge only says "look". The reader reads the log in order and without a gap; a lost nudge costs at most a poll.
Each watcher's queue is bounded: who cannot keep up is told to list again (``Gone``), and nobody waits for them.
"""

import asyncio
import logging
import weakref
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field

from channels.layers import get_channel_layer
from django.db.utils import Error as DatabaseError

from apps.cluster import log, nudge, store
from apps.cluster.errors import ApiError, Gone
from apps.cluster.rows import unseal_all
from apps.cluster.watching import Event, Scope, Sight, Sighted
from apps.cluster.work import in_db

POLL = 1.0  # seconds between looks when no nudge comes
REJOIN = 60.0  # seconds after which the layer is told again that we listen
BATCH = 500
MOST_WAITING = 5_000  # events queued for one watcher
RBAC = "rbac.authorization.k8s.io"
OTHER_SIGHT = "what you may see has changed: list again"

logger = logging.getLogger(__name__)

Key = tuple[str, str, str | None]


@dataclass(frozen=True)
class Batch:
    """Events in order; with them the watcher has seen everything up to ``number``. Empty ones only tell the number."""

    number: int
    events: Sequence[Event] = ()


async def follow(
    scopes: Sequence[Scope], since: int | None = None, *, beat: float | None = None
) -> AsyncGenerator[Batch, None]:
    """What happens to the objects of ``scopes`` after ``since``, for as long as the caller asks.

    Without ``since`` the first batches hold what is there now, as ADDED. With ``beat`` an empty batch comes after so
    many quiet seconds. Raises Gone when the log no longer (or not yet) holds ``since``, when the caller falls
    behind, or when what it may see changed: list again then. Close it (``aclosing``) when leaving early.
    """
    hub = await _hub_of_this_loop()
    watcher = hub.enter(scopes)
    try:
        watcher.position = since or 0
        async for batch in _opening(watcher, since):
            if watcher.ended is not None:
                raise watcher.ended
            watcher.position = batch.number
            yield batch
        while True:
            yield await watcher.next(beat)
    finally:
        hub.leave(watcher)


async def watch(scope: Scope, since: int | None = None) -> AsyncGenerator[Event, None]:
    """``follow`` for one scope, event by event."""
    async with aclosing(follow((scope,), since)) as batches:
        async for batch in batches:
            for event in batch.events:
                yield event


@dataclass(eq=False)
class _Seat:
    """One scope of one watcher in the index."""

    watcher: "_Watcher"
    scope: Scope
    sight: Sight | None = None

    @property
    def keys(self) -> tuple[Key, ...]:
        """Where the seat stands in the index: at the narrowest thing its scope names."""
        kind = self.scope.kind.key
        if self.scope.name:
            return ((kind, "name", self.scope.name),)
        if self.scope.node is not None:
            return ((kind, "node", self.scope.node),)
        for term in self.scope.fields.terms:
            if term.equal and term.field == "metadata.name":
                return ((kind, "name", term.value),)
            if term.equal and term.field == "spec.nodeName":
                return ((kind, "node", term.value),)
        return ((kind, "namespace", self.scope.namespace),)


@dataclass(eq=False)
class _Watcher:
    """One reader of the hub: its queue, and how far it has come."""

    hub: "Hub"
    seats: list[_Seat] = field(default_factory=list)
    position: int = 0
    queue: deque[Event] = field(default_factory=deque)
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    ended: ApiError | None = None

    def offer(self, event: Event) -> None:
        if len(self.queue) >= MOST_WAITING:
            self.end(Gone("the watch cannot keep up with its events: list again"))
        elif self.ended is None:
            self.queue.append(event)
            self.moved.set()

    def end(self, why: ApiError) -> None:
        self.queue.clear()
        self.ended = self.ended or why
        self.moved.set()

    async def next(self, beat: float | None) -> Batch:
        """Waits for events; what the opening already told is passed over."""
        while True:
            if self.ended is not None:
                raise self.ended
            events = [event for event in self.queue if event.number > self.position]
            self.queue.clear()
            self.moved.clear()
            self.position = max(self.position, self.hub.seen)
            if events:
                return Batch(self.position, events)
            try:
                async with asyncio.timeout(beat):
                    await self.moved.wait()
            except TimeoutError:
                if not self.queue and self.ended is None:
                    self.position = max(self.position, self.hub.seen)
                    return Batch(self.position)


class Hub:
    """The reader and the index of its watchers."""

    def __init__(self) -> None:
        self.seen = 0
        self._seats: dict[Key, set[_Seat]] = {}
        self._watchers: set[_Watcher] = set()
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._tasks: list[asyncio.Task[None]] = []
        self._started = asyncio.Lock()

    async def start(self) -> None:
        async with self._started:
            if self._tasks:
                return
            self.seen = await in_db(store.clock)
            stop = nudge.subscribe(self._nudged)
            self._tasks = [self._loop.create_task(self._read()), self._loop.create_task(self._listen())]
            self._tasks[0].add_done_callback(lambda _: stop())

    def enter(self, scopes: Iterable[Scope]) -> _Watcher:
        """From here on the watcher is offered every change that concerns it."""
        watcher = _Watcher(self)
        watcher.seats = [_Seat(watcher, scope) for scope in scopes]
        for seat in watcher.seats:
            for key in seat.keys:
                self._seats.setdefault(key, set()).add(seat)
        self._watchers.add(watcher)
        return watcher

    def leave(self, watcher: _Watcher) -> None:
        self._watchers.discard(watcher)
        for seat in watcher.seats:
            for key in seat.keys:
                seats = self._seats.get(key, set())
                seats.discard(seat)
                if not seats:
                    self._seats.pop(key, None)

    def _nudged(self, _: int) -> None:
        with suppress(RuntimeError):  # the loop is closing
            self._loop.call_soon_threadsafe(self._wake.set)

    async def _read(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL):
                    await self._wake.wait()
            self._wake.clear()
            try:
                while await self._advance():
                    await asyncio.sleep(0)  # let watchers take what they were offered
            except DatabaseError as error:
                logger.warning("the log cannot be read: %s", error)
                await asyncio.sleep(POLL)
            except Exception:
                logger.exception("the hub failed at %d", self.seen)
                await asyncio.sleep(POLL)

    async def _advance(self) -> bool:
        """Hand out the next changes; False when no more are known of."""
        try:
            changes = await in_db(_changes, self.seen)
        except Gone as gone:
            for watcher in tuple(self._watchers):
                watcher.end(gone)
            self.seen = await in_db(store.clock)
            return False
        for change in changes:
            if change.kind.group == RBAC:
                nudge.heard(
                    change.number
                )  # policy looks at the roles of now, even if another process wrote them
                await self._recheck()
            self._hand(Sighted(change))
            self.seen = change.number
        return len(changes) == BATCH

    def _hand(self, sighted: Sighted) -> None:
        told: dict[_Watcher, str] = {}
        for seat in self._interested(sighted):
            if seat.watcher in told or sighted.change.number <= seat.watcher.position:
                continue
            type_ = seat.scope.means(sighted, seat.sight)
            if type_ is not None:
                told[seat.watcher] = type_
                seat.watcher.offer(sighted.event(type_))

    def _interested(self, sighted: Sighted) -> Iterator[_Seat]:
        change = sighted.change
        keys: set[Key] = {
            (change.kind_key, "name", change.name),
            (change.kind_key, "namespace", change.namespace),
            (change.kind_key, "namespace", None),
            (change.kind_key, "node", change.node),
        }
        if any(key[1] == "node" for key in self._seats) and change.before is not None:
            keys.add((change.kind_key, "node", change.before.node))
        for key in keys:
            yield from tuple(self._seats.get(key, ()))

    async def _recheck(self) -> None:
        """Roles changed: whoever now sees other objects than before must list again."""
        seats = [seat for watcher in self._watchers for seat in watcher.seats if seat.sight is not None]
        sights = await in_db(_sights, [seat.scope for seat in seats])
        for seat, sight in zip(seats, sights, strict=True):
            if sight != seat.sight:
                seat.watcher.end(Gone(OTHER_SIGHT))

    async def _listen(self) -> None:
        """Wake at the nudges of other processes. A dead layer costs nothing but its speed."""
        while True:
            try:
                layer = get_channel_layer()
                if layer is None:
                    return
                channel = await layer.new_channel()
                while True:
                    await layer.group_add(nudge.GROUP, channel)
                    with suppress(TimeoutError):
                        while True:
                            async with asyncio.timeout(REJOIN):
                                await layer.receive(channel)
                            self._wake.set()
            except Exception as error:  # whatever the layer's backend raises when its server is away
                logger.debug("no nudges from other processes: %s", error)
                await asyncio.sleep(POLL)


async def _opening(watcher: _Watcher, since: int | None) -> AsyncIterator[Batch]:
    """What a new watcher must know before the queue's events: the present, or the log since its number."""
    scopes = [seat.scope for seat in watcher.seats]
    for seat, sight in zip(watcher.seats, await in_db(_sights, scopes), strict=True):
        seat.sight = sight
    sights = [seat.sight for seat in watcher.seats]
    if since is None:
        batch = await in_db(_present, scopes, sights)
        yield batch
        since = batch.number
    while True:
        # The hub has read no further than this reads, and what it reads from now on it puts into the queue.
        changes = await in_db(_changes, since)
        if any(change.kind.group == RBAC for change in changes):
            nudge.heard(changes[-1].number)
            if await in_db(_sights, scopes) != sights:
                raise Gone(OTHER_SIGHT)
        events = []
        for sighted in map(Sighted, changes):
            types = (scope.means(sighted, sight) for scope, sight in zip(scopes, sights, strict=True))
            events += [sighted.event(type_) for type_ in types if type_ is not None][:1]
        since = changes[-1].number if changes else since
        yield Batch(since, events)
        if len(changes) < BATCH:
            return


def _sights(scopes: Sequence[Scope]) -> list[Sight | None]:
    return [scope.visible() if scope.visible is not None else None for scope in scopes]


def _present(scopes: Sequence[Scope], sights: Sequence[Sight | None]) -> Batch:
    """Everything in scope. What changes between two kinds' lists comes again from the log, in order."""
    pages = [
        store.list(
            scope.kind,
            namespace=scope.namespace,
            labels=scope.labels,
            fields=scope.fields,
            visible=scope.condition(sight),
        )
        for scope, sight in zip(scopes, sights, strict=True)
    ]
    unseal_all(row for page in pages for row in page.rows)
    events = [
        Event("ADDED", scope.kind, row)
        for scope, page in zip(scopes, pages, strict=True)
        for row in page.rows
    ]
    return Batch(min(page.number for page in pages), events)


def _changes(since: int) -> list[log.Change]:
    """The next changes. Raises Gone when some of them were trimmed, or the log never came so far."""
    if (latest := store.clock()) == since:
        return []
    changes = log.after(since, BATCH)
    unseal_all(changes)
    if changes and changes[0].number == since + 1:
        return changes
    if since > latest:
        # A restored backup: what this number meant is not what it will mean.
        raise Gone(f"too new resource version: {since} ({latest}): list again")
    if since < latest and (floor := log.floor()) > since:
        raise Gone(f"too old resource version: {since} ({floor})")
    return changes


_hubs: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Hub]" = weakref.WeakKeyDictionary()


async def _hub_of_this_loop() -> Hub:
    loop = asyncio.get_running_loop()
    hub = _hubs.get(loop)
    if hub is None:
        hub = _hubs[loop] = Hub()
    await hub.start()
    return hub
