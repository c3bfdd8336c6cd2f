"""The one websocket of a node's agent: tells it what concerns it, takes what it reports.

No channel layer: the layer's server may die at any moment, and no agent shall lose its connection over that. Reports
are worked off in order, one at a time, beside the signs of life, which are answered at once.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Coroutine
from contextlib import aclosing, suppress
from typing import Any

import msgspec
from channels.consumer import get_handler_name
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db.utils import Error as DatabaseError

from apps.accounts import authentication, node_identity, pod_tokens
from apps.accounts.node_rules import Reference
from apps.cluster import hub
from apps.cluster.actors import Actor
from apps.cluster.conditions import is_ready
from apps.cluster.errors import ApiError, Gone
from apps.cluster.rows import Stored
from apps.cluster.types import Node, Pod, agent, now
from apps.cluster.work import in_db
from apps.nodes import closure, heartbeats, merging, samples
from apps.nodes.handed import Signed
from apps.nodes.intake import intake
from apps.nodes.reports import Report
from apps.nodes.servers import presence

UNAUTHORIZED, SUPERSEDED, SILENT, GARBLED, FAILED = 4401, 4409, 4408, 4400, 1011
FRESH_PINGS = 1.5
SILENCE = 20.0
"""Seconds without a word after which a connection counts as dead."""
ENDED = "the token has ended or was revoked"
LOST = "this node was silent and counts as lost: connect anew"
TOKEN_CHECKED_EVERY = 10.0
RENEWAL_LOOKED_AT = 30.0
LATE_LOOKED_AT = 0.25
"""Seconds until a service account that was not there yet is looked for again."""
FAREWELL_WAITED_FOR = 10.0
"""Seconds that all nodes' rules are waited for; the agent's own patience is shorter."""
MOST_WAITING = 64
"""Reports waiting for the database; beyond that the agent's words are left unread, which slows it down."""
LARGEST_FRAME = 4 * 1024 * 1024

logger = logging.getLogger(__name__)


class AgentConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """One connection."""

    channel_layer_alias = "agents have none"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.node = ""
        self.connection = str(uuid.uuid4())
        self._greeted = self._over = self._due = False
        self._heard_at = 0.0
        self._awaited = 0
        self._servers: list[str] = []
        self._farewell: asyncio.Task[None] | None = None
        self._reports: asyncio.Queue[Report] = asyncio.Queue(MOST_WAITING)
        self._described: agent.NodeReport | None = None
        self._state: closure.Closure | None = None
        self._late = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Without the way through a thread that Channels takes before each message: what asks the database here has
        threads of its own, and a thousand nodes say much."""
        await getattr(self, get_handler_name(message))(message)

    async def connect(self) -> None:
        try:
            actor: Actor = await authentication.of_scope(self.scope)
        except ApiError as refusal:
            if left := await in_db(node_identity.node_left, authentication.bearer(self.scope)):
                await self._refuse(agent.REMOVED_STATUS, _removed(left))
            else:
                await self._refuse(401, refusal.message)
            return
        if not actor.node:
            await self._refuse(403, f"{actor.name} is no node: this door is for agents")
            return
        if why := agent.stranger(self.scope.get("subprotocols", ())):
            await self._refuse(400, why)
            return
        self.node = actor.node
        await in_db(node_identity.used, authentication.bearer(self.scope))
        self._heard_at = asyncio.get_running_loop().time()
        await self.accept(agent.SUBPROTOCOL)
        self._start(self._watch_over())

    async def disconnect(self, code: int) -> None:
        self._over = True
        self._leave()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self._over:
            return
        self._heard_at = asyncio.get_running_loop().time()
        text = text_data if text_data is not None else (bytes_data or b"")
        if len(text) > LARGEST_FRAME:
            await self._end(GARBLED, "a frame is too large")
            return
        try:
            message = agent.from_agent(text)
        except msgspec.DecodeError as error:
            await self._end(GARBLED, _short(f"this frame cannot be read: {error}"))
            return
        if isinstance(message, agent.Hello):
            await self._greet(message)
        elif not self._greeted:
            await self._end(GARBLED, "the first frame must be hello")
        else:
            await self._heed(message)

    async def _heed(self, message: agent.Ping | agent.Renew | agent.Waiting | agent.Samples | Report) -> None:
        if isinstance(message, agent.Ping):
            heartbeats.book().beat(self.node, self.connection, message.programmed)
            every = heartbeats.book().every
            slower = every if every > agent.PING_SECONDS else 0
            servers = presence.known if presence.known != self._servers else []
            self._servers = servers or self._servers
            await self._say(agent.Pong(seq=message.seq, every=slower, renew=self._due, servers=servers))
        elif isinstance(message, agent.Renew):
            self._start(self._renew_identity(message))
        elif isinstance(message, agent.Waiting):
            self._awaited = max(self._awaited, message.number)
            if self._farewell is None or self._farewell.done():
                self._farewell = self._start(self._tell_when_everywhere())
        elif isinstance(message, agent.Samples):
            samples.shelf().put(self.node, message)
        else:
            await self._reports.put(message)

    async def _greet(self, hello: agent.Hello) -> None:
        if hello.node != self.node:
            await self._end(UNAUTHORIZED, _short(f"this token is node {self.node}'s, not {hello.node}'s"))
            return
        if self._greeted:
            return
        self._greeted = True
        await heartbeats.book().enter(self.node, self.connection, self._superseded)
        await presence.look()
        logger.info("agent of node %s connected (version %s)", self.node, hello.version)
        self._start(self._tell(alone=hello.alone))
        self._start(self._renew())
        self._start(self._work())

    async def _tell(self, *, alone: bool) -> None:
        """Stream the node's closure; begin again from the whole state whenever the log cannot go on."""
        while True:
            state = closure.Closure(self.node, alone=alone)
            try:
                async with aclosing(hub.follow(state.scopes())) as batches:
                    async for batch in batches:
                        missing, unsigned = state.missing(batch), state.unsigned(batch)
                        asked = missing or unsigned
                        fetched, signed = await in_db(_needed, missing, unsigned) if asked else ({}, {})
                        for frame in state.frames(batch, fetched, signed):
                            await self._say(frame)
                        state.told, self._state = batch.number, state
                        if state.handed.lacking:
                            self._late.set()
                        await self._look_at_own(batch)
                        if self._over:
                            return
                        if state.outdated:
                            break
            except Gone as gone:
                logger.info("node %s lists again: %s", self.node, gone.message)

    async def _tell_when_everywhere(self) -> None:
        """A pod of the node waits to end until every node's rules pass it by; the agent does not wait for ever."""
        loop = asyncio.get_running_loop()
        until, awaited = loop.time() + FAREWELL_WAITED_FOR, self._awaited
        while loop.time() < until:
            reached = await heartbeats.book().everywhere()
            if reached >= self._awaited:
                await self._say(agent.Everywhere(number=reached))
                return
            if awaited != self._awaited:
                until, awaited = loop.time() + FAREWELL_WAITED_FOR, self._awaited
            await asyncio.sleep(heartbeats.SOONEST)

    async def _renew(self) -> None:
        """Tokens come again well before they end, and late ones once their service account is there."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(RENEWAL_LOOKED_AT):
                    await self._late.wait()
                await asyncio.sleep(LATE_LOOKED_AT)
            self._late.clear()
            state = self._state
            if state is None:
                continue
            due = state.handed.due(now())
            signed = await in_db(pod_tokens.issue_all, due, now()) if due else {}
            if state is self._state:
                for frame in state.renewed(due, signed, now()):
                    await self._say(frame)
                if state.handed.lacking:
                    self._late.set()

    async def _renew_identity(self, asked: agent.Renew) -> None:
        if not self._due:
            logger.info("node %s asks for a new identity before its time", self.node)
            return
        self._due = False
        try:
            identity = await in_db(node_identity.issue, self.node, asked.request.encode(), now())
        except ApiError as refusal:
            logger.warning("node %s asks for a new identity: %s", self.node, refusal.message)
            return
        logger.info("node %s has a new identity", self.node)
        await self._say(agent.Renewed(identity=identity))

    async def _look_at_own(self, batch: hub.Batch) -> None:
        """A node that was taken out ends here. One that calls itself ready may have been judged lost."""
        if any(event.type == "DELETED" and closure.own([event], self.node) for event in batch.events):
            await self._end(agent.REMOVED_CODE, _short(_removed(self.node)))
            return
        event = closure.own(batch.events, self.node)
        if event is None or event.type == "DELETED" or self._described is None:
            return
        node: Node = event.object
        if is_ready(self._described.status.conditions) and not is_ready(node.status.conditions):
            await self._object(self._described)

    async def _object(self, described: agent.NodeReport) -> None:
        """A node that was judged lost says again what it is, if it was heard just now. Else this connection is over,
        though nobody ended it: what still arrives was said before the silence. By the next one the node catches up
        before it speaks."""
        loop, book = asyncio.get_running_loop(), heartbeats.book()
        if loop.time() - self._heard_at > FRESH_PINGS * book.every:
            await self._end(SILENT, LOST)
            return
        book.beat(self.node, self.connection)
        await book.flush()
        await self._reports.put(described)

    async def _work(self) -> None:
        """Bring the reports into the store in order. Accepted is said after the commit, never before."""
        while True:
            report = await self._reports.get()
            try:
                notes = await self._take(report)
            except ApiError as refusal:
                await self._say(agent.Refused(seq=report.seq, message=refusal.message))
                continue
            for note in notes[:20]:
                logger.info("node %s: not taken: %s", self.node, note)
            await self._say(agent.Accepted(seq=report.seq))

    async def _take(self, report: Report) -> list[str]:
        if isinstance(report, agent.NodeReport):
            report = self._described = _with_ready(report)
        return await intake().take(self.node, report)

    async def _watch_over(self) -> None:
        """Ends what is silent, and what may no longer be here."""
        loop = asyncio.get_running_loop()
        checked_at = loop.time()
        while True:
            slower = heartbeats.book().every / agent.PING_SECONDS
            await asyncio.sleep(slower)
            moment = loop.time()
            if moment - self._heard_at > SILENCE * slower:
                await self._end(SILENT, "nothing was heard for too long")
                return
            if moment - checked_at > TOKEN_CHECKED_EVERY * slower:
                checked_at = moment
                try:
                    await authentication.of_scope(self.scope)
                    self._due = await in_db(node_identity.is_due, authentication.bearer(self.scope), now())
                except ApiError:
                    left = await in_db(node_identity.node_left, authentication.bearer(self.scope))
                    code, words = (agent.REMOVED_CODE, _removed(left)) if left else (UNAUTHORIZED, ENDED)
                    await self._end(code, _short(words))
                    return
                except DatabaseError as error:
                    logger.warning("the token of node %s could not be checked: %s", self.node, error)

    def _superseded(self) -> None:
        self._start(self._end(SUPERSEDED, "a newer connection speaks for this node"))

    async def _refuse(self, status: int, words: str) -> None:
        """Say no before there is a connection, in words where the server can carry them."""
        if "websocket.http.response" not in self.scope.get("extensions", {}):
            await self.close()
            return
        headers = [(b"content-type", b"text/plain; charset=utf-8")]
        start = {"type": "websocket.http.response.start", "status": status, "headers": headers}
        await self.base_send(start)
        await self.base_send({"type": "websocket.http.response.body", "body": words.encode()})

    async def _say(self, message: agent.Message) -> None:
        if not self._over:
            await self.send(text_data=agent.frame(message))

    async def _end(self, code: int, reason: str) -> None:
        """Close, once; whatever else is still being said is dropped."""
        if not self._over:
            self._over = True
            # Not left to the peer's answer, which a dead one never sends.
            self._leave()
            await self.close(code, reason)

    def _leave(self) -> None:
        heartbeats.book().leave(self.node, self.connection)
        for task in self._tasks - {asyncio.current_task()}:
            task.cancel()

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """Whatever breaks ends the connection; the agent comes back and everything is told anew."""
        try:
            await work
        except asyncio.CancelledError:
            raise
        except OSError:
            return  # the agent left in the middle of a word; its disconnect follows
        except DatabaseError as error:
            logger.warning("node %s: the database is away: %s", self.node, error)
            await self._end(FAILED, "the database is away")
        except Exception:
            logger.exception("the connection of node %s failed", self.node)
            await self._end(FAILED, "the server failed")


def _needed(
    missing: frozenset[Reference], unsigned: list[Pod]
) -> tuple[dict[Reference, Stored | None], Signed]:
    """All that goes out with new pods, in one errand."""
    return closure.fetch(missing), pod_tokens.issue_all(unsigned, now())


def _with_ready(report: agent.NodeReport) -> agent.NodeReport:
    """What the store will hold of this report, as far as readiness goes."""
    if any(condition.type == "Ready" for condition in report.status.conditions):
        return report
    status = merging.node_status(report.status, report.status, report.door_port, now())
    return agent.NodeReport(seq=report.seq, status=status, labels=report.labels, door_port=report.door_port)


def _removed(node: str) -> str:
    return f"node {node} was removed from the cluster"


def _short(words: str) -> str:
    """A close frame carries 123 bytes of reason."""
    return words.encode()[:120].decode(errors="ignore")
