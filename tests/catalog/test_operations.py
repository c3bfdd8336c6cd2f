"""Operations on applications: previews keep nothing, chosen secrets stay, what was changed beside is put back."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from apps.catalog import operations
from apps.catalog.kinds import APPLICATION, APPLICATION_TEMPLATE
from apps.catalog.types import Application, ApplicationSpec, ApplicationTemplate, TemplateReference
from apps.cluster import store, types
from apps.cluster.errors import Conflict
from apps.cluster.kinds import DEPLOYMENT, SECRET
from tests.catalog.plans import shop
from tests.harness import TESTER, create, edit, install_roles, settle

PLAIN: dict[str, Any] = {"components__db__volumes": None}


@pytest.fixture(autouse=True)
def ruled(cluster: None) -> None:
    install_roles()


def app(**parameters: Any) -> Application:
    meta = types.ObjectMeta(name="acme", namespace="default")
    return Application(metadata=meta, spec=ApplicationSpec(definition=shop(**PLAIN), parameters=parameters))


def test_a_preview_says_everything_and_keeps_nothing() -> None:
    before = store.clock()
    seen = operations.install(TESTER, app(copies=3), dry_run=True)
    assert [one.words for one in seen.impact] == ["db starts with 1 pod", "web starts with 3 pods"]
    assert seen.app.spec.revision == 1
    assert store.clock() == before


def test_a_chosen_secret_is_kept_and_the_rest_is_rolled() -> None:
    operations.install(TESTER, app(), {"password": "mine"})
    kept = store.get(SECRET, "default", "acme-secrets").object
    assert base64.b64decode(kept.data["password"]) == b"mine"


def test_a_change_tells_what_differs_and_why_stands_in_the_revision() -> None:
    operations.install(TESTER, app())

    def more(found: Application) -> None:
        found.spec.parameters["copies"] = 4

    seen = operations.change(TESTER, "default", "acme", more, why="more visitors")
    assert [one.words for one in seen.impact] == ["web goes from 2 to 4 pods"]
    assert seen.revision is not None and (seen.revision.why, seen.revision.by) == (
        "more visitors",
        TESTER.name,
    )


def test_two_who_edit_do_not_overwrite_each_other() -> None:
    seen = operations.install(TESTER, app()).app.metadata.resource_version
    operations.change(
        TESTER, "default", "acme", lambda found: found.spec.parameters.update(copies=4), seen=seen
    )
    with pytest.raises(Conflict):
        operations.change(
            TESTER, "default", "acme", lambda found: found.spec.parameters.update(copies=5), seen=seen
        )


def test_taking_back_tells_what_it_changes() -> None:
    operations.install(TESTER, app())
    operations.change(TESTER, "default", "acme", lambda found: found.spec.parameters.update(copies=4))
    seen = operations.take_back(TESTER, "default", "acme", 1, dry_run=True)
    assert [one.words for one in seen.impact] == ["web goes from 4 to 2 pods"]
    assert [(one.path, one.before, one.after) for one in seen.values] == [("copies", 4, None)]


def test_what_was_changed_beside_is_put_back() -> None:
    operations.install(TESTER, app())
    settle()
    edit(DEPLOYMENT, "acme-db", lambda found: setattr(found.spec, "replicas", 3))
    (tried,) = operations.repair(TESTER, "default", "acme", dry_run=True)
    assert store.get(DEPLOYMENT, "default", "acme-db").object.spec.replicas == 3
    (done,) = operations.repair(TESTER, "default", "acme")
    assert (done.name, done.after["spec"]) == ("acme-db", tried.after["spec"])
    assert [(one.path, one.before, one.after) for one in done.fields] == [("spec.replicas", 3, 1)]
    assert store.get(DEPLOYMENT, "default", "acme-db").object.spec.replicas == 1
    assert operations.repair(TESTER, "default", "acme") == []


def test_an_exchanged_secret_is_another_one() -> None:
    operations.install(TESTER, app())
    before = store.get(SECRET, "default", "acme-secrets").object.data
    operations.rotate(TESTER, "default", "acme", "password")
    assert store.get(SECRET, "default", "acme-secrets").object.data != before
    assert store.get(APPLICATION, "default", "acme").object.spec.rotations == {"password": 1}


def test_who_comes_from_an_old_version_is_told_what_its_template_says() -> None:
    """And nobody else: not who installs, nor who comes from a version that this is not about."""
    plan = types.to_data(shop(**PLAIN))
    told = [{"from": "<2.0", "note": "Orders move."}, {"from": "<1.0", "note": "Long ago."}]
    template = {"metadata": {"name": "shop"}, "spec": {**plan, "version": "1.5", "upgrades": told}}
    create(APPLICATION_TEMPLATE, types.convert(ApplicationTemplate, template))
    acme = Application(metadata=types.ObjectMeta(name="acme", namespace="default"))
    acme.spec = ApplicationSpec(template=TemplateReference(name="shop"))
    assert operations.install(TESTER, acme).warnings == ()
    edit(APPLICATION_TEMPLATE, "shop", lambda found: setattr(found.spec, "version", "2.0"))

    def newest(found: Application) -> None:
        found.spec.template = TemplateReference(name="shop")

    assert operations.change(TESTER, "default", "acme", newest).warnings == ("Orders move.",)
    assert operations.change(TESTER, "default", "acme", newest).warnings == ()
