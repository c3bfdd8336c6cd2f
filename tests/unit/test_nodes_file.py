"""The file of `up-nodes`, read strictly, and the command lines that are made of it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from apps.cluster.types import Taint
from paas.remote import bringing, nodes_file
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
    (
        "nodes:\n- {name: a, address: b, role: both}\n- {name: c, address: d, role: control-plane}",
        ["nodes[1].role", "one control plane"],
    ),
    ("nodes: [", ["is not valid YAML: line"]),
    ("a: 1\n---\nb: 2", ["must hold one document"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words"), WRONG)
def test_every_mistake_is_named_with_its_place(text: str, words: list[str], tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        nodes_file.read(write(tmp_path, text))
    for word in words:
        assert word in str(refused.value)


def test_a_control_plane_elsewhere_is_refused_by_name(tmp_path: Path) -> None:
    file = nodes_file.read(write(tmp_path, "nodes:\n- {name: far, address: 192.0.2.1, role: control-plane}"))
    with pytest.raises(Refused, match="far is to be the control plane, but 192.0.2.1 is not this machine"):
        bringing.check(file)


def test_ranges_other_than_the_clusters_are_refused(tmp_path: Path) -> None:
    file = nodes_file.read(write(tmp_path, "cidrs: {pods: 10.128.0.0/12}\nnodes:\n- {name: a, address: b}"))
    with pytest.raises(Refused, match=r"start it with POD_CIDR=10.128.0.0/12"):
        bringing.check(file)


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
