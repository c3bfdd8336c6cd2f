"""The node's door: what the server may ask of it over HTTPS. Only the server's certificate opens it.

``GET /logs/<namespace>/<pod>/<container>`` is a container's output as text; ``/exec``, ``/attach`` and
``/portforward`` are websockets (``apps.cluster.types.streams`` tells their frames). Only pods of this node are known.
``GET /ended/<namespace>?labels=app=web`` lists what is kept of pods that are gone, ``/ended/<namespace>/<id>`` is one.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote

import uvicorn

from apps.cluster import types
from apps.cluster.types.streams import KEEP_ALIVE, MOST_BYTES
from apps.serving import Requests, Server, Sockets
from node_agent import door_sockets
from node_agent.ended import EndedLogs
from node_agent.herd import Herd
from node_agent.logs import Logs, wish_of
from node_agent.refused import Refused
from node_agent.runtime.base import Runtime, RuntimeTrouble, State, Stream
from node_agent.runtime.streams import StreamingRuntime
from node_agent.settings import Settings
from node_agent.streams import Streams

log = logging.getLogger(__name__)

CALLER = "drover-server"
RETRY_SECONDS = 1.0
BACKLOG = 128
CHUNKS_WAITING = 64
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class OnlyTheServer(Requests):
    """Closes connections of anybody whose certificate, though the cluster's, is not the server's."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        certificate = (transport.get_extra_info("ssl_object") or _NoCertificate()).getpeercert() or {}
        names = [
            value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"
        ]
        if CALLER not in names:
            log.warning("the door stays closed for %s", names or "a caller without a name")
            transport.abort()
            return
        super().connection_made(transport)


class _NoCertificate:
    def getpeercert(self) -> dict[str, Any]:
        return {}


class Door:
    """Serves in a thread of its own, so that a slow reader of logs holds up nothing else."""

    def __init__(
        self, settings: Settings, herd: Herd, runtime: Runtime, engine: StreamingRuntime, ended: EndedLogs
    ) -> None:
        self._settings = settings
        self._runtime, self._engine = runtime, engine
        self._logs = Logs(herd, runtime)
        self._streams = Streams(herd, runtime, engine)
        self._ended = ended
        self._server: Server | None = None
        self._thread = threading.Thread(target=self._serve, name="door", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Let nobody in any more; who is inside is sent away."""
        if self._server is not None:
            self._server.end(force=True)
            self._thread.join()

    def renewed(self) -> None:
        """Show the certificate that is there now to whoever comes next."""
        if self._server is not None and self._server.config.ssl is not None:
            self._server.config.ssl.load_cert_chain(self._settings.certificate, self._settings.key)

    def _serve(self) -> None:
        settings = self._settings
        while not (settings.certificate.exists() and settings.key.exists() and settings.ca.exists()):
            time.sleep(RETRY_SECONDS)
        self._end_left_behind()
        config = uvicorn.Config(
            self._answer,
            http=OnlyTheServer,
            ws=Sockets,
            ws_max_size=MOST_BYTES,
            ws_ping_timeout=None,  # who waits for a slow container cannot answer: TCP tells who is gone
            ws_per_message_deflate=False,
            lifespan="off",
            interface="asgi3",
            access_log=False,
            log_config=None,
            log_level="warning",  # addresses of exec hold commands, which may hold secrets
            server_header=False,
            ssl_certfile=str(settings.certificate),
            ssl_keyfile=str(settings.key),
            ssl_ca_certs=str(settings.ca),
            ssl_cert_reqs=ssl.CERT_REQUIRED,
        )
        self._server = Server(config)
        with self._listen() as listener:
            self._server.run(sockets=[listener])

    def _listen(self) -> socket.socket:
        """Waits for as long as the port is taken."""
        place = (self._settings.address, self._settings.door_port)
        while True:
            try:
                listener = socket.create_server(place, backlog=BACKLOG)
                for option in KEEP_ALIVE:  # those that it accepts have them too
                    listener.setsockopt(*option)
                return listener
            except OSError as error:
                log.error("the door cannot listen on %s:%d: %s", *place, error)
                time.sleep(RETRY_SECONDS)

    def _end_left_behind(self) -> None:
        """Nobody is at the other end of what an earlier agent began."""
        try:
            running = [each.id for each in self._runtime.containers() if each.state is State.RUNNING]
        except RuntimeTrouble as error:
            log.info("what an earlier agent began was not looked at: %s", error)
            return
        asyncio.run(self._engine.end_left_behind(running))

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        parts = [unquote(part) for part in scope["raw_path"].decode().partition("?")[0].split("/") if part]
        try:
            if scope["type"] == "websocket":
                await self._talk(parts, scope, receive, send)
            elif scope["method"] != "GET":
                raise Refused(405, "only GET is answered here")
            elif parts[:1] == ["logs"] and len(parts) == 4:
                await self._log(parts, scope, receive, send)
            elif parts[:1] == ["ended"]:
                await _text(send, 200, await asyncio.to_thread(self._of_ended, parts[1:], dict(_query(scope))))
            else:
                await self._streams.open(parts[0] if parts else "", parts[1:], _query(scope), only_ask=True)
                await _text(send, 200, b"")
        except Refused as refusal:
            await _text(send, refusal.status, str(refusal).encode())
        except RuntimeTrouble as error:
            await _text(send, 500, str(error).encode())

    def _of_ended(self, parts: list[str], query: Mapping[str, str]) -> bytes:
        match parts:
            case [namespace]:
                labels = dict(pair.split("=", 1) for pair in query.get("labels", "").split(",") if "=" in pair)
                return types.encode(self._ended.find(namespace, labels))
            case [namespace, id]:
                return self._ended.read(namespace, id)
        raise Refused(404, "there is no such door")

    async def _talk(self, parts: list[str], scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # the wish to connect
        try:
            talk = await self._streams.open(
                parts[0] if parts else "", parts[1:], _query(scope), only_ask=False
            )
        except Refused as refusal:
            await door_sockets.refuse(send, refusal.status, str(refusal))
            return
        assert talk is not None
        await door_sockets.serve(talk, receive, send)

    async def _log(self, parts: list[str], scope: Scope, receive: Receive, send: Send) -> None:
        query = {key: values[-1] for key, values in parse_qs(scope["query_string"].decode()).items()}
        wish, previous, limit = wish_of(query, time.time())
        stream = await asyncio.to_thread(
            self._logs.open, parts[1], parts[2], parts[3], previous=previous, wish=wish
        )
        await _stream(stream, limit, receive, send)


def _query(scope: Scope) -> list[tuple[str, str]]:
    return parse_qsl(scope["query_string"].decode(), keep_blank_values=True)


async def _text(send: Send, status: int, words: bytes) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": words})


async def _stream(stream: Stream, limit: int | None, receive: Receive, send: Send) -> None:
    """Send chunks as they come, until the output ends, the limit is reached or the caller goes away.

    An answer that breaks off is left without its end, so that the caller does not take it for the whole.
    """
    pump = _Pump(stream)
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    gone = asyncio.create_task(_gone(receive))
    left = limit
    try:
        while (left is None or left > 0) and not gone.done():
            taking = asyncio.create_task(pump.chunks.get())
            await asyncio.wait({taking, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not taking.done():
                taking.cancel()
                break
            chunk = taking.result()
            if chunk is None:
                break
            if left is not None:
                chunk = chunk[:left]
                left -= len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        if not pump.broken:
            await send({"type": "http.response.body", "body": b""})
    finally:
        gone.cancel()
        pump.stop()


class _Pump:
    """Reads a stream in a thread of its own and puts its chunks into a bounded queue, None at the end."""

    def __init__(self, stream: Stream) -> None:
        self.chunks: asyncio.Queue[bytes | None] = asyncio.Queue(CHUNKS_WAITING)
        self.broken = False
        self._stream, self._stopped = stream, threading.Event()
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()
        self._stream.close()
        while not self.chunks.empty():  # lets the last put through, so that the thread ends
            self.chunks.get_nowait()

    def _run(self) -> None:
        try:
            for chunk in self._stream:
                if self._stopped.is_set():
                    break
                self._put(chunk)
        except Exception as error:  # the engine went away in the middle
            self.broken = True
            log.info("a log ended early: %s", error)
        finally:
            self._put(None)

    def _put(self, chunk: bytes | None) -> None:
        asyncio.run_coroutine_threadsafe(self.chunks.put(chunk), self._loop).result()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
