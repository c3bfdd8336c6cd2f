"""What can be talked to in a pod: its containers' processes and its ports, in the frames of ``types.streams``."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

from apps.cluster.types import streams as frames
from node_agent.herd import Herd
from node_agent.network import NetworkError
from node_agent.network.links import socket_inside
from node_agent.pods.record import Record
from node_agent.refused import Refused
from node_agent.runtime.base import SANDBOX, EngineAway, Runtime, RuntimeTrouble, Seen, State
from node_agent.runtime.streams import Session, StreamingRuntime, StreamWish

log = logging.getLogger(__name__)

CHUNK = 64 * 1024
CONNECT_SECONDS = 3.0
LOOK_SECONDS = 0.5
LAST_WORDS_SECONDS = 2.0  # for what a process said before its container ended
LARGEST_WINDOW = 0xFFFF
LOOPBACKS = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
Query = Sequence[tuple[str, str]]


class Talk(Protocol):
    """One stream behind a websocket. Whoever has one closes it."""

    def tell(self) -> AsyncIterator[bytes]:
        """Frames for the client; the stream ends with the last."""
        ...

    async def hear(self, frame: bytes) -> None:
        """A frame of the client's; waits while the container takes no more."""
        ...

    async def close(self) -> None: ...


class Streams:
    """Opens what the server asks for. Raises Refused, in words, before anything was started."""

    def __init__(self, herd: Herd, runtime: Runtime, engine: StreamingRuntime) -> None:
        self._herd, self._runtime, self._engine = herd, runtime, engine

    async def open(self, kind: str, parts: Sequence[str], query: Query, *, only_ask: bool) -> Talk | None:
        """What an address of the door stands for; with ``only_ask`` None once it is clear that it would open."""
        try:
            match kind, *parts:
                case "exec" | "attach", namespace, pod, container:
                    return await self._process(kind, namespace, pod, container, query, only_ask=only_ask)
                case "portforward", namespace, pod:
                    return await self._port(namespace, pod, query, only_ask=only_ask)
        except EngineAway as error:
            raise Refused(503, str(error)) from error
        except RuntimeTrouble as error:
            raise Refused(400, str(error)) from error
        raise Refused(404, "there is no such door")

    async def _process(
        self, kind: str, namespace: str, pod: str, container: str, query: Query, *, only_ask: bool
    ) -> Talk | None:
        record = self._record(namespace, pod)
        seen = running(record, pod, container)
        if only_ask:
            return None
        wish = wish_of(query)
        if kind == "exec" and not wish.command:
            raise Refused(400, "command: Required value: exec needs a command")
        open_ = self._engine.exec if kind == "exec" else self._engine.attach
        session = await open_(seen.id, wish)
        return ProcessTalk(session, lambda: _runs(record, seen.id))

    async def _port(self, namespace: str, pod: str, query: Query, *, only_ask: bool) -> Talk | None:
        record = self._record(namespace, pod)
        sandbox = next((each for each in _newest(record, SANDBOX) if each.state is State.RUNNING), None)
        if sandbox is None:
            raise Refused(400, f'pod "{pod}" is not running')
        if only_ask:
            return None
        text = dict(query).get("port", "")
        if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
            raise Refused(400, f'port "{text[:20]}" is not a number from 1 to 65535')
        pid = (await asyncio.to_thread(self._runtime.inspect, sandbox.id)).pid
        return PortTalk(*await _dial(pid, pod, int(text)))

    def _record(self, namespace: str, pod: str) -> Record:
        worker = self._herd.find(namespace, pod)
        if worker is None or worker.record.pod is None:
            raise Refused(404, f'pod "{pod}" is not on this node')
        return worker.record


def wish_of(query: Query) -> StreamWish:
    """What a query asks for. Pure."""
    given = dict(query)
    return StreamWish(
        command=tuple(value for name, value in query if name == "command"),
        **{name: given.get(name) == "true" for name in ("stdin", "stdout", "stderr", "tty")},
    )


def running(record: Record, pod: str, container: str) -> Seen:
    """The newest container of that name when it runs; else Refused says what is the matter with it."""
    found = _newest(record, container)
    if found and found[0].state is State.RUNNING:
        return found[0]
    assert record.pod is not None
    names = [each.name for each in record.pod.spec.all_containers()]
    if not found and container not in names:
        raise Refused(404, f'there is no container "{container}" in pod "{pod}"; it has: {", ".join(names)}')
    life = record.lives.get(container)
    if life is not None and life.ending is not None:
        why = f"it ended with exit code {life.ending.exit_code}"
        why += f" ({life.ending.reason})" if life.ending.reason else ""
    else:
        why = "it is waiting to start: " + ((life.reason if life is not None else "") or "ContainerCreating")
    raise Refused(400, f'container "{container}" in pod "{pod}" is not running: {why}')


def _newest(record: Record, name: str) -> list[Seen]:
    found = [each for each in list(record.seen.values()) if each.name == name]
    return sorted(found, key=lambda each: each.attempt, reverse=True)


def _runs(record: Record, id: str) -> bool:
    seen = record.seen.get(id)
    return seen is not None and seen.state is State.RUNNING


class ProcessTalk:
    """A process's streams, its window and its exit code; ``lives`` tells whether its container still runs."""

    def __init__(self, session: Session, lives: Callable[[], bool]) -> None:
        self._session, self._lives = session, lives
        self._started = asyncio.Event()

    async def tell(self) -> AsyncIterator[bytes]:
        ending = asyncio.create_task(self._cut_when_over())
        try:
            await self._session.start()
            self._started.set()
            async for channel, data in self._session.output():
                yield frames.frame(channel, data)
            yield frames.exited(await self._session.exit_code())
        except EngineAway as error:
            yield frames.failure(str(error))
        except RuntimeTrouble as error:
            yield frames.failure(str(error) if self._lives() else "the container ended, and the process with it")
        finally:
            ending.cancel()

    async def _cut_when_over(self) -> None:
        """The engine may forget to end the streams of a process whose container was killed."""
        while self._lives():
            await asyncio.sleep(LOOK_SECONDS)
        await asyncio.sleep(LAST_WORDS_SECONDS)
        self._session.cut()

    async def hear(self, frame: bytes) -> None:
        await self._started.wait()
        channel = frame[0]
        if channel == frames.INPUT and len(frame) > 1:
            await self._session.write(frame[1:])
        elif frame == frames.END_OF_INPUT:
            await self._session.end_input()
        elif channel == frames.RESIZE:
            size = window_of(frame[1:])
            if size is not None:
                self._session.resize(*size)

    async def close(self) -> None:
        await self._session.close()


def window_of(text: bytes) -> tuple[int, int] | None:
    """Width and height, or None for what no terminal can have. Pure."""
    try:
        size = json.loads(text)
        width, height = size["Width"], size["Height"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not all(type(each) is int and 0 < each <= LARGEST_WINDOW for each in (width, height)):
        return None
    return width, height


class PortTalk:
    """One connection to a port of the pod."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._heard_all = asyncio.Event()

    async def tell(self) -> AsyncIterator[bytes]:
        with contextlib.suppress(ConnectionError):
            while chunk := await self._reader.read(CHUNK):
                yield frames.frame(frames.OUTPUT, chunk)
        yield frames.END_OF_OUTPUT
        await self._heard_all.wait()

    async def hear(self, frame: bytes) -> None:
        try:
            if frame[0] == frames.INPUT and len(frame) > 1:
                self._writer.write(frame[1:])
                await self._writer.drain()
            elif frame == frames.END_OF_INPUT:
                self._writer.write_eof()
                self._heard_all.set()
        except OSError:
            self._heard_all.set()

    async def close(self) -> None:
        self._writer.close()


async def _dial(pid: int, pod: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to a port as the pod itself would: what listens on its loopback only is reached too."""
    trouble: Exception = OSError("no loopback")
    for family, address in LOOPBACKS:
        try:
            dialled = await asyncio.to_thread(socket_inside, pid, family)
        except (NetworkError, OSError) as error:
            trouble = error
            continue
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await asyncio.get_running_loop().sock_connect(dialled, (address, port))
            return await asyncio.open_connection(sock=dialled, limit=2 * CHUNK)
        except (OSError, TimeoutError) as error:
            dialled.close()
            if isinstance(trouble, NetworkError) or family == socket.AF_INET:
                trouble = error
    number = getattr(trouble, "errno", None)
    words = os.strerror(number) if number else str(trouble) or "it does not answer"
    raise Refused(503, f'port {port} of pod "{pod}" cannot be reached: {words}') from trouble
