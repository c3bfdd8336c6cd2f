"""The one websocket of a browser tab: says which regions of its page have moved, and nothing else.

The tab fetches a moved region again from the page's own view, so policy and content stay in one place. What comes
in bursts is told at most four times a second.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer

from apps.accounts import authentication, policy
from apps.cluster import hub, store
from apps.cluster.actors import Actor
from apps.cluster.errors import ApiError, Gone, Unauthorized
from apps.cluster.registry import UnknownKind, by_key
from apps.cluster.selectors import LabelSelector, parse_labels
from apps.cluster.watching import Scope
from apps.cluster.work import in_db
from apps.dashboard import paths

APART = 0.25
"""Seconds between two messages to one tab."""
SIGN_OF_LIFE = 10.0
LOOK_AGAIN = 30.0
"""Seconds after which the session is checked again."""
MOST_REGIONS = 8
MOST_TOPICS = 24
MOST_TEXT = 16_384
SIGNED_OUT, REFUSED, TOO_MUCH = 4401, 4403, 4400

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Region:
    """A part of a page: what it shows, and the number of the log it was drawn at."""

    id: str
    topics: tuple[str, ...]
    labels: LabelSelector
    number: int

    def scopes(self, who: Actor) -> list[Scope]:
        """Unknown kinds are passed over: a page may name one that is not registered here."""
        found = (scope_of(topic, self.labels, who) for topic in self.topics)
        return [scope for scope in found if scope is not None]


def regions_of(text: str) -> list[Region]:
    """Reads a "show" message. Raises ValueError for anything that is none."""
    message = json.loads(text)
    if not isinstance(message, dict) or message.get("t") != "show":
        raise ValueError("not a message of this socket")
    told = message.get("regions")
    if not isinstance(told, list) or len(told) > MOST_REGIONS:
        raise ValueError("too many regions")
    return [_region(each) for each in told]


def _region(data: Any) -> Region:
    if not isinstance(data, dict):
        raise ValueError("a region is an object")
    topics, labels, number = data.get("topics"), data.get("labels", ""), data.get("number")
    if (
        not isinstance(topics, list)
        or len(topics) > MOST_TOPICS
        or not all(isinstance(each, str) for each in topics)
    ):
        raise ValueError("topics are a short list of texts")
    known = number if isinstance(number, int) and number > 0 else 0
    return Region(str(data.get("id", ""))[:64], tuple(topics), _labels(labels), known)


def _labels(text: object) -> LabelSelector:
    try:
        return parse_labels(str(text))
    except ValueError:
        return LabelSelector()  # the page itself says what is wrong with its selector


def scope_of(topic: str, labels: LabelSelector, who: Actor) -> Scope | None:
    """``pods``, ``pods/shop``, ``pods/shop/web-1``, ``nodes/-/n1``: a kind, perhaps a namespace, perhaps a name."""
    key, _, rest = topic.partition("/")
    namespace, _, name = rest.partition("/")
    try:
        kind = by_key(key)
    except UnknownKind:
        return None
    place = namespace if kind.namespaced and namespace not in {"", paths.NOWHERE} else None
    return Scope(
        kind=kind, namespace=place, name=name, labels=labels, visible=partial(policy.scope, who, kind)
    )


class LiveConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """One tab. Who asks is known from the session, and only to a page of this very host."""

    channel_layer_alias = "none"
    """The hub tells what moved; a socket that joined the layer would need Redis to be alive."""

    async def connect(self) -> None:
        self.following: set[asyncio.Task[None]] = set()
        self.moved: set[str] = set()
        self.stirred = asyncio.Event()
        self.speaking: list[asyncio.Task[None]] = []
        try:
            self.who: Actor = await authentication.of_scope(self.scope)
        except Unauthorized:
            await self.accept()  # a refused handshake tells the page nothing, a close code does
            await self.close(SIGNED_OUT, "You are signed out.")
            return
        except ApiError:
            await self.close(REFUSED)
            return
        await self.accept()
        self.speaking = [asyncio.create_task(self._tell()), asyncio.create_task(self._stay())]

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            if text_data is None or len(text_data) > MOST_TEXT:
                raise ValueError("too much at once")
            regions = regions_of(text_data)
        except ValueError as error:
            await self.close(TOO_MUCH, str(error)[:100])
            return
        if not self.speaking:  # refused, and the other side had not noticed yet
            return
        await _ended(self.following)
        self.following = {asyncio.create_task(self._follow(region)) for region in regions}

    async def disconnect(self, code: int) -> None:
        await _ended([*self.following, *self.speaking])

    async def _follow(self, region: Region) -> None:
        """Marks the region whenever something it shows has changed, until it is no longer shown."""
        scopes = region.scopes(self.who)
        if not scopes:
            return
        since = region.number or await in_db(store.clock)
        while True:
            try:
                async with aclosing(hub.follow(scopes, since)) as batches:
                    async for batch in batches:
                        since = batch.number
                        if batch.events:
                            self._mark(region.id)
            except Gone:
                self._mark(region.id)
                since = await in_db(store.clock)
            except Exception:
                logger.exception("a live region could not be followed")
                self._mark(region.id)
            await asyncio.sleep(1)

    def _mark(self, region: str) -> None:
        self.moved.add(region)
        self.stirred.set()

    async def _tell(self) -> None:
        while True:
            await self.stirred.wait()
            self.stirred.clear()
            regions, self.moved = sorted(self.moved), set()
            await self._say({"t": "moved", "regions": regions})
            await asyncio.sleep(APART)

    async def _stay(self) -> None:
        """Signs of life, so that the tab can tell a quiet server from a dead line; ends with the session."""
        quiet = 0.0
        while True:
            await self._say({"t": "here"})
            await asyncio.sleep(SIGN_OF_LIFE)
            quiet += SIGN_OF_LIFE
            if quiet >= LOOK_AGAIN:
                quiet = 0.0
                if not await self._still_here():
                    await self._say({"t": "ended", "message": "You are signed out."})
                    await self.close(SIGNED_OUT, "You are signed out.")
                    return

    async def _still_here(self) -> bool:
        """Whether the session still stands for the same person with the same groups."""
        try:
            return await authentication.of_scope(self.scope) == self.who
        except ApiError:
            return False

    async def _say(self, message: dict[str, Any]) -> None:
        await self.send(text_data=json.dumps(message))


async def _ended(tasks: Iterable[asyncio.Task[None]]) -> None:
    tasks = [task for task in tasks if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError, Exception):
            await task
