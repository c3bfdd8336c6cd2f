"""The proxy's process: reads orders, keeps the rules, answers.

It ends when its input ends, and leaves the rules in place.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import selectors
import signal
import sys
from time import monotonic

import msgspec

from node_agent.names import Names
from node_agent.proxy import ProxyBackend, ProxyError, backends, conntrack
from node_agent.proxy.messages import Answer, Order
from node_agent.proxy.rules import Wanted, stale_flows

VERIFY_SECONDS = 5.0
RETRY_SECONDS = 1.0
CHUNK = 1 << 16


class Keeper:
    """Holds the newest order in place with one backend, in one thread."""

    def __init__(self, backend: ProxyBackend, out: int, verify_seconds: float) -> None:
        self._backend = backend
        self._out = out
        self._verify_seconds = verify_seconds
        self._order: Order | None = None
        self._in_place: Wanted | None = None
        self._error = ""
        self._due = monotonic() + verify_seconds

    def run(self, source: int) -> None:
        lines = _Lines(source)
        decode = msgspec.json.Decoder(Order).decode
        while True:
            newest = lines.newest(max(0.0, self._due - monotonic()))
            if newest is None:
                return
            if newest:
                self._order = decode(newest)
                self._apply()
            elif monotonic() >= self._due:
                self._look()

    def say(self, answer: Answer) -> None:
        os.write(self._out, msgspec.json.encode(answer) + b"\n")

    def _apply(self) -> None:
        if self._order is None:
            return
        before, wanted = self._in_place, self._order.wanted
        try:
            self._backend.sync(wanted)
        except ProxyError as error:
            self._complain(str(error))
            self._due = monotonic() + RETRY_SECONDS
            return
        self._in_place, self._error = wanted, ""
        self._due = monotonic() + self._verify_seconds
        flows = stale_flows(before, wanted)
        problem = conntrack.forget(flows) if flows else ""
        words = problem and f"cannot forget old flows: {problem}"
        self.say(Answer(applied=self._order.number, error=words, backend=self._backend.name))

    def _look(self) -> None:
        """Time to check what is there, or to try again what failed."""
        if self._order is not None and self._order.wanted is not self._in_place:
            self._apply()
            return
        self._due = monotonic() + self._verify_seconds
        try:
            restored = self._backend.verify()
        except ProxyError as error:
            self._complain(str(error))
            return
        self._error = ""
        if restored:
            self.say(Answer(restored=tuple(restored)))

    def _complain(self, error: str) -> None:
        """Once per reason, not at every try."""
        if error != self._error:
            self._error = error
            self.say(Answer(error=error))


class _Lines:
    """The lines of a file descriptor; only the newest whole one matters."""

    def __init__(self, source: int) -> None:
        self._source = source
        self._rest = b""
        self._selector = selectors.DefaultSelector()
        self._selector.register(source, selectors.EVENT_READ)

    def newest(self, seconds: float) -> bytes | None:
        """The newest line within ``seconds``, b"" when none came, None at the end."""
        line = b""
        while self._selector.select(0 if line else seconds):
            chunk = os.read(self._source, CHUNK)
            if not chunk:
                return line or None
            *whole, self._rest = (self._rest + chunk).split(b"\n")
            line = whole[-1] if whole else line
        return line


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="node_agent.proxy", description="Keeps the service rules of one node."
    )
    parser.add_argument("--instance", required=True, help="whose rules: the instance part of their names")
    parser.add_argument("--remove", action="store_true", help="remove the rules and end")
    parser.add_argument("--verify-seconds", type=float, default=VERIFY_SECONDS)
    options = parser.parse_args(argv)
    names = Names(instance=options.instance)
    try:
        if options.remove:
            backends.remove_all(names)
            return 0
        for signum in (signal.SIGINT, signal.SIGTERM):  # who ends the agent and all it started at once
            signal.signal(signum, signal.SIG_IGN)  # ends us too: the agent closes our input
        # Libraries print; what they say must not mix with answers.
        out = os.dup(1)
        os.dup2(2, 1)
        backend = backends.Backends(names, os.environ.get(backends.SETTING, ""))
    except ProxyError as error:
        print(error, file=sys.stderr)
        return 1
    keeper = Keeper(backend, out, options.verify_seconds)
    with contextlib.suppress(BrokenPipeError):  # the agent is gone; the rules stay for the next one
        keeper.say(Answer(backend=backend.name))
        keeper.run(0)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
