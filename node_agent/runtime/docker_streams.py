"""Two-way streams of the Docker Engine: with ``docker`` the only file that knows Docker.

The engine's address is spoken to directly: Docker's own client blocks a thread per stream, and may swallow the
output that comes with the first answer.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlencode, urlsplit

from node_agent.runtime.base import EngineAway, NoSuchContainer, RuntimeTrouble
from node_agent.runtime.streams import ERRORS, OUTPUT, StreamWish

log = logging.getLogger(__name__)

CHUNK = 64 * 1024
ANSWER_SECONDS = 30.0
HEADER = 8  # before each piece of a stream that is no terminal: which one, three zeros, the length
# A terminal's engine takes ctrl-p ctrl-q as "detach" unless told other keys: these nobody types.
NO_KEYS = ",".join(["ctrl-^", "ctrl-_"] * 4)
OUR_KEYS = base64.b64encode(b"\x1e\x1f" * 4).decode()  # as the engine shows them
END_OF_TRANSMISSION = b"\x04"
LOOKS = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)  # seconds between looks at an exec's state
HANGUP_SECONDS = 1.0
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class DockerStreams:
    """See ``runtime.streams.StreamingRuntime``."""

    def __init__(self, base_url: str, began: int | None = None) -> None:
        self._engine = Engine(base_url)
        self._began = started(os.getpid()) if began is None else began

    async def exec(self, id: str, wish: StreamWish) -> Exec:
        body = {
            "Cmd": list(wish.command),
            "AttachStdin": wish.stdin,
            "AttachStdout": wish.stdout,
            "AttachStderr": wish.stderr and not wish.tty,
            "Tty": wish.tty,
            "DetachKeys": NO_KEYS,
        }
        made = await self._engine.ask("POST", f"/containers/{id}/exec", body)
        return Exec(self._engine, made["Id"], tty=wish.tty)

    async def attach(self, id: str, wish: StreamWish) -> Attached:
        found = await self._engine.ask("GET", f"/containers/{id}/json")
        config = found["Config"]
        return Attached(self._engine, id, wish, tty=config["Tty"], once=config["StdinOnce"])

    async def end_left_behind(self, ids: Iterable[str]) -> None:
        """Ours are known by their detach keys: what somebody began by hand goes on, and so does what this very
        process began."""
        left = []
        for id in ids:
            with contextlib.suppress(RuntimeTrouble):
                found = await self._engine.ask("GET", f"/containers/{id}/json")
                for each in found.get("ExecIDs") or ():
                    state = await self._engine.ask("GET", f"/exec/{each}/json")
                    ours = state["Running"] and state.get("DetachKeys") == OUR_KEYS
                    if ours and started(state["Pid"]) < self._began:
                        left.append(Exec(self._engine, each, tty=False))
        await asyncio.gather(*(each.hang_up() for each in left))


def started(pid: int) -> int:
    """When a process began, in ticks since the machine did; later than all others when it is gone."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return sys.maxsize
    return int(after_name[19])


class Engine:
    """The engine's HTTP interface."""

    def __init__(self, base_url: str) -> None:
        self._address = urlsplit(base_url)

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One question; HTTP/1.0, so that the answer ends with the connection."""
        with _words():
            async with asyncio.timeout(ANSWER_SECONDS):
                reader, writer = await self._send(method, path, body, "HTTP/1.0", {})
                try:
                    head, _, text = (await reader.read()).partition(b"\r\n\r\n")
                finally:
                    writer.close()
            _check(head, text)
            return json.loads(text) if text.strip() else None

    async def hijack(self, path: str, body: Any = None) -> Connection:
        """Turn a connection into the raw streams behind it."""
        with _words():
            upgrade = {"Connection": "Upgrade", "Upgrade": "tcp"}
            reader, writer = await self._send("POST", path, body, "HTTP/1.1", upgrade)
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    head = await reader.readuntil(b"\r\n\r\n")
                    refused = not head.split(maxsplit=2)[1].startswith((b"1", b"2"))
                    _check(head, await reader.read(CHUNK) if refused else b"")
            except BaseException:
                writer.close()
                raise
            return reader, writer

    async def _send(
        self, method: str, path: str, body: Any, version: str, headers: dict[str, str]
    ) -> Connection:
        address = self._address
        if address.scheme == "unix":
            reader, writer = await asyncio.open_unix_connection(address.path, limit=2 * CHUNK)
        else:
            reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=2 * CHUNK)
        content = b"" if body is None else json.dumps(body).encode()
        lines = [
            f"{method} {path} {version}",
            "Host: engine",
            "Content-Type: application/json",
            f"Content-Length: {len(content)}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        writer.write("\r\n".join([*lines, "", ""]).encode() + content)
        await writer.drain()
        return reader, writer


class _Streams:
    """A hijacked connection: what exec and attach have in common."""

    def __init__(self, engine: Engine, where: str, *, tty: bool) -> None:
        self._engine, self._where, self._tty = engine, where, tty
        self._connection: Connection | None = None
        self._size: tuple[int, int] | None = None
        self._resizing: asyncio.Task[None] | None = None

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        assert self._connection is not None
        reader, _ = self._connection
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            if self._tty:
                while chunk := await reader.read(CHUNK):
                    yield OUTPUT, chunk
                return
            while True:
                head = await reader.readexactly(HEADER)
                channel = ERRORS if head[0] == ERRORS else OUTPUT
                left = int.from_bytes(head[4:], "big")
                while left:
                    chunk = await reader.read(min(left, CHUNK))
                    if not chunk:
                        return
                    left -= len(chunk)
                    yield channel, chunk

    async def write(self, data: bytes) -> None:
        assert self._connection is not None
        with contextlib.suppress(ConnectionError):
            self._connection[1].write(data)
            await self._connection[1].drain()

    async def end_input(self) -> None:
        assert self._connection is not None
        if self._tty:
            # Closing a terminal's input would cut its output off: say the end as a person would.
            await self.write(END_OF_TRANSMISSION)
        else:
            with contextlib.suppress(OSError, RuntimeError):
                self._connection[1].write_eof()

    def cut(self) -> None:
        if self._connection is not None:
            self._connection[1].close()

    def resize(self, width: int, height: int) -> None:
        if not self._tty:
            return
        self._size = (width, height)
        if self._resizing is None or self._resizing.done():
            self._resizing = asyncio.create_task(self._resize())

    async def _resize(self) -> None:
        """A process that is only just starting has no size yet: ask again."""
        for pause in LOOKS:
            await asyncio.sleep(pause)
            while (size := self._size) is not None:
                query = urlencode({"w": size[0], "h": size[1]})
                try:
                    await self._engine.ask("POST", f"{self._where}/resize?{query}")
                except RuntimeTrouble as error:
                    log.debug("no resize yet: %s", error)
                    break
                if self._size == size:
                    self._size = None
            if self._size is None:
                return

    def _leave(self) -> None:
        if self._resizing is not None:
            self._resizing.cancel()
        self.cut()


class Exec(_Streams):
    """A process of its own."""

    def __init__(self, engine: Engine, id: str, *, tty: bool) -> None:
        super().__init__(engine, f"/exec/{id}", tty=tty)
        self._ended = False

    async def start(self) -> None:
        self._connection = await self._engine.hijack(
            f"{self._where}/start", {"Detach": False, "Tty": self._tty}
        )

    async def exit_code(self) -> int:
        for pause in LOOKS:
            await asyncio.sleep(pause)
            code = (await self._state())["ExitCode"]
            if code is not None:
                self._ended = True
                return int(code)
        raise RuntimeTrouble("the process has ended its output and goes on running")

    async def close(self) -> None:
        """Hang up, as on a terminal that was closed; what does not go then is killed."""
        self._leave()
        if not self._ended and self._connection is not None:
            await self.hang_up()

    async def hang_up(self) -> None:
        """End the process. Never raises."""
        try:
            pid = await self._pid()
            if not pid or not await self._signal(pid, signal.SIGHUP):
                return
            await asyncio.sleep(HANGUP_SECONDS)
            await self._signal(pid, signal.SIGKILL)
        except RuntimeTrouble as error:
            log.info("the end of a process was not seen: %s", error)

    async def _pid(self) -> int:
        """0 once it has ended; a process that is only just starting is waited for."""
        for pause in LOOKS:
            await asyncio.sleep(pause)
            state = await self._state()
            if state["Running"] and state["Pid"]:
                return int(state["Pid"])
            if state["ExitCode"] is not None:
                return 0
        return 0

    async def _signal(self, pid: int, number: int) -> bool:
        """To the process and all of its group; False when it has ended. Held by a descriptor, so that the number
        cannot have become somebody else's."""
        try:
            held = os.pidfd_open(pid)
        except ProcessLookupError:
            return False
        try:
            if not (await self._state())["Running"]:
                return False
            if os.getpgid(pid) == pid:  # asked before: of one that was just killed nobody can tell the group
                os.killpg(pid, number)
            else:
                signal.pidfd_send_signal(held, number)
            return True
        except ProcessLookupError:
            return False
        finally:
            os.close(held)

    async def _state(self) -> Any:
        return await self._engine.ask("GET", f"{self._where}/json")


class Attached(_Streams):
    """A container's own process, which goes on when its watcher leaves."""

    def __init__(self, engine: Engine, id: str, wish: StreamWish, *, tty: bool, once: bool) -> None:
        super().__init__(engine, f"/containers/{id}", tty=tty)
        self._wish, self._once = wish, once

    async def start(self) -> None:
        wish = self._wish
        query = {"stream": "1", "detachKeys": NO_KEYS}
        wanted = {
            "stdin": wish.stdin,
            "stdout": wish.stdout or (self._tty and wish.stderr),
            "stderr": wish.stderr,
        }
        query |= {name: "1" for name, yes in wanted.items() if yes}
        self._connection = await self._engine.hijack(f"{self._where}/attach?{urlencode(query)}")

    async def end_input(self) -> None:
        """The input of a process that may be attached to again stays open; the engine would end its output too."""
        if self._tty or self._once:
            await super().end_input()

    async def exit_code(self) -> int:
        """Its watcher learns the exit code from the pod: here the end of the stream is all there is to tell, unless
        it was the engine that went away."""
        with contextlib.suppress(NoSuchContainer):
            await self._engine.ask("GET", f"{self._where}/json")
        return 0

    async def close(self) -> None:
        self._leave()


def _check(head: bytes, text: bytes) -> None:
    """Raises what a refusal means, in the engine's words."""
    code = int(head.split(maxsplit=2)[1])
    if code < 400:
        return
    try:
        words = str(json.loads(text[text.index(b"{") : text.rindex(b"}") + 1])["message"])
    except (ValueError, KeyError):
        words = f"the container engine answered {code}"
    _refuse(code, words)


def _refuse(code: int, words: str) -> NoReturn:
    raise (NoSuchContainer if code == 404 else RuntimeTrouble)(words)


@contextlib.contextmanager
def _words() -> Iterator[None]:
    try:
        yield
    except (OSError, TimeoutError, EOFError, ValueError, IndexError, asyncio.LimitOverrunError) as error:
        raise EngineAway(f"the container engine does not answer: {error or type(error).__name__}") from error
