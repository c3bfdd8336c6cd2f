"""``manage.py web``: dashboard, REST and sockets; plain HTTP on loopback, TLS on every address, one loop."""

import asyncio
import gc
import sys
from argparse import ArgumentParser
from socket import socket
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand

from apps.accounts import bootstrap, renewal
from apps.accounts.certificates import ServerFiles
from apps.nodes.servers import place, presence
from apps.serving import Requests, Server, Sockets
from paas import upgrading
from paas.remote import parcel
from paas.state import Refused


class Command(BaseCommand):
    help = "Serve the dashboard, the REST API and the sockets in the foreground."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        told = "where nodes and pods reach this server; DROVER_ADDRESS, else this machine's own"
        parser.add_argument("--address", default="", help=told)

    def handle(self, *args: Any, **options: Any) -> None:
        address = options["address"] or bootstrap.server_address()
        try:
            upgrading.check()
        except Refused as refusal:
            sys.exit(str(refusal))
        asyncio.run(_serve(address, bootstrap.ensure_certificates(settings.STATE, address)))


class WebServer(Server):
    """One listener."""

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Nobody is sent here any more before those who are here are let go."""
        await presence.end()
        await super().shutdown(sockets)


async def _serve(address: str, shown: ServerFiles) -> None:
    from paas.asgi import application  # noqa: PLC0415  needs Django set up, which a command's import does not wait for

    common: dict[str, Any] = {
        "app": application,
        "http": Requests,
        "ws": Sockets,  # on wsproto: the port-forward sub-protocol has a "/" in its name, which others refuse
        "log_level": "warning",
        "access_log": False,
        "timeout_graceful_shutdown": 2,
        "timeout_keep_alive": 75,  # clients reuse connections; closing one under a request looks like a failure
        "server_header": False,
        "ws_max_size": 4 * 2**20,
        # A client that waits for a slow reader (`kubectl exec ... | less`) answers no ping: TCP tells who is gone.
        "ws_ping_timeout": None,
    }
    plain = uvicorn.Config(host="127.0.0.1", port=settings.PORT, lifespan="on", **common)
    tls = uvicorn.Config(
        host="0.0.0.0",
        port=settings.TLS_PORT,
        lifespan="off",
        ssl_certfile=str(shown.certificate),
        ssl_keyfile=str(shown.key),
        **common,
    )
    tls.load()
    assert tls.ssl is not None
    servers = [WebServer(plain), WebServer(tls)]
    # What is loaded now stays for good: the collector need not walk it again.
    gc.freeze()
    serving = [asyncio.create_task(server.serve()) for server in servers]
    presence.begin(place(address, settings.TLS_PORT), parcel.version())
    renewing = asyncio.create_task(renewal.keep(settings.STATE, address, tls.ssl))
    await asyncio.wait(serving, return_when=asyncio.FIRST_COMPLETED)
    for server in servers:
        server.end(force=server.force_exit)
    await asyncio.gather(*serving)
    renewing.cancel()
