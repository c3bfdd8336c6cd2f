"""The server's way to a node's door: TLS both ways, only the cluster's authority is trusted on either side.

The node proves its name, whatever address it is reached at. A node that is away is said so in words.
"""

from __future__ import annotations

import ssl
import weakref
from asyncio import AbstractEventLoop, get_running_loop
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import httpx
from django.conf import settings

from apps.accounts import certificates
from apps.cluster import store
from apps.cluster.errors import ApiError, BadRequest, NotFound, Unavailable
from apps.cluster.kinds import NODE
from apps.cluster.types.streams import KEEP_ALIVE
from apps.cluster.work import in_db

DEFAULT_PORT = 10250
CONNECT_SECONDS = 5.0
LOG_PARAMETERS = frozenset(
    {"follow", "tailLines", "sinceSeconds", "sinceTime", "timestamps", "previous", "limitBytes"}
)
LONGEST_REFUSAL = 2000


class Door(NamedTuple):
    """Where a node is reached."""

    node: str
    address: str
    port: int

    @property
    def place(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


async def logs(
    node: str, namespace: str, pod: str, container: str, params: Mapping[str, str]
) -> AsyncGenerator[bytes, None]:
    """A container's log as bytes; with ``follow`` for as long as the caller reads (close it with ``aclosing``).

    Nothing is yielded before the node has agreed: what goes wrong until then is raised as NotFound, BadRequest or
    Unavailable with the first ``anext``. A log that breaks off raises Unavailable too: it is not whole.
    """
    known = {key: value for key, value in params.items() if key in LOG_PARAMETERS}
    path = "/".join(quote(part, safe="") for part in ("logs", namespace, pod, container))
    following = known.get("follow", "") in {"true", "1"}
    async with _asked(node, f"/{path}", known, patient=following) as answer:
        try:
            async for chunk in answer.aiter_raw():
                yield chunk
        except httpx.HTTPError:
            raise Unavailable(f"the log broke off: node {node}, its agent or its container engine went away") from None


async def fetch(node: str, path: str, params: Mapping[str, str] | None = None) -> bytes:
    """A whole answer of a node's door. Raises as ``logs`` does."""
    async with _asked(node, path, params or {}, patient=False) as answer:
        return await answer.aread()


async def door_of(node: str) -> Door:
    """Where the node said its door is. Raises Unavailable when it never did."""
    row = await in_db(store.find, NODE, "", node)
    if row is None:
        raise Unavailable(f"node {node} is not known any more")
    status = row.object.status
    address = next((found.address for found in status.addresses if found.type == "InternalIP"), "")
    if not address:
        raise Unavailable(f"node {node} has not said its address yet")
    endpoint = status.daemon_endpoints.kubelet_endpoint if status.daemon_endpoints else None
    return Door(node, address, endpoint.port if endpoint and endpoint.port else DEFAULT_PORT)


async def ask(node: str, path: str) -> None:
    """Return when the node would grant what this address stands for; else raise as ``logs`` does."""
    async with _asked(node, path, {}, patient=False):
        return


def tls() -> ssl.SSLContext:
    """What the server shows at doors, and whom it trusts there."""
    return _clients.get()[1]


def refusal(node: str, code: int, words: str) -> ApiError:
    """What a node said, as the API says it."""
    words = words[:LONGEST_REFUSAL].strip()
    if code == 404:
        return NotFound(words or f"node {node} does not know this container")
    if code == 400:
        return BadRequest(words or f"node {node} does not understand this request")
    if code == 503 and words:
        return Unavailable(words)
    return Unavailable(f"node {node} refused ({code}): {words}")


def unreachable(door: Door, error: Exception) -> Unavailable:
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return Unavailable(f"node {door.node} does not answer at {door.place}")
    return Unavailable(f"node {door.node} cannot be reached at {door.place}: {_words(error)}")


@asynccontextmanager
async def _asked(
    node: str, path: str, params: Mapping[str, str], *, patient: bool
) -> AsyncIterator[httpx.Response]:
    door = await door_of(node)
    timeout = httpx.Timeout(30.0, connect=CONNECT_SECONDS, read=None if patient else 30.0)
    name = certificates.node_server_name(node)
    try:
        async with _client().stream(
            "GET",
            f"https://{door.place}{path}",
            params=dict(params),
            timeout=timeout,
            headers={"host": name},
            extensions={"sni_hostname": name},
        ) as answer:
            if answer.status_code != 200:
                words = (await answer.aread())[:LONGEST_REFUSAL].decode("utf-8", "replace")
                raise refusal(node, answer.status_code, words)
            yield answer
    except httpx.TransportError as error:
        raise unreachable(door, error) from None


def _words(error: Exception) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "its certificate is not one of this cluster's for this node"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return str(error) or type(error).__name__


_Held = tuple[float, ssl.SSLContext, httpx.AsyncClient]


class _Clients:
    """One client per event loop, made anew when the door certificate was."""

    def __init__(self) -> None:
        self._known: weakref.WeakKeyDictionary[AbstractEventLoop, _Held]
        self._known = weakref.WeakKeyDictionary()

    def get(self) -> _Held:
        state = Path(settings.STATE)
        try:
            made = certificates.server_files(state).door_certificate.stat().st_mtime
            held = self._known.get(get_running_loop())
            if held is None or held[0] != made:
                # trust_env off: no proxy variable may lead what is between server and node elsewhere.
                context = certificates.door_context(state)
                transport = httpx.AsyncHTTPTransport(verify=context, socket_options=KEEP_ALIVE)
                client = httpx.AsyncClient(transport=transport, trust_env=False)
                held = self._known[get_running_loop()] = (made, context, client)
        except OSError as error:
            raise Unavailable(f"the server has no certificate to show at a node's door: {error}") from None
        return held


_clients = _Clients()


def _client() -> httpx.AsyncClient:
    return _clients.get()[2]
