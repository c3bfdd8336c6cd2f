"""What cannot be shown or done: what was deleted, what is not theirs, what broke; each in words and with a way on."""

from __future__ import annotations

import logging
import re

import pytest
from django.contrib.auth.models import User
from django.test import Client, RequestFactory

from apps.catalog.kinds import APPLICATION
from apps.cluster import store, types
from apps.cluster.actors import system
from apps.cluster.kinds import POD, REPLICATION_CONTROLLER
from apps.cluster.registry import Kind
from apps.dashboard.views import errors
from tests.browser import odd, sample, sample_apps
from tests.dashboard.conftest import signed_in

POD_PAGE = "/kinds/pods/default/frontend-x7k2p"
HTMX = {"HX-Request": "true"}
LIVE = HTMX | {"X-Live": "1"}
TEST = system("test")


def remove(kind: Kind, namespace: str, name: str) -> None:
    now = types.DeleteOptions(grace_period_seconds=0, propagation_policy="Background")
    store.write(TEST, lambda tx: tx.delete(kind, namespace, name, now))


def owned(name: str, keeper: str = "frontend") -> None:
    sample.owned(store.get(REPLICATION_CONTROLLER, "default", keeper).object, name)


def told(client: Client, path: str, headers: dict[str, str] | None = None) -> str:
    answer = client.get(path, headers=headers or {})
    assert answer.status_code in {403, 404}
    return " ".join(answer.content.decode().split())


def test_a_tab_on_a_pod_that_was_deleted_is_told_when_and_what_took_its_place(admin: Client) -> None:
    remove(POD, "default", "frontend-x7k2p")
    owned("frontend-heir")
    note = told(admin, POD_PAGE, LIVE)
    assert 'id="ended"' in note and 'role="status"' in note
    assert "This pod is gone" in note and re.search(r"It was deleted <time [^>]+>\d+s ago</time>", note)
    assert 'href="/kinds/pods/default/frontend-heir">frontend-heir took its place' in note
    assert 'href="/kinds/replicationcontrollers/default/frontend">Controller frontend' in note
    assert 'href="/kinds/pods">Pods' in note


def test_the_page_of_a_deleted_object_says_that_it_was_there(admin: Client) -> None:
    remove(POD, "shop", "worker-5tq9v")
    remove(REPLICATION_CONTROLLER, "shop", "worker")
    page = told(admin, "/kinds/pods/shop/worker-5tq9v")
    assert "<h1>This pod is gone</h1>" in page and "was deleted" in page
    assert "took its place" not in page and "Controller worker" not in page
    assert '<a class="button primary" href="/kinds/pods">Pods</a>' in page
    never = told(admin, "/kinds/pods/default/never")
    assert "There is nothing here" in never and "may have been deleted" in never


def test_a_name_that_was_taken_again_is_shown_not_mourned(admin: Client) -> None:
    remove(POD, "default", "frontend-x7k2p")
    owned("frontend-x7k2p")
    assert admin.get(POD_PAGE).status_code == 200


def test_what_somebody_may_not_see_is_not_told_to_have_been(tenant: Client) -> None:
    remove(POD, "default", "frontend-x7k2p")
    page = told(tenant, POD_PAGE)
    assert "There is nothing here" in page and "gone" not in page
    never = told(tenant, "/kinds/pods/default/never").replace("never", "frontend-x7k2p")
    assert [each.partition("<body>")[2] for each in (never, page)] == [page.partition("<body>")[2]] * 2


def test_an_application_that_was_deleted_leads_back_to_the_applications(admin: Client) -> None:
    sample_apps.applications()
    remove(APPLICATION, "default", "book")
    page = told(admin, "/apps/default/book")
    assert "This application is gone" in page
    assert '<a class="button primary" href="/">Applications</a>' in page


def test_a_dialog_that_is_refused_can_be_read_and_closed(tenant: Client) -> None:
    path = "/actions/delete/pods/shop/worker-5tq9v"
    dialog = told(tenant, path, HTMX | {"HX-Target": "dialog"})
    assert "You may not do this" in dialog and "bo may not delete pods" in dialog
    assert "Ask an administrator" in dialog and dialog.count("data-close") == 2
    assert "<!doctype html>" in told(tenant, path)


def test_whoever_may_see_no_application_is_told_so_and_not_that_there_is_none(
    tenant: Client, sampled: None
) -> None:
    assert "No application yet" in tenant.get("/").content.decode()
    stranger = signed_in(User.objects.create_user("eve"))
    page = stranger.get("/").content.decode()
    assert "You may not see applications" in page and "Pods running" not in page


def test_whoever_may_install_nowhere_is_told_before_the_form_is_filled_in(
    admin: Client, tenant: Client
) -> None:
    sample_apps.catalog()
    page = tenant.get("/catalog/guestbook").content.decode()
    assert 'aria-disabled="true" data-why="You may make applications in no namespace' in page
    assert 'value="install"' not in page
    assert 'value="install"' in admin.get("/catalog/guestbook").content.decode()


def test_a_cluster_without_room_says_what_helps(admin: Client) -> None:
    sample_apps.catalog()
    assert "find no room" not in admin.get("/catalog/guestbook").content.decode()
    odd.no_room()
    page = admin.get("/catalog/guestbook").content.decode()
    assert "too little" in page and "Pods that find no room wait" in page and "Add a node</a>" in page


def test_whoever_is_signed_out_comes_back_to_the_page_and_not_to_a_part_of_it(sampled: None) -> None:
    asked = HTMX | {"HX-Current-URL": f"http://testserver{POD_PAGE}?tab=yaml"}
    answer = Client().get("/actions/delete/pods/default/frontend-x7k2p", headers=asked)
    assert (answer.status_code, answer["HX-Redirect"]) == (401, f"/login?next={POD_PAGE}%3Ftab%3Dyaml")


@pytest.mark.parametrize(
    ("method", "words"), [("get", "This page could not be made"), ("post", "not known whether")]
)
def test_what_broke_gives_a_number_that_the_log_has(
    method: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    request = getattr(RequestFactory(), method)("/kinds/pods?q=a")
    with caplog.at_level(logging.ERROR):
        page = errors.failed(request).content.decode()
    number = re.search(r"Error <code>([0-9a-f]{8})</code>", page)
    assert number and f"error {number[1]}: {method.upper()} '/kinds/pods'" in caplog.text
    assert words in page and "Traceback" not in page
    assert ('href="/kinds/pods?q=a">Try again' in page) == (method == "get")


def test_a_view_that_breaks_is_answered_by_that_page(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.dashboard.views.listed.listing.table", None)
    admin.raise_request_exception = False
    answer = admin.get("/kinds/pods")
    page = answer.content.decode()
    assert answer.status_code == 500 and "Something broke on our side" in page and "NoneType" not in page
