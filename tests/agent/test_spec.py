"""A pod in the engine's words: names, weights, users, files, and the image made from bytes."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.cluster import types
from node_agent.names import Names
from node_agent.pods import files, spec
from node_agent.pods.env import ConfigTrouble
from node_agent.runtime import pause
from node_agent.runtime.base import ContainerSpec, ImageFacts
from tests.calm import PATIENCE
from tests.platform import eventually

NAMES = Names("abc123")
IMAGE = ImageFacts("sha256:1", "")


def pod(container: types.Container, **fields: object) -> types.Pod:
    return types.Pod(
        metadata=types.ObjectMeta(name="web-x", namespace="default", uid="u1"),
        spec=types.PodSpec(containers=[container], **fields),  # type: ignore[arg-type]
    )


def made(container: types.Container, image: ImageFacts = IMAGE, **fields: object) -> ContainerSpec:
    return spec.app_spec(
        NAMES, pod(container, **fields), container, attempt=2, sandbox="S", image=image,
        env={"A": "1"}, mounts=[], node_memory=4 << 30, lowest_oom_score=-1000,
    )  # fmt: skip


def test_names_and_labels_are_those_of_the_articles() -> None:
    found = made(types.Container(name="app", image="redis", command=["run", "$(A)"], args=["$(B)"]))
    assert found.name == "k8s_app_web-x_default_u1_2"
    assert found.labels["drover.dev/instance"] == "abc123"
    assert (found.network, found.ipc) == ("container:S", "container:S")
    assert (found.command, found.args, found.env) == (["run", "1"], ["$(B)"], ["A=1"])
    assert found.pids > 0, "processes are always limited"
    assert spec.sandbox_spec(NAMES, pod(types.Container(name="app")), 0).name == "k8s_POD_web-x_default_u1_0"


def test_a_pod_on_the_machines_network_takes_its_name_too() -> None:
    host = pod(types.Container(name="app"), host_network=True)
    found = spec.sandbox_spec(NAMES, host, 0)
    assert (found.network, found.hostname) == ("host", "")


def test_processes_and_system_calls_as_the_pod_asks() -> None:
    apart = made(types.Container(name="app"))
    assert (apart.pid, apart.unconfined) == ("", False)
    free = types.PodSecurityContext(seccomp_profile=types.SeccompProfile(type="Unconfined"))
    assert made(types.Container(name="app"), share_process_namespace=True).pid == "container:S"
    assert made(types.Container(name="app"), security_context=free).unconfined
    own = types.SecurityContext(seccomp_profile=types.SeccompProfile(type="RuntimeDefault"))
    assert not made(types.Container(name="app", security_context=own), security_context=free).unconfined


MACHINE = "nameserver 192.0.2.1\nsearch example.org\noptions timeout:2\n"
CLUSTER = "nameserver 10.254.0.10\nsearch default.svc.cluster.local svc.cluster.local cluster.local example.org\n"
OWN = types.PodDNSConfig(
    nameservers=["192.0.2.9"], searches=["own.example"], options=[types.PodDNSConfigOption("ndots", "1")]
)


@pytest.mark.parametrize(
    ("policy", "config", "cluster", "text"),
    [
        ("Default", None, "10.254.0.10", MACHINE.replace("search", "search")),
        ("ClusterFirst", None, "", MACHINE),
        ("ClusterFirst", None, "10.254.0.10", CLUSTER + "options ndots:5\n"),
        ("ClusterFirst", OWN, "10.254.0.10",
         CLUSTER.replace("\nsearch", "\nnameserver 192.0.2.9\nsearch").replace("org\n", "org own.example\n")
         + "options ndots:1\n"),
        ("None", OWN, "10.254.0.10", "nameserver 192.0.2.9\nsearch own.example\noptions ndots:1\n"),
        ("None", types.PodDNSConfig(nameservers=["192.0.2.9"]), "", "nameserver 192.0.2.9\n"),
    ],
)  # fmt: skip
def test_whom_a_pod_asks_for_names(
    policy: str, config: types.PodDNSConfig | None, cluster: str, text: str
) -> None:
    asked = pod(types.Container(name="app"), dns_policy=policy, dns_config=config)
    assert files.resolver(asked, MACHINE, cluster) == text


def test_aliases_are_lines_of_the_hosts_file() -> None:
    alias = types.HostAlias(ip="192.0.2.7", hostnames=["one.example", "two"])
    asked = pod(types.Container(name="app"), host_aliases=[alias])
    assert files.hosts(asked, "10.64.0.2").endswith("10.64.0.2\tweb-x\n192.0.2.7\tone.example\ttwo\n")
    on_host = pod(types.Container(name="app"), host_network=True, dns_policy="ClusterFirst")
    assert files.etc(on_host, "10.0.0.1", machine=MACHINE, cluster="") == {}


@pytest.mark.parametrize(
    ("limits", "requests", "shares", "quota", "memory"),
    [
        ({}, {}, 2, 0, 0),
        ({"cpu": "500m", "memory": "64Mi"}, {}, 512, 50_000, 64 << 20),
        ({"cpu": "2"}, {"cpu": "250m"}, 256, 200_000, 0),
        ({"cpu": "1m"}, {}, 2, 1000, 0),
    ],
)
def test_resources(
    limits: dict[str, types.Quantity],
    requests: dict[str, types.Quantity],
    shares: int,
    quota: int,
    memory: int,
) -> None:
    resources = types.ResourceRequirements(limits=limits, requests=requests)
    found = made(types.Container(name="app", resources=resources))
    assert (found.cpu_shares, found.cpu_quota, found.memory) == (shares, quota, memory)


@pytest.mark.parametrize(
    ("limits", "requests", "quality", "score"),
    [
        ({}, {}, "BestEffort", 1000),
        ({"cpu": "1", "memory": "1Gi"}, {}, "Guaranteed", -997),
        ({"cpu": "1", "memory": "1Gi"}, {"cpu": "1000m", "memory": "1024Mi"}, "Guaranteed", -997),
        ({}, {"memory": "1Gi"}, "Burstable", 750),
        ({"cpu": "1"}, {"cpu": "1"}, "Burstable", 999),
    ],
)
def test_who_is_killed_first_when_memory_runs_out(
    limits: dict[str, types.Quantity], requests: dict[str, types.Quantity], quality: str, score: int
) -> None:
    container = types.Container(
        name="app", resources=types.ResourceRequirements(limits=limits, requests=requests)
    )
    assert spec.qos_class(pod(container)) == quality
    assert made(container).oom_score == score


@pytest.mark.parametrize(
    ("own", "shared", "image_user", "user"),
    [
        ({}, {}, "", ""),
        ({"run_as_user": 7}, {}, "", "7"),
        ({"run_as_user": 7, "run_as_group": 8}, {}, "", "7:8"),
        ({"run_as_user": 0}, {"run_as_user": 7}, "", "0"),
        ({}, {"run_as_user": 7, "run_as_group": 8}, "", "7:8"),
        ({"run_as_group": 8}, {}, "redis:redis", "redis:8"),
        ({"run_as_group": 8}, {}, "", "0:8"),
        ({"run_as_non_root": True, "run_as_user": 5}, {}, "", "5"),
        ({"run_as_non_root": True}, {}, "999", ""),
    ],
)
def test_users(own: dict[str, int], shared: dict[str, int], image_user: str, user: str) -> None:
    found = spec.user(
        types.SecurityContext(**own),  # type: ignore[arg-type]
        types.PodSecurityContext(**shared),  # type: ignore[arg-type]
        ImageFacts("sha256:1", image_user),
    )
    assert found == user


@pytest.mark.parametrize(
    ("uid", "image_user", "words"),
    [
        (None, "", "the image runs as root"),
        (None, "root:root", "the image runs as root"),
        (0, "999", "it asks to run as root"),
        (None, "redis", "image has non-numeric user (redis)"),
        (None, "00:1", "the image runs as root"),
        (None, "٠", "image has non-numeric user (٠)"),
    ],
)
def test_a_container_that_must_not_be_root_is_held_to_it(
    uid: int | None, image_user: str, words: str
) -> None:
    own = types.SecurityContext(run_as_non_root=True, run_as_user=uid)
    with pytest.raises(ConfigTrouble) as trouble:
        spec.user(own, None, ImageFacts("sha256:1", image_user))
    assert words in str(trouble.value)


def test_security_settings_reach_the_engine() -> None:
    context = types.SecurityContext(
        read_only_root_filesystem=True,
        allow_privilege_escalation=False,
        capabilities=types.Capabilities(add=["NET_ADMIN"], drop=["ALL"]),
    )
    found = made(
        types.Container(name="app", security_context=context),
        security_context=types.PodSecurityContext(fs_group=5, supplemental_groups=[6, 5]),
    )
    assert found.read_only and found.no_new_privileges and not found.privileged
    assert (found.capabilities_add, found.capabilities_drop) == (["NET_ADMIN"], ["ALL"])
    assert found.groups == ["6", "5"]


def test_hosts_name_the_pod() -> None:
    found = pod(types.Container(name="app"), hostname="db-0", subdomain="db")
    assert files.hosts(found, "10.64.0.2").splitlines()[-1] == (
        "10.64.0.2\tdb-0.db.default.svc.cluster.local\tdb-0"
    )
    assert files.hosts(pod(types.Container(name="app")), "10.64.0.2").endswith("10.64.0.2\tweb-x\n")


def test_a_name_server_on_the_machines_loopback_is_of_no_use_to_pods() -> None:
    machine = "# local\nnameserver 127.0.0.53\nnameserver 10.0.0.2\nsearch example.com\noptions edns0\n"
    assert files.resolv_conf(machine) == "nameserver 10.0.0.2\nsearch example.com\noptions edns0\n"


@given(st.text(min_size=1), st.text(min_size=1))
def test_names_on_the_machine_fit_and_differ(state: str, uid: str) -> None:
    names = Names.of(Path("/var/lib") / state.replace("\0", "").replace("/", "")[:40])
    assert len(names.bridge) <= 15 and len(names.link(uid)) <= 15
    assert names.link(uid).startswith(names.link_prefix)
    assert not names.bridge.startswith(names.link_prefix)


def test_two_states_share_no_name() -> None:
    one, other = Names.of(Path("/a")), Names.of(Path("/b"))
    assert one.bridge != other.bridge and one.link("u") != other.link("u")
    assert one.pause_image != other.pause_image and one.labels != other.labels


def test_the_pause_image_is_the_same_bytes_every_time() -> None:
    assert pause.archive("x:1", "amd64") == pause.archive("x:1", "amd64")
    assert len(pause.program("amd64")) < 300
    with pytest.raises(ValueError, match="no pause program for mips"):
        pause.program("mips")


def test_the_pause_program_waits_for_sigterm_and_ends_well(tmp_path: Path) -> None:
    binary = tmp_path / "pause"
    binary.write_bytes(pause.program(pause.architecture()))
    binary.chmod(0o755)
    with subprocess.Popen([binary]) as process:
        eventually(lambda: is_set_up(process.pid), what="it waits")
        assert process.poll() is None
        process.terminate()
        assert process.wait(PATIENCE) == 0


def is_set_up(pid: int) -> bool:
    """Whether a pause program is past what it does before it waits: the last of that is to ignore SIGCHLD."""
    lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    ignored = next(int(line[1], 16) for line in lines if line[0] == "SigIgn:")
    return bool(ignored >> (signal.SIGCHLD - 1) & 1)
