"""The real kubectl talks to containers: exec, attach, cp and port-forward, through the server and the node's door."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pty
import random
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.cluster.pods import SLEEPER, pod, running, shell
from tests.platform import Platform, eventually, free_port

pytestmark = [pytest.mark.docker, pytest.mark.kubectl, pytest.mark.streams, pytest.mark.timeout(300)]

MIB = 2**20
SERVED = 5 * MIB
SERVE = f"mkdir /www; head -c {SERVED} /dev/urandom > /www/file; exec httpd -f -p 127.0.0.1:8080 -h /www"


@pytest.fixture(scope="module")
def talker(platform: Platform) -> Iterator[Platform]:
    running(
        platform,
        pod("box", [shell(SLEEPER)]),
        pod("cat", [{"name": "cat", "command": ["cat"], "stdin": True}]),
        pod("term", [{"name": "sh", "command": ["sh"], "stdin": True, "tty": True}]),
        pod(
            "pair",
            [shell(SERVE, "web"), shell("hostname > /tmp/second; " + SLEEPER, "second")],
            annotations={"kubectl.kubernetes.io/default-container": "second"},
        ),
    )
    yield platform
    platform.kubectl("delete", "pod", "box", "cat", "term", "pair", "--now")


def call(
    platform: Platform, *arguments: str, input: bytes | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["kubectl", *arguments], env=platform.environment, input=input, capture_output=True, timeout=60,
        check=False,
    )  # fmt: skip


class Terminal:
    """kubectl in a terminal of its own."""

    def __init__(self, platform: Platform, *arguments: str, rows: int = 30, columns: int = 100) -> None:
        self.said = b""
        own, its = pty.openpty()
        self._fd = own
        self.resize(rows, columns, tell=False)
        self._kubectl = subprocess.Popen(
            ["kubectl", *arguments], env=platform.environment, stdin=its, stdout=its, stderr=its,
            start_new_session=True,
        )  # fmt: skip
        os.close(its)

    def resize(self, rows: int, columns: int, *, tell: bool = True) -> None:
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if tell:
            self._kubectl.send_signal(signal.SIGWINCH)

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def read_until(self, pattern: str, within: float = 20) -> str:
        """What was said up to the pattern, which is then forgotten."""
        deadline = time.monotonic() + within
        while not (found := re.search(pattern.encode(), self.said)):
            assert time.monotonic() < deadline, f"no {pattern!r} in {self.said!r}"
            if select.select([self._fd], [], [], 0.1)[0]:
                try:
                    self.said += os.read(self._fd, 65536)
                except OSError:
                    raise AssertionError(f"it ended without {pattern!r}: {self.said!r}") from None
        before, self.said = self.said[: found.end()], self.said[found.end() :]
        return before.decode()

    def ends_with(self, within: float = 20) -> int:
        """The exit code."""
        code = self._kubectl.wait(timeout=within)
        os.close(self._fd)
        return code

    def kill(self) -> None:
        self._kubectl.kill()
        self.ends_with()


def processes(words: str) -> list[int]:
    """Pids on this machine whose command line is just so."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if line.replace(b"\0", b" ").strip() == words.encode():
            found.append(int(entry.name))
    return found


def _none(words: str) -> bool:
    return not processes(words)


def test_exec_tells_both_outputs_and_the_exit_code(talker: Platform) -> None:
    done = call(talker, "exec", "box", "--", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (done.returncode, done.stdout) == (3, b"out\n")
    assert done.stderr == b"err\ncommand terminated with exit code 3\n"
    assert call(talker, "exec", "box", "--", "true").returncode == 0


def test_exec_passes_arguments_as_they_are(talker: Platform) -> None:
    words = ["a b", "&c=d", "é%20", "", "'\""]
    done = call(talker, "exec", "box", "--", "printf", "[%s]", *words)
    assert done.stdout.decode() == "".join(f"[{word}]" for word in words)


def test_exec_reads_input_to_its_end(talker: Platform) -> None:
    given = random.Random(1).randbytes(MIB)
    done = call(talker, "exec", "-i", "box", "--", "sh", "-c", "cat; echo; echo end", input=given)
    assert (done.returncode, done.stdout) == (0, given + b"\nend\n")


def test_a_terminal_has_a_size_that_follows_the_window(talker: Platform) -> None:
    terminal = Terminal(talker, "exec", "-it", "box", "--", "sh", rows=31, columns=101)
    terminal.read_until("# ")
    terminal.type("stty size\n")
    terminal.read_until("31 101\r\n")
    terminal.resize(41, 121)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        terminal.type("stty size\n")
        if "41 121" in terminal.read_until(r"\d+ \d+\r\n"):
            break
    else:
        raise AssertionError("the new size never came")
    terminal.type("exit 7\n")
    assert terminal.ends_with() == 7


def test_attach_talks_to_the_containers_own_process(talker: Platform) -> None:
    terminal = Terminal(talker, "attach", "-it", "term")
    terminal.type("\n")
    terminal.read_until("# ")
    terminal.type("stty size; echo $((6 * 7))\n")
    terminal.read_until("30 100\r\n42\r\n")
    terminal.kill()
    with subprocess.Popen(
        ["kubectl", "attach", "-i", "cat"], env=talker.environment, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as attached:  # fmt: skip
        assert attached.stdin is not None and attached.stdout is not None
        attached.stdin.write(b"echoed\n")
        attached.stdin.flush()
        assert attached.stdout.readline() == b"echoed\n"
        attached.kill()
    pods = [talker.objects("pod", name)[0] for name in ("term", "cat")]
    assert [each["status"]["containerStatuses"][0]["restartCount"] for each in pods] == [0, 0]


def test_files_of_100_mb_are_copied_there_and_back(talker: Platform, tmp_path: Path) -> None:
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(random.Random(2).randbytes(100 * MIB))
    web = talker.processes()["web"]
    before = peak_memory(web)
    talker.kubectl("cp", str(there), "box:/tmp/copied", within=120)
    talker.kubectl("cp", "box:/tmp/copied", str(back), within=120)
    assert digest(there.read_bytes()) == digest(back.read_bytes())
    told = call(talker, "exec", "box", "--", "sha256sum", "/tmp/copied").stdout.decode()
    assert told.split()[0] == digest(there.read_bytes())
    assert peak_memory(web) - before < 48 * MIB


def test_ports_are_forwarded_for_many_at_once(talker: Platform) -> None:
    inside = call(talker, "exec", "pair", "-c", "web", "--", "sha256sum", "/www/file").stdout.decode().split()[0]
    with forwarded(talker, "pair", 8080) as there, ThreadPoolExecutor(4) as pool:
        url = f"http://127.0.0.1:{there.port}/file"
        for _ in range(2):
            got = list(pool.map(lambda _: urlopen(url, timeout=60).read(), range(4)))
            assert {digest(each) for each in got} == {inside}


def test_a_port_nobody_listens_on_is_told_in_words(talker: Platform) -> None:
    with forwarded(talker, "box", 9) as there, pytest.raises(OSError):
        urlopen(f"http://127.0.0.1:{there.port}/", timeout=20)
    assert "port 9 of pod" in there.said and "cannot be reached: Connection refused" in there.said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("exec", "pair", "-c", "x", "--", "ls"), "container x is not valid for pod pair, choose one of: [web second]"),
        (("exec", "nosuch", "--", "ls"), 'pods "nosuch" not found'),
        (("exec", "ended", "--", "ls"), "completed pod"),
        (("exec", "ended", "-c", "main", "--", "ls"), "completed pod"),
        (("exec", "waiting", "--", "ls"), 'container "main" in pod "waiting" is not running: it is waiting to start: '),
        (("attach", "waiting"), "waiting to start"),
        (("exec", "box", "--", "nosuch"), "executable file not found"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_in_words(
    talker: Platform, others: None, arguments: tuple[str, ...], words: str
) -> None:
    done = call(talker, *arguments)
    assert done.returncode != 0
    assert words in (done.stdout + done.stderr).decode()


@pytest.fixture(scope="module")
def others(talker: Platform) -> Iterator[None]:
    """A pod that has ended and one that cannot start."""
    ended = pod("ended", [shell("true")])
    ended["spec"]["restartPolicy"] = "Never"
    waiting = pod("waiting", [shell("true")])
    waiting["spec"]["containers"][0]["image"] = "127.0.0.1:1/nosuch"
    for each in (ended, waiting):
        talker.kubectl("apply", "-f", "-", input=json.dumps(each))
    eventually(lambda: talker.objects("pod", "ended")[0]["status"]["phase"] == "Succeeded")
    eventually(lambda: talker.objects("pod", "waiting")[0]["status"]["containerStatuses"], what="its node has it")
    yield
    talker.kubectl("delete", "pod", "ended", "waiting", "--now")


def test_the_annotation_names_the_container_meant(talker: Platform) -> None:
    done = call(talker, "exec", "pair", "--", "cat", "/tmp/second")
    assert (done.returncode, done.stdout) == (0, b"pair\n")


@pytest.mark.parametrize("flags", ["", "-i", "-it"])
def test_a_process_ends_when_its_client_goes_away(talker: Platform, flags: str) -> None:
    words = f"sleep {31000 + len(flags)}"
    terminal = Terminal(talker, "exec", *flags.split(), "box", "--", *words.split())
    eventually(partial(processes, words), what=f"{words} runs")
    terminal.kill()
    eventually(partial(_none, words), within=15, what=f"{words} has ended")


@dataclass
class Forwarded:
    """A local port that leads to a pod's, and what kubectl has said once it has ended."""

    port: int
    said: str = ""


@contextmanager
def forwarded(platform: Platform, name: str, port: int) -> Iterator[Forwarded]:
    local = free_port()
    kubectl = subprocess.Popen(
        ["kubectl", "port-forward", f"pod/{name}", f"{local}:{port}"], env=platform.environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert kubectl.stdout is not None
    there = Forwarded(local)
    try:
        assert b"Forwarding from" in kubectl.stdout.readline()
        yield there
    finally:
        kubectl.kill()
        there.said = kubectl.communicate()[0].decode()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def peak_memory(pid: int) -> int:
    line = next(
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")
    )
    return int(line.split()[1]) * 1024
