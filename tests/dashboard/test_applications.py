"""Pages of applications: the first page, the catalog's form, an application's views, and what can be done to it."""

from __future__ import annotations

import html
import json
import re
import shlex
from typing import Any

import pytest
from django.test import Client

from apps.api.patches.merge_patch import apply_merge_patch
from apps.catalog import bundled, operations
from apps.catalog.kinds import APPLICATION, APPLICATION_REVISION
from apps.catalog.types import Application, ApplicationSpec, TemplateReference
from apps.cluster import store, types
from apps.cluster.kinds import DEPLOYMENT, POD
from apps.cluster.transaction import Transaction
from tests.browser import odd, sample, sample_apps
from tests.browser.sample import WRITER
from tests.catalog.plans import shop

HTMX = {"HX-Request": "true"}
ANSWERS = {
    "name": "mine",
    "namespace": "shop",
    "p-frontends": "2",
    "p-reach": "internal",
    "p-readers": "1",
}


@pytest.fixture
def shown(sampled: None) -> None:  # noqa: ARG001
    sample_apps.applications()


def app(name: str) -> Application:
    found: Application = store.get(APPLICATION, "default", name).object
    return found


def text(answer: Any) -> str:
    content: str = answer.content.decode()
    return content


def test_the_first_page_puts_problems_first(admin: Client, shown: None) -> None:
    page = text(admin.get("/"))
    assert (
        page.index("/apps/default/shop")
        < page.index("/apps/default/fresh")
        < page.index("/apps/default/book")
    )
    assert "cannot be had" in page


def test_without_applications_the_first_page_says_how_to_begin(admin: Client, sampled: None) -> None:
    assert "/catalog/guestbook" in text(admin.get("/"))


@pytest.mark.parametrize("tab", ["overview", "settings", "revisions", "logs"])
def test_every_view_of_an_application_is_there(admin: Client, shown: None, tab: str) -> None:
    for name in ("book", "fresh", "shop"):
        answer = admin.get(f"/apps/default/{name}?tab={tab}&component=web&view=list")
        assert answer.status_code == 200, name


def test_the_picture_draws_each_component_once_and_what_it_needs(admin: Client, shown: None) -> None:
    page = text(admin.get("/apps/default/book", headers=HTMX))
    assert page.count('class="box component') == 3
    assert page.count('class="edge') - page.count('class="edge-label') == 4
    assert page.count('class="box volume') == 1


def test_the_form_asks_what_the_template_asks(admin: Client, shown: None) -> None:
    page = text(admin.get("/catalog/guestbook"))
    for name in ("p-frontends", "p-reach", "p-host", "p-readers"):
        assert f'name="{name}"' in page
    assert 'data-asks="reach=ingress;"' in page


def test_a_preview_makes_nothing(admin: Client, shown: None) -> None:
    before = store.clock()
    answer = admin.post("/catalog/guestbook", {**ANSWERS, "do": "preview"}, headers=HTMX)
    assert answer.status_code == 200, answer.context["problems"]
    page = text(answer)
    assert "mine-frontend" in page
    assert store.clock() == before


def test_installing_leads_to_the_application(admin: Client, shown: None) -> None:
    answer = admin.post("/catalog/guestbook", {**ANSWERS, "do": "install"}, headers=HTMX)
    assert answer.headers["HX-Redirect"] == "/apps/shop/mine"
    made: Application = store.get(APPLICATION, "shop", "mine").object
    assert made.spec.parameters == {"frontends": 2, "reach": "internal", "readers": 1}


def test_a_wrong_answer_is_told_beside_its_field_and_nothing_is_made(admin: Client, shown: None) -> None:
    before = store.clock()
    answer = admin.post("/catalog/guestbook", {**ANSWERS, "p-frontends": "99", "do": "install"}, headers=HTMX)
    assert answer.status_code == 422
    assert 'id="p-frontends-wrong"' in text(answer)
    assert "must be at most 20" in text(answer)
    assert store.clock() == before


def test_a_name_that_is_taken_is_told(admin: Client, shown: None) -> None:
    answer = admin.post(
        "/catalog/guestbook",
        {**ANSWERS, "namespace": "default", "name": "book", "do": "install"},
        headers=HTMX,
    )
    assert answer.status_code == 422
    assert "already exists" in text(answer)


def test_checks_are_told_before_they_are_asked_and_then_what_came_of_them(admin: Client, shown: None) -> None:
    page = text(admin.get("/apps/default/book/check", headers=HTMX))
    assert "The page answers" in page and "writes</span>" in page
    page = text(admin.post("/apps/default/book/check", headers=HTMX))
    assert "no pod of frontend is ready" in page


def test_a_card_says_how_its_template_was_tried(admin: Client, shown: None) -> None:
    bundled.bring_in(WRITER)
    page = text(admin.get("/catalog"))
    assert page.count("wiring verified") == len(bundled.templates())


def test_settings_are_previewed_and_applied(admin: Client, shown: None) -> None:
    sent = {
        "p-frontends": "5",
        "p-reach": "nodePort",
        "p-readers": "3",
        "seen": app("book").metadata.resource_version,
    }
    page = text(admin.post("/apps/default/book/change", {**sent, "do": "preview"}, headers=HTMX))
    assert "Frontend goes from 4 to 5 pods" in page
    answer = admin.post("/apps/default/book/change", {**sent, "do": "apply", "why": "more"}, headers=HTMX)
    assert answer.status_code == 204
    assert app("book").spec.parameters["frontends"] == 5


def test_two_who_edit_see_each_other(admin: Client, shown: None) -> None:
    sent = {"p-frontends": "5", "p-reach": "nodePort", "p-readers": "3", "seen": "1", "do": "apply"}
    answer = admin.post("/apps/default/book/change", sent, headers=HTMX)
    assert answer.status_code == 422
    assert "has been modified" in text(answer)


def test_going_back_says_what_it_changes_first(admin: Client, shown: None) -> None:
    assert "Frontend goes from 4 to 3 pods" in text(admin.get("/apps/default/book/back/1", headers=HTMX))
    assert admin.post("/apps/default/book/back/1", headers=HTMX).status_code == 204
    assert app("book").spec.revision == 3


def test_what_is_under_way_can_be_cancelled_beside_its_progress(admin: Client, shown: None) -> None:
    sent = {"p-frontends": "5", "p-reach": "nodePort", "p-readers": "3", "do": "apply"}
    assert "/cancel/" not in text(admin.get("/apps/default/book"))
    assert "what was made stays" in text(admin.get("/apps/default/fresh/cancel/1", headers=HTMX))
    admin.post(
        "/apps/default/book/change", {**sent, "seen": app("book").metadata.resource_version}, headers=HTMX
    )
    assert 'href="/apps/default/book/cancel/3"' in text(admin.get("/apps/default/book"))
    page = text(admin.get("/apps/default/book/cancel/3", headers=HTMX))
    assert "goes back to revision 2, as revision 4" in page
    assert "Frontend goes from 5 to 4 pods" in page
    assert "patch app book --type merge -p &#x27;{&quot;spec&quot;:{&quot;cancel&quot;:3}}&#x27;" in page
    assert app("book").spec.revision == 3
    assert admin.post("/apps/default/book/cancel/3", headers=HTMX).status_code == 204
    assert app("book").spec.revision == 4
    again = admin.get("/apps/default/book/cancel/2", headers=HTMX)
    assert again.status_code == 422
    assert "revision 2 is not under way" in text(again)


def test_scaling_says_what_it_means_and_is_a_revision(admin: Client, shown: None) -> None:
    page = text(admin.get("/apps/default/book/scale/frontend?replicas=5", headers=HTMX))
    assert "Frontend goes from 4 to 5 pods" in page
    assert '-p \'{"spec":{"parameters":{"frontends":5}}}' in html.unescape(page)
    assert app("book").spec.revision == 2
    answer = admin.post("/apps/default/book/scale/frontend", {"replicas": "5"}, headers=HTMX)
    assert answer.status_code == 204
    assert json.loads(answer.headers["HX-Trigger"])["toast"]["text"] == "Scaling frontend to 5…"
    assert app("book").spec.revision == 3
    assert "Scaling to 5…" in text(admin.get("/apps/default/book?component=frontend"))


@pytest.mark.parametrize(
    ("component", "replicas", "words"),
    [("frontend", "99", "must be at most 20"), ("frontend", "-1", "must be between 0"), ("redis-leader", "1001", "")],
)
def test_a_number_that_cannot_be_is_refused_in_words(
    admin: Client, shown: None, component: str, replicas: str, words: str
) -> None:
    before = store.clock()
    answer = admin.post(f"/apps/default/book/scale/{component}", {"replicas": replicas}, headers=HTMX)
    assert answer.status_code == 422
    assert words in text(answer)
    assert store.clock() == before


def test_a_whole_page_asks_like_the_dialog(admin: Client, shown: None) -> None:
    """Its frame knows the time by a name that the dialog once took for the number of pods."""
    asked = admin.get("/apps/default/book/scale/frontend").content.decode()
    assert "<!doctype html>" in asked and "book keeps <b>4</b> of it now" in asked


def test_a_component_says_what_can_be_done_to_it(admin: Client, shown: None) -> None:
    page = text(admin.get("/apps/default/book?component=frontend"))
    assert 'hx-get="/apps/default/book/scale/frontend"' in page
    assert 'hx-get="/actions/rollout/deployments.apps/default/book-frontend?do=restart"' in page


def test_a_viewer_sees_what_may_not_be_done_and_why(tenant: Client, shown: None) -> None:
    sample_apps.install("seen", "shop", ApplicationSpec(template=TemplateReference(name="guestbook")))
    page = text(tenant.get("/apps/shop/seen?component=frontend"))
    for title in ("Scale", "Restart", "Image"):
        assert f"</svg>{title}</button>" in page
    assert "bo may not update applications" in page and "bo may not patch deployments" in page
    assert tenant.post("/apps/shop/seen/scale/frontend", {"replicas": "1"}).status_code == 403


def test_deleting_lists_what_goes(admin: Client, shown: None) -> None:
    assert "<title>Delete book" in text(admin.get("/apps/default/book/delete"))
    page = text(admin.get("/apps/default/book/delete", headers=HTMX))
    assert "Service redis-leader" in page
    assert admin.post("/apps/default/book/delete", headers=HTMX).headers["HX-Redirect"] == "/"


def test_no_secret_is_in_any_page(admin: Client, shown: None) -> None:
    meta = types.ObjectMeta(name="sealed", namespace="default")
    spec = ApplicationSpec(definition=shop(components__db__volumes=None))
    operations.install(WRITER, Application(metadata=meta, spec=spec), {"password": "sentinel-41c7"})
    for tab in ("overview", "settings", "revisions", "logs"):
        assert "sentinel-41c7" not in text(admin.get(f"/apps/default/sealed?tab={tab}&component=web"))
    assert "sentinel-41c7" not in text(admin.get("/kinds/applications.drover.dev/default/sealed?tab=yaml"))


def test_what_a_revision_ran_is_shown_and_an_image_named_anew_leaves_its_pin(admin: Client, shown: None) -> None:
    pin = f"shop:1.2@sha256:{'a' * 64}"

    def ran(tx: Transaction) -> None:
        revision = tx.get(APPLICATION_REVISION, "default", "fresh-1")
        revision.status.images = {"web": pin, "db": "docker://sha256:1"}
        tx.update(APPLICATION_REVISION, revision, part="status")

    store.write(WRITER, ran)
    page = text(admin.get("/apps/default/fresh?tab=revisions"))
    assert pin in page and page.count("no registry knows it by this name") == 1
    operations.change(WRITER, "default", "fresh", lambda found: found.spec.pins.update(web=pin))
    assert pin in text(admin.get("/apps/default/fresh?component=web"))
    told = html.unescape(text(admin.get("/apps/default/fresh/image/web", {"image": "shop:1.2"})))
    assert '"pins":{"web":null}' in told
    admin.post("/apps/default/fresh/image/web", {"image": "shop:1.2"})
    assert app("fresh").spec.pins == {}


@pytest.fixture
def standing(shown: None) -> None:  # noqa: ARG001
    """The shop's deployments are there, and somebody changed one of them."""
    odd.drifted()


def patches(page: str) -> list[tuple[list[str], Any]]:
    """Every kubectl patch that a page shows: its words, and what it sends."""
    lines = [shlex.split(html.unescape(one)) for one in re.findall(r"<code>(kubectl [^<]* patch [^<]*)</code>", page)]
    return [(words, json.loads(words[-1])) for words in lines]


def test_putting_back_shows_the_patch_that_does_it(admin: Client, standing: None) -> None:
    page = text(admin.get("/apps/default/shop/repair"))
    assert "manage.py app repair -n default shop" in page
    assert re.search(r"spec\.replicas</dt><dd><del>3</del> <ins>1</ins>", page)
    assert re.search(r"containers\[0\]\.image</dt><dd><del>redis:other</del> <ins>redis:[^<]+</ins>", page)
    ((words, patch),) = patches(page)
    assert words[:5] == ["kubectl", "-n", "default", "patch", "deployment.apps"]
    meddled = types.to_data(store.get(DEPLOYMENT, "default", "shop-db").object)
    assert meddled["spec"]["replicas"] == 3, "nothing is done yet"
    admin.post("/apps/default/shop/repair")
    done = types.to_data(store.get(DEPLOYMENT, "default", "shop-db").object)
    assert done["spec"]["replicas"] == 1
    assert apply_merge_patch(meddled, patch)["spec"] == done["spec"]
    assert "Nothing differs" in text(admin.get("/apps/default/shop/repair"))


def test_a_secret_that_cannot_be_exchanged_says_why_and_offers_no_button(admin: Client, shown: None) -> None:
    page = text(admin.get("/apps/default/shop?tab=settings"))
    assert "what uses it keeps a copy" in page and "Exchange it" not in page
    assert "Exchange it" in text(admin.get("/apps/default/fresh?tab=settings"))
    refused = admin.get("/apps/default/shop/rotate/password")
    assert refused.status_code == 422
    assert "<p>This secret cannot be exchanged: what uses it keeps a copy</p>" in text(refused)


def test_exchanging_a_secret_shows_the_patch_that_does_it(admin: Client, shown: None) -> None:
    page = text(admin.get("/apps/default/fresh/rotate/password"))
    assert "manage.py app update -n default fresh --rotate password" in page
    assert "web exchanges 2 pods" in page.replace("Web", "web")
    ((_, patch),) = patches(page)
    assert patch == {"spec": {"rotations": {"password": 1}}}
    assert app("fresh").spec.rotations == {}
    admin.post("/apps/default/fresh/rotate/password")
    assert app("fresh").spec.rotations == {"password": 1}


def test_a_restart_shows_kubectls_word_and_the_patch_that_it_sends(admin: Client, standing: None) -> None:
    page = text(admin.get("/actions/rollout/deployments.apps/default/shop-db?do=restart"))
    assert "kubectl rollout restart deployment/shop-db -n default" in page
    ((_, patch),) = patches(page)
    (at,) = patch["spec"]["template"]["metadata"]["annotations"].items()
    assert at[0] == "kubectl.kubernetes.io/restartedAt"


def test_a_components_pods_are_told_with_their_state_the_unwell_first(admin: Client, shown: None) -> None:
    sample_apps.app_pods()
    sample.waiting(sample.find(POD, "default", "book-frontend-p6w2z"), "ImagePullBackOff", "no such image")
    page = text(admin.get("/apps/default/book?component=frontend"))
    listed = page[page.index("<h3>Pods</h3>") :]
    words = re.findall(r"</a><span class=\"chip\".+?</svg>(\w+)</span>", listed)
    assert words == ["ImagePullBackOff", *["Running"] * 6]
    assert "more</a>" not in listed
    for number in range(8):
        sample_apps.app_pod(f"more{number}", number)
    page = text(admin.get("/apps/default/book?component=frontend"))
    assert "All of them: 3 more" in page
    href = re.search(r'href="([^"]+)">All of them', page)
    assert href and "book-frontend-more7" in text(admin.get(html.unescape(href[1])))


def test_the_dialog_of_an_image_says_in_full_what_runs_now(admin: Client, shown: None) -> None:
    page = text(admin.get("/apps/default/fresh/image/web?image=shop:9", headers=HTMX))
    assert "Now <code>shop:1.2</code>" in page
    assert 'value="shop:9" required autofocus data-tag' in page
