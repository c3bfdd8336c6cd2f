"""What is done on the canvas, to the plan: add, connect, take away, rename, merge."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from apps.catalog import bundled, checking, graph
from apps.catalog.format import Definition
from apps.cluster import types
from apps.dashboard.compose import connecting, draft, drawing, edits, merging, palette
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


def test_what_is_brought_in_declares_the_privileges_that_it_uses_and_no_others() -> None:
    template = {
        "requires": {"privileges": ["hostNetwork", "capabilities"]},
        "components": {
            "web": {"image": "web:1", "security": {"hostNetwork": True}},
            "job": {"image": "job:1", "security": {"capabilities": ["NET_ADMIN"]}},
        },
    }
    made = palette.bring_in(plan(), palette.Starter("x/web", "web", "pod", "", "web", template)).data
    assert made["requires"] == {"privileges": ["hostNetwork"]}
    assert problems(made) == []


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


def test_privileges_are_declared_while_something_uses_them() -> None:
    before = plan()
    before["requires"] = {"privileges": ["hostPath"]}  # declared by hand, for what is to come
    made = edits.component(before, "web", {**plan()["components"]["web"], "security": {"hostNetwork": True}})
    declared = edits.declared(made, before)
    assert declared["requires"] == {"privileges": ["hostPath", "hostNetwork"]}
    assert problems(declared) == []
    assert edits.declared(edits.component(declared, "web", plan()["components"]["web"]), declared) == before


def test_another_name_is_taken_everywhere() -> None:
    made = edits.rename(edits.rename(plan(), "db", "store"), "web", "page")
    assert problems(made) == []
    assert made["components"]["page"]["env"]["DB"] == "${components.store.address.redis}"
    assert made["endpoints"]["web"]["component"] == "page"
    assert problems(edits.rename(made, "store", "db")) == []


# Questions


def test_a_question_under_another_name_is_asked_for_by_that_name_everywhere() -> None:
    made = plan()
    for old, new in (("reach", "way"), ("password", "word"), ("copies", "number")):
        made = edits.rename_question(made, old, new)
    assert problems(made) == []
    assert list(made["parameters"]) == ["title", "number", "way", "host", "word", "disk"]
    assert made["parameters"]["host"]["showIf"] == "way == 'ingress'"
    assert made["components"]["web"]["env"]["PASSWORD"] == {"secret": "word"}
    assert made["components"]["web"]["replicas"] == "${params.number}"
    for old, new in (("way", "reach"), ("word", "password"), ("number", "copies")):
        made = edits.rename_question(made, old, new)
    assert made == plan()


def test_a_heading_that_is_new_becomes_a_group_and_one_that_is_there_is_found() -> None:
    content = plan()["parameters"]["copies"]
    made = edits.question(plan(), "copies", {**content, "group": "Who comes in"})
    assert made["groups"][1] == {"id": "who-comes-in", "title": "Who comes in"}
    assert made["parameters"]["copies"]["group"] == "who-comes-in"
    made = edits.question(made, "copies", {**content, "group": "Basics"})
    assert made["parameters"]["copies"]["group"] == "basics"
    assert problems(made) == []


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
