"""A component's replicas: said where the plan says them, kept through updates, refused in words."""

from __future__ import annotations

from typing import Any

import pytest

from apps.catalog import bundled, operations, scaling
from apps.catalog.format import Definition
from apps.catalog.kinds import APPLICATION, APPLICATION_TEMPLATE
from apps.catalog.types import Application, ApplicationSpec, TemplateReference
from apps.cluster import store, types
from apps.cluster.errors import Invalid
from apps.cluster.kinds import DEPLOYMENT
from apps.cluster.revisions import RESTARTED, restarted
from tests.catalog.plans import shop
from tests.harness import TESTER, add_nodes, edit, install_roles, roll, settle

PLAIN: dict[str, Any] = {"components__db__volumes": None}


@pytest.fixture(autouse=True)
def ruled(cluster: None) -> None:
    install_roles()


def install(definition: Definition) -> None:
    meta = types.ObjectMeta(name="acme", namespace="default")
    operations.install(TESTER, Application(metadata=meta, spec=ApplicationSpec(definition=definition)))


def app() -> Application:
    found: Application = store.get(APPLICATION, "default", "acme").object
    return found


def wanted(component: str) -> int | None:
    found: types.Deployment = store.get(DEPLOYMENT, "default", f"acme-{component}").object
    return found.spec.replicas


def test_where_a_parameter_says_the_number_the_parameter_changes() -> None:
    install(shop(**PLAIN))
    seen = operations.scale(TESTER, "default", "acme", {"web": 4})
    assert [one.words for one in seen.impact] == ["web goes from 2 to 4 pods"]
    assert (app().spec.parameters, app().spec.replicas) == ({"copies": 4}, {})
    assert seen.revision is not None and seen.revision.why == "scaled web to 4"


def test_where_the_plan_says_the_number_itself_the_application_says_another() -> None:
    install(shop(**PLAIN))
    operations.scale(TESTER, "default", "acme", {"db": 3})
    settle()
    assert app().spec.replicas == {"db": 3}
    assert wanted("db") == 3
    assert app().status.drift == []


def test_a_number_that_was_chosen_outlives_a_newer_template() -> None:
    bundled.bring_in(TESTER)
    spec = ApplicationSpec(template=TemplateReference(name="guestbook"))
    meta = types.ObjectMeta(name="acme", namespace="default")
    operations.install(TESTER, Application(metadata=meta, spec=spec))
    operations.scale(TESTER, "default", "acme", {"redis-leader": 0, "frontend": 5})

    def newer(template: Any) -> None:
        template.spec.version, template.spec.notes = "9.0.0", "another"

    edit(APPLICATION_TEMPLATE, "guestbook", newer, namespace="")

    def update(found: Application) -> None:
        found.spec.template = TemplateReference(name="guestbook", version="9.0.0")

    seen = operations.change(TESTER, "default", "acme", update)
    assert seen.impact == ()
    assert (app().spec.replicas, app().spec.parameters["frontends"]) == ({"redis-leader": 0}, 5)


def test_going_back_takes_the_numbers_of_then() -> None:
    install(shop(**PLAIN))
    operations.scale(TESTER, "default", "acme", {"db": 3})
    operations.take_back(TESTER, "default", "acme", 1)
    assert app().spec.replicas == {}
    operations.take_back(TESTER, "default", "acme", 2)
    assert app().spec.replicas == {"db": 3}


def test_the_plan_s_newer_word_counts() -> None:
    install(shop(**PLAIN))
    operations.scale(TESTER, "default", "acme", {"db": 3})

    def edit_plan(found: Application) -> None:
        found.spec.definition = shop(**PLAIN, components__db__replicas=2)

    operations.change(TESTER, "default", "acme", edit_plan)
    settle()
    assert (app().spec.replicas, wanted("db")) == ({}, 2)


def test_a_number_leaves_with_its_component() -> None:
    install(shop(**PLAIN, components__spare={"image": "spare:1"}))
    operations.scale(TESTER, "default", "acme", {"spare": 2})
    operations.change(
        TESTER, "default", "acme", lambda found: setattr(found.spec, "definition", shop(**PLAIN))
    )
    assert app().spec.replicas == {}


@pytest.mark.parametrize(
    ("definition", "component", "count", "words"),
    [
        (shop(**PLAIN), "web", 9, "spec.parameters[copies]: Invalid value: 9: must be at most 5"),
        (shop(), "db", 2, "spec.replicas[db]: Invalid value: 2: must be 0 or 1: a volume has one writer"),
        (shop(**PLAIN), "webb", 2, 'spec.replicas[webb]: no component webb; did you mean "web"?'),
        (shop(**PLAIN), "db", 1001, "spec.replicas[db]: Invalid value: 1001: must be between 0 and 1000, inclusive"),
        (
            shop(**PLAIN, components__db__autoscale={"min": 1, "max": 4}), "db", 2,
            "spec.replicas[db]: Forbidden: an autoscaler decides, by the load, between 1 and 4",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_scaled_is_refused_in_words(
    definition: Definition, component: str, count: int, words: str
) -> None:
    install(definition)
    with pytest.raises(Invalid) as refused:
        operations.scale(TESTER, "default", "acme", {component: count})
    assert words in refused.value.message
    assert app().spec.revision == 1


def test_a_parameter_and_a_number_do_not_contradict_each_other() -> None:
    install(shop(**PLAIN))
    with pytest.raises(Invalid, match="the parameter copies says it"):
        operations.change(
            TESTER, "default", "acme", lambda found: setattr(found.spec, "replicas", {"web": 3})
        )


@pytest.mark.parametrize(
    ("replicas", "parameter"),
    [("${params.copies}", "copies"), ("1${params.copies}", ""), (3, ""), (None, "")],
)
def test_a_parameter_says_the_number_only_alone(replicas: Any, parameter: str) -> None:
    component = shop().components["web"]
    component.replicas = replicas
    assert scaling.parameter_of(component) == parameter


def test_a_restart_outlives_a_later_revision() -> None:
    add_nodes("node-1")
    install(shop(**PLAIN))
    roll()

    def restart(found: types.Deployment) -> None:
        found.spec.template = restarted(found.spec.template, "2026-01-01T00:00:00Z")

    edit(DEPLOYMENT, "acme-web", restart)
    operations.scale(TESTER, "default", "acme", {"web": 3})
    roll()
    found: types.Deployment = store.get(DEPLOYMENT, "default", "acme-web").object
    assert found.spec.replicas == 3
    assert found.spec.template.metadata.annotations[RESTARTED] == "2026-01-01T00:00:00Z"
    assert app().status.drift == []
