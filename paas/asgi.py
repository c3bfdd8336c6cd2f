"""The web process's one door: sends each request to the REST API, a socket's consumer, or Django."""

import os
from collections.abc import Awaitable, Callable
from typing import Any

import django
from channels.routing import URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "paas.settings")
django.setup()

from apps.api import asgi as api  # noqa: E402  the apps can be imported only once Django is set up
from apps.dashboard.live import LiveConsumer  # noqa: E402
from apps.dashboard.terminal import TerminalConsumer  # noqa: E402
from apps.nodes.consumer import AgentConsumer  # noqa: E402
from apps.watch import socket  # noqa: E402

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

_pages = get_asgi_application()
_sockets = URLRouter(
    [
        path("nodes/agent", AgentConsumer.as_asgi()),
        path("live", LiveConsumer.as_asgi()),
        path("terminal", TerminalConsumer.as_asgi()),
    ]
)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """One ASGI application for all doors; the paths decide."""
    if scope["type"] == "lifespan":
        await api.lifespan(scope, receive, send)
    elif api.serves(scope) and scope["type"] == "websocket":
        await socket.serve(scope, receive, send, api.open_stream)
    elif api.serves(scope):
        await api.application(scope, receive, send)
    elif scope["type"] == "websocket":
        await _sockets(scope, receive, send)
    else:
        await _pages(scope, receive, send)
