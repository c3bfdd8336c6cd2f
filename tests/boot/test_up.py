"""`up` and `down` on this machine: what they print and refuse, how they end, and what they leave."""

import hashlib
import os
import signal
import socket
import ssl
import stat
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from paas.state import FORMAT
from tests.calm import Stopwatch
from tests.platform import Platform, eventually, free_port

pytestmark = [pytest.mark.docker, pytest.mark.skipif(os.geteuid() != 0, reason="`up` needs root")]
SERVING = {"redis", "web", "worker", "beat"}


@pytest.fixture(scope="module")
def rules() -> list[str]:
    """The machine's packet rules before the first start."""
    return packet_rules()


@pytest.fixture(scope="module")
def platform(rules: list[str]) -> Iterator[Platform]:
    running = Platform()
    try:
        running.start(within=120)
        yield running
    finally:
        running.down()


def packet_rules() -> list[str]:
    found = []
    for program in ("iptables-save", "iptables-legacy-save"):
        done = subprocess.run([program], capture_output=True, text=True, check=False)
        found += [line for line in done.stdout.splitlines() if "DROVER" in line or "drv" in line]
    return found


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """What a refused start says: one line, and an exit code that scripts notice."""
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def test_it_prints_what_a_person_needs_next(platform: Platform) -> None:
    text = platform.output.read_text()
    served = ssl.get_server_certificate(("127.0.0.1", platform.port + 443))
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(served)).hexdigest().upper()
    for told in (
        f"http://127.0.0.1:{platform.port}/ on this machine",
        f":{platform.port + 443}/ from anywhere",
        f"http://127.0.0.1:{platform.port}/setup/",
        ":".join(digest[place : place + 2] for place in range(0, len(digest), 2)),
        f"export KUBECONFIG={platform.state}/kubeconfig",
    ):
        assert told in text
    assert stat.S_IMODE((platform.state / "kubeconfig").stat().st_mode) == 0o600


def test_a_server_that_runs_on_gets_a_new_certificate_and_drops_nobody(platform: Platform) -> None:
    place = ("127.0.0.1", platform.port + 443)
    with closing(platform.connection()) as connected:
        connected.request("GET", "/readyz")
        assert connected.getresponse().read() == b"ok"
        through, web = connected.sock, platform.processes()["web"]
        old = ssl.get_server_certificate(place)
        (platform.state / "tls" / "server.crt").unlink()
        eventually(lambda: ssl.get_server_certificate(place) != old, within=60, what="another certificate is shown")
        connected.request("GET", "/readyz")
        assert connected.getresponse().read() == b"ok"
        assert (connected.sock, platform.processes()["web"]) == (through, web)


def test_only_the_agent_keeps_roots_powers(platform: Platform) -> None:
    for name, pid in platform.processes().items():
        status = Path(f"/proc/{pid}/status").read_text()
        powerless = "CapEff:\t0000000000000000" in status and "CapBnd:\t0000000000000000" in status
        assert powerless == (name in SERVING), name


def test_redis_listens_on_no_port(platform: Platform) -> None:
    assert stat.S_ISSOCK((platform.runtime / "redis.sock").stat().st_mode)
    listening = Path(f"/proc/{platform.processes()['redis']}/net/tcp").read_text()
    assert f":{6379:04X} " not in listening


def test_a_second_up_on_the_same_state_says_so(platform: Platform) -> None:
    line = refusal(platform.manage("up"))
    assert line.startswith(f"Drover already runs on {platform.state} (process {platform.pid})")


@pytest.mark.parametrize("offset", [0, 443], ids=["plain", "tls"])
def test_a_port_in_use_is_named_with_what_to_do(platform: Platform, tmp_path: Path, offset: int) -> None:
    port = free_port()
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", port + offset))
        taken.listen()
        line = refusal(platform.manage("up", STATE=str(tmp_path / "other"), PORT=str(port)))
    assert line.startswith(f"Port {port + offset}")
    assert line.endswith("choose another with PORT=.")


def test_a_state_of_a_newer_format_is_left_alone(platform: Platform, tmp_path: Path) -> None:
    (tmp_path / "format").write_text(f"{FORMAT + 1}\n")
    line = refusal(platform.manage("up", STATE=str(tmp_path), PORT=str(free_port())))
    assert "was written by a newer Drover" in line
    assert (tmp_path / "format").read_text() == f"{FORMAT + 1}\n"


@pytest.mark.parametrize(
    ("nodes", "settings", "words"),
    [
        ("-1", {}, "NODES=-1 is no number of nodes."),
        ("201", {}, "NODES=201 is more than one machine carries: at most 200."),
        ("1", {"POD_CIDR": "10.64.0.0/33"}, "POD_CIDR=10.64.0.0/33 is no network"),
        ("1", {"POD_CIDR": "10.254.0.0/16"}, "POD_CIDR=10.254.0.0/16 and SERVICE_CIDR=10.254.0.0/16 overlap"),
        ("1", {"NODE_PORTS": "32767-30000"}, "NODE_PORTS=32767-30000 is no range of ports"),
        ("1", {"DROVER_POD_NETWORK": "ipip"}, "DROVER_POD_NETWORK=ipip is unknown"),
        ("2", {"NODE_CIDR": "10.199.1.0/33"}, "NODE_CIDR=10.199.1.0/33 is no network"),
        ("2", {"NODE_CIDR": "10.199.1.0/29"}, "NODE_CIDR=10.199.1.0/29 is too small"),
        ("2", {"NODE_CIDR": "10.64.7.0/24"}, "NODE_CIDR=10.64.7.0/24 overlaps POD_CIDR=10.64.0.0/10"),
    ],
)
def test_nodes_that_cannot_be_are_refused(
    platform: Platform, tmp_path: Path, nodes: str, settings: dict[str, str], words: str
) -> None:
    elsewhere = {"STATE": str(tmp_path / "other"), "PORT": str(free_port())}
    line = refusal(platform.manage("up", "--nodes", nodes, **elsewhere, **settings))
    assert line.startswith(words)


def test_it_stops_within_three_seconds_and_is_ready_again_within_five(platform: Platform) -> None:
    pids, ending = platform.processes().values(), Stopwatch()
    platform.stop()
    assert ending.calm < 3
    assert all(gone(pid) for pid in pids)
    beginning = Stopwatch()
    platform.start()
    assert beginning.calm < 5


def test_nothing_survives_a_killed_supervisor_and_the_next_start_works(platform: Platform) -> None:
    pids = platform.processes().values()
    os.kill(platform.pid, signal.SIGKILL)
    eventually(lambda: all(gone(pid) for pid in pids), within=3, what="every process is gone")
    platform.stop()
    platform.start(within=20)


def test_down_after_a_kill_leaves_nothing_and_may_be_repeated(platform: Platform, rules: list[str]) -> None:
    os.kill(platform.pid, signal.SIGKILL)
    platform.stop()
    first = platform.manage("down")
    assert first.returncode == 0, first.stdout + first.stderr
    assert not platform.state.exists()
    assert packet_rules() == rules
    assert "nothing is left to remove" in platform.manage("down").stdout
