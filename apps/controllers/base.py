"""The one shape of every controller: look, plan, and carry out only if what was seen still holds.

Running a key twice, even at once, is safe: all writers wait for the Clock, and the look is repeated behind
it.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from msgspec.structs import replace

from apps.accounts import policy
from apps.cluster import store, types
from apps.cluster.actors import Actor, system
from apps.cluster.errors import ApiError, Conflict, Forbidden, NotFound, Unavailable
from apps.cluster.kinds import EVENT
from apps.cluster.log import Change
from apps.cluster.registry import Kind, by_key
from apps.cluster.transaction import Transaction
from apps.controllers.actions import Actions, Create, Delete, Fingerprint, Note
from apps.controllers.reading import Reader

LOOKS = 5
"""How often a plan that was overtaken is made anew before the key has to wait."""


class Retry(Exception):
    """This key could not be brought further now; look again ``after`` so many seconds (None: with back-
    off)."""

    def __init__(self, why: str, after: float | None = None) -> None:
        super().__init__(why)
        self.after = after


class Overtaken(Exception):
    """What was seen changed before the plan was carried out."""


class Seen(Protocol):
    """What a plan rests on."""

    @property
    def fingerprint(self) -> Fingerprint: ...


V = TypeVar("V", bound=Seen)


class Controller(ABC, Generic[V]):
    """Moves one key at a time. Subclasses read and decide; only this class writes."""

    name: str
    component: str
    """Who events say they come from."""
    watches: tuple[Kind, ...] = ()
    """Kinds whose changes concern this controller; empty means all."""
    every: float = 0.0
    """Seconds between looks that no change asks for (0: only the resync looks unasked)."""

    @property
    def actor(self) -> Actor:
        return system(f"controller:{self.name}")

    @abstractmethod
    def keys(self, change: Change, read: Reader) -> Iterable[str]:
        """The keys that this change may concern. Reads little, decides nothing."""

    @abstractmethod
    def all_keys(self, read: Reader) -> Iterable[str]:
        """Every key there is, for the resync."""

    @abstractmethod
    def look(self, read: Reader, key: str) -> V | None:
        """All that a plan rests on, or None when there is nothing to do. Reads only; runs again inside the
        write."""

    @abstractmethod
    def plan(self, view: V, now: datetime) -> Actions:
        """What to do. Pure, and leaves the view as it is."""

    def overdue(self, read: Reader, now: datetime) -> Iterable[str]:  # noqa: ARG002
        """Keys to look at though nothing changed: asked for every ``every`` seconds, so it must be cheap."""
        return ()

    def refused(self, view: V, error: ApiError, now: datetime) -> Actions:  # noqa: ARG002
        """What to tell the user when the plan was refused, as events and conditions."""
        return Actions()

    def reconcile(self, key: str, now: datetime) -> datetime | None:
        """Bring the key one step further; returns when to look again. Raises Retry when it could not."""
        for _ in range(LOOKS):
            view = self.look(Reader(), key)
            if view is None:
                return None
            actions = self.plan(view, now)
            if actions.idle:
                return actions.again
            try:
                self.carry_out(key, view, actions)
            except Overtaken:
                continue
            except Unavailable:
                raise
            except ApiError as error:
                self._tell(key, view, error, now)
                raise Retry(f"{self.name} {key}: {error.message}") from error
            return actions.again
        raise Retry(f"{self.name} {key}: changed {LOOKS} times while being looked at")

    def carry_out(self, key: str, view: V, actions: Actions) -> None:
        """One transaction for all of it, or nothing: raises Overtaken when the view no longer holds."""
        allow(self.actor, actions)

        def work(tx: Transaction) -> None:
            fresh = self.look(Reader(), key)
            if fresh is None or fresh.fingerprint != view.fingerprint:
                raise Overtaken(key)
            execute(tx, actions, self.component)

        try:
            store.write(self.actor, work)
        except Conflict as error:
            raise Overtaken(key) from error

    def _tell(self, key: str, view: V, error: ApiError, now: datetime) -> None:
        told = self.refused(view, error, now)
        if told.idle:
            return
        try:
            self.carry_out(key, view, told)
        except (Overtaken, NotFound):
            return  # the next look tells what is true then


def allow(actor: Actor, actions: Actions) -> None:
    """Every verb of the plan against the actor's own rules. Raises Forbidden."""
    asked = {(update.kind.key, "update", update.obj.metadata.namespace, "") for update in actions.updates}
    asked |= {(make.kind.key, "create", make.obj.metadata.namespace, "") for make in actions.creates}
    asked |= {(removal.kind.key, "delete", removal.namespace, "") for removal in actions.deletes}
    asked |= {(told.kind.key, "update", told.obj.metadata.namespace, "status") for told in actions.statuses}
    if notes(actions):
        asked.add((EVENT.key, "create", "", ""))
    for key, verb, namespace, subresource in asked:
        kind = by_key(key)
        decision = policy.authorize(
            actor, verb, kind.group, kind.plural, subresource=subresource, namespace=namespace
        )
        if not decision.allowed:
            raise Forbidden(f"{actor.name} may not {verb} {kind.key}: {decision.reason}")


def notes(actions: Actions) -> list[Note]:
    """Every event the plan would record."""
    made = (make.told for make in actions.creates)
    removed = (removal.told for removal in actions.deletes)
    return [*(note for note in (*made, *removed) if note is not None), *actions.events]


def execute(tx: Transaction, actions: Actions, component: str) -> None:
    """Carry a plan out inside a write, each event beside what it tells of."""
    for update in actions.updates:
        tx.update(update.kind, update.obj, part=update.part)
    if not create(tx, actions.creates, component):
        return
    for removal in actions.deletes:
        delete(tx, removal)
        tell(tx, removal.told, component, removal.name)
    for update in actions.statuses:
        # An update above may have given the same object a new number; that the view held is known already.
        obj = replace(update.obj, metadata=replace(update.obj.metadata, resource_version=""))
        tx.update(update.kind, obj, part="status")
    for note in actions.events:
        tell(tx, note, component)


def create(tx: Transaction, creates: Sequence[Create], component: str) -> bool:
    """All, or as many as the namespace has room for: then the next look, at what was made, is told why no more."""
    for count, make in enumerate(creates):
        try:
            made = tx.create(make.kind, make.obj)
        except Forbidden:
            if not count:
                raise
            return False
        tell(tx, make.told, component, made.metadata.name)
    return True


def delete(tx: Transaction, removal: Delete) -> None:
    """Gone already is as good as deleted; another object of the same name is left alone."""
    options = types.DeleteOptions(
        grace_period_seconds=removal.grace,
        propagation_policy=removal.propagation,
        preconditions=types.Preconditions(uid=removal.uid),
    )
    try:
        tx.delete(removal.kind, removal.namespace, removal.name, options)
    except NotFound:
        return


def tell(tx: Transaction, note: Note | None, component: str, name: str = "") -> None:
    """Record an event of the plan, naming what was made."""
    if note is not None:
        message = note.message.replace("{name}", name)
        tx.record(
            note.about,
            note.reason,
            message,
            type="Warning" if note.warning else "Normal",
            component=component,
        )
