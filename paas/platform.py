"""What ``up`` runs on this machine: the programs of one installation, and what each needs to be ready."""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import logging
import os
import re
import shutil
import signal
import socket
import sys
import time
import warnings
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command

from apps.accounts import bootstrap as accounts
from apps.accounts import setup
from apps.cluster import ranges
from apps.cluster.actors import system
from apps.cluster.seal import SealBroken
from apps.cluster.types.agent import LEFT_EXIT
from paas import engine, registry, upgrading
from paas.machines import fleet, relay
from paas.machines.machine import Machine
from paas.privileges import Identity, hold_less_memory
from paas.state import Refused, StateDirectory
from paas.supervisor import Program

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

DOOR_OFFSET = 2250  # the node's door is 10250 beside the default port, and moves with PORT
CELERY_OPTIONS: dict[str, dict[str, Any]] = {
    "worker": {
        "pool_cls": "threads", "concurrency": 4, "hostname": "drover@", "loglevel": "INFO",
        "without_gossip": True, "without_mingle": True, "without_heartbeat": True,
    },
    # The schedule is in the settings and every task may run twice: nothing needs to be remembered in a file.
    "beat": {"scheduler": "celery.beat:Scheduler", "loglevel": "WARNING"},
}  # fmt: skip
REDIS_MEMORY = "64mb"
# It keeps nothing on disk, so its advice about memory for saving is not for us.
REDIS_ROUTINE = re.compile(
    r"oO0Oo|Redis version=|Configuration loaded|Server initialized|Memory overcommit|SIGTERM|shutdown|ready to exit"
)
# Imported once before forking: web, worker and beat then share these pages.
PRELOAD = (
    "paas.asgi",
    "paas.urls",
    "paas.celery",
    "apps.controllers.tasks",
    "billiard.pool",
    "celery.app.amqp",
    "celery.app.control",
    "celery.app.events",
    "celery.app.log",
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.backends.base",
    "celery.contrib.django.task",
    "celery.events.dispatcher",
    "celery.worker.autoscale",
    "celery.worker.components",
    "celery.worker.consumer",
    "celery.worker.strategy",
    "celery.concurrency.thread",
    "kombu.transport.redis",
    "channels_redis.pubsub",
    "uvicorn.lifespan.on",
    "uvicorn.loops.asyncio",
    "uvicorn.protocols.http.h11_impl",
    "uvicorn.protocols.websockets.wsproto_impl",
)


@dataclass(frozen=True)
class NodePlan:
    """One node: its name, where others reach it, where its agent keeps things, and what it reaches the server at.

    ``machine`` is None for the node that is this machine itself.
    """

    name: str
    address: str
    folder: Path
    server: str = "127.0.0.1"
    machine: Machine | None = None


def nodes(state: StateDirectory, count: int = 1) -> list[NodePlan]:
    """The nodes this ``up`` runs: the machine itself, machines within it, or none for a control plane alone."""
    if count < 0:
        raise Refused(f"NODES={count} is no number of nodes.")
    _refuse_other_kind(state, count)
    if count > 1:
        return [
            NodePlan(each.name, each.address, state.agents / each.name, each.lan.gateway, each)
            for each in fleet.planned(state, count)
        ]
    if not count:
        return []
    name = socket.gethostname().split(".")[0].lower()
    return [NodePlan(name, accounts.address_of_this_machine(), state.agents / name)]


def _refuse_other_kind(state: StateDirectory, count: int) -> None:
    """Nothing may be left running unattended: a STATE has one node that is this machine, or machines within it."""
    machines = {each.name for each in fleet.present(state)}
    if count == 1 and machines:
        raise Refused(
            f"{state.path} has several nodes: run `make down` first, or give one node its own STATE=."
        )
    folders = state.agents.iterdir() if count > 1 and state.agents.is_dir() else ()
    if any((folder / "network").exists() for folder in folders if folder.name not in machines):
        raise Refused(
            f"{state.path} runs its pods on this machine itself: run `make down` first, "
            "or give several nodes their own STATE=."
        )


def ensure_engines(state: StateDirectory, plan: list[NodePlan]) -> str:
    """An engine for every node; returns what was done, in words."""
    machines = [node.machine for node in plan if node.machine is not None]
    return fleet.ensure(state, machines, *_open_ports()) if machines else engine.ensure(state)


def revive_engines(state: StateDirectory, plan: list[NodePlan]) -> str:
    """Start engines again that ended; does not wait for them."""
    machines = [node.machine for node in plan if node.machine is not None]
    return fleet.revive(machines, *_open_ports()) if machines else engine.revive(state)


def _open_ports() -> tuple[int, int]:
    """Where nodes within this machine reach the server and the images."""
    return settings.TLS_PORT, registry.place()[1]


def preload() -> None:
    """Import what the forked programs need, and take it out of the collector's walks."""
    hold_less_memory()
    for module in PRELOAD:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()
    # API objects are trees that the collector does not visit: what is left for it is little, and seldom.
    gc.set_threshold(10_000, 20, 20)


def check_ports(port: int, tls_port: int, *, door: bool) -> None:
    """Refuse in one sentence when one of the ports is taken; the door's is needed where this machine is a node."""
    needed = [("127.0.0.1", port, ""), ("0.0.0.0", tls_port, " (PORT+443)")]
    if door:
        needed.append(("0.0.0.0", port + DOOR_OFFSET, f" (PORT+{DOOR_OFFSET}, the node's door)"))
    for host, number, name in needed:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, number))
            except OSError as error:
                raise Refused(
                    f"Port {number}{name} cannot be used ({os.strerror(error.errno or 0)}): "
                    "stop what uses it, or choose another with PORT=."
                ) from None


def await_ports(*, door: bool, seconds: float = 2.0) -> None:
    """The ports must be free; those of an ``up`` that was killed a moment ago become so."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return check_ports(settings.PORT, settings.TLS_PORT, door=door)
        except Refused:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def own_redis(state: StateDirectory) -> Path:
    """Its socket."""
    return state.run / "redis.sock"


def has_own_redis(state: StateDirectory) -> bool:
    return f"unix://{own_redis(state)}" == settings.REDIS_URL


def redis(state: StateDirectory, identity: Identity) -> Program | None:
    """Our own Redis on a unix socket; None when REDIS_URL points to another."""
    if not has_own_redis(state):
        return None
    path = own_redis(state)
    if shutil.which("redis-server") is None:
        raise Refused("Redis is missing: run `make up`, which installs it, or install redis-server first.")
    options = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "700",
        "save": "",
        "appendonly": "no",
        "hz": "1",  # of its own accord it has little to do
        "maxmemory": REDIS_MEMORY,
        "maxmemory-policy": "allkeys-lru",
        "loglevel": "warning",
        "dir": str(state.run),
    }
    start = ["redis-server", *(word for key, value in options.items() for word in (f"--{key}", value))]
    ready = partial(_redis_answers, str(path))
    return Program(name="redis", start=tuple(start), identity=identity, ready=ready, hidden=REDIS_ROUTINE)


def web(identity: Identity, address: str) -> Program:
    start = partial(call_command, "web", address=address)
    return Program(name="web", start=start, identity=identity, ready=partial(web_answers, settings.PORT))


def celery(name: str, identity: Identity) -> Program:
    """The worker, or beat."""
    # Its checks of all models and pages belong to `make check`; here they cost each process 15 MB.
    return Program(
        name=name, start=partial(run_celery, name), identity=identity, environment={"CELERY_SKIP_CHECKS": "true"}
    )


def run_celery(name: str) -> None:
    """Be the worker, or beat, until told to end."""
    from celery.exceptions import SecurityWarning  # noqa: PLC0415  where it runs in a fork, preload() has imported it

    from paas.celery import app  # noqa: PLC0415

    warnings.simplefilter("ignore", SecurityWarning)  # root without capabilities is no superuser
    for each_task in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(each_task).setLevel(logging.WARNING)
    # Not by Celery's command line: what that imports costs the four processes 6 MB.
    program = (app.Worker if name == "worker" else app.Beat)(quiet=True, **CELERY_OPTIONS[name])
    (program.start if name == "worker" else program.run)()
    sys.exit(getattr(program, "exitcode", 0))


def agent(node: NodePlan, mirror: str) -> Program:
    """The only program that stays root. It has children of its own, so it is asked to end, not killed."""
    start = [
        sys.executable,
        "-m",
        "node_agent",
        "run",
        "--server",
        f"https://{node.server}:{settings.TLS_PORT}",
    ]
    start += ["--state", str(node.folder), "--node-name", node.name, "--address", node.address]
    start += ["--service-cidr", str(ranges.SERVICE_CIDR), "--cluster-cidr", str(ranges.POD_CIDR)]
    start += ["--door-port", str(settings.PORT + DOOR_OFFSET), "--pod-network", settings.POD_NETWORK]
    if mirror:
        start += ["--mirror", f"http://{mirror}"]
    environment = {"PYTHONPATH": str(settings.BASE), "MALLOC_ARENA_MAX": "1"}
    left = {LEFT_EXIT: "its node was removed from the cluster; the next `make up` makes it a node again"}
    kept = partial(Program, environment=environment, death=signal.SIGTERM, final=left)
    if node.machine is not None:
        return kept(name=node.name, start=partial(node.machine.become, start))
    start += ["--docker", f"unix://{engine.socket_path()}"]
    return kept(name="agent", start=tuple(start))


def image_relay(plan: list[NodePlan], identity: Identity) -> Program | None:
    """What lets machines within this one pull from a registry on its loopback."""
    host, port = registry.place()
    if not plan or plan[0].machine is None or not registry.on_loopback():
        return None
    return Program(
        name="images", start=partial(relay.serve, plan[0].server, port, (host, port)), identity=identity
    )


def mirror(plan: list[NodePlan]) -> str:
    """The registry as the nodes reach it; "" when it does not run."""
    if plan and plan[0].machine is not None and registry.on_loopback():
        return registry.mirror() and f"{plan[0].server}:{registry.place()[1]}"
    return registry.mirror()


def bootstrap(state: StateDirectory, plan: list[NodePlan], say: Callable[[str], None]) -> str:
    """Bring the database up to date, make what a first start needs; returns what to tell a person, as JSON.

    Runs in a process of its own as the serving account: the supervisor never opens the database. Raises Refused.
    """
    try:
        with upgrading.alone():
            upgrading.bring_up_to_date(state.path, say)
            reached = next((node.server for node in plan if node.machine), "")
            made = accounts.ensure_platform(state.path, settings.PORT, reached)
            importlib.import_module("apps.catalog.bundled").bring_in(system("set-up"))
            for node in plan:
                accounts.ensure_node(state.handover / node.name, node.name, [node.address, "127.0.0.1"])
            link = setup.link()
    except SealBroken as error:
        raise Refused(f"{error}.") from None
    except ImproperlyConfigured as error:
        raise Refused(str(error)) from None
    return json.dumps({"fingerprint": made.served.fingerprint, "link": link, "address": made.address})


def bootstrap_forked(state: StateDirectory, plan: list[NodePlan]) -> str:
    """The same, with its refusal among the words of its process."""
    try:
        return bootstrap(state, plan, print)
    except Refused as refusal:
        print(refusal)
        raise SystemExit(1) from None


def hand_over(state: StateDirectory, node: NodePlan) -> None:
    """Move what bootstrap made for a node into the agent's own folder, which only root may enter."""
    node.folder.mkdir(mode=0o700, exist_ok=True)
    source = state.handover / node.name
    for name in sorted(os.listdir(source)):
        handle = os.open(source / name, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(handle, "rb") as given:
            content = given.read()
        staged = node.folder / f".{name}.new"
        staged.unlink(missing_ok=True)
        with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as kept:
            kept.write(content)
        staged.replace(node.folder / name)


async def _redis_answers(path: str) -> bool:
    return (await _ask(asyncio.open_unix_connection(path), b"PING\r\n")).startswith(b"+PONG")


async def web_answers(port: int) -> bool:
    request = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    return b" 200 " in (await _ask(asyncio.open_connection("127.0.0.1", port), request))[:32]


async def _ask(opening: Awaitable[Streams], request: bytes) -> bytes:
    try:
        async with asyncio.timeout(2):
            reader, writer = await opening
            try:
                writer.write(request)
                return await reader.read(256)
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return b""
