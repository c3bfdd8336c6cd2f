"""Namespaces: a default account in each, and nothing left behind when one goes."""

from datetime import UTC, datetime

import pytest

from apps.accounts import certificates
from apps.cluster import store
from apps.cluster.actors import Actor
from apps.cluster.kinds import (
    CONFIG_MAP,
    NAMESPACE,
    POD,
    REPLICATION_CONTROLLER,
    SERVICE,
    SERVICE_ACCOUNT,
)
from apps.controllers.namespace import View, plan
from apps.controllers.reading import Row
from tests.builders import defaulted
from tests.harness import add_nodes, create, delete, find, objects, run_pods, settle, stop_pod

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def row(name: str, *, deleting: bool = False) -> Row:
    return Row("pods", "doomed", name, f"uid-{name}", 1, deleting)


def doomed() -> View:
    namespace = defaulted(NAMESPACE, name="doomed")
    namespace.metadata.deletion_timestamp = NOW
    NAMESPACE.default(namespace)
    return View(namespace)


def test_everything_inside_is_deleted_first_and_what_is_leaving_is_left_alone() -> None:
    view = View(doomed().namespace, (row("a"), row("b", deleting=True)))
    actions = plan(view, NOW)
    assert [gone.name for gone in actions.deletes] == ["a"]
    assert not actions.updates


def test_while_the_last_ones_leave_the_condition_says_what_is_waited_for() -> None:
    view = View(doomed().namespace, (row("a", deleting=True), row("b", deleting=True)))
    (told,) = plan(view, NOW).statuses
    (condition,) = told.obj.status.conditions
    assert condition.message == "Waiting for 2 pods to be gone"
    assert plan(View(told.obj, view.content), NOW).idle


def test_an_empty_namespace_is_let_go_once() -> None:
    (update,) = plan(doomed(), NOW).updates
    assert update.obj.spec.finalizers == []
    assert plan(View(update.obj), NOW).idle


@pytest.mark.usefixtures("ruled")
class TestInTheStore:
    def test_every_namespace_has_a_default_account_and_gets_it_back(self) -> None:
        create(NAMESPACE, name="team")
        settle()
        assert find(SERVICE_ACCOUNT, "default", "team") is not None
        assert find(SERVICE_ACCOUNT, "default", "default") is not None
        delete(SERVICE_ACCOUNT, "default", "team")
        settle()
        assert find(SERVICE_ACCOUNT, "default", "team") is not None

    def test_every_namespace_shows_the_clusters_authority_and_gets_it_back(self, actor: Actor) -> None:
        create(NAMESPACE, name="team")
        settle()
        shown = find(CONFIG_MAP, "kube-root-ca.crt", "team")
        assert shown is not None
        authority = certificates.ensure_authority().certificate.decode()
        assert shown.data == {"ca.crt": authority}
        shown.data = {"ca.crt": "another"}
        store.write(actor, lambda tx: tx.update(CONFIG_MAP, shown))
        settle()
        assert find(CONFIG_MAP, "kube-root-ca.crt", "team").data == {"ca.crt": authority}  # type: ignore[union-attr]
        delete(CONFIG_MAP, "kube-root-ca.crt", "team")
        settle()
        assert find(CONFIG_MAP, "kube-root-ca.crt", "team") is not None

    def test_a_namespace_goes_with_everything_in_it_when_its_pods_have_stopped(self) -> None:
        add_nodes("node-1")
        create(NAMESPACE, name="team")
        create(NAMESPACE, name="other")
        for namespace in ("team", "other"):
            create(REPLICATION_CONTROLLER, namespace=namespace, spec__replicas=2)
            create(SERVICE, namespace=namespace)
            create(CONFIG_MAP, namespace=namespace)
        settle()
        run_pods(objects(POD, "team"))
        delete(NAMESPACE, "team")
        settle()
        team = find(NAMESPACE, "team")
        assert team is not None
        assert team.status.phase == "Terminating"
        assert [pod.metadata.deletion_timestamp is not None for pod in objects(POD, "team")] == [True, True]
        assert objects(REPLICATION_CONTROLLER, "team") == []
        for pod in objects(POD, "team"):
            stop_pod(pod.metadata.name, "team")
        settle()
        assert find(NAMESPACE, "team") is None
        assert len(objects(POD, "other")) == 2
        assert find(NAMESPACE, "other") is not None

    def test_a_large_namespace_is_emptied_batch_by_batch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("apps.controllers.namespace.BATCH", 3)
        create(NAMESPACE, name="team")
        for number in range(10):
            create(CONFIG_MAP, name=f"config-{number}", namespace="team")
        settle()
        delete(NAMESPACE, "team")
        settle()
        assert find(NAMESPACE, "team") is None
        assert objects(CONFIG_MAP, "team") == []
