"""``manage.py web``: dashboard, REST and sockets; plain HTTP on loopback, TLS on every address, one loop."""

import asyncio
import gc
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand

from apps.serving import Server


class Command(BaseCommand):
    help = "Serve the dashboard, the REST API and the sockets in the foreground."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=settings.PORT)
        parser.add_argument("--tls-port", type=int, default=settings.TLS_PORT)
        parser.add_argument("--certificate", type=Path, default=settings.STATE / "server.crt")
        parser.add_argument("--key", type=Path, default=settings.STATE / "server.key")

    def handle(self, *args: Any, **options: Any) -> None:
        asyncio.run(_serve(options["port"], options["tls_port"], options["certificate"], options["key"]))


async def _serve(port: int, tls_port: int, certificate: Path, key: Path) -> None:
    from paas.asgi import application  # noqa: PLC0415  needs Django set up, which a command's import does not wait for

    common: dict[str, Any] = {
        "app": application,
        "ws": "wsproto",  # the port-forward sub-protocol has a "/" in its name, which the default refuses
        "log_level": "warning",
        "access_log": False,
        "timeout_graceful_shutdown": 2,
        "timeout_keep_alive": 75,  # clients reuse connections; closing one under a request looks like a failure
        "server_header": False,
        "ws_max_size": 4 * 2**20,
        # A client that waits for a slow reader (`kubectl exec ... | less`) answers no ping: TCP tells who is gone.
        "ws_ping_timeout": None,
    }
    plain = uvicorn.Config(host="127.0.0.1", port=port, lifespan="on", **common)
    tls = uvicorn.Config(
        host="0.0.0.0",
        port=tls_port,
        lifespan="off",
        ssl_certfile=str(certificate),
        ssl_keyfile=str(key),
        **common,
    )
    servers = [Server(plain), Server(tls)]
    # What is loaded now stays for good: the collector need not walk it again.
    gc.freeze()
    serving = [asyncio.create_task(server.serve()) for server in servers]
    await asyncio.wait(serving, return_when=asyncio.FIRST_COMPLETED)
    for server in servers:
        server.end(force=server.force_exit)
    await asyncio.gather(*serving)
