"""Has Caddy serve what is wanted: one with the newest plan, and for a while those before it. They outlive the agent."""

from __future__ import annotations

import logging
import os
import re
import selectors
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from math import inf, isinf
from pathlib import Path
from threading import Thread
from time import monotonic

from node_agent import disk
from node_agent.edge import admin, serving
from node_agent.edge.plan import Plan
from node_agent.edge.serving import Serving
from node_agent.edge.trouble import Trouble, Unserved, in_use

log = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
"""Until a port that was taken, or a program that was missing, is looked for again."""
LOOK_SECONDS = 5.0
"""Until a retired one is looked at again. As long a connection of its may be without a request, and begin a stream."""
MOST_RETIRED = 8
"""At once; then those with the fewest streams end before their streams do."""
PAIR = re.compile(r"PEM pair (\d+)")
IN_USE = re.compile(r":(\d+): bind: address already in use")


class EdgeProcess:
    """One thread does everything; every method may be called from any other."""

    def __init__(
        self,
        directory: Path,
        on_trouble: Callable[[Trouble | None], None] = lambda trouble: None,
        on_unusable: Callable[[Trouble], None] = lambda trouble: None,
    ) -> None:
        """``on_unusable`` hears of certificates that Caddy does not take: all but their hosts are served."""
        self._directory = directory
        self._on_trouble = on_trouble
        self._on_unusable = on_unusable
        self._unusable: set[Trouble] = set()
        self._wanted: Plan | None = None
        self._told = False
        self._loaded: object = None
        self._serving: Serving | None = None
        self._others: list[Serving] = []
        """From before it."""
        self._wake = os.pipe()
        os.set_blocking(self._wake[1], False)
        self._trouble: Trouble | None = None
        self._settled: Plan | None = None
        self._thread: Thread | None = None
        self._stopping = False

    @property
    def trouble(self) -> Trouble | None:
        return self._trouble

    def trouble_with(self, pods: Mapping[int, str]) -> Trouble | None:
        """The same, where pods have these ports of the node: theirs come before a program's own."""
        taken = sorted(self._settled.ports & pods.keys()) if self._settled else []
        return self._trouble or (in_use(taken[0], f"pod {pods[taken[0]]}") if taken else None)

    @property
    def settled(self) -> Plan | None:
        """The last plan that was carried out."""
        return self._settled

    def start(self) -> None:
        """Starts nothing in the machine until there is something to serve."""
        self._thread = Thread(target=self._keep, name="edge", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Leaves Caddy as it is: who is served goes on being served."""
        self._stopping = True
        self._nudge()
        if self._thread is not None:
            self._thread.join()

    def want(self, plan: Plan | None) -> None:
        """From now on; None for nothing at all."""
        if not self._told or plan != self._wanted:
            self._told, self._wanted = True, plan
            self._nudge()

    def _nudge(self) -> None:
        with suppress(BlockingIOError):  # it is awake already
            os.write(self._wake[1], b".")

    def _keep(self) -> None:
        self._wait(inf)  # for the first word: until then nobody knows what to do with one that runs
        self._adopt()
        while not self._stopping:
            wanted, trouble = self._wanted, None
            try:
                self._carry_out(wanted)
                self._settled = wanted
            except Unserved as unserved:
                trouble = unserved.trouble
            except Exception as error:
                log.exception("the edge could not be served")
                trouble = Trouble("EdgeFailed", f"{type(error).__name__}: {error}")
            self._tell(trouble)
            self._see_off()
            if self._wanted is wanted:
                self._wait(RETRY_SECONDS if trouble else LOOK_SECONDS if self._others else inf)

    def _tell(self, trouble: Trouble | None) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            words = trouble.message if trouble else "well again"
            log.log(logging.WARNING if trouble else logging.INFO, "the edge: %s", words)
            self._on_trouble(trouble)

    def _wait(self, seconds: float) -> None:
        """Until there is something new, or a Caddy has ended."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake[0], selectors.EVENT_READ)
            for each in filter(None, (self._serving, *self._others)):
                selector.register(each.handle, selectors.EVENT_READ)
            for key, _ in selector.select(None if isinf(seconds) else seconds):
                if key.fileobj == self._wake[0]:
                    os.read(self._wake[0], 1 << 12)

    def _adopt(self) -> None:
        """Of those that are not yet retired the newest serves, if anything is told to it."""
        self._others = serving.found(self._directory)
        if current := [each for each in self._others if not each.held]:
            with suppress(admin.Silent):
                self._loaded = admin.current(current[-1].place)
                self._serving = current[-1]
                self._others.remove(current[-1])

    def _carry_out(self, wanted: Plan | None) -> None:
        if self._serving is not None and self._serving.ended:
            self._follow(None)
        if wanted is None:
            self._follow(None)
        elif self._serving is None or wanted.config != self._loaded:
            self._start(wanted)
        for each in self._others:
            each.retire()

    def _start(self, wanted: Plan) -> None:
        started = serving.start(self._directory)
        try:
            for name, text in wanted.files.items():
                disk.write(started.place / name, text.encode(), 0o644)
            unusable = set(self._load(started, wanted))
        except BaseException:
            started.end()
            raise
        self._follow(started, wanted.config)
        for trouble in sorted(unusable - self._unusable):
            log.warning("the edge: %s", trouble.message)
            self._on_unusable(trouble)
        self._unusable = unusable

    def _follow(self, following: Serving | None, loaded: object = None) -> None:
        if self._serving is not None:
            self._others.append(self._serving)
        self._serving, self._loaded = following, loaded

    def _see_off(self) -> None:
        """Ends retired ones that have nothing under way any more, that had the longest time, or are too many."""
        for each in [each for each in self._others if each.ended]:
            each.forget()
            self._others.remove(each)
        lasting = []
        for each in self._others:
            if each.retired_at is not None:
                under_way = each.under_way
                if each.held and (under_way or monotonic() - each.retired_at < LOOK_SECONDS):
                    lasting.append((under_way, each))
                else:
                    each.release()
        lasting.sort(key=lambda pair: pair[0])
        for under_way, each in lasting[: -MOST_RETIRED or None]:
            if under_way:
                log.warning("the edge: too many old Caddys: %s requests and streams are ended", under_way)
            each.release()

    def _load(self, started: Serving, wanted: Plan) -> Iterator[Trouble]:
        """Whole, or but for certificates that Caddy cannot use. Raises Unserved when nothing of it is served."""
        while True:
            try:
                admin.load(started.place, wanted.config)
            except admin.Refused as refused:
                words = str(refused)
                if found := IN_USE.search(words):
                    raise Unserved(*in_use(found[1], "another program")) from refused
                secrets = wanted.certificates()
                if not secrets:
                    raise Unserved("EdgeFailed", f"Caddy does not take the configuration: {words}") from refused
                pair = PAIR.search(words)
                place = int(pair[1]) if pair else None
                named = secrets[place] if place is not None else "one of " + ", ".join(secrets)
                why = words.rpartition(": ")[2]
                yield Trouble("CertificateUnusable", f"secret {named} is no certificate with its key: {why}")
                wanted = wanted.without(place)
            except admin.Silent as silent:
                raise Unserved("EdgeFailed", str(silent)) from silent
            else:
                return
