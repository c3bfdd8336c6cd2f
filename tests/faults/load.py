"""A write load with a recorder of every answer, and watchers that write down what they see."""

from __future__ import annotations

import json
import random
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from typing import Any

from tests.faults.checker import GONE, Attempt, History, Sighting
from tests.platform import Platform, eventually

MAPS = "/api/v1/namespaces/default/configmaps"
LABELS = {"faults": "load"}
SELECTED = "labelSelector=faults%3Dload"
NAMES_EACH = 12
BETWEEN_WRITES = 0.03  # seconds: a steady load, not as much as there can be
AWAY = 0.1


class Unanswered(Exception):
    """Nobody knows whether it happened."""


class Way:
    """To the servers of one cluster: the first, and after each failure the next, as behind a balancer."""

    def __init__(self, *servers: Platform) -> None:
        self._servers = deque(servers)
        self._headers: dict[Platform, dict[str, str]] = {}

    @property
    def headers(self) -> dict[str, str]:
        server = self._servers[0]
        return self._headers.get(server) or self._headers.setdefault(server, server.headers())

    def connection(self, *, timeout: float) -> HTTPConnection:
        return self._servers[0].connection(timeout=timeout)

    def failed(self) -> None:
        self._servers.rotate(-1)

    def beginning(self, at: int) -> Way:
        """The same servers, each client beginning with another."""
        way = Way(*self._servers)
        way._servers.rotate(-at)
        return way


class Client:
    """Requests over one connection that is opened anew when it broke. Close it."""

    def __init__(self, way: Way | Platform) -> None:
        self._way = way if isinstance(way, Way) else Way(way)
        self._connection: HTTPConnection | None = None

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
        try:
            if self._connection is None:
                self._connection = self._way.connection(timeout=10)
            text = None if body is None else json.dumps(body)
            headers = dict(self._way.headers)
            if method == "PATCH":
                headers["Content-Type"] = "application/merge-patch+json"
            self._connection.request(method, path, text, headers)
            answer = self._connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, HTTPException, ValueError) as error:
            self.close()
            self._way.failed()
            raise Unanswered(str(error)) from error

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Writer(threading.Thread):
    """Creates, updates and deletes its own config maps, one after the other, until told to stop."""

    def __init__(self, way: Way, number: int, seed: int) -> None:
        super().__init__(name=f"writer {number}", daemon=True)
        self.attempts: list[Attempt] = []
        self.trouble: list[str] = []
        self.acknowledged = 0
        self._client, self._random = Client(way), random.Random(seed)
        self._names = [f"load-{number}-{place}" for place in range(NAMES_EACH)]
        self._there: dict[str, int | None] = dict.fromkeys(self._names)
        self._value = 0
        self._over = threading.Event()

    def stop(self) -> None:
        self._over.set()
        self.join(timeout=30)
        self._client.close()
        assert not self.is_alive(), f"{self.name} does not end"

    def run(self) -> None:
        while not self._over.wait(BETWEEN_WRITES):
            name = self._random.choice(self._names)
            self._value += 1
            delete = self._there[name] is not GONE and self._random.random() < 0.25
            value = GONE if delete else self._value
            try:
                self._write(name, value)
            except Unanswered:
                self.attempts.append(Attempt(name, value, False))
                self._find_out(name)

    def _write(self, name: str, value: int | None) -> None:
        there = self._there[name] is not GONE
        body = {"metadata": {"name": name, "labels": LABELS}, "data": {"value": str(value)}}
        if value is GONE:
            status, told = self._client.ask("DELETE", f"{MAPS}/{name}")
        elif there:
            status, told = self._client.ask("PUT", f"{MAPS}/{name}", body)
        else:
            status, told = self._client.ask("POST", MAPS, body)
        if status >= 500:
            raise Unanswered(str(told))
        if status >= 300:
            self.trouble.append(f"{name}: {status} {told.get('message')}")
            self._find_out(name)
            return
        number = 0 if value is GONE else int(told["metadata"]["resourceVersion"])
        self.attempts.append(Attempt(name, value, True, number))
        self._there[name] = value
        self.acknowledged += 1

    def _find_out(self, name: str) -> None:
        """After a write without an answer: what is true now counts as acknowledged by being read."""
        while not self._over.wait(AWAY):
            with suppress(Unanswered):
                status, told = self._client.ask("GET", f"{MAPS}/{name}")
                if status not in (200, 404):
                    continue
                self._there[name] = int(told["data"]["value"]) if status == 200 else GONE
                self.attempts.append(Attempt(name, self._there[name], True))
                return


class Watcher(threading.Thread):
    """Follows the load's config maps from a list on; goes on from the last number after every interruption."""

    def __init__(self, way: Way, number: int) -> None:
        super().__init__(name=f"watcher {number}", daemon=True)
        self.history = History()
        self._way = way
        self._position = 0
        self._over = threading.Event()
        self._client = Client(way)

    @property
    def position(self) -> int:
        return self._position

    def stop(self) -> None:
        """Bookmarks and the read's own timeout bring it back from waiting."""
        self._over.set()
        self.join(timeout=30)
        self._client.close()
        assert not self.is_alive(), f"{self.name} does not end"

    def run(self) -> None:
        while not self._over.is_set():
            try:
                if not self._position:
                    self._list()
                self._follow()
            except Unanswered:
                self._over.wait(AWAY)
            except (OSError, HTTPException, ValueError):
                self._way.failed()
                self._over.wait(AWAY)

    def _list(self) -> None:
        status, told = self._client.ask("GET", f"{MAPS}?{SELECTED}")
        if status != 200:
            raise Unanswered(str(told))
        self._position = int(told["metadata"]["resourceVersion"])
        self.history.listed += 1
        self.history.began_at = self.history.began_at or self._position

    def _follow(self) -> None:
        query = f"watch=1&{SELECTED}&resourceVersion={self._position}&allowWatchBookmarks=true"
        with closing(self._way.connection(timeout=5)) as connection:
            connection.request("GET", f"{MAPS}?{query}", headers=self._way.headers)
            with closing(connection.getresponse()) as stream:
                self._read(stream)

    def _read(self, stream: Iterable[bytes]) -> None:
        for line in stream:
            event = json.loads(line)
            found = event["object"]
            if event["type"] == "ERROR":
                if found.get("code") == 410:
                    self._position = 0
                return
            number = int(found["metadata"]["resourceVersion"])
            if event["type"] != "BOOKMARK":
                value = GONE if event["type"] == "DELETED" else int(found["data"]["value"])
                name = found["metadata"]["name"]
                self.history.events.append(Sighting(event["type"], name, number, value))
            self._position = max(number, self._position)
            if self._over.is_set():
                return


class Load:
    """Writers and watchers at work."""

    def __init__(self, writers: list[Writer], watchers: list[Watcher], way: Way) -> None:
        self.writers, self.watchers, self._way = writers, watchers, way

    @property
    def acknowledged(self) -> int:
        return sum(writer.acknowledged for writer in self.writers)

    @property
    def attempts(self) -> list[Attempt]:
        return [attempt for writer in self.writers for attempt in writer.attempts]

    def goes_on(self, writes: int, *, within: float = 30) -> None:
        """Return once so many more writes were acknowledged: the platform serves again."""
        wanted = self.acknowledged + writes
        eventually(lambda: self.acknowledged >= wanted, within=within, what=f"{writes} more writes")

    def settle(self) -> dict[str, int | None]:
        """Stop writing, let every watcher see the end, and return what is there."""
        for writer in self.writers:
            writer.stop()
        latest = max((attempt.number for attempt in self.attempts), default=0)
        eventually(
            lambda: all(watcher.position >= latest for watcher in self.watchers), within=30, what="watchers' end"
        )
        with closing(Client(self._way)) as client:
            status, told = client.ask("GET", f"{MAPS}?{SELECTED}")
        assert status == 200, told
        return {item["metadata"]["name"]: int(item["data"]["value"]) for item in told["items"]}


@contextmanager
def under_load(*servers: Platform, writers: int = 2, watchers: int = 3, seed: int = 1) -> Iterator[Load]:
    """The load runs inside; it ends in any case. With several servers each client begins at another one."""
    way = Way(*servers)
    seeing = [Watcher(way.beginning(number), number) for number in range(watchers)]
    writing = [Writer(way.beginning(number + 1), number, seed + number) for number in range(writers)]
    load = Load(writing, seeing, way)
    for thread in (*seeing, *writing):
        thread.start()
    try:
        eventually(lambda: all(watcher.history.listed for watcher in seeing), what="the watchers' lists")
        load.goes_on(writers)
        yield load
    finally:
        for writer in writing:
            writer.stop()
        for watcher in seeing:
            watcher.stop()
        with suppress(Unanswered), closing(Client(way)) as client:
            client.ask("DELETE", f"{MAPS}?{SELECTED}")


def answered(work: Callable[[], tuple[int, dict[str, Any]]], *, within: float = 20) -> dict[str, Any]:
    """Ask until there is an answer of success."""

    def once() -> list[dict[str, Any]]:
        try:
            status, told = work()
        except Unanswered as error:
            raise OSError(str(error)) from error
        return [told] if status < 300 else []

    return eventually(once, within=within)[0]
