"""Asks all containers of the node what their probes ask, and runs hooks: one thread, so many questions at a time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import threading
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from apps.cluster import types
from node_agent.probes import asking, grpc
from node_agent.probes.asking import Answer
from node_agent.probes.tally import Key, Tally, Target, first_asked, pause_after, period_of
from node_agent.runtime.base import Seen
from node_agent.runtime.streams import StreamingRuntime
from node_agent.waiting import utcnow

log = logging.getLogger(__name__)

AT_ONCE = 16
HOOK_SECONDS = 30.0  # a request waits no longer
Told = Callable[[Target, Tally, Answer], None]


class Prober:
    """What is asked of it returns at once; answers come from its own thread."""

    def __init__(self, engine: StreamingRuntime) -> None:
        self._engine = engine
        self._tasks: dict[str, dict[Key, asyncio.Task[None]]] = {}  # by pod; touched in the loop only
        self._hooks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._free = asyncio.Semaphore(AT_ONCE)
        self._thread = threading.Thread(target=self._run, name="probes", daemon=True)
        self._thread.start()

    def watch(self, uid: str, targets: Mapping[Key, Target], told: Told) -> None:
        """From now on ask a pod's containers these questions, and tell what turns a verdict or went wrong."""
        self._tell(self._watch, uid, dict(targets), told)

    def run_hook(
        self,
        hook: types.LifecycleHandler,
        container: Seen,
        *,
        wanted: types.Container,
        address: str,
        done: Callable[[Answer], None],
    ) -> None:
        """Run it once, for as long as it takes."""

        async def work() -> None:
            try:
                done(await self._hook(hook, container, wanted, address))
            except Exception as error:
                log.exception("a hook of container %s failed", container.id)
                done(Answer(False, str(error)))

        self._tell(self._begin_hook, work)

    def stop(self) -> None:
        """Ask nothing more; what was asked is not waited for."""
        self._tell(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(_rest(self._loop))
        self._loop.close()

    def _tell(self, call: Callable[..., object], *words: object) -> None:
        with contextlib.suppress(RuntimeError):  # stopped
            self._loop.call_soon_threadsafe(call, *words)

    def _watch(self, uid: str, targets: dict[Key, Target], told: Told) -> None:
        running = self._tasks.setdefault(uid, {})
        for key in [key for key in running if key not in targets]:
            running.pop(key).cancel()
        for key, target in targets.items():
            if key not in running:
                running[key] = self._loop.create_task(self._ask_on(target, told))
        if not running:
            del self._tasks[uid]

    def _begin_hook(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = self._loop.create_task(work())
        self._hooks.add(task)
        task.add_done_callback(self._hooks.discard)

    async def _ask_on(self, target: Target, told: Told) -> None:
        wait = first_asked(target, utcnow(), random.random())
        await asyncio.sleep(wait.total_seconds())
        tally, pause = Tally(target.verdict), 0.0
        while not tally.over(target.question):
            began = self._loop.time()
            async with self._free:
                answer = await self._ask(target)
            pause = pause_after(target, tally, pause)
            # Asked sooner than its author wanted, it may say no without anybody counting.
            if answer is not None and (answer.good or pause >= period_of(target)):
                before, tally = tally, tally.after(answer.good, target)
                if not answer.good or tally.verdict is not before.verdict:
                    told(target, tally, answer)
            if not tally.over(target.question):
                await asyncio.sleep(max(began + pause - self._loop.time(), 0.1))

    async def _ask(self, target: Target) -> Answer | None:
        probe, seconds = target.probe, float(target.probe.timeout_seconds or 1)
        try:
            if probe.exec_ is not None:
                return await asking.run_command(self._engine, target.id, probe.exec_.command, seconds)
            if probe.http_get is not None:
                port = asking.port_of(probe.http_get.port, target.ports)
                return await asking.get(probe.http_get, probe.http_get.host or target.address, port, seconds)
            if probe.tcp_socket is not None:
                port = asking.port_of(probe.tcp_socket.port, target.ports)
                return await asking.connect(probe.tcp_socket.host or target.address, port, seconds)
            if probe.grpc is not None:
                return await grpc.check(target.address, probe.grpc.port, probe.grpc.service, seconds)
        except Exception as error:
            log.exception("container %s cannot be asked", target.id)
            return Answer(False, str(error))
        return None

    async def _hook(
        self, hook: types.LifecycleHandler, container: Seen, wanted: types.Container, address: str
    ) -> Answer:
        if hook.exec_ is not None:
            answer = await asking.run_command(self._engine, container.id, hook.exec_.command, None)
            return answer or Answer(False, "the container ended before")
        if hook.http_get is not None:
            port = asking.port_of(hook.http_get.port, wanted.ports)
            return await asking.get(hook.http_get, hook.http_get.host or address, port, HOOK_SECONDS)
        if hook.sleep is not None:
            await asyncio.sleep(hook.sleep.seconds)
        return Answer(True)


async def _rest(loop: asyncio.AbstractEventLoop) -> None:
    await asyncio.gather(*(asyncio.all_tasks(loop) - {asyncio.current_task()}), return_exceptions=True)
    await asyncio.sleep(0)  # connections close a turn later
