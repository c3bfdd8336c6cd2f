"""Applications in a real store: from a template to running pods, changed, failed, taken back, removed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from apps.catalog.kinds import APPLICATION, APPLICATION_REVISION, APPLICATION_TEMPLATE
from apps.catalog.render.metadata import INSTANCE
from apps.catalog.types import (
    Application,
    ApplicationSpec,
    ApplicationTemplate,
    TemplateReference,
)
from apps.cluster import log, store, types
from apps.cluster.errors import Invalid
from apps.cluster.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    ENDPOINTS,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    SECRET,
    SERVICE,
    STORAGE_CLASS,
)
from apps.controllers.applications import MADE, Applications, kind_of
from tests.catalog.plans import shop
from tests.controllers.shop import PLAIN, app, change, get, install, revision, states
from tests.harness import add_nodes, create, delete, edit, follower, objects, roll, settle

pytestmark = pytest.mark.usefixtures("ruled")
def test_what_waits_is_made_once_the_other_is_ready() -> None:
    add_nodes("node-1")
    install()
    settle()
    assert {one.metadata.name for one in objects(DEPLOYMENT)} == {"acme-db"}
    assert {one.metadata.name for one in objects(SERVICE)} == {"acme-db", "acme-web", "acme-web-public"}
    assert states() == {"db": "Starting", "web": "Waiting"}
    assert app().status.phase == "Installing"
    roll()
    assert {one.metadata.name for one in objects(DEPLOYMENT)} == {"acme-db", "acme-web"}


@pytest.mark.usefixtures("running")
def test_it_runs_and_says_so_in_one_sentence() -> None:
    status = app().status
    assert (status.phase, status.message, status.revision) == ("Running", "All 2 components are ready.", 1)
    assert [(one.name, one.ready, one.desired) for one in status.components] == [("db", 1, 1), ("web", 2, 2)]
    assert {one.type: one.status for one in status.conditions}["Ready"] == "True"
    assert revision(1).status.phase == "Ready"


@pytest.mark.usefixtures("running")
def test_secrets_are_rolled_once_and_put_where_they_belong() -> None:
    kept = get(SECRET, "acme-secrets").data
    mixed = [secret for secret in objects(SECRET) if secret.metadata.name != "acme-secrets"]
    assert len(kept["password"]) > 20
    assert len(mixed) == 2
    change(lambda spec: spec.parameters.update(title="Another"))
    roll()
    assert get(SECRET, "acme-secrets").data == kept


@pytest.mark.usefixtures("running")
def test_an_exchanged_secret_is_new_everywhere() -> None:
    before = get(SECRET, "acme-secrets").data["password"]
    change(lambda spec: spec.rotations.update(password=1))
    roll()
    assert get(SECRET, "acme-secrets").data["password"] != before
    assert app().status.phase == "Running"
    assert app().status.revision == 2


@pytest.mark.usefixtures("running")
def test_a_change_is_a_revision_and_what_nobody_wants_goes() -> None:
    old = {one.metadata.name for one in objects(CONFIG_MAP) if one.metadata.owner_references}
    change(lambda spec: spec.parameters.update(title="Another", copies=3))
    roll()
    assert (app().spec.revision, app().status.revision) == (2, 2)
    assert get(DEPLOYMENT, "acme-web").spec.replicas == 3
    assert not old & {one.metadata.name for one in objects(CONFIG_MAP)}


@pytest.mark.usefixtures("running")
def test_what_changes_nothing_makes_no_revision() -> None:
    edit(APPLICATION, "acme", lambda found: found.metadata.annotations.update(note="x"))
    assert app().spec.revision == 1


@pytest.mark.usefixtures("running")
def test_a_removed_component_goes() -> None:
    change(lambda spec: setattr(spec, "definition", shop(
        **PLAIN, components__web=None, endpoints=None, checks=None, notes=None,
    )))  # fmt: skip
    roll()
    assert {one.metadata.name for one in objects(DEPLOYMENT)} == {"acme-db"}
    assert {one.metadata.name for one in objects(SERVICE)} == {"acme-db"}


@pytest.mark.usefixtures("running")
def test_taking_back_is_a_revision_of_its_own() -> None:
    change(lambda spec: spec.parameters.update(copies=3))
    roll()
    change(lambda spec: setattr(spec, "rollback_to", 1))
    roll()
    assert (app().spec.revision, app().spec.rollback_to, app().status.revision) == (3, None, 3)
    assert revision(3).spec.why == "back to revision 1"
    assert get(DEPLOYMENT, "acme-web").spec.replicas == 2


@pytest.mark.usefixtures("running")
def test_a_revision_that_does_not_become_ready_is_taken_back_and_says_so() -> None:
    change(lambda spec: setattr(spec, "definition", shop(**PLAIN, components__web__image="shop:broken")))
    roll(lambda pod: "broken" not in pod.spec.containers[0].image)
    assert app().status.phase == "Updating"
    later = follower(present=lambda: datetime.now(UTC) + timedelta(minutes=10))
    later.follow()
    roll()
    assert revision(2).status.phase == "Failed"
    assert (app().spec.revision, app().status.phase) == (3, "Running"), app().status
    assert "revision 2 has failed" in revision(3).spec.why
    assert get(DEPLOYMENT, "acme-web").spec.template.spec.containers[0].image == "shop:1.2"


@pytest.mark.usefixtures("running")
def test_what_somebody_changed_is_shown_and_left() -> None:
    edit(DEPLOYMENT, "acme-web", lambda deployment: setattr(deployment.spec, "replicas", 5))
    roll()
    assert app().status.drift == ["Deployment acme-web: spec.replicas"]
    assert get(DEPLOYMENT, "acme-web").spec.replicas == 5


@pytest.mark.usefixtures("running")
def test_what_somebody_deleted_comes_back() -> None:
    delete(SERVICE, "acme-db")
    roll()
    assert get(SERVICE, "acme-db") is not None


@pytest.mark.usefixtures("running")
def test_a_deleted_application_takes_all_along() -> None:
    delete(APPLICATION, "acme", propagation_policy="Background")
    roll()
    kinds = (APPLICATION, APPLICATION_REVISION, DEPLOYMENT, POD, SECRET)
    assert [objects(kind) for kind in kinds] == [[] for _ in kinds]


def test_a_template_is_copied_with_its_version() -> None:
    plan = types.to_data(shop(**PLAIN))
    template = types.convert(
        ApplicationTemplate, {"metadata": {"name": "shop"}, "spec": {**plan, "version": "1.2.0"}}
    )
    create(APPLICATION_TEMPLATE, template)
    spec = ApplicationSpec(template=TemplateReference(name="shop"), parameters={"copies": 1})
    create(APPLICATION, Application(metadata=types.ObjectMeta(name="acme", namespace="default"), spec=spec))
    assert app().spec.template == TemplateReference(name="shop", version="1.2.0")
    assert app().spec.definition == shop(**PLAIN)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (ApplicationSpec(), "spec.template: Required value"),
        (ApplicationSpec(template=TemplateReference(name="shpo")), "spec.template.name: Not found: no template shpo"),
        (ApplicationSpec(definition=shop(**PLAIN), parameters={"copies": 9}), "spec.parameters[copies]: Invalid"),
        (ApplicationSpec(definition=shop(components__web__image="x")), "spec.definition.components[web].image"),
        (ApplicationSpec(definition=shop(**PLAIN, requires={"platform": ">=99"})), "requires.platform: Invalid value"),
        (ApplicationSpec(definition=shop(**PLAIN), rollback_to=7), "spec.rollbackTo: Invalid value: 7"),
    ],
)  # fmt: skip
def test_nothing_is_there_when_anything_is_wrong(spec: ApplicationSpec, words: str) -> None:
    before = store.clock()
    with pytest.raises(Invalid) as refused:
        create(
            APPLICATION, Application(metadata=types.ObjectMeta(name="acme", namespace="default"), spec=spec)
        )
    assert words in refused.value.message
    assert store.clock() == before


def test_another_ones_object_is_not_taken_unless_asked_for() -> None:
    create(SERVICE, name="acme-db")
    with pytest.raises(Invalid, match="Service acme-db: is there already and is not this application's"):
        install()
    spec = ApplicationSpec(definition=shop(**PLAIN), adopt=True)
    create(APPLICATION, Application(metadata=types.ObjectMeta(name="acme", namespace="default"), spec=spec))
    settle()
    assert get(SERVICE, "acme-db").metadata.owner_references[0].kind == "Application"


@pytest.mark.usefixtures("running")
def test_a_revision_that_somebody_else_wrote_is_not_carried_out() -> None:
    """Whoever may write revisions must not act with the controller's rights."""
    forged = revision(1)
    (web,) = [
        one
        for one in forged.spec.objects
        if one["metadata"]["name"] == "acme-web" and one["kind"] == "Deployment"
    ]
    web["spec"]["replicas"] = 7
    delete(APPLICATION_REVISION, "acme-1")
    forged.metadata = types.ObjectMeta(
        name="acme-1", namespace="default", owner_references=forged.metadata.owner_references
    )
    create(APPLICATION_REVISION, forged)
    roll()
    assert get(DEPLOYMENT, "acme-web").spec.replicas == 2


def test_a_claim_that_was_kept_is_used_again_as_it_is() -> None:
    """Deleted with its data left, installed anew: the claim has its volume by now, and the password still fits."""
    add_nodes("node-1")
    create(STORAGE_CLASS, name="local", annotations={"storageclass.kubernetes.io/is-default-class": "true"})
    spec = ApplicationSpec(definition=shop())
    create(APPLICATION, Application(metadata=types.ObjectMeta(name="acme", namespace="default"), spec=spec))
    roll()
    kept = get(SECRET, "acme-secrets").data
    claim = get(PERSISTENT_VOLUME_CLAIM, "acme-db-data")
    assert claim.spec.volume_name
    delete(APPLICATION, "acme", propagation_policy="Background")
    roll()
    create(APPLICATION, Application(metadata=types.ObjectMeta(name="acme", namespace="default"), spec=spec))
    roll()
    assert get(SECRET, "acme-secrets").data == kept
    assert get(PERSISTENT_VOLUME_CLAIM, "acme-db-data").metadata.uid == claim.metadata.uid
    assert app().status.phase == "Running", app().status


def test_every_kind_that_is_rendered_is_watched() -> None:
    """What the controller does not hear of it would repair only at the resync."""
    add_nodes("node-1")
    everything = shop(
        components__web__replicas=None, components__web__autoscale={"min": 1, "max": 2},
        components__seed={"image": "shop:1.2", "kind": "job"},
        endpoints__door={"component": "web", "port": "http", "via": "ingress", "host": "shop.example.com"},
    )  # fmt: skip
    spec = ApplicationSpec(definition=everything, parameters={"reach": "nodePort"})
    create(APPLICATION, Application(metadata=types.ObjectMeta(name="acme", namespace="default"), spec=spec))
    rendered = {kind_of(manifest).key for manifest in revision(1).spec.objects} | {SECRET.key}
    assert rendered == {kind.key for kind in MADE}


@pytest.mark.usefixtures("running")
def test_what_concerns_no_application_is_not_looked_at() -> None:
    worker = follower([Applications()])
    before = store.clock()
    edit(ENDPOINTS, "acme-web", lambda found: found.metadata.annotations.update(note="x"))
    create(CONFIG_MAP, name="another")
    create(POD, name="alone")
    assert worker.tasks(log.after(before, 100)) == []
    edit(CONFIG_MAP, "another", lambda found: found.metadata.labels.update({INSTANCE: "acme"}))
    assert worker.tasks(log.after(before, 100)) == [(0, "default/acme")]
