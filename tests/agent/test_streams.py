"""Talking to a pod on a real engine: exec, attach and its ports, without the door around them."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from apps.cluster.types import streams as frames
from node_agent.refused import Refused
from node_agent.runtime.docker import DockerRuntime
from node_agent.runtime.docker_streams import DockerStreams, started
from node_agent.runtime.streams import StreamWish
from node_agent.streams import ProcessTalk, Streams, Talk, window_of
from tests.agent.machine import ENGINE, Machine, app
from tests.calm import PATIENCE

pytestmark = pytest.mark.docker


class Heard:
    """A talk, and what was told so far."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.channels: dict[int, bytes] = {}
        self.frames: list[bytes] = []

    async def listen(self) -> None:
        async for frame in self.talk.tell():
            self.frames.append(frame)
            self.channels[frame[0]] = self.channels.get(frame[0], b"") + frame[1:]

    async def until(self, check: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not check():
                await asyncio.sleep(0.01)

    @property
    def code(self) -> int:
        status = json.loads(self.channels[frames.STATUS])
        return 0 if status["status"] == "Success" else int(status["details"]["causes"][0]["message"])


class Talker:
    def __init__(self, machine: Machine) -> None:
        self._runtime = DockerRuntime(machine.names, ENGINE)
        self._streams = Streams(machine.herd, self._runtime, DockerStreams(ENGINE))

    @asynccontextmanager
    async def to(self, *parts: str, **query: str | tuple[str, ...]) -> AsyncIterator[Heard]:
        pairs = [(k, each) for k, v in query.items() for each in ((v,) if isinstance(v, str) else v)]
        talk = await self._streams.open(parts[0], parts[1:], pairs, only_ask=False)
        assert talk is not None
        heard = Heard(talk)
        listening = asyncio.create_task(heard.listen())
        try:
            yield heard
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            await talk.close()

    async def run(self, *command: str) -> Heard:
        query = {"command": command, "stdout": "true", "stderr": "true"}
        async with self.to("exec", "default", "web", "app", **query) as heard:  # type: ignore[arg-type]
            await heard.until(lambda: frames.STATUS in heard.channels)
        return heard


@pytest.fixture
def talker(machine: Machine) -> Talker:
    machine.ready(machine.run(app()))
    return Talker(machine)


async def test_a_process_tells_both_outputs_and_its_exit_code(talker: Talker) -> None:
    heard = await talker.run("sh", "-c", "echo out; echo err >&2; exit 5")
    assert (heard.channels[frames.OUTPUT], heard.channels[frames.ERRORS], heard.code) == (b"out\n", b"err\n", 5)
    assert (await talker.run("true")).code == 0
    assert (await talker.run("nosuch")).code == 126


async def test_much_goes_in_and_out(talker: Talker) -> None:
    query = {"command": "cat", "stdin": "true", "stdout": "true"}
    piece = bytes(range(256)) * 256
    async with talker.to("exec", "default", "web", "app", **query) as heard:
        for _ in range(100):
            await heard.talk.hear(frames.frame(frames.INPUT, piece))
        await heard.talk.hear(frames.END_OF_INPUT)
        await heard.until(lambda: frames.STATUS in heard.channels)
    assert heard.channels[frames.OUTPUT] == piece * 100
    assert heard.code == 0


async def test_a_terminal_is_resized_also_before_it_is_there(talker: Talker) -> None:
    script = "sleep 0.5; stty size; until stty size | grep '41 121'; do sleep 0.1; done; read x"
    query = {"command": ("sh", "-c", script), "stdin": "true", "tty": "true"}
    async with talker.to("exec", "default", "web", "app", stdout="true", **query) as heard:  # type: ignore[arg-type]
        await heard.talk.hear(b'\x04{"Width":101,"Height":31}')
        await heard.talk.hear(b"\x04nonsense")
        await heard.until(lambda: b"31 101" in heard.channels.get(frames.OUTPUT, b""))
        await heard.talk.hear(b'\x04{"Width":121,"Height":41}')
        await heard.until(lambda: b"41 121" in heard.channels[frames.OUTPUT])
        await heard.talk.hear(b"\0\x10\n")  # ctrl-p: the engine's first detach key is only a key
        await heard.until(lambda: frames.STATUS in heard.channels)


@pytest.mark.parametrize("ignoring", ["", "trap '' HUP; "])
async def test_a_process_ends_with_its_talk(talker: Talker, ignoring: str) -> None:
    seconds = "31337" if ignoring else "31338"
    command = ("sh", "-c", f"{ignoring}echo on; sleep {seconds}; true")
    async with talker.to("exec", "default", "web", "app", command=command, stdout="true") as heard:
        await heard.until(lambda: heard.channels.get(frames.OUTPUT) == b"on\n")
        await heard.until(lambda: sleeping(seconds))
    await heard.until(lambda: not sleeping(seconds))


@pytest.mark.parametrize("kind", ["exec", "attach"])
async def test_a_talk_ends_with_its_container_even_where_the_engine_forgets_to(machine: Machine, kind: str) -> None:
    pod = machine.run(app("cat", stdin=True))
    machine.ready(pod)
    id = machine.container(pod).container_id.removeprefix("docker://")
    wish = StreamWish(command=("sleep", "31403"), stdin=True, stdout=True)
    heard = Heard(ProcessTalk(await getattr(DockerStreams(ENGINE), kind)(id, wish), lambda: False))
    async with asyncio.timeout(PATIENCE):
        await heard.listen()
    await heard.talk.close()
    words = b"the container ended, and the process with it" if kind == "exec" else b"Success"
    assert words in heard.channels[frames.STATUS]


async def test_what_a_killed_agent_began_is_ended_and_nothing_else(machine: Machine) -> None:
    pod = machine.run(app())
    machine.ready(pod)
    id = machine.container(pod).container_id.removeprefix("docker://")
    by_hand = machine.api.exec_create(id, ["sleep", "31401"])
    machine.api.exec_start(by_hand["Id"], detach=True)
    killed = DockerStreams(ENGINE)
    left = await killed.exec(id, StreamWish(command=("sleep", "31402"), stdout=True))
    await left.start()
    async with asyncio.timeout(PATIENCE):
        while not (sleeping("31401") and sleeping("31402")):
            await asyncio.sleep(0.05)
    await DockerStreams(ENGINE).end_left_behind([id])
    assert sleeping("31402"), "an agent ended what it began itself"
    await DockerStreams(ENGINE, began=started(os.getpid()) + 2**40).end_left_behind([id, "no such container"])
    assert sleeping("31401") and not sleeping("31402")
    await left.close()


async def test_attach_leaves_the_container_alone(machine: Machine) -> None:
    pod = machine.run(app("cat", stdin=True), name="echo")
    machine.ready(pod)
    query = {"stdin": "true", "stdout": "true", "stderr": "true"}
    for said in (b"one\n", b"two\n"):
        async with Talker(machine).to("attach", "default", "echo", "app", **query) as heard:
            await heard.talk.hear(b"\0" + said)
            await heard.until(lambda heard=heard, said=said: heard.channels.get(frames.OUTPUT) == said)  # type: ignore[misc]
    assert machine.container(pod).restart_count == 0


async def test_a_port_of_the_pods_own_loopback_is_reached(machine: Machine) -> None:
    serve = "mkdir /www; echo served > /www/f; exec httpd -f -p 127.0.0.1:8080 -h /www"
    machine.ready(machine.run(app("sh", "-c", serve)))
    talker = Talker(machine)

    async def tried() -> bytes:
        async with talker.to("portforward", "default", "web", port="8080") as heard:
            await heard.talk.hear(b"\0GET /f HTTP/1.0\r\n\r\n")
            await heard.talk.hear(frames.END_OF_INPUT)
            await heard.until(lambda: frames.END_OF_OUTPUT in heard.frames)
            return heard.channels[frames.OUTPUT]

    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                assert b"served" in await tried()
                return
            except Refused:
                await asyncio.sleep(0.1)


async def test_a_pod_on_the_hosts_network_has_the_hosts_ports(machine: Machine) -> None:
    machine.ready(machine.run(app(), host_network=True))
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_greet, args=(server,), daemon=True).start()
        port = str(server.getsockname()[1])
        async with Talker(machine).to("portforward", "default", "web", port=port) as heard:
            await heard.until(lambda: frames.END_OF_OUTPUT in heard.frames)
    assert heard.channels[frames.OUTPUT] == b"hello"


def _greet(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.sendall(b"hello")


@pytest.mark.parametrize(
    ("parts", "query", "status", "words"),
    [
        (("exec", "default", "web", "app"), {}, 400, "exec needs a command"),
        (("exec", "default", "web", "other"), {"command": "ls"}, 404, 'no container "other" in pod "web"; it has: app'),
        (("exec", "default", "nosuch", "app"), {"command": "ls"}, 404, 'pod "nosuch" is not on this node'),
        (("exec", "team", "web", "app"), {"command": "ls"}, 404, "is not on this node"),
        (("portforward", "default", "web"), {"port": "1"}, 503, 'port 1 of pod "web" cannot be reached'),
        (("portforward", "default", "web"), {"port": "0"}, 400, "not a number from 1 to 65535"),
        (("shell", "default", "web"), {}, 404, "no such door"),
    ],
)
async def test_what_cannot_be_is_refused(
    talker: Talker, parts: tuple[str, ...], query: dict[str, str], status: int, words: str
) -> None:
    with pytest.raises(Refused, match=words) as refused:
        async with talker.to(*parts, **query):
            pass
    assert refused.value.status == status


async def test_a_container_that_ended_says_so(machine: Machine) -> None:
    pod = machine.run(app("sh", "-c", "exit 4"), restart_policy="Never")
    async with asyncio.timeout(PATIENCE):
        while machine.reported(pod).phase != "Failed":
            await asyncio.sleep(0.05)
    with pytest.raises(Refused, match=r"is not running: it ended with exit code 4 \(Error\)"):
        async with Talker(machine).to("exec", "default", "web", "app", command="ls"):
            pass


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (b'{"Width":80,"Height":24}', (80, 24)),
        (b'{"Width":80}', None),
        (b'{"Width":0,"Height":24}', None),
        (b'{"Width":true,"Height":24}', None),
        (b'{"Width":"80","Height":24}', None),
        (b'{"Width":65536,"Height":24}', None),
        (b"[1]", None),
        (b"\xff", None),
    ],
)
def test_only_a_size_that_a_terminal_can_have_is_taken(text: bytes, size: tuple[int, int] | None) -> None:
    assert window_of(text) == size


def sleeping(seconds: str) -> bool:
    wanted = f"sleep\0{seconds}\0".encode()
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if entry.read_bytes() == wanted:
                return True
        except OSError:
            continue
    return False
