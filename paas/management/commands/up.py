"""``manage.py up``: the platform and this machine's nodes in the foreground, until Ctrl-C."""

import asyncio
import json
import signal
import sys
import time
from argparse import ArgumentParser
from contextlib import suppress
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from apps.accounts import bootstrap as accounts
from paas import platform, registry
from paas.logs import goes_to_journal, prefix, show
from paas.privileges import Identity, serving_identity
from paas.roll_call import roll_call
from paas.state import Refused, StateDirectory
from paas.supervisor import Supervisor

ENGINE_LOOK_SECONDS, ENGINE_PAUSE_SECONDS = 1.0, 8.0
ROLL_CALL_SECONDS = 20.0


class Command(BaseCommand):
    help = (
        "Start the platform and this machine's nodes in the foreground; Ctrl-C stops them, containers stay."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        told = "how many nodes this machine runs: none, itself, or that many machines within it"
        parser.add_argument("--nodes", type=int, default=1, help=told)

    def handle(self, *args: Any, **options: Any) -> None:
        started = time.monotonic()
        try:
            state = StateDirectory(settings.STATE)
            state.check_format()
            plan = platform.nodes(state, options["nodes"])
            with state.held(settings.PORT):
                platform.await_ports(door=any(node.machine is None for node in plan))
                identity, reason = serving_identity(state.path)
                say(reason)
                state.prepare(identity.uid, identity.gid)
                if plan:
                    say(registry.ensure(state.path))
                    say(platform.ensure_engines(state, plan))
                platform.preload()
                asyncio.run(Up(state, identity, started, plan).run())
        except Refused as refusal:
            sys.exit(str(refusal))
        except KeyboardInterrupt:
            sys.exit(130)


def say(text: str) -> None:
    show("".join(f"{prefix('up')}{line}\n" for line in text.splitlines()))


class Up:
    """One run, from the first check to the last process."""

    def __init__(
        self, state: StateDirectory, identity: Identity, started: float, plan: list[platform.NodePlan]
    ) -> None:
        self.state = state
        self.plan = plan
        self.identity = identity
        self.started = started
        self.supervisor = Supervisor(state.log, state.pids, say)

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(signum, self.supervisor.stopping.set)
        try:
            starting = asyncio.create_task(self.start())
            stopped = asyncio.create_task(self.supervisor.stopping.wait())
            await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                starting.cancel()
            with suppress(asyncio.CancelledError):
                await starting
            await stopped
        finally:
            stopping = time.monotonic()
            await self.supervisor.stop(last="redis")
            say(f"stopped in {time.monotonic() - stopping:.1f} s; containers keep running until `make down`.")

    async def start(self) -> None:
        """Each program once what it needs is ready."""
        queue = platform.redis(self.state, self.identity)
        if queue is not None:
            self.supervisor.keep(queue)
        plan = self.plan
        told = await self.bootstrap(plan)
        if queue is not None and not await self.supervisor.ready(queue):
            raise Refused(f"Redis does not answer; its words are in {self.state.log / 'redis.log'}.")
        web = platform.web(self.identity, told["address"])
        self.supervisor.keep(web)
        for name in platform.CELERY_OPTIONS:
            self.supervisor.keep(platform.celery(name, self.identity))
        relay = platform.image_relay(plan, self.identity)
        if relay is not None:
            self.supervisor.keep(relay)
        mirror = platform.mirror(plan)
        for node in plan:
            platform.hand_over(self.state, node)
            self.supervisor.keep(platform.agent(node, mirror))
        if await self.supervisor.ready(web):
            self.welcome(told, mirror)
            if plan:
                expected = [node.name for node in plan if not (node.machine and node.machine.stays_off)]
                asked = partial(roll_call, expected, ROLL_CALL_SECONDS)
                with suppress(RuntimeError):  # its reason was said; what runs is not less well for it
                    say(await self.supervisor.once("nodes", asked, self.identity))
        elif not self.supervisor.stopping.is_set():
            say(f"the dashboard does not answer yet; its words are in {self.state.log / 'web.log'}")
        while plan and not self.supervisor.stopping.is_set():
            revived = platform.revive_engines(self.state, plan)
            say(revived)
            await asyncio.sleep(ENGINE_PAUSE_SECONDS if revived else ENGINE_LOOK_SECONDS)

    async def bootstrap(self, plan: list[platform.NodePlan]) -> dict[str, str]:
        work = partial(platform.bootstrap_forked, self.state, plan)
        try:
            told: dict[str, str] = json.loads(await self.supervisor.once("set-up", work, self.identity))
        except RuntimeError as failure:
            raise Refused(str(failure)) from None
        return told

    def welcome(self, told: dict[str, str], mirror: str) -> None:
        """What a person needs now, and nothing else."""
        here = f"http://127.0.0.1:{settings.PORT}"
        begin = f"{told['link']} makes the first admin; it works once"
        stop = "Ctrl-C; containers keep running until `make down`"
        if goes_to_journal():
            begin, stop = "`manage set-up` says the link that makes the first admin", "systemctl stop drover"
        lines = [
            f"Drover is ready ({time.monotonic() - self.started:.1f} s).",
            "",
            f"  Dashboard    {here}/ on this machine",
            f"               https://{accounts.address_of_this_machine()}:{settings.TLS_PORT}/ from anywhere",
        ]
        if told["link"]:
            lines.append(f"  Begin here   {begin}")
        lines += [
            f"  Certificate  SHA-256 {told['fingerprint']}",
            f"  kubectl      export KUBECONFIG={self.state.path / 'kubeconfig'}",
            f"  Images       {mirror or 'from the internet; `make images` makes local ones'}",
            f"  Logs         {self.state.log}/",
            f"  Stop         {stop}",
            "",
        ]
        say("\n".join(lines))
