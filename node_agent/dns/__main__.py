"""The process that answers names: reads what changes, answers what is asked.

It gets its sockets from the agent. When its input ends, because the agent was killed, it goes on with what it knows
until the next agent has started another, or for ``LINGER_SECONDS``.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
from contextlib import suppress
from ipaddress import IPv4Network
from pathlib import Path

import msgspec

from node_agent import limits
from node_agent.dns import RESOLV_CONF
from node_agent.dns.messages import Answer, Order
from node_agent.dns.server import Answers, Listener
from node_agent.dns.upstream import Servers, Upstream
from node_agent.dns.zone import Zone

LINGER_SECONDS = 60.0
CHUNK = 1 << 16
INPUT = 0


class Orders:
    """Carries out what the agent says, from the first order on."""

    def __init__(self, zone: Zone, answers: Answers, listener: Listener, out: int) -> None:
        self._zone, self._answers, self._listener, self._out = zone, answers, listener, out
        self._decode = msgspec.json.Decoder(Order).decode
        self._rest = b""
        self.ended = asyncio.Event()

    def read(self) -> None:
        """There is something on the input, or it has ended."""
        chunk = os.read(INPUT, CHUNK)
        loop = asyncio.get_running_loop()
        if not chunk:
            loop.remove_reader(INPUT)
            loop.call_later(LINGER_SECONDS, self.ended.set)
            return
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._carry_out(self._decode(line))

    def _carry_out(self, order: Order) -> None:
        for listed in order.put:
            self._zone.put(listed)
        for key in order.gone:
            self._zone.drop(key)
        if order.put or order.gone:
            self._answers.changed()
        self._listener.start()
        with suppress(BrokenPipeError):  # the agent is gone; its successor takes over
            os.write(self._out, msgspec.json.encode(Answer(order.number)) + b"\n")


async def serve(options: argparse.Namespace, out: int) -> None:
    zone = Zone([IPv4Network(cidr) for cidr in options.networks])
    answers = Answers(zone, Upstream(Servers(options.address, options.resolv_conf)))
    listener = Listener(answers, socket.socket(fileno=options.udp), socket.socket(fileno=options.tcp))
    orders = Orders(zone, answers, listener, out)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, orders.ended.set)
    loop.add_reader(INPUT, orders.read)
    await orders.ended.wait()
    await listener.stop()


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="node_agent.dns", description="Answers the names of one node.")
    parser.add_argument("--instance", required=True, help="whose: the instance part of the agent's names")
    parser.add_argument("--address", required=True, help="where it answers")
    parser.add_argument("--resolv-conf", type=Path, default=RESOLV_CONF, help="names the machine's servers")
    parser.add_argument("--udp", type=int, required=True, help="descriptor of the socket for datagrams")
    parser.add_argument("--tcp", type=int, required=True, help="descriptor of the socket for connections")
    parser.add_argument("networks", nargs="*", help="whose addresses' names are the cluster's to tell")
    options = parser.parse_args(argv)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the agent, which then ends us
    limits.lift()
    # Libraries print; what they say must not mix with answers.
    out = os.dup(1)
    os.dup2(2, 1)
    asyncio.run(serve(options, out))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
