"""Pages and fragments of every kind: complete, masked, scoped, and with a constant number of queries."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.cluster import store, types
from apps.cluster.actors import system
from apps.cluster.kinds import DEPLOYMENT, POD, REPLICA_SET, REPLICATION_CONTROLLER, SECRET
from apps.cluster.registry import Kind, all_kinds
from apps.cluster.revisions import CAUSE, HASH, RESTARTED, REVISION
from apps.dashboard import paths
from tests.browser import sample, sample_apps
from tests.builders import build

HTMX = {"HX-Request": "true"}
TEST = system("test")
ODD = (
    "/nowhere",
    "/kinds/unicorns",
    "/kinds/pods/default/nobody",
    "/kinds/pods/-/x",
    "/kinds/pods?page=0&sort=zz",
)
SENTINELS = ("sentinel-7f3a9c", "c2VudGluZWwtN2YzYTlj")


@pytest.mark.parametrize("kind", all_kinds(), ids=lambda kind: kind.key)
def test_any_kind_has_a_list_and_pages_for_its_objects(kind: Kind, admin: Client) -> None:
    answer = admin.get(paths.of_list(kind))
    assert answer.status_code == 200
    for row in store.list(kind).rows[:2]:
        for tab in ("overview", "yaml"):
            href = paths.of_object(kind, row.namespace, row.name, tab=tab)
            page = admin.get(href)
            assert page.status_code == 200, href
            assert row.name in page.content.decode()


@pytest.mark.parametrize("path", ["/", "/kinds/pods", "/kinds/pods/default/frontend-x7k2p"])
def test_the_fragment_is_the_pages_own_region(path: str, admin: Client) -> None:
    page, fragment = admin.get(path).content.decode(), admin.get(path, headers=HTMX).content.decode()
    assert "<!doctype html>" in page
    assert "<!doctype html>" not in fragment
    assert "data-region" in fragment


def test_a_list_takes_as_many_queries_for_fifty_rows_as_for_few(admin: Client) -> None:
    def count(path: str) -> int:
        admin.get(path)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert admin.get(path).status_code == 200
        return len(queries)

    paths_ = ("/", "/kinds/pods", "/kinds/events", "/kinds/replicationcontrollers/default/frontend")
    few = [count(path) for path in paths_]
    sample.many(50)
    assert [count(path) for path in paths_] == few


def test_nobody_gets_in_without_signing_in(sampled: None) -> None:
    stranger = Client()
    for path in ("/", "/kinds/pods", "/create", "/find?q=a", "/styleguide", "/actions/delete/pods/default/x"):
        answer = stranger.get(path)
        assert (answer.status_code, answer["Location"][:6]) == (302, "/login"), path
    assert stranger.get("/", headers=HTMX).status_code == 401
    assert stranger.get("/actions/logs/pods/default/frontend-x7k2p?container=frontend").status_code == 401


def test_another_tenants_objects_are_not_there(tenant: Client) -> None:
    listed = tenant.get("/kinds/pods").content.decode()
    assert "worker-5tq9v" in listed
    assert "frontend-x7k2p" not in listed
    for path in (
        "/kinds/pods/default/frontend-x7k2p",
        "/kinds/pods/default/frontend-x7k2p?tab=yaml",
        "/actions/delete/pods/default/frontend-x7k2p",
        "/actions/logs/pods/default/frontend-x7k2p?container=frontend",
    ):
        assert tenant.get(path).status_code == 404, path
    assert "frontend" not in tenant.get("/find?q=frontend").content.decode().partition("found-")[2]
    for path in ("/", "/cluster"):
        assert "frontend" not in tenant.get(path, headers=HTMX).content.decode()


def test_what_is_hidden_is_not_called_empty(tenant: Client) -> None:
    page = tenant.get("/cluster").content.decode()
    assert "not yours to see" in page
    assert "none has joined" not in page


def test_what_is_forbidden_is_shown_with_the_reason_and_refused(tenant: Client) -> None:
    page = tenant.get("/kinds/pods/shop/worker-5tq9v").content.decode()
    assert 'aria-disabled="true"' in page
    assert "bo may not delete pods" in page
    assert tenant.post("/actions/delete/pods/shop/worker-5tq9v").status_code == 403
    assert (
        tenant.post("/actions/scale/replicationcontrollers/shop/worker", {"replicas": 0}).status_code == 403
    )
    assert store.find(POD, "shop", "worker-5tq9v") is not None


def test_a_secrets_values_are_in_no_page(admin: Client, tenant: Client) -> None:
    for path in (
        "/kinds/secrets",
        "/kinds/secrets/shop/login",
        "/kinds/secrets/shop/login?tab=yaml",
        "/find?q=login",
    ):
        text = admin.get(path).content.decode()
        assert not any(sentinel in text for sentinel in SENTINELS), path
    revealed = admin.post("/actions/reveal/secrets/shop/login", {"entry": "password"})
    assert SENTINELS[0] in revealed.content.decode()
    assert revealed["Cache-Control"].startswith("no-store") or "no-store" in revealed["Cache-Control"]
    assert tenant.post("/actions/reveal/secrets/shop/login", {"entry": "password"}).status_code in {403, 404}


def test_deleting_and_scaling_go_through_the_store(admin: Client) -> None:
    told = admin.get("/actions/delete/replicationcontrollers/default/frontend", headers=HTMX).content.decode()
    assert "frontend-x7k2p" in told
    alone = admin.get("/actions/delete/replicationcontrollers/default/frontend")
    assert "<title>Delete frontend" in alone.content.decode(), "a dialog is a page too, for who has no script"
    done = admin.post(
        "/actions/scale/replicationcontrollers/default/redis-slave", {"replicas": "5"}, headers=HTMX
    )
    assert done.status_code == 204
    assert store.get(REPLICATION_CONTROLLER, "default", "redis-slave").object.spec.replicas == 5
    for odd in ("", "-1", "²", f"{'0' * 9}9999999", "9" * 5000):
        asked = {"replicas": odd}
        refused = admin.post("/actions/scale/replicationcontrollers/default/redis-slave", asked)
        assert refused.status_code == 422
    refused = admin.post("/actions/delete/secrets/shop/login", {"typed": "wrong"}, headers=HTMX)
    assert refused.status_code == 422
    assert store.find(SECRET, "shop", "login") is not None
    admin.post("/actions/delete/secrets/shop/login", {"typed": "login"}, headers=HTMX)
    assert store.find(SECRET, "shop", "login") is None


def test_an_object_that_was_replaced_is_not_deleted_by_an_old_dialog(admin: Client) -> None:
    answer = admin.post("/actions/delete/pods/shop/worker-5tq9v", {"uid": "another"}, headers=HTMX)
    assert answer.status_code == 409
    assert store.find(POD, "shop", "worker-5tq9v") is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "line"),
        ("", "nothing to create"),
        ("just text", "apiVersion and kind"),
        ("kind: Pod", "apiVersion"),
        ("apiVersion: v9\nkind: Pod", "v9"),
        ("apiVersion: apps/v1\nkind: Pood", "There is no kind"),
        ("apiVersion: apps/v1\nkind: DaemonSet", "Drover has no DaemonSet: use a Deployment"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {containers: [{name: a, imag: b}]}", "imag"),
        ("apiVersion: v1\nkind: Pod\nmetadata: 7\nspec: {containers: 1}", "spec.containers"),
        ("a: &a [*a]\nb: *a", ""),
        ("!!python/object:os.system {}", "YAML"),
    ],
)
def test_bad_yaml_is_refused_in_words_and_creates_nothing(text: str, said: str, admin: Client) -> None:
    before = store.clock()
    answer = admin.post("/create", {"text": text, "namespace": "default", "do": "create"})
    assert 400 <= answer.status_code < 500
    assert said in answer.content.decode()
    assert store.clock() == before


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/kinds/unicorns",
        "/kinds/pods/default/nobody",
        "/kinds/pods/-/x",
        "/kinds/pods?page=0&sort=zz",
    ],
)
def test_odd_addresses_are_answered_in_style(path: str, admin: Client) -> None:
    answer = admin.get(path)
    assert answer.status_code in {200, 404}
    assert "Drover" in answer.content.decode()


def test_an_object_that_is_not_there_leads_to_those_that_are(admin: Client) -> None:
    missing = admin.get("/kinds/replicationcontrollers/default/nobody").content.decode()
    assert "There is no controller “nobody” in default." in missing
    assert '<a class="button primary" href="/kinds/replicationcontrollers">Controllers</a>' in missing
    assert "may have been deleted" not in admin.get("/nowhere").content.decode()


def test_an_empty_list_of_what_people_write_leads_on(admin: Client) -> None:
    for key in ("persistentvolumeclaims", "limitranges", "rolebindings.rbac.authorization.k8s.io"):
        page = admin.get(f"/kinds/{key}?wide=1", headers=HTMX).content.decode()
        assert "Create from YAML" in page, key
    assert "Create from YAML" not in admin.get("/kinds/endpointslices.discovery.k8s.io", headers=HTMX).content.decode()


@pytest.mark.parametrize("path", ["/kinds/events", "/kinds/nodes", "/kinds/endpoints"])
def test_what_nobody_writes_by_hand_has_no_button_for_it(path: str, admin: Client) -> None:
    page = admin.get(path).content.decode()
    assert ">Create</a>" not in page.partition('<div class="page-head">')[2].partition("</form>")[0]
    assert ">Create</a>" in admin.get("/kinds/pods").content.decode()


def test_a_column_that_says_nothing_of_any_row_takes_no_room(admin: Client) -> None:
    plain, wide = (admin.get(f"/kinds/nodes{query}", headers=HTMX).content.decode() for query in ("", "?wide=1"))
    assert ">Roles</a>" in wide and ">Roles</a>" not in plain and ">Internal-IP</a>" in plain


def test_a_moment_in_a_column_counts_like_an_age(admin: Client) -> None:
    page = admin.get("/kinds/clusterroles.rbac.authorization.k8s.io").content.decode()
    assert 'data-ago=" ago"' in page


def test_kinds_are_called_by_words(admin: Client) -> None:
    called = {kind.key: (paths.word(kind), paths.word(kind, 2)) for kind in all_kinds()}
    assert called["replicationcontrollers"] == ("controller", "controllers")
    assert called["configmaps"] == ("config map", "config maps")
    assert called["persistentvolumeclaims"] == ("persistent volume claim", "persistent volume claims")
    asked = admin.get("/actions/delete/replicationcontrollers/default/frontend")
    assert "Delete controller frontend?" in asked.content.decode()


def test_the_palette_leads_to_an_application_first(admin: Client) -> None:
    sample_apps.applications()
    found = admin.get("/find?q=book", headers=HTMX).content.decode()
    assert found.index('href="/apps/default/book"') < found.index('href="/kinds/')


def test_every_page_carries_a_strict_content_policy(admin: Client) -> None:
    answer = admin.get("/")
    policy = answer["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    text = answer.content.decode()
    assert "style=" not in text
    assert "<script>" not in text
    assert " onclick=" not in text


def test_a_deployment_is_restarted_held_and_taken_back(admin: Client, tenant: Client) -> None:
    made: types.Deployment = build(DEPLOYMENT, name="web", namespace="shop", annotations={REVISION: "2"})
    made = store.write(TEST, lambda tx: tx.create(DEPLOYMENT, made))
    for number, image in ((1, "redis:6"), (2, "redis:7")):
        version: types.ReplicaSet = build(REPLICA_SET, name=f"web-{number}", namespace="shop")
        version.metadata.annotations = {REVISION: str(number), CAUSE: f"reason {number}"}
        version.metadata.owner_references = [
            types.OwnerReference(
                api_version="apps/v1", kind="Deployment", name="web", uid=made.metadata.uid, controller=True
            )
        ]
        version.spec.template.metadata.labels = {**version.spec.template.metadata.labels, HASH: f"h{number}"}
        version.spec.template.spec.containers[0].image = image
        store.write(TEST, lambda tx, version=version: tx.create(REPLICA_SET, version))  # type: ignore[misc]
    page = admin.get("/kinds/deployments.apps/shop/web").content.decode()
    assert all(words in page for words in ("Versions", "redis:6", "reason 1", "Go back", "Restart", "Pause"))
    action = "/actions/rollout/deployments.apps/shop/web"
    told = admin.get(f"{action}?do=undo&revision=1", headers=HTMX).content.decode()
    assert "Go back to revision 1 of web?" in told
    assert "kubectl rollout undo --to-revision=1 deployment/web -n shop" in told
    assert admin.post(action, {"do": "undo", "revision": "1"}, headers=HTMX).status_code == 204
    found = store.get(DEPLOYMENT, "shop", "web").object
    assert found.spec.template.spec.containers[0].image == "redis:6"
    assert HASH not in found.spec.template.metadata.labels
    assert found.metadata.annotations[CAUSE] == "reason 1"
    assert admin.post(action, {"do": "pause"}, headers=HTMX).status_code == 204
    assert "Resume" in admin.get("/kinds/deployments.apps/shop/web").content.decode()
    admin.post(action, {"do": "restart"}, headers=HTMX)
    found = store.get(DEPLOYMENT, "shop", "web").object
    assert found.spec.paused and RESTARTED in found.spec.template.metadata.annotations
    assert admin.get(f"{action}?do=undo&revision=9", headers=HTMX).status_code == 404
    assert admin.get(f"{action}?do=explode", headers=HTMX).status_code == 400
    assert tenant.post(action, {"do": "restart"}).status_code == 403
