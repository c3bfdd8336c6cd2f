"""What is done on the canvas, to the plan: add, connect, take away, rename, merge."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from django.http import QueryDict
from hypothesis import example, given, settings
from hypothesis import strategies as st

from apps.catalog import bundled, checking, graph
from apps.catalog.format import Definition
from apps.cluster import types
from apps.dashboard.compose import connecting, draft, drawing, edits, fields, merging, palette
from tests.catalog.plans import SHOP, shop


def plan() -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(SHOP)
    return data


def defined(data: Any) -> Definition:
    return types.convert(Definition, data)


def problems(data: Any) -> list[str]:
    return [one.message for one in checking.problems(defined(data))]


# The palette


@pytest.mark.parametrize("starter", palette.starters(), ids=lambda one: one.id)
def test_every_starter_is_sound_alone_and_beside_what_is_there(starter: palette.Starter) -> None:
    for before in ({}, plan(), palette.bring_in({}, starter).data):
        assert problems(palette.bring_in(before, starter).data) == []


def catalog() -> list[palette.Starter]:
    return [part for one in bundled.templates() for part in palette.of_template(one.metadata.name, one.spec)]


@pytest.mark.parametrize("starter", catalog(), ids=lambda one: one.id)
def test_every_component_of_the_catalog_can_be_brought_in(starter: palette.Starter) -> None:
    once = palette.bring_in({}, starter)
    assert problems(once.data) == []
    twice = palette.bring_in(once.data, starter)
    assert twice.name == f"{starter.component}-2"
    assert [words for words in problems(twice.data) if "already" not in words] == []


def test_what_a_component_needs_comes_along() -> None:
    starter = next(one for one in catalog() if one.id == "guestbook/frontend")
    brought = palette.bring_in({}, starter)
    assert brought.along == ("redis-leader", "redis-follower")
    assert {"frontends", "readers", "reach", "host"} <= set(brought.data["parameters"])


def test_a_parameter_that_means_something_else_gets_another_name() -> None:
    starter = next(one for one in catalog() if one.id == "redis/redis")
    made = palette.bring_in(plan(), starter).data
    assert made["parameters"]["password"] == plan()["parameters"]["password"]
    assert made["components"]["redis"]["env"] == {"REDISCLI_AUTH": {"secret": "password-2"}}
    assert "${params.password-2}" in made["components"]["redis"]["files"]["/etc/redis/redis.conf"]["content"]


@pytest.mark.parametrize(
    ("image", "name", "ports"),
    [
        ("redis:7.2.5", "redis", {"redis": 6379}),
        ("registry.example:5000/team/Web_API:1.2@sha256:0", "web-api", None),
        ("docker.io/library/postgres:17", "postgres", {"postgres": 5432}),
        ("123", "component", None),
    ],
)
def test_an_image_says_what_it_is_called_and_where_it_listens(image: str, name: str, ports: Any) -> None:
    brought = palette.bring_in({}, palette.of_image(image))
    assert (brought.name, brought.data["components"][name].get("ports")) == (name, ports)


# Lines


def test_a_line_proposes_host_and_port_in_the_formats_own_references() -> None:
    first = connecting.proposals(shop(), "web", "db", "redis")[0]
    assert first.variables == {"DB_HOST": "${components.db.host}", "DB_PORT": "${components.db.port.redis}"}
    assert connecting.proposals(shop(), "db", "web", "http")[0].variables == {
        "WEB_URL": "http://${components.web.address.http}"
    }


def test_every_proposal_draws_the_line_and_breaks_no_rule() -> None:
    data = edits.disconnect(plan(), "web", "db")
    for one in connecting.proposals(defined(data), "web", "db", "redis"):
        made = edits.connect(data, "web", "db", one.variables, "ready")
        assert problems(made) == []
        assert {tie.on for tie in connecting.ties(defined(made), "web")} == {"db"}


def test_variables_that_mean_something_else_keep_their_names() -> None:
    data = edits.connect(plan(), "web", "db", {"DB_HOST": "elsewhere"})
    assert connecting.default_lead(defined(data), "web", "db") == "DB_2"


def test_a_line_that_closes_a_circle_is_seen_before_it_is_drawn() -> None:
    assert connecting.circle(shop(), "db", "web") == "db needs web needs db"
    assert connecting.circle(shop(), "web", "db") == ""


def test_taking_a_line_away_takes_the_variables_and_the_waiting() -> None:
    content = edits.disconnect(plan(), "web", "db")["components"]["web"]
    assert "after" not in content
    assert set(content["env"]) == {"TITLE", "PASSWORD"}


def test_removing_a_component_leaves_nothing_that_leads_to_it() -> None:
    assert problems(edits.remove(plan(), "db")) == []
    made = edits.remove(plan(), "web")
    assert made["components"].keys() == {"db"}
    assert "endpoints" not in made


def test_another_name_is_taken_everywhere() -> None:
    made = edits.rename(edits.rename(plan(), "db", "store"), "web", "page")
    assert problems(made) == []
    assert made["components"]["page"]["env"]["DB"] == "${components.store.address.redis}"
    assert made["endpoints"]["web"]["component"] == "page"
    assert problems(edits.rename(made, "store", "db")) == []


# The form


def through_browser(text: str) -> str:
    """Text as a form sends it."""
    return "\r\n".join(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))


def sent(data: dict[str, Any], name: str, **changes: Any) -> QueryDict:
    """The form of a component as a browser would send it, with some fields changed."""
    form = fields.of(data, name, [])
    query = QueryDict(mutable=True)
    for field, value in form.values.items():
        query[field] = through_browser(value)
    for table, columns in (("ports", ("port-name", "port-number")), ("env", ("env-name", "env-value")),
                           ("volumes", ("volume-name", "volume-mount", "volume-size"))):  # fmt: skip
        for row in getattr(form, table):
            for column, cell in zip(columns, row.cells, strict=True):
                query.appendlist(column, through_browser(cell))
    for field, value in changes.items():
        query.setlist(field.replace("_", "-"), value if isinstance(value, list) else [value])
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
        {"ready": "http", "ready_path": "/up"}, {"probes": {"ready": {"http": "/up", "port": "http"}}},
    ),
    "no probe": ({"ready": ""}, {"probes": None}),
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
    assert "pinned tag" in form.wrong["image"]
    assert "between 1 and 65535" in form.ports[0].problem
    assert form.unplaced == ()


# Reading


READ = {
    "a key that is not known": (
        "components:\n  web: {image: a:1, replicsa: 2}\n",
        2,
        'did you mean "replicas"?',
    ),
    "what cannot be read": ("components:\n  web: [\n", 3, "not valid YAML"),
    "a rule": ("components:\n  web:\n    image: a:latest\n", 3, "pinned tag"),
    "a key twice": ("notes: a\nnotes: b\n", 2, "stands twice"),
    "a reference to nothing": (
        "components:\n  web:\n    image: a:1\n    env: {A: '${components.db.host}'}\n",
        4,
        "names none",
    ),
}


@pytest.mark.parametrize(("text", "line", "words"), READ.values(), ids=READ)
def test_what_is_wrong_is_told_with_its_line(text: str, line: int, words: str) -> None:
    (wrong,) = draft.read(text).wrong
    assert words in wrong.message
    assert wrong.mark is not None and wrong.mark.line == line


@pytest.mark.parametrize("text", ["[]", "1", "a\n---\nb", "x" * (draft.LONGEST + 1), "\ufffe", "a: \x01"])
def test_no_text_is_too_strange_to_be_read(text: str) -> None:
    assert draft.read(text).wrong


# Drawing

HALF_WRITTEN = {
    "a circle": "components:\n  a: {image: 'a:1', after: {b: ready}}\n  b: {image: 'b:1', after: {c: ready}}\n"
    "  c: {image: 'c:1', after: {a: ready}}\n",
    "itself": "components: {a: {image: 'a:1', env: {A: '${components.a.host}'}}}\n",
    "a way in to nowhere": "components: {a: {image: 'a:1'}}\nendpoints: {e: {component: b, port: http}}\n",
    "a reference that is none": "components: {a: {image: 'a:1', env: {A: '${no such}'}}}\n",
    "nothing": "",
}


@pytest.mark.parametrize("text", HALF_WRITTEN.values(), ids=HALF_WRITTEN)
def test_a_plan_that_is_half_written_is_drawn_as_far_as_it_goes(text: str) -> None:
    plan = draft.read(text).definition
    assert plan is not None
    picture = drawing.of_draft(plan, {}, {}, {}, "/here", "")
    assert {box.title for box in picture.boxes if box.kind == "component"} == set(plan.components)
    assert len(picture.lines) == len({(edge.of, edge.on) for edge in graph.edges(plan)})


# Two people


def test_what_both_changed_in_different_places_is_kept_of_both() -> None:
    base, mine, theirs = plan(), plan(), plan()
    mine["components"]["web"]["image"] = "shop:2"
    mine["components"]["cache"] = {"image": "redis:7.2.5"}
    theirs["components"]["db"]["image"] = "redis:8.0.1"
    theirs["components"]["web"]["env"]["NEW"] = "1"
    del theirs["notes"]
    made, clashes = merging.merged(base, theirs, mine)
    assert clashes == []
    assert made["components"]["web"]["image"] == "shop:2"
    assert made["components"]["web"]["env"]["NEW"] == "1"
    assert made["components"]["db"]["image"] == "redis:8.0.1"
    assert "cache" in made["components"] and "notes" not in made


def test_where_both_changed_the_same_mine_stays_and_is_named() -> None:
    base, mine, theirs = plan(), plan(), plan()
    mine["components"]["web"]["image"] = "shop:2"
    theirs["components"]["web"]["image"] = "shop:3"
    del theirs["components"]["db"]
    mine["components"]["db"]["replicas"] = 0
    made, clashes = merging.merged(base, theirs, mine)
    assert made == mine
    assert clashes == ["components.db", "components.web.image"]
