"""Following the logs of pods that come, start again and go: every line once, whenever their node could be asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Container, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from apps.cluster import store, types
from apps.cluster.actors import system
from apps.cluster.errors import BadRequest, NotFound, Unavailable
from apps.cluster.kinds import CONFIG_MAP, POD
from apps.cluster.selectors import LabelSelector
from apps.cluster.types.agent import EndedLog
from apps.cluster.watching import Scope
from apps.cluster.work import in_db
from apps.nodes import door, ended
from apps.nodes.following import SECOND, Line, follow
from tests.builders import LABELS, build
from tests.calm import PATIENCE

pytestmark = pytest.mark.usefixtures("cluster")
TESTER = system("tester")
AT_ONCE = types.DeleteOptions(grace_period_seconds=0)
PODS = Scope(kind=POD, namespace="default", labels=LabelSelector.of(LABELS))
OWNER = Scope(kind=CONFIG_MAP, namespace="default", name="owner")  # any object will do


@dataclass
class Run:
    """One run of a container: what it wrote, and whether it goes on."""

    lines: list[bytes] = field(default_factory=list)
    over: bool = False


class FarNode:
    """The far end of a node's door: containers that write and end, and an agent that may be away."""

    def __init__(self) -> None:
        self.runs: dict[str, list[Run]] = {}
        self.kept: list[tuple[EndedLog, bytes]] = []
        self.away = False
        self.missed = 0
        self.asked_back = False
        """For a run that had ended."""
        self._clock = 0
        self._moved = asyncio.Event()

    def move(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    def begin(self, pod: str) -> None:
        runs = self.runs.setdefault(pod, [])
        if runs:
            runs[-1].over = True
        runs.append(Run())
        self.move()

    def write(self, pod: str, *words: str) -> None:
        """Several lines a second, so that a second is no place to read on from."""
        for word in words:
            self._clock += 1
            at = f"2026-05-01T12:00:{self._clock // 4:02}.{self._clock:09}Z"
            self.runs[pod][-1].lines.append(f"{at} {word}".encode())
        self.move()

    def go(self, pod: types.Pod) -> None:
        """The pod's container ends, and its log is kept."""
        meta = pod.metadata
        run = self.runs[meta.name][-1]
        log = EndedLog(
            id=f"{meta.uid}_app_{len(self.runs[meta.name])}", namespace=meta.namespace, pod=meta.name, container="app",
            ended_at=datetime.now(UTC), labels=dict(meta.labels),
        )  # fmt: skip
        self.kept.append((log, b"\n".join(run.lines) + b"\n"))
        run.over = True
        del self.runs[meta.name]
        self.move()

    async def logs(
        self, node: str, namespace: str, pod: str, container: str, params: Mapping[str, str]
    ) -> AsyncGenerator[bytes, None]:
        self.asked_back = self.asked_back or "previous" in params
        if self.away:
            raise Unavailable("node n1 does not answer")
        if pod not in self.runs:
            self.missed += 1
            raise NotFound("the pod is not on this node") if self.missed == 1 else BadRequest("it waits to start")
        run = self.runs[pod][-2 if "previous" in params else -1]
        since = params.get("sinceTime", "")[:SECOND]
        told = max(0, len(run.lines) - int(params["tailLines"])) if "tailLines" in params else 0
        while True:
            moved = self._moved
            for line in run.lines[told:]:
                if line.decode() >= since:
                    yield line + b"\n"
            told = len(run.lines)
            if self.away:
                raise Unavailable("the log broke off")
            if run.over or "follow" not in params:
                return
            await moved.wait()

    async def found(self, namespace: str, labels: Any, nodes: Sequence[str]) -> tuple[list[ended.Kept], list[str]]:
        return [ended.Kept("n1", log) for log, _ in self.kept], []

    async def read(self, node: str, namespace: str, id: str) -> bytes:
        for log, written in self.kept:
            if log.id == id:
                return written
        raise NotFound("this log is not kept any more")


async def becomes(true: Callable[[], bool]) -> None:
    """Waits for it with patience; the assertion that follows says what was missing."""
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while not true():
                await asyncio.sleep(0.01)


class Heard:
    """What a reader was told."""

    following_task: asyncio.Task[None]

    def __init__(self) -> None:
        self.told: list[str] = []
        self.remarks: list[str] = []
        self.counts: list[int] = []

    async def lines(self, lines: Sequence[Line]) -> None:
        self.told += [f"{line.pod}: {line.text}" for line in lines]

    async def remark(self, pod: str, words: str) -> None:
        self.remarks.append(words)

    async def began(self, pods: Container[str]) -> None:
        assert self.counts, "the first look tells how many there are"

    async def following(self, containers: int) -> None:
        self.counts.append(containers)

    async def until(self, *told: str) -> None:
        """Exactly these, each once."""
        await becomes(lambda: len(self.told) >= len(told))
        assert self.told == [*told]


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> Iterator[FarNode]:
    node = FarNode()
    monkeypatch.setattr(door, "logs", node.logs)
    monkeypatch.setattr(ended, "found", node.found)
    monkeypatch.setattr(ended, "read", node.read)
    yield node


@pytest.fixture
async def heard(cluster: None, far: FarNode) -> AsyncIterator[Heard]:
    """A reader of all pods that there are when its test begins with a first one, ``old``."""
    await in_db(store.write, TESTER, lambda tx: tx.create(CONFIG_MAP, build(CONFIG_MAP, name="owner")))
    await come("old")
    far.begin("old")
    far.write("old", "long ago", "before", "just before")
    found = Heard()
    reading = follow(found, PODS, OWNER, lambda pod: pod.metadata.name != "secret", tail=2)
    found.following_task = asyncio.create_task(reading)
    await found.until("old: before", "old: just before")
    yield found
    others = asyncio.all_tasks() - {asyncio.current_task()}  # the hub's too
    for other in others:
        other.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def come(name: str) -> types.Pod:
    made = build(POD, name=name, labels=LABELS, spec__node_name="n1", spec__containers__0__name="app")
    created: types.Pod = await in_db(store.write, TESTER, lambda tx: tx.create(POD, made))
    return created


async def run(pod: str, count: int) -> None:
    """The pod says that its container runs for the so manieth time."""

    def work(tx: Any) -> None:
        found = tx.get(POD, "default", pod)
        found.status.container_statuses = [
            types.ContainerStatus(name="app", restart_count=count - 1, container_id=f"docker://{pod}-{count}")
        ]
        tx.update(POD, found, part="status")

    await in_db(store.write, TESTER, work)


async def remove(kind: Any, name: str) -> None:
    await in_db(store.write, TESTER, lambda tx: tx.delete(kind, "default", name, AT_ONCE))


async def test_a_pod_that_comes_later_is_read_from_its_first_line_to_its_last(far: FarNode, heard: Heard) -> None:
    new = await come("new")
    await becomes(lambda: far.missed > 0)
    far.begin("new")
    far.write("new", *(f"line {number}" for number in range(5)))
    await run("new", 1)
    told = ["old: before", "old: just before", *(f"new: line {number}" for number in range(5))]
    await heard.until(*told)
    assert heard.counts[-1] == 2
    far.write("old", "meanwhile")
    await heard.until(*told, "old: meanwhile")
    far.write("new", "farewell")
    far.go(new)
    await remove(POD, "new")
    await heard.until(*told, "old: meanwhile", "new: farewell")
    await becomes(lambda: heard.counts[-1] == 1)
    assert heard.counts[-1] == 1 and heard.remarks == []


async def test_a_container_is_read_on_through_its_runs_also_when_two_of_them_were_short(
    far: FarNode, heard: Heard
) -> None:
    await run("old", 1)
    far.begin("old")
    far.write("old", "second")
    await run("old", 2)
    told = ["old: before", "old: just before", "old: second"]
    await heard.until(*told)
    far.begin("old")
    far.write("old", "third")
    far.begin("old")
    far.write("old", "fourth")
    await run("old", 4)
    await heard.until(*told, "old: third", "old: fourth")


async def test_of_runs_that_came_and_went_while_nobody_could_read_is_said_how_many(far: FarNode, heard: Heard) -> None:
    await run("old", 1)
    far.away = True
    far.move()
    for word in ("second", "third", "fourth", "fifth"):
        far.begin("old")
        far.write("old", word)
    await run("old", 5)
    await becomes(lambda: far.asked_back)
    far.away = False
    await heard.until("old: before", "old: just before", "old: fourth", "old: fifth")
    # The first may have written more when its node was away, and the second and third nobody can read any more.
    assert [words for words in heard.remarks if words.startswith("not all")] == [
        "not all is shown of 3 runs of app that ended meanwhile"
    ]


async def test_a_pod_that_comes_later_is_read_from_its_first_run_that_is_there(far: FarNode, heard: Heard) -> None:
    await come("new")
    await becomes(lambda: far.missed > 0)
    for word in ("first", "second", "third"):
        far.begin("new")
        far.write("new", word)
    await run("new", 3)
    await heard.until("old: before", "old: just before", "new: second", "new: third")
    assert heard.remarks == ["not all is shown of one run of app that ended meanwhile"]


async def test_an_agent_that_was_away_for_a_while_costs_no_line_and_doubles_none(far: FarNode, heard: Heard) -> None:
    far.away = True
    far.write("old", "unheard", "too")
    await becomes(lambda: bool(heard.remarks))
    far.away = False
    far.write("old", "again")
    told = ["old: before", "old: just before", "old: unheard", "old: too", "old: again"]
    await heard.until(*told)
    assert len(heard.remarks) == 1, "what goes on is said once"


async def test_what_nobody_could_read_before_its_pod_went_is_told_from_what_its_node_keeps(
    far: FarNode, heard: Heard
) -> None:
    far.away = True
    far.move()
    short = await come("short")
    far.begin("short")
    far.write("short", "all", "it", "said")
    far.go(short)
    await remove(POD, "short")
    await heard.until("old: before", "old: just before", "short: all", "short: it", "short: said")
    far.away = False


async def test_of_a_pod_whose_log_may_not_be_read_nothing_is_told(far: FarNode, heard: Heard) -> None:
    secret = await come("secret")
    far.begin("secret")
    far.write("secret", "hidden")
    await run("secret", 1)
    far.go(secret)
    await remove(POD, "secret")
    await come("open")
    far.begin("open")
    far.write("open", "heard")
    await run("open", 1)
    await heard.until("old: before", "old: just before", "open: heard")
    assert not heard.remarks


async def test_it_is_over_once_the_owner_and_the_last_pod_are_gone(far: FarNode, heard: Heard) -> None:
    await remove(CONFIG_MAP, "owner")
    far.write("old", "still here")
    await heard.until("old: before", "old: just before", "old: still here")
    await remove(POD, "old")
    far.runs["old"][-1].over = True
    far.move()
    await becomes(heard.following_task.done)
    assert heard.following_task.done()
