"""A terminal in the browser: a shell in a pod's container over one websocket.

The first message is a ticket that the page fetched, with the size of the window. From then on both sides speak the
frames of ``apps.cluster.types.streams``; the page also tells in text how many bytes it has drawn, so that a program
that writes without end waits for the reader instead of filling memory.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer

from apps.accounts import authentication, tickets
from apps.cluster import store, types
from apps.cluster.actors import Actor
from apps.cluster.errors import ApiError, BadRequest, NotFound, Unauthorized
from apps.cluster.kinds import POD
from apps.cluster.types import streams as frames
from apps.cluster.work import in_db
from apps.dashboard import access, pages
from apps.nodes import streams

SHELL = ("sh", "-c", "command -v bash >/dev/null && exec bash; exec sh")
"""What is run: the better shell where there is one."""
MOST_TEXT = 16 * 1024
"""Bytes of one message; the page cuts what is pasted."""
MOST_WAITING = 64
"""Messages that a program may leave unread."""
MOST_A_SECOND = 200
MOST_UNDRAWN = 512 * 1024
IDLE = 15 * 60.0
LOOK_AGAIN = 30.0
"""Seconds after which session and rights are asked for again."""
SIGNED_OUT, REFUSED, TOO_MUCH, OVER = 4401, 4403, 4400, 1000
HEARD = frozenset({frames.INPUT, frames.RESIZE})

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Target:
    """A container of a pod, as it is called and as it is."""

    namespace: str
    pod: str
    uid: str
    container: str

    def spelled(self) -> str:
        return json.dumps([self.namespace, self.pod, self.uid, self.container])

    @classmethod
    def of(cls, text: str) -> Target:
        return cls(*json.loads(text))


def allowed(who: Actor, target: Target) -> types.Pod:
    """The pod, when ``who`` may run something in it just now. Raises NotFound, Forbidden or BadRequest."""
    pod: types.Pod = access.seen(who, POD, target.namespace, target.pod).object
    access.require(who, "create", POD, target.namespace, target.pod, "exec")
    if target.uid and pod.metadata.uid != target.uid:
        raise NotFound(f"Pod {target.pod} is another one by now.")
    if target.container not in {each.name for each in pod.spec.all_containers()}:
        raise BadRequest(f"Pod {target.pod} has no container {target.container}.")
    if not pod.spec.node_name:
        raise BadRequest("This pod has no node yet, so nothing runs in it.")
    return pod


def ticket(who: Actor, target: Target) -> str:
    """What opens a terminal there, once."""
    return tickets.issue(who, target.spelled(), pages.now())


class TerminalConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """One terminal. Only a page of this very host gets one, for somebody who may exec there, for as long as he may."""

    channel_layer_alias = "none"

    async def connect(self) -> None:
        self.tasks: list[asyncio.Task[None]] = []
        self.typed: asyncio.Queue[bytes] = asyncio.Queue(MOST_WAITING)
        self.undrawn = 0
        self.drawn = asyncio.Event()
        self.target: Target | None = None
        self.busy = 0
        self.touched = asyncio.get_running_loop().time()
        try:
            self.who: Actor = await authentication.of_scope(self.scope)
        except ApiError as refused:
            if not isinstance(refused, Unauthorized):
                await self.close(REFUSED)
                return
            await self.accept()  # a refused handshake tells the page nothing, a close code does
            await self.close(SIGNED_OUT, "You are signed out.")
            return
        await self.accept()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            if self.target is None:
                await self._begin(text_data or "")
            elif text_data is not None:
                self._draw(text_data)
            else:
                self._hear(bytes_data or b"")
        except ApiError as refused:
            await self._end(refused.message, REFUSED)
        except ValueError as error:
            await self._end(str(error), TOO_MUCH)

    async def disconnect(self, code: int) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    # What the page says

    async def _begin(self, text: str) -> None:
        told = _told(text)
        what = await in_db(tickets.redeem, str(told.get("ticket", "")), self.who, pages.now())
        self.target = Target.of(what)
        pod = await in_db(allowed, self.who, self.target)
        window = {"Width": told.get("columns"), "Height": told.get("rows")}
        self.typed.put_nowait(frames.frame(frames.RESIZE, types.encode(window)))
        self._run(self._talk(pod), self._stay())

    def _draw(self, text: str) -> None:
        count = _told(text).get("drawn")
        if not isinstance(count, int) or count < 0:
            raise ValueError("drawn: a number of bytes")
        self.undrawn = max(0, self.undrawn - count)
        self.drawn.set()

    def _hear(self, frame: bytes) -> None:
        if len(frame) > MOST_TEXT:
            raise ValueError("Too much at once.")
        self.busy += 1
        if self.busy > MOST_A_SECOND:
            raise ValueError("Too many messages at once.")
        if frame and frame[0] in HEARD:
            self.touched = asyncio.get_running_loop().time()
            try:
                self.typed.put_nowait(frame)
            except asyncio.QueueFull:
                raise ValueError("The program does not read what is typed.") from None

    # The container

    async def _talk(self, pod: types.Pod) -> None:
        assert self.target is not None
        where = self.target
        query = [(name, "true") for name in ("stdin", "stdout", "tty")]
        query += [("command", word) for word in SHELL]
        path = streams.path_of("exec", where.namespace, where.pod, where.container)
        try:
            async with streams.opened(pod.spec.node_name, path, query) as stream:
                await in_db(self._note, pod, "TerminalOpened", "opened a terminal")
                self._run(self._carry(stream))
                try:
                    await self._show(stream, pod.spec.node_name)
                finally:
                    await in_db(self._note, pod, "TerminalClosed", "closed a terminal")
        except ApiError as refused:
            await self._end(refused.message, REFUSED)
            return
        await self.close(OVER)

    async def _carry(self, stream: streams.Stream) -> None:
        with suppress(streams.Lost):  # what the node still had to say is on its way
            while True:
                await stream.send(await self.typed.get())

    async def _show(self, stream: streams.Stream, node: str) -> None:
        told = False
        with suppress(streams.Lost):
            async for frame in stream.frames():
                if frame == frames.NOTHING:
                    continue
                told = told or frame[0] == frames.STATUS
                self.undrawn += len(frame) - 1
                await self.send(bytes_data=frame)
                while self.undrawn > MOST_UNDRAWN:
                    self.drawn.clear()
                    await self.drawn.wait()
        if not told:
            await self.send(bytes_data=frames.failure(f"the connection to node {node} was lost"))

    # While it is open

    async def _stay(self) -> None:
        """Counts messages by the second; ends what nobody uses, and what may not be any more."""
        loop, looked = asyncio.get_running_loop(), asyncio.get_running_loop().time()
        while True:
            await asyncio.sleep(1.0)
            self.busy = 0
            if loop.time() - self.touched > IDLE:
                await self._end(f"Nothing was typed for {IDLE / 60:.0f} minutes.", OVER)
                return
            if loop.time() - looked < LOOK_AGAIN:
                continue
            looked = loop.time()
            if why := await self._why_not():
                await self._end(why, REFUSED)
                return

    async def _why_not(self) -> str:
        assert self.target is not None
        try:
            if await authentication.of_scope(self.scope) != self.who:
                return "You are signed out, or your groups have changed."
            await in_db(allowed, self.who, self.target)
        except ApiError as refused:
            return refused.message
        return ""

    def _note(self, pod: types.Pod, reason: str, did: str) -> None:
        """Who was in whose container and when, as an event of the pod and in the server's log. Never what was typed."""
        assert self.target is not None
        words = f"{self.who.name} {did} in container {self.target.container}"
        logger.info("%s of pod %s/%s", words, self.target.namespace, self.target.pod)
        store.write(self.who, lambda tx: tx.record(pod, reason, words, component="dashboard"))

    async def _end(self, words: str, code: int) -> None:
        """Words for the terminal itself; a close code has room for few."""
        with suppress(Exception):  # the page may have left
            await self.send(bytes_data=frames.failure(words))
            await self.close(code)

    def _run(self, *work: Coroutine[Any, Any, None]) -> None:
        self.tasks += [asyncio.create_task(each) for each in work]


def _told(text: str) -> dict[str, Any]:
    """A message in text. Raises ValueError."""
    if len(text) > MOST_TEXT:
        raise ValueError("Too much at once.")
    told = json.loads(text)
    if not isinstance(told, dict):
        raise ValueError("not a message of this socket")
    return told
