"""What forms show of a plan, and what they make of it: sent as they were shown they change nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
import yaml
from django.http import QueryDict
from hypothesis import example, given, settings
from hypothesis import strategies as st

from apps.catalog import bundled, parameters
from apps.dashboard.compose import asking, draft, fields
from apps.dashboard.compose.entries import Filled, Table
from tests.compose.test_edits import plan

# The form


def through_browser(text: str) -> str:
    """Text as a form sends it."""
    return "\r\n".join(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))


def sent(data: dict[str, Any], name: str, **changes: Any) -> QueryDict:
    """The form of a component as a browser would send it, with some fields changed."""
    form = fields.of(data, name, [])
    plain = {**form.plain, **{kind: (*one.own, *one.rest) for kind, one in form.probes.items()}}
    query = as_sent(plain, form.tables.values(), changes)
    for one in form.probes.values():
        query.setdefault(one.fork.field, one.how)
    return query


def as_sent(
    plain: Mapping[str, Iterable[Filled]], tables: Iterable[Table], changes: Mapping[str, Any]
) -> QueryDict:
    query = QueryDict(mutable=True)
    for one in (each for group in plain.values() for each in group):
        query.appendlist(one.entry.path, through_browser(one.value))
    for row in (each for table in tables for each in table.rows):
        for cell in row.cells:
            query.appendlist(cell.column.field, through_browser(cell.text))
    for field, value in changes.items():
        query.setlist(
            field if "." in field else field.replace("_", "-"), value if isinstance(value, list) else [value]
        )
    return query


words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@example(value="a\r\nb\r", arguments=["x\ry", ""])
@given(value=words, arguments=st.lists(words, max_size=3))
@settings(max_examples=80)
def test_a_form_that_is_sent_as_it_was_shown_changes_nothing(value: str, arguments: list[str]) -> None:
    data = plan()
    data["components"]["web"]["env"]["ODD"] = value
    data["components"]["web"] |= {"args": arguments} if arguments else {}
    for name, content in data["components"].items():
        assert fields.typed(content, sent(data, name)) == (content, [])


def test_what_is_written_in_an_uncommon_way_stays_as_it_is_written() -> None:
    data = plan()
    data["components"]["web"] |= {"replicas": "2", "stopTimeout": " 5s ", "security": {"readOnly": False}}
    content = data["components"]["web"]
    assert fields.typed(content, sent(data, "web")) == (content, [])


TYPED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a number stays a number": ({"replicas": "3"}, {"replicas": 3}),
    "zero replicas are said": ({"replicas": "0"}, {"replicas": 0}),
    "what is no number is kept for the rules to refuse": ({"replicas": "many"}, {"replicas": "many"}),
    "words are split as a shell would": ({"command": "sh -c 'sleep 5'"}, {"command": ["sh", "-c", "sleep 5"]}),
    "a variable that looks like a number is text": (
        {"env_name": ["PORT"], "env_value": ["8080"]}, {"env": {"PORT": "8080"}},
    ),
    "a pasted .env": (
        {"env_name": [], "env_value": [], "paste": "# x\nexport A=1\nB='two words'\nnonsense\n"},
        {"env": {"A": "1", "B": "two words"}},
    ),
    "a page that answers": (
        {"probes.ready.http": "/up"}, {"probes": {"ready": {"http": "/up", "port": "http"}}},
    ),
    "a port that answers in the page's place": (
        {"probes.ready.how": "tcp", "probes.ready.every": "5s"}, {"probes": {"ready": {"tcp": "http", "every": "5s"}}},
    ),
    "a command that has to be named yet": (
        {"probes.live.how": "exec"},
        {"probes": {"ready": {"http": "/healthz", "port": "http"}, "live": {"exec": []}}},
    ),
    "a path that is emptied begins anew": (
        {"probes.ready.http": ""}, {"probes": {"ready": {"http": "/", "port": "http"}}},
    ),
    "all at once": ({"update": "recreate"}, {"update": "recreate"}),
    "numbers that lose no replica": ({"update": "own"}, {"update": {"maxSurge": 1, "maxUnavailable": 0}}),
    "a port by UDP": (
        {"port_name": ["http"], "port_number": ["8080"], "port_protocol": ["UDP"]},
        {"ports": {"http": {"port": 8080, "protocol": "UDP"}}},
    ),
    "where it runs": ({"node_label": ["disk"], "node_value": ["fast"]}, {"nodes": {"disk": "fast"}}),
    "a file": (
        {"file_path": "/etc/a", "file_mode": "0400", "file_content": "one\r\ntwo\r\n"},
        {"files": {"/etc/a": {"content": "one\ntwo\n", "mode": "0400"}}},
    ),
    "no file any more": ({"file_path": "", "file_mode": "", "file_content": "left"}, {"files": None}),
    "autoscaling": (
        {"replicas": "", "autoscale.min": "2", "autoscale.max": "${params.copies}"},
        {"replicas": None, "autoscale": {"min": 2, "max": "${params.copies}"}},
    ),
    "who it runs as": (
        {"security.runAsUser": "1000", "security.readOnly": ["", "true"], "security.capabilities": "NET_ADMIN, CHOWN"},
        {"security": {"runAsUser": 1000, "readOnly": True, "capabilities": ["NET_ADMIN", "CHOWN"]}},
    ),
    "a folder of the node": (
        {"host_path": "/var/log/shop", "host_mount": "/logs"},
        {"security": {"hostPaths": {"/var/log/shop": "/logs"}}},
    ),
    "a limit": ({"resources.limits.memory": "1Gi"}, {"resources": {"limits": {"memory": "1Gi"}}}),
    "no probe": ({"probes.ready.how": ""}, {"probes": None}),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "became"), TYPED.values(), ids=TYPED)
def test_what_is_typed_becomes_the_component(changes: dict[str, Any], became: dict[str, Any]) -> None:
    content = plan()["components"]["web"]
    made, wrong = fields.typed(content, sent(plan(), "web", **changes))
    assert wrong == []
    assert {key: made.get(key) for key in became} == became
    assert {key: one for key, one in made.items() if key not in became} == {
        key: one for key, one in content.items() if key not in became
    }


def test_a_command_that_cannot_be_split_is_told_and_left_as_it_was() -> None:
    made, (wrong,) = fields.typed(plan()["components"]["web"], sent(plan(), "web", args="'open"))
    assert made["args"] == plan()["components"]["web"]["args"]
    assert wrong.path == "args"


def test_a_problem_stands_beside_its_field() -> None:
    data = plan()
    data["components"]["web"]["image"] = "web"
    data["components"]["web"]["ports"]["http"] = 99999
    said = draft.read(yaml.safe_dump(data))
    form = fields.of(said.data, "web", said.about("web"))
    assert "pinned tag" in form.plain["basics"][0].problem
    assert "between 1 and 65535" in form.tables["ports"].rows[0].problem
    assert form.unplaced == ()


def test_a_problem_opens_the_fold_that_its_field_is_in() -> None:
    data = plan()
    data["components"]["web"] |= {"security": {"hostNetwork": True}, "files": {"etc/x": {"content": ""}}}
    said = draft.read(yaml.safe_dump(data))
    form = fields.of(said.data, "web", said.about("web"))
    assert "absolute path" in form.tables["files"].rows[0].problem
    assert {name for name, fold in form.folds.items() if fold.wrong} == {"data"}
    assert [one.message for one in form.unplaced] == [
        "Forbidden: hostNetwork must be declared in requires.privileges"
    ]


# Questions


def answers(data: dict[str, Any], name: str, **changes: Any) -> QueryDict:
    """The form of a question as a browser would send it."""
    form = asking.of(data, name, [])
    return as_sent(form.plain, [form.options] if form.options else [], changes)


def bundle() -> list[dict[str, Any]]:
    return [draft.bare(one.spec) for one in bundled.templates()]


@pytest.mark.parametrize("data", [plan(), *bundle()])
def test_a_question_that_is_sent_as_it_was_shown_stays_as_it_is(data: dict[str, Any]) -> None:
    for name, content in data.get("parameters", {}).items():
        assert asking.typed(content, answers(data, name)) == content


def test_every_type_of_question_has_words() -> None:
    assert set(asking.TYPES) == set(parameters.TYPES)


ANSWERED: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "a whole number": ("copies", {"default": "3"}, {"default": 3}),
    "no upper limit": ("copies", {"max": ""}, {"max": None}),
    "an amount stays text": ("disk", {"default": "2147483648"}, {"default": "2147483648"}),
    "a choice more": (
        "reach",
        {"option_value": ["internal", "here"], "option_label": ["", "Only here"], "default": "here"},
        {"options": [{"value": "internal"}, {"value": "here", "label": "Only here"}], "default": "here"},
    ),
    "an answer that is a must": ("title", {"required": ["", "true"]}, {"required": True}),
    "a secret of another length": (
        "password", {"generate.length": "40"}, {"generate": {"kind": "password", "length": 40}},
    ),
    "another type": ("title", {"type": "email"}, {"type": "email"}),
}  # fmt: skip


@pytest.mark.parametrize(("name", "changes", "became"), ANSWERED.values(), ids=ANSWERED)
def test_what_is_typed_becomes_the_question(
    name: str, changes: dict[str, Any], became: dict[str, Any]
) -> None:
    content = plan()["parameters"][name]
    made = asking.typed(content, answers(plan(), name, **changes))
    assert {key: made.get(key) for key in became} == became
    assert {key: one for key, one in made.items() if key not in became} == {
        key: one for key, one in content.items() if key not in became
    }


def test_what_is_wrong_with_a_question_stands_beside_its_field_even_if_it_has_no_business_there() -> None:
    data = plan()
    data["parameters"]["copies"] |= {"default": 9, "options": [{"value": 1}]}
    data["parameters"]["title"]["min"] = 1
    wrong = draft.read(yaml.safe_dump(data)).wrong
    copies = asking.of(data, "copies", asking.about("copies", wrong))
    assert "an enum has options" in copies.wrong and copies.options is not None
    title = asking.of(data, "title", asking.about("title", wrong))
    assert [one.entry.path for one in title.plain["limits"] if one.problem] == ["min"]
    assert title.unplaced == ()


def test_a_question_says_where_its_answer_goes() -> None:
    assert asking.used_by(plan(), "reach") == ("the way in web",)
    assert asking.used_by(plan(), "password") == ("db", "web")
