"""The file of `up-nodes`, read strictly, and the command lines that are made of it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from django.conf import settings

from apps.cluster.types import Taint
from paas.remote import bringing, nodes_file, reaching, shared
from paas.remote.ssh import Remote
from paas.state import Refused

GOOD = """\
ssh: {user: root, port: 2222}
images: [redis:7.2.5]
nodes:
- name: web-1
  address: 10.0.0.11
  labels: {disk: ssd}
  taints: [{key: gpu, value: "yes", effect: NoSchedule}]
- name: web-2
  address: web-2.example.com
  user: admin
  port: 22
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "nodes.yaml"
    path.write_text(text)
    return path


def test_an_entrys_own_words_come_first(tmp_path: Path) -> None:
    file = nodes_file.read(write(tmp_path, GOOD))
    assert file.nodes[0].taints == [Taint(key="gpu", value="yes", effect="NoSchedule")]
    assert [(each.user, each.port) for each in map(file.access, file.nodes)] == [("root", 2222), ("admin", 22)]


WRONG = [
    ("nodes: []", ["nodes: Required value"]),
    ("nodes:\n- name: a\n  adress: b", ['line 3, column 3: nodes[0].adress: ', 'did you mean "address"?']),
    ("nodes:\n- name: a\n  address: -oProxyCommand=x", ["line 3, column 3: nodes[0].address: Invalid value"]),
    ("nodes:\n- name: A_b\n  address: b", ["line 2, column 3: nodes[0].name: Invalid value"]),
    ("nodes:\n- {name: a, address: b, role: king}", ["nodes[0].role", "node, control-plane, both"]),
    ("nodes:\n- {name: a, address: b, labels: {x y: z}}", ["nodes[0].labels"]),
    ("nodes:\n- {name: a, address: b, taints: [{key: k, effect: Never}]}", ["nodes[0].taints[0].effect"]),
    ("nodes:\n- {name: a, address: b, port: 99999}", ["nodes[0].port"]),
    ("nodes:\n- {name: a, address: b, user: 'x y'}", ["nodes[0].user"]),
    ("nodes:\n- {name: a, address: b, key: /nowhere/key}", ["nodes[0].key", "no such file"]),
    ("nodes:\n- {name: a, address: b}\n- {name: a, address: b}", ["nodes[1].name", "nodes[1].address", "a's already"]),
    ("cidrs: {pods: 10.0.0.0}\nnodes:\n- {name: a, address: b}", ["line 1, column 9: cidrs.pods"]),
    (
        "cidrs: {pods: 10.0.0.0/8, services: 10.254.0.0/16}\nnodes:\n- {name: a, address: b}",
        ["line 1, column 27: cidrs.services", "overlaps cidrs.pods, 10.0.0.0/8"],
    ),
    ("images: ['a b']\nnodes:\n- {name: a, address: b}", ["line 1, column 10: images[0]"]),
    ("nodes: [", ["is not valid YAML: line"]),
    ("a: 1\n---\nb: 2", ["must hold one document"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words"), WRONG)
def test_every_mistake_is_named_with_its_place(text: str, words: list[str], tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        nodes_file.read(write(tmp_path, text))
    for word in words:
        assert word in str(refused.value)


EVERYWHERE = {
    "DATABASE_URL": "postgres://drover:pw@db.internal/drover",
    "REDIS_URL": "redis://redis.internal:6379/0",
    "DROVER_KEY": "0" * 64,
    "PORT": "9000",
    "HOME": "/root",
}
PLANE = "nodes:\n- {name: far, address: 203.0.113.1, role: control-plane}"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"DATABASE_URL": ""}, "SQLite of this machine: set DATABASE_URL"),
        ({"DATABASE_URL": "sqlite:////srv/db"}, "SQLite of this machine: set DATABASE_URL"),
        ({"DATABASE_URL": "postgres://drover@%2Frun%2Fpg/drover"}, "DATABASE_URL names /run/pg, which only this"),
        ({"DATABASE_URL": "postgres:///drover?host=/run/pg"}, "DATABASE_URL names /run/pg, which only this"),
        ({"DATABASE_URL": "postgres://drover@localhost/drover"}, "DATABASE_URL names localhost, which only this"),
        ({"REDIS_URL": ""}, "a socket of this machine: set REDIS_URL"),
        ({"REDIS_URL": "redis://127.0.0.1/0"}, "REDIS_URL names 127.0.0.1, which only this"),
        ({"DROVER_KEY": ""}, "set DROVER_KEY to what STATE/key holds"),
    ],
)
def test_a_second_control_plane_needs_what_both_machines_reach(
    changed: dict[str, str], words: str, tmp_path: Path
) -> None:
    file = nodes_file.read(write(tmp_path, PLANE))
    with pytest.raises(Refused, match="far cannot serve beside another control plane") as refused:
        bringing.check(file, {**EVERYWHERE, **changed}, runs_here=True)
    assert words in str(refused.value)
    assert str(refused.value).count("\n") == 1, "and nothing else is wanted"


def test_where_no_server_runs_here_the_first_control_plane_of_the_file_is_the_one_to_join(tmp_path: Path) -> None:
    planes = nodes_file.read(write(tmp_path, f"{PLANE}\n- {{name: too, address: 203.0.113.2, role: both}}"))
    assert bringing.check(planes, EVERYWHERE, runs_here=True) is None
    assert bringing.check(planes, EVERYWHERE, runs_here=False) is planes.nodes[0]
    alone = nodes_file.read(write(tmp_path, PLANE))
    assert bringing.check(alone, {}, runs_here=False) is alone.nodes[0], "one alone may have an SQLite of its own"
    with pytest.raises(Refused, match="too cannot serve beside|far, too cannot serve beside"):
        bringing.check(planes, {}, runs_here=False)
    here = nodes_file.read(write(tmp_path, f"{PLANE}\n- {{name: here, address: 127.0.0.1, role: control-plane}}"))
    with pytest.raises(Refused, match="No server answers here"):
        bringing.check(here, EVERYWHERE, runs_here=False)
    assert bringing.check(here, EVERYWHERE, runs_here=False, upgrade=True) is here.nodes[0], "it was ended for that"
    none = nodes_file.read(write(tmp_path, "nodes:\n- {name: a, address: 203.0.113.3}"))
    with pytest.raises(Refused, match="No server answers here"):
        bringing.check(none, EVERYWHERE, runs_here=False)


def test_a_control_plane_needs_an_address(tmp_path: Path) -> None:
    file = nodes_file.read(write(tmp_path, "nodes:\n- {name: far, address: far.example.com, role: both}"))
    with pytest.raises(Refused, match="far is to serve, and nodes are told where: give its address"):
        bringing.check(file, EVERYWHERE, runs_here=True)


def test_a_control_plane_is_told_the_settings_that_all_share_and_none_of_the_callers(tmp_path: Path) -> None:
    told = shared.settings(EVERYWHERE | {"DROVER_ADDRESS": "10.0.0.1"}, "203.0.113.1", tmp_path)
    assert told == {
        **{name: EVERYWHERE[name] for name in ("DATABASE_URL", "REDIS_URL", "DROVER_KEY", "PORT")},
        "DROVER_ADDRESS": "203.0.113.1",
        "STATE": str(tmp_path),
    }
    assert not [text for text in EVERYWHERE.values() if text in " ".join(reaching.RECEIVER)]


def test_every_setting_of_the_server_is_shared_or_known_to_be_each_machines_own() -> None:
    """So that a new one is not forgotten on the other machines."""
    own = {"STATE", "DROVER_ADDRESS", "NODE_CIDR", "DROVER_PROXY_BACKEND", "DROVER_BACKUP_PASSPHRASE"}
    own |= {"DROVER_REGISTRY", "DROVER_IMAGES", "KEEP_STATE", "NODES"}
    table = re.findall(r"^\| `([A-Z_]+)` \|", (settings.BASE / "README.md").read_text(), re.MULTILINE)
    assert {*table} == {*shared.SETTINGS} | own


def test_ranges_other_than_the_clusters_are_refused(tmp_path: Path) -> None:
    file = nodes_file.read(write(tmp_path, "cidrs: {pods: 10.128.0.0/12}\nnodes:\n- {name: a, address: b}"))
    with pytest.raises(Refused, match=r"start it with POD_CIDR=10.128.0.0/12"):
        bringing.check(file, {}, runs_here=True)


def test_no_word_reaches_the_remote_shell_unquoted() -> None:
    words = ["python3", "-c", "print('$HOME; `id`')"]
    command = Remote("10.0.0.11", "admin", 2222, "/keys/id").command(words)
    assert command[:2] == ["ssh", "-o"]
    assert command[-3:-1] == ["--", "10.0.0.11"]
    assert shlex.split(command[-1]) == words
    assert ("-p", "2222") in zip(command, command[1:], strict=False)


def test_the_token_is_in_no_command_line() -> None:
    line = shlex.join(["python3", "-c", "print(sys.argv)", "host:8443", "drj_secret", "pin"])
    text = bringing.script(line, "web-1").decode()
    assert "drj_secret" not in " ".join(Remote("host").command(bringing.PROGRAM))
    assert "sys.argv = ['-', 'host:8443', 'drj_secret', 'pin', '--name', 'web-1']" in text
