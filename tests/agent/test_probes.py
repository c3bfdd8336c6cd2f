"""What a row of answers comes to, what is asked when, and how a question to a port is answered in words."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from apps.cluster import types
from node_agent.pods.sight import Health, PostStart, Sight, Stop
from node_agent.probes import asking
from node_agent.probes.tally import Question, Tally, Target, first_asked, pause_after, targets
from node_agent.runtime.base import Seen, State

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PROBE = types.Probe(
    tcp_socket=types.TCPSocketAction(port=80), period_seconds=10, timeout_seconds=1, failure_threshold=3,
    success_threshold=1,
)  # fmt: skip
TWICE = types.Probe(success_threshold=2, failure_threshold=2)
ONE = Target(
    id="c1", name="app", question=Question.LIVENESS, probe=PROBE, ports=(), address="10.64.0.2",
    started_at=NOW, verdict=True,
)  # fmt: skip


@pytest.mark.parametrize(
    ("question", "probe", "verdict", "answers", "left", "condemned"),
    [
        (Question.LIVENESS, PROBE, True, "--", True, False),
        (Question.LIVENESS, PROBE, True, "--+--", True, False),
        (Question.LIVENESS, PROBE, True, "---", False, True),
        (Question.READINESS, PROBE, False, "+", True, False),
        (Question.READINESS, PROBE, True, "--", True, False),
        (Question.READINESS, PROBE, True, "---", False, False),
        (Question.READINESS, TWICE, False, "+", False, False),
        (Question.READINESS, TWICE, False, "+-+", False, False),
        (Question.READINESS, TWICE, False, "++", True, False),
        (Question.STARTUP, PROBE, False, "--+", True, False),
        (Question.STARTUP, PROBE, False, "---", False, True),
    ],
)
def test_a_verdict_turns_when_enough_answers_are_alike(
    question: Question, probe: types.Probe, verdict: bool, answers: str, left: bool, condemned: bool
) -> None:
    target, tally = replace(ONE, question=question, probe=probe), Tally(verdict)
    for answer in answers:
        tally = tally.after(answer == "+", target)
    assert (tally.verdict, tally.condemned) == (left, condemned)


def pod(**probes: types.Probe) -> types.Pod:
    return types.Pod(
        metadata=types.ObjectMeta(name="web", namespace="default", uid="u1"),
        spec=types.PodSpec(containers=[types.Container(name="app", **probes)]),  # type: ignore[arg-type]
    )


def asked(sight: Sight) -> set[Question]:
    wanted = pod(liveness_probe=PROBE, readiness_probe=PROBE, startup_probe=PROBE)
    return {question for _, question in targets(wanted, sight, "10.64.0.2")}


def test_a_container_is_asked_whether_it_has_started_and_only_then_how_it_is() -> None:
    seen = (Seen(id="c1", uid="u1", name="app", attempt=0, state=State.RUNNING),)
    assert asked(Sight(seen=seen, health={"c1": Health(started=False)})) == {Question.STARTUP}
    assert asked(Sight(seen=seen)) == {Question.LIVENESS, Question.READINESS}
    for quiet in (
        Sight(seen=seen, ending=True),
        Sight(seen=seen, stops={"c1": Stop(NOW)}),
        Sight(seen=seen, health={"c1": Health(doomed=True)}),
        Sight(seen=seen, health={"c1": Health(PostStart.RUNS, started=False)}),
        Sight(seen=(replace(seen[0], state=State.EXITED),)),
        Sight(),
    ):
        assert asked(quiet) == set()


def test_the_first_question_waits_for_the_initial_delay_and_old_containers_are_spread() -> None:
    late = types.Probe(initial_delay_seconds=5, period_seconds=10)
    assert first_asked(replace(ONE, probe=late), NOW, 0.5) == timedelta(seconds=5)
    assert first_asked(ONE, NOW, 0.5) == timedelta(0)
    assert first_asked(ONE, NOW + timedelta(minutes=1), 0.5) == timedelta(seconds=5)


@pytest.mark.parametrize(
    ("question", "held", "answers", "pauses"),
    [
        (Question.READINESS, False, "-------", [0.1, 0.2, 0.4, 0.8, 1.6, 2, 2]),
        (Question.STARTUP, False, "---", [0.1, 0.2, 0.4]),
        (Question.READINESS, False, "--+--", [0.1, 0.2, 0.4, 2, 2]),
        (Question.READINESS, True, "--", [2, 2]),
        (Question.LIVENESS, True, "---", [2, 2, 2]),
    ],
)
def test_what_is_not_ready_yet_is_asked_sooner_than_its_period(
    question: Question, held: bool, answers: str, pauses: list[float]
) -> None:
    probe = types.Probe(period_seconds=2, failure_threshold=3)
    target = replace(ONE, question=question, probe=probe, verdict=held)
    tally, found, pause = Tally(held), list[float](), 0.0
    for answer in answers:
        pause = pause_after(target, tally, pause)
        found.append(pause)
        if answer == "+":
            tally = tally.after(True, target)
    assert found == pytest.approx(pauses)


@contextlib.asynccontextmanager
async def served(*answers: bytes) -> AsyncIterator[int]:
    """A port where each connection gets the next answer; the last one again and again."""
    left = list(answers)

    handlers: list[asyncio.Task[Any]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.append(cast("asyncio.Task[Any]", asyncio.current_task()))
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(left.pop(0) if len(left) > 1 else left[0])
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
        await asyncio.gather(*handlers, return_exceptions=True)
        await asyncio.sleep(0)


def answer(status: str, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode()


async def got(*answers: bytes) -> asking.Answer:
    async with served(*answers) as port:
        found = await asking.get(types.HTTPGetAction(port=port, path="/healthz"), "127.0.0.1", port, 2)
        return asking.Answer(found.good, found.words.replace(f":{port}", ":80"))


GET = 'Get "http://127.0.0.1:80/healthz": '


@pytest.mark.parametrize(
    ("answers", "good", "words"),
    [
        ((answer("200 OK"),), True, ""),
        ((answer("399 Odd"),), True, ""),
        ((answer("404 Not Found"),), False, "HTTP probe failed with statuscode: 404"),
        ((answer("500 Oops"),), False, "HTTP probe failed with statuscode: 500"),
        ((answer("302 Found", "Location: /other"), answer("200 OK")), True, ""),
        ((answer("302 Found", "Location: /other"), answer("503 Busy")), False,
         "HTTP probe failed with statuscode: 503"),
        ((answer("302 Found", "Location: http://elsewhere.example/"),), True, ""),
        ((answer("302 Found", "location: /again"),), False, GET + "stopped after 10 redirects"),
        ((b"",), False, GET + "EOF"),
        ((b"hello\r\n\r\n",), False, GET + 'net/http: malformed HTTP response "hello"'),
        ((b"x" * 200_000,), False, GET + "the answer's head is too long"),
    ],
)  # fmt: skip
async def test_an_http_answer_in_kubernetes_words(answers: tuple[bytes, ...], good: bool, words: str) -> None:
    assert await got(*answers) == asking.Answer(good, words)


async def test_a_port_that_is_closed_or_silent_is_told_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silence:  # the kernel lets in, nobody speaks
        port = silence.getsockname()[1]
        assert (await asking.connect("127.0.0.1", port, 1)).good
        silent = await asking.get(types.HTTPGetAction(port=port), "127.0.0.1", port, 0.1)
        assert "context deadline exceeded" in silent.words and not silent.good
    closed = await asking.connect("127.0.0.1", port, 1)
    assert closed == asking.Answer(False, f"dial tcp 127.0.0.1:{port}: connect: connection refused")
    refused = await asking.get(types.HTTPGetAction(port=port, path="x"), "127.0.0.1", port, 1)
    assert refused.words == (
        f'Get "http://127.0.0.1:{port}/x": dial tcp 127.0.0.1:{port}: connect: connection refused'
    )


def test_a_ports_name_stands_for_its_number() -> None:
    ports = [types.ContainerPort(container_port=8080, name="http")]
    assert asking.port_of("http", ports) == 8080
    with pytest.raises(ValueError, match="no port named web"):
        asking.port_of("web", ports)
