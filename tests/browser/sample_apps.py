"""Sample applications: one that runs, one that comes to be, one that fails and was taken back before."""

from __future__ import annotations

from django.contrib.auth.models import User

from apps.catalog import bundled, operations, reach
from apps.catalog.kinds import APPLICATION, APPLICATION_REVISION
from apps.catalog.render.metadata import COMPONENT, INSTANCE
from apps.catalog.types import (
    Application,
    ApplicationRevision,
    ApplicationSpec,
    ComponentStatus,
    TemplateReference,
)
from apps.cluster import store, types
from apps.cluster.actors import Actor
from apps.cluster.kinds import NODE, POD, SERVICE
from apps.dashboard.compose import keeping
from tests.browser.sample import WRITER, edit, make, run
from tests.catalog.plans import shop

PULL = "The image shop:2.0 of container web cannot be had."


def catalog() -> None:
    """The bundled templates."""
    bundled.bring_in(WRITER)


def applications() -> None:
    """Three of them, in different states."""
    catalog()
    spec = ApplicationSpec(template=TemplateReference(name="guestbook"), parameters={"readers": 3})
    install("book", "default", spec)
    operations.change(
        WRITER, "default", "book", lambda app: app.spec.parameters.update(frontends=4), why="a busy week"
    )
    stand("book", "default", "Running", "All 3 components are ready.", ("redis-leader", 1, 1, "Ready", "1 of 1 ready"),
          ("redis-follower", 3, 3, "Ready", "3 of 3 ready"), ("frontend", 4, 4, "Ready", "4 of 4 ready"))  # fmt: skip
    install("fresh", "default", ApplicationSpec(definition=shop(components__db__volumes=None)))
    stand("fresh", "default", "Installing", "0 of 2 components are ready; db: 0 of 1 ready.",
          ("db", 0, 1, "Starting", "0 of 1 ready"), ("web", 0, 2, "Waiting", "waits until db is ready"))  # fmt: skip
    plan = shop(
        components__db__volumes=None, parameters__password={"type": "secret", "generate": {"kind": "hex"}}
    )
    install("shop", "default", ApplicationSpec(definition=plan))
    told = f"1 of 2 components are ready; web: {PULL}"
    stand("shop", "default", "Failing", told, ("db", 1, 1, "Ready", "1 of 1 ready"),
          ("web", 1, 2, "Failing", PULL), drift=["Deployment shop-db: spec.replicas"])  # fmt: skip


def app_pods() -> None:
    """Pods of the application that runs: more than a browser opens connections to one server."""
    for number, end in enumerate(("7d9fk", "x2mqp", "c4v8n", "p6w2z", "h9j5t", "k3s7r", "m8d4b")):
        app_pod(end, number)


def app_pod(end: str, number: int) -> None:
    """One of them."""
    labels = {INSTANCE: "book", COMPONENT: "frontend"}
    meta = types.ObjectMeta(name=f"book-frontend-{end}", namespace="default", labels=labels)
    container = types.Container(name="frontend", image="gb-frontend:v5")
    make(POD, types.Pod(metadata=meta, spec=types.PodSpec(containers=[container])))
    run(meta.name, f"drover-{number % 2 + 1}", 40 + number)


def install(name: str, namespace: str, spec: ApplicationSpec) -> None:
    meta = types.ObjectMeta(name=name, namespace=namespace)
    operations.install(WRITER, Application(metadata=meta, spec=spec))


def stand(
    name: str,
    namespace: str,
    phase: str,
    message: str,
    *parts: tuple[str, int, int, str, str],
    drift: list[str] | None = None,
) -> None:
    """What the controller would say of it."""
    app: Application = store.get(APPLICATION, namespace, name).object
    revision: ApplicationRevision = store.get(
        APPLICATION_REVISION, namespace, f"{name}-{app.spec.revision}"
    ).object
    address = reach.address_of([row.object for row in store.list(NODE).rows])
    services = [
        types.convert(types.Service, one) for one in revision.spec.objects if one["kind"] == "Service"
    ]
    live = {(SERVICE.key, one.metadata.name): make(SERVICE, one) for one in services}

    def report(found: Application) -> None:
        status = found.status
        status.phase, status.message, status.drift = phase, message, drift or []
        status.revision = 0 if phase == "Installing" else found.spec.revision
        status.components = [
            ComponentStatus(
                name=part, kind="Deployment", ready=ready, desired=desired, updated=desired, state=state, message=said,
            )
            for part, ready, desired, state, said in parts
        ]  # fmt: skip
        status.endpoints = reach.endpoints(found, revision.spec, live, address)
        status.url = next((one.url for one in status.endpoints if one.url), "")

    edit(APPLICATION, app, report)
    for number in range(1, app.spec.revision + 1):
        old: ApplicationRevision = store.get(APPLICATION_REVISION, namespace, f"{name}-{number}").object
        word = "Ready" if number == app.spec.revision else "Superseded"
        edit(APPLICATION_REVISION, old, lambda found, word=word: setattr(found.status, "phase", word))  # type: ignore[misc]


def somebody_changes(name: str, component: str, image: str) -> None:
    """Bo gives a component another image."""

    def work(app: Application) -> None:
        assert app.spec.definition is not None
        app.spec.definition.components[component].image = image

    operations.change(Actor("bo", frozenset({"system:masters"})), "default", name, work)


def drafts() -> None:
    """What the administrator has begun: one draft with a mistake, one that can be applied, one behind its time."""
    admin = User.objects.get(username="admin")

    def begin(name: str, old: str, new: str) -> None:
        app: Application = store.get(APPLICATION, "default", name).object
        kept = keeping.fresh(admin, "default", name, app)
        assert old in kept.text
        kept.text = kept.text.replace(old, new, 1)
        keeping.keep(kept, 0, types.now())

    begin("shop", "image: shop:1.2", "image: shop\n    replicsa: 3")
    begin("fresh", "image: shop:1.2", "image: shop:1.3")
