"""A small network laboratory: every machine and pod is a network namespace that ends with the test.

A namespace is held by a thread that unshared it. Nothing is named, so nothing is left behind, even when a test dies;
the test's own namespace is never touched.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, closing, contextmanager, suppress
from queue import SimpleQueue
from threading import Thread, get_native_id
from typing import Any, TypeVar

from pyroute2 import IPRoute

from tests.calm import PATIENCE

T = TypeVar("T")

CLONE_NEWNET = 0x40000000
NODE, OUTSIDE = "198.51.100.1", "198.51.100.2"


class Space:
    """A network namespace; ``run`` does something in it."""

    def __init__(self) -> None:
        self.at_close = ExitStack()
        """What holds the namespace beside this thread: an open socket would keep it alive."""
        self._work: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        ready: Future[int] = Future()
        self._thread = Thread(target=self._live, args=(ready,), daemon=True)
        self._thread.start()
        self.pid = ready.result(PATIENCE)
        """Stands for a process: /proc/<pid>/ns/net is this namespace."""
        self.run(link_up, "lo")

    def _live(self, ready: Future[int]) -> None:
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
            ready.set_exception(OSError(ctypes.get_errno(), "unshare"))
            return
        ready.set_result(get_native_id())
        while (item := self._work.get()) is not None:
            future, act = item
            try:
                future.set_result(act())
            except BaseException as error:  # noqa: BLE001 - it is raised again by run
                future.set_exception(error)

    def run(self, act: Callable[..., T], *args: Any) -> T:
        future: Future[T] = Future()
        self._work.put((future, lambda: act(*args)))
        return future.result(60)

    def command(self, *argv: str, text: str = "") -> str:
        done = self.run(
            lambda: subprocess.run(argv, input=text, capture_output=True, text=True, check=False, timeout=30)
        )
        assert done.returncode == 0, f"{argv}: {done.stderr}"
        return done.stdout

    def close(self) -> None:
        self.at_close.close()
        self._work.put(None)
        self._thread.join(PATIENCE)

    def sysctl(self, name: str, value: str) -> None:
        def write() -> None:
            with open(f"/proc/sys/net/{name}", "w") as file:
                file.write(value)

        self.run(write)


def link_up(name: str) -> None:
    with closing(IPRoute()) as ipr:
        ipr.link("set", index=ipr.link_lookup(ifname=name)[0], state="up")


def join(one: Space, other: Space, *, names: tuple[str, str], addresses: tuple[str, str]) -> None:
    """A cable between two namespaces."""
    handle = os.open(f"/proc/{other.pid}/ns/net", os.O_RDONLY)
    try:
        one.run(_lay, names, handle)
    finally:
        os.close(handle)
    for space, name, address in zip((one, other), names, addresses, strict=True):
        space.run(_dress, name, address)


def _lay(names: tuple[str, str], handle: int) -> None:
    with closing(IPRoute()) as ipr:
        ipr.link("add", ifname=names[0], kind="veth", peer={"ifname": names[1], "net_ns_fd": handle})


def _dress(name: str, address: str) -> None:
    with closing(IPRoute()) as ipr:
        index = ipr.link_lookup(ifname=name)[0]
        ipr.addr("add", index=index, address=address, prefixlen=24)
        ipr.link("set", index=index, state="up")


def route(space: Space, **what: Any) -> None:
    def add() -> None:
        with closing(IPRoute()) as ipr:
            ipr.route("add", **what)

    space.run(add)


@contextmanager
def machine() -> Iterator[tuple[Space, Space]]:
    """A node and a machine outside that reach each other; the node's default route leads outside."""
    with ExitStack() as stack:
        node, outside = Space(), Space()
        for space in (node, outside):
            stack.callback(space.close)
        join(node, outside, names=("up0", "up1"), addresses=(NODE, OUTSIDE))
        route(node, dst="default", gateway=OUTSIDE)
        yield node, outside


class Server:
    """Answers every TCP connection and UDP datagram with its name and who it sees asking."""

    def __init__(self, space: Space, name: str, port: int, address: str = "0.0.0.0") -> None:
        self.name = name.encode()
        self._tcp = space.run(lambda: socket.create_server((address, port), backlog=64))
        self._udp = space.run(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self._udp.bind((address, port))
        space.at_close.callback(self.close)
        for serve in (self._serve_tcp, self._serve_udp):
            Thread(target=serve, daemon=True).start()

    def _serve_tcp(self) -> None:
        while True:
            try:
                connection, peer = self._tcp.accept()
            except OSError:
                return
            with connection:
                connection.sendall(self.name + b" " + peer[0].encode())

    def _serve_udp(self) -> None:
        while True:
            try:
                _, peer = self._udp.recvfrom(100)
                if peer is None:  # shut down
                    return
                self._udp.sendto(self.name + b" " + peer[0].encode(), peer)
            except OSError:
                return

    def close(self) -> None:
        for one in (self._tcp, self._udp):
            # Only a shutdown wakes the thread that waits in it.
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def ask(space: Space, address: str, port: int, source: str = "") -> tuple[str, str]:
    """Asks over TCP: (who answers, whom it sees asking). Raises ConnectionRefusedError, TimeoutError."""

    def connect() -> bytes:
        with socket.create_connection((address, port), 3, (source, 0) if source else None) as connection:
            return connection.recv(100)

    name, _, peer = space.run(connect).decode().partition(" ")
    return name, peer


class UdpClient:
    """Asks again and again from one port, as a resolver does."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._socket = space.run(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self._socket.settimeout(3)
        space.at_close.callback(self._socket.close)

    def ask(self, address: str, port: int) -> str:
        self._socket.connect((address, port))
        self._socket.send(b"?")
        return self._socket.recv(100).decode().partition(" ")[0]
