"""The compose canvas as pages: begin, step by step, review, apply; who may, and two who work on one application."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from django.contrib.auth.models import User
from django.test import Client

from apps.api import core
from apps.api.messages import Answer, Request
from apps.catalog.kinds import APPLICATION, APPLICATION_REVISION
from apps.catalog.types import Application
from apps.cluster import store, types
from apps.cluster.actors import Actor
from apps.cluster.kinds import SERVICE
from apps.dashboard.compose import draft, keeping
from apps.dashboard.models import Draft
from tests.browser import sample_apps
from tests.browser.sample import WRITER, edit

HTMX = {"HX-Request": "true"}
NEW = "/apps/shop/mine/compose"
BOOK = "/apps/default/book/compose"


@pytest.fixture
def shown(sampled: None) -> None:  # noqa: ARG001
    sample_apps.applications()


def app(namespace: str, name: str) -> Application:
    found: Application = store.get(APPLICATION, namespace, name).object
    return found


def text(answer: Any) -> str:
    content: str = answer.content.decode()
    return content


def kept(name: str) -> Draft:
    return Draft.objects.get(name=name, user__username="admin")


def step(client: Client, where: str, **values: Any) -> Any:
    """One step from the draft as it is now."""
    found = Draft.objects.filter(name=where.split("/")[3], user=int(client.session["_auth_user_id"])).first()
    return client.post(where, {"draft": str(found.number if found else 0), **values}, headers=HTMX)


def test_a_name_and_a_place_lead_to_an_empty_canvas(admin: Client, shown: None) -> None:
    assert admin.post("/compose", {"name": "mine", "namespace": "shop"}).headers["Location"] == NEW
    page = text(admin.get(NEW))
    assert "An empty canvas" in page
    assert not Draft.objects.exists()


@pytest.mark.parametrize("name", ["", "Mine", "1st", "a" * 31])
def test_a_name_that_no_application_may_have_is_told(admin: Client, shown: None, name: str) -> None:
    answer = admin.post("/compose", {"name": name, "namespace": "shop"}, headers=HTMX)
    assert answer.status_code == 422
    assert 'id="name-wrong"' in text(answer)


def test_two_components_and_the_line_between_them_become_an_application(admin: Client, shown: None) -> None:
    step(admin, NEW, do="add", what="image", image="shop/web:1.2")
    step(admin, NEW, do="add", what="cache")
    assert "CACHE_HOST" in text(admin.get(f"{NEW}?component=web&to=cache", headers=HTMX))
    assert (
        step(admin, NEW, do="connect", component="web", to="cache", **{"as": "parts"}, wait="1").status_code
        == 200
    )
    before = store.clock()
    review = text(admin.get(f"{NEW}/apply", headers=HTMX))
    assert "Web starts with 1 pod" in review
    assert "no pods restart, no downtime expected" in review
    assert "kubectl create -f mine.yaml" in review
    assert store.clock() == before
    answer = admin.post(f"{NEW}/apply", {"why": "to begin"}, headers=HTMX)
    assert answer.headers["HX-Redirect"] == "/apps/shop/mine"
    assert store.get(APPLICATION_REVISION, "shop", "mine-1").object.spec.why == "to begin"
    web = app("shop", "mine").spec.definition.components["web"]  # type: ignore[union-attr]
    assert web.env == {
        "CACHE_HOST": "${components.cache.host}",
        "CACHE_PORT": "${components.cache.port.redis}",
    }
    assert web.after == {"cache": "ready"}
    assert not Draft.objects.exists()


def test_a_drop_on_a_component_asks_how_the_one_finds_the_other(admin: Client, shown: None) -> None:
    page = text(step(admin, BOOK, do="add", what="cache", **{"for": "frontend"}))
    assert "frontend needs cache" in page


def plan_of(name: str) -> Any:
    return yaml.safe_load(kept(name).text)


def test_a_way_in_is_opened_renamed_and_closed(admin: Client, shown: None) -> None:
    step(admin, NEW, do="add", what="image", image="nginx:1.27.5")
    page = text(step(admin, NEW, do="open", component="nginx"))
    assert "nginx leads to nginx now." in page
    assert plan_of("mine")["endpoints"] == {
        "nginx": {"component": "nginx", "port": "http", "via": "nodePort", "primary": True}
    }
    step(admin, NEW, do="test", name="it answers")
    step(admin, NEW, do="open", component="nginx", name="admin")
    assert "There is a way in admin already." in text(step(admin, NEW, do="lead", way="nginx", name="admin"))
    step(admin, NEW, do="lead", way="admin", primary="true")
    assert [one.get("primary") for one in plan_of("mine")["endpoints"].values()] == [None, True]
    step(admin, NEW, do="lead", way="nginx", name="front")
    assert plan_of("mine")["checks"] == [{"name": "it answers", "http": "${endpoints.front.internalUrl}"}]
    page = text(step(admin, NEW, do="close", way="front"))
    assert "front leads nowhere any more. It is still named in the check “it answers”." in page
    assert list(plan_of("mine")["endpoints"]) == ["admin"]


def test_a_way_in_to_an_empty_canvas_is_not_asked_for_but_a_component_offered(admin: Client, shown: None) -> None:
    page = text(admin.get(f"{NEW}?add=way", headers=HTMX))
    assert "A way in leads to a component, and there is none yet." in page
    assert 'name="what" value="web"' in page[page.index('data-key="list-way-new"') :]
    assert "Open it" not in page
    refused = text(step(admin, NEW, do="open", component=""))
    assert "Add one first, from an image or from the catalog." in refused
    step(admin, NEW, do="add", what="web")
    assert list(plan_of("mine")["endpoints"]) == ["web"]
    assert "Open it" in text(admin.get(f"{NEW}?add=way", headers=HTMX))


def test_checks_are_put_in_order_and_taken_out(admin: Client, shown: None) -> None:
    step(admin, NEW, do="add", what="image", image="nginx:1.27.5")
    for name in ("reads", "writes"):
        step(admin, NEW, do="test", name=name)
    step(admin, NEW, do="earlier", check="1")
    assert [one["name"] for one in plan_of("mine")["checks"]] == ["writes", "reads"]
    step(admin, NEW, do="drop", check="0")
    assert [one["name"] for one in plan_of("mine")["checks"]] == ["reads"]
    for number in ("1", "-1", "x", ""):
        assert "The draft has no such check." in text(step(admin, NEW, do="expect", check=number, name="a"))


def test_what_waits_says_until_when(admin: Client, shown: None) -> None:
    assert 'value="started"' in text(admin.get(f"{BOOK}?component=frontend"))
    step(admin, BOOK, do="wait", component="frontend", on="redis-leader", stage="started")
    assert plan_of("book")["components"]["frontend"]["after"]["redis-leader"] == "started"
    step(admin, BOOK, do="wait", component="frontend", on="redis-leader", stage="")
    assert "redis-leader" not in plan_of("book")["components"]["frontend"].get("after", {})


def test_a_heading_under_another_name_keeps_its_questions_and_one_that_goes_leaves_them(
    admin: Client, shown: None
) -> None:
    groups = [one["id"] for one in plan_of_book(admin)["groups"]]
    form: dict[str, Any] = {"heading-id": ["site", "", ""], "heading-title": ["The page", "", ""]}
    step(admin, BOOK, do="tell", add="plan", **form, **{"heading-collapsed": ["true", "", ""]})
    made = plan_of("book")
    assert groups == ["page", "redis"]
    assert made["groups"] == [{"id": "site", "title": "The page", "collapsed": True}]
    assert {one.get("group") for one in made["parameters"].values()} == {"site", None}


def plan_of_book(admin: Client) -> Any:
    step(admin, BOOK, do="write", text=f"{draft.written(app('default', 'book').spec.definition)}\n")
    return plan_of("book")


def test_the_form_and_the_text_are_one_draft(admin: Client, shown: None) -> None:
    written = kept_text = "# ours\ncomponents:\n  web:\n    image: web:1\n"
    step(admin, NEW, do="write", text=written)
    form = {
        "name": "web",
        "image": "web:2",
        "kind": "",
        "replicas": "3",
        "port-name": "http",
        "port-number": "80",
        "port-protocol": "TCP",
    }
    step(admin, NEW, do="change", component="web", **form)
    assert (
        kept("mine").text
        == f"{kept_text.replace('web:1', 'web:2')}    replicas: 3\n    ports:\n      http: 80\n"
    )
    page = text(
        step(admin, NEW, do="write", text=kept("mine").text.replace("web:2", "web:3"), component="web")
    )
    assert 'name="image" value="web:3"' in page


def test_what_the_format_has_no_place_for_stays_in_its_field_and_is_not_kept(admin: Client, shown: None) -> None:
    step(admin, NEW, do="add", what="image", image="web:1.2", name="web")
    before = kept("mine").text
    form = {"image": "web:1.2", "kind": "deployment", "security.runAsUser": "me", "autoscale.min": "2"}
    page = text(step(admin, NEW, do="change", component="web", **form))
    assert "Invalid value: &quot;me&quot;: must be an integer" in page
    assert 'name="security.runAsUser" value="me"' in page
    assert "Not in the draft yet" in page
    assert kept("mine").text == before


def test_a_privilege_is_declared_with_what_needs_it_and_goes_with_it(admin: Client, shown: None) -> None:
    step(admin, NEW, do="add", what="image", image="web:1.2", name="web")
    form = {"image": "web:1.2", "kind": "deployment"}
    step(admin, NEW, do="change", component="web", **form, **{"security.capabilities": "NET_ADMIN"})
    assert "privileges:\n  - capabilities" in kept("mine").text.replace("    - ", "  - ")
    assert "No problem" in text(admin.get(f"{NEW}?component=web"))
    step(admin, NEW, do="change", component="web", **form, **{"security.capabilities": ""})
    assert "privileges" not in kept("mine").text


def test_a_question_is_asked_changed_renamed_and_forgotten(admin: Client, shown: None) -> None:
    step(admin, NEW, do="write", text="components:\n  web:\n    image: web:1.2\n    replicas: ${params.copies}\n")
    assert 'value="copies"' in text(step(admin, NEW, do="ask", name="copies", type="integer"))
    page = text(step(admin, NEW, do="answer", question="copies", type="integer", default="many"))
    assert "must be a whole number" in page
    assert "Its answer goes into web" in page
    step(admin, NEW, do="answer", question="copies", type="integer", default="2", name="pods")
    assert "replicas: ${params.pods}" in kept("mine").text
    assert "No problem" in text(admin.get(f"{NEW}?question=pods"))
    page = text(step(admin, NEW, do="forget", question="pods"))
    assert "Its answer is still written in web." in page
    assert "parameters" not in kept("mine").text
    assert step(admin, NEW, do="answer", question="pods", type="string").status_code == 400
    assert step(admin, NEW, do="ask", name=" ", type="string").status_code == 400


def test_another_name_in_the_form_is_taken_everywhere(admin: Client, shown: None) -> None:
    step(admin, BOOK, do="change", component="redis-leader", name="store", image="redis:7.2.5")
    plan = kept("book").text
    assert "${components.store.address" in plan
    assert "redis-leader:" not in plan


def test_a_mistake_is_told_with_line_and_column_and_the_last_picture_stays(
    admin: Client, shown: None
) -> None:
    step(admin, BOOK, do="write", text="components: [")
    page = text(step(admin, BOOK, do="write", text="components:\n  web:\n    imagee: web:1\n"))
    assert 'data-line="3" data-column="5"' in page
    assert "did you mean &quot;image&quot;?" in page
    assert 'data-node="frontend"' in page
    answer = admin.get(f"{BOOK}/apply", headers=HTMX)
    assert answer.status_code == 422
    assert "line 3, column 5" in text(answer)
    assert step(admin, BOOK, do="add", what="web").status_code == 400


def test_what_only_admission_knows_is_told_with_its_line_too(admin: Client, shown: None) -> None:
    question = "parameters: {size: {type: integer, required: true}}\n"
    step(
        admin,
        NEW,
        do="write",
        text=f"{question}components:\n  web: {{image: 'web:1', replicas: '${{params.size}}'}}\n",
    )
    answer = admin.get(f"{NEW}/apply", headers=HTMX)
    assert answer.status_code == 422
    assert "spec.parameters[size]" in text(answer)


def test_a_draft_survives_and_can_be_undone_and_discarded(admin: Client, shown: None) -> None:
    step(admin, BOOK, do="remove", component="redis-follower")
    assert "1 edited, 1 removed" in text(admin.get(BOOK))
    step(admin, BOOK, do="undo")
    assert "Nothing is staged" in text(admin.get(BOOK))
    step(admin, BOOK, do="undo")
    assert "Removed" in text(step(admin, BOOK, do="put-back", component="nobody"))
    step(admin, BOOK, do="put-back", component="redis-follower")
    assert "redis-follower" in kept("book").text
    assert step(admin, BOOK, do="discard").headers["HX-Redirect"] == "/apps/default/book"
    assert not Draft.objects.exists()


def test_a_step_from_an_older_tab_is_not_taken(admin: Client, shown: None) -> None:
    step(admin, BOOK, do="add", what="cache")
    step(admin, BOOK, do="add", what="web")
    for older in ("0", "1"):
        sent = {"draft": older, "do": "remove", "component": "cache"}
        answer = admin.post(BOOK, sent, headers=HTMX)
        assert answer.status_code == 409
        assert "another tab" in text(answer)
    assert 'data-node="cache"' in text(answer)
    assert "cache" in kept("book").text


def test_the_older_answer_of_two_editors_is_refused_and_can_be_brought_together(
    admin: Client, shown: None
) -> None:
    step(admin, BOOK, do="add", what="cache")
    step(admin, BOOK, do="write", text=kept("book").text.replace("redis:7.2.5", "redis:8.0.1"))

    sample_apps.somebody_changes("book", "frontend", "frontend:6")
    assert "Bo changed this" in text(admin.get(BOOK, headers=HTMX))
    for answer in (admin.get(f"{BOOK}/apply", headers=HTMX), admin.post(f"{BOOK}/apply", headers=HTMX)):
        assert answer.status_code == 409
        assert "Bo changed it" in text(answer)
    assert "frontend:6" in text(admin.get(f"{BOOK}/theirs", headers=HTMX))
    answer = admin.post(f"{BOOK}/theirs", {"draft": str(kept("book").number)}, headers=HTMX)
    assert answer.headers["HX-Redirect"] == BOOK
    answer = admin.post(f"{BOOK}/apply", headers=HTMX)
    assert answer.status_code == 204, text(answer)
    parts = app("default", "book").spec.definition.components  # type: ignore[union-attr]
    assert (parts["redis-leader"].image, parts["frontend"].image) == ("redis:8.0.1", "frontend:6")


def test_a_status_that_moves_is_no_change_of_the_plan(admin: Client, shown: None) -> None:
    step(admin, BOOK, do="add", what="cache")
    edit(APPLICATION, app("default", "book"), lambda found: setattr(found.status, "message", "One is gone."))
    assert admin.post(f"{BOOK}/apply", headers=HTMX).status_code == 204


def test_what_was_deleted_meanwhile_is_made_anew_only_when_that_is_said(admin: Client, shown: None) -> None:
    step(admin, BOOK, do="add", what="cache")

    def delete(tx: Any) -> None:
        tx.delete(APPLICATION, "default", "book")
        for kind in (SERVICE, APPLICATION_REVISION):
            for one in tx.list(kind, "default"):
                tx.delete(kind, "default", one.metadata.name)

    store.write(WRITER, delete)
    assert "was deleted meanwhile" in text(admin.get(BOOK))
    assert admin.post(f"{BOOK}/apply", headers=HTMX).status_code == 409
    admin.post(f"{BOOK}/theirs", {"draft": str(kept("book").number)}, headers=HTMX)
    answer = admin.get(f"{BOOK}/apply", headers=HTMX)
    assert answer.status_code == 200, text(answer)


def test_values_of_questions_that_are_gone_go_with_them(admin: Client, shown: None) -> None:
    step(admin, BOOK, do="write", text="components:\n  web:\n    image: web:1\n")
    assert admin.post(f"{BOOK}/apply", headers=HTMX).status_code == 204
    assert app("default", "book").spec.parameters == {}


def test_kubectl_takes_the_draft_as_it_is_and_only_onto_what_it_began_from(admin: Client, shown: None) -> None:
    step(admin, BOOK, do="add", what="cache")
    body = admin.get(f"{BOOK}/object").content
    path = "/apis/drover.dev/v1/namespaces/default/applications/book"
    request = Request("PUT", path, headers={"content-type": "application/yaml"}, body=body)
    root = Actor("root", frozenset({"system:masters"}))
    answer = core.handle(root, request)
    assert isinstance(answer, Answer) and answer.code == 200, answer
    assert "cache" in app("default", "book").spec.definition.components  # type: ignore[union-attr]
    again = core.handle(root, request)
    assert isinstance(again, Answer) and again.code == 409


def test_one_who_may_only_look_sees_what_runs_and_why_nothing_can_be_done(
    tenant: Client, shown: None
) -> None:
    sample_apps.install("seen", "shop", app("default", "fresh").spec)
    page = text(tenant.get("/apps/shop/seen/compose"))
    assert 'data-node="web"' in page
    assert "data-why=" in page and "data-part=" not in page
    for where, values in (("", {"do": "add", "what": "web"}), ("/apply", {}), ("/theirs", {})):
        assert tenant.post(f"/apps/shop/seen/compose{where}", values, headers=HTMX).status_code == 403
    assert tenant.get(NEW).status_code == 404
    assert tenant.get(BOOK).status_code == 404
    assert not Draft.objects.exists()


def test_who_else_has_a_draft_is_told_and_what_is_in_it_is_not(admin: Client, shown: None) -> None:
    other = User.objects.create_superuser("ana")
    found = keeping.fresh(other, "default", "book", app("default", "book"))
    found.text += "# a secret thought"
    keeping.keep(found, 0, types.now())
    page = text(admin.get(BOOK))
    assert "ana has a draft of this too" in page
    assert "secret thought" not in page


@pytest.mark.parametrize(
    "word", ["", "nonsense", "change", "connect", "disconnect", "remove", "add", "put-back"]
)
def test_a_step_that_says_nothing_sensible_is_refused_in_words(admin: Client, shown: None, word: str) -> None:
    answer = step(admin, BOOK, do=word)
    assert answer.status_code in {400, 404}
    assert "That step was not taken" in text(answer)
    assert not Draft.objects.exists()
