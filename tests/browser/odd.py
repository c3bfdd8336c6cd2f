"""Sample objects that try a page: names without end, labels of other scripts, large values, what has gone, no room."""

from __future__ import annotations

from apps.accounts import policy
from apps.catalog import drift, operations, rollout
from apps.catalog.kinds import APPLICATION_REVISION
from apps.catalog.types import Application, ApplicationSpec
from apps.cluster import store, types
from apps.cluster.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    NAMESPACE,
    NODE,
    POD,
    REPLICATION_CONTROLLER,
    ROLE_BINDING,
)
from apps.cluster.transaction import Transaction
from tests.browser import sample, sample_apps
from tests.browser.sample import WRITER
from tests.browser.server import LONG
from tests.catalog.plans import shop

IMAGE = f"registry.example.internal:5000/department/of/{LONG}/{LONG}:2026.11.28-build.4711"


def remove(name: str, namespace: str = "default") -> None:
    """A pod, at once."""
    now = types.DeleteOptions(grace_period_seconds=0, propagation_policy="Background")
    store.write(WRITER, lambda tx: tx.delete(POD, namespace, name, now))


def replace(name: str, heir: str) -> None:
    """A pod goes and its controller makes another."""
    remove(name)
    sample.owned(store.get(REPLICATION_CONTROLLER, "default", "frontend").object, heir)


def long_names() -> None:
    """As long as names can be, everywhere."""
    sample.make(NAMESPACE, types.Namespace(metadata=types.ObjectMeta(name=LONG)))
    labels = {"app": LONG, f"example.com/{LONG}": LONG}
    wanted = sample.controller(LONG, LONG, labels, 1, IMAGE, 8080)
    pod = sample.owned(wanted, f"{LONG}-5tq9v")
    sample.waiting(
        pod, "ImagePullBackOff", f'Back-off pulling image "{IMAGE}": 404 Not Found, manifest unknown'
    )
    sample.said(pod, "Failed", f'Failed to pull image "{IMAGE}": not found', "agent", "Warning")
    plan = shop(components__db__volumes=None, components__web__image=IMAGE)
    name = LONG[:30]
    operations.install(
        WRITER,
        Application(
            metadata=types.ObjectMeta(name=name, namespace=LONG), spec=ApplicationSpec(definition=plan)
        ),
    )
    told = f"1 of 2 components are ready; web: The image {IMAGE} of container web cannot be had."
    parts = (("db", 1, 1, "Ready", "1 of 1 ready"), ("web", 1, 2, "Failing", told))
    drift = [f"Deployment {name}-web: spec.template.spec.containers[web].image"]
    sample_apps.stand(name, LONG, "Failing", told, *parts, drift=drift)


def scripts() -> None:
    """Texts that are read from right to left, and pictures among the letters."""
    meta = types.ObjectMeta(
        name="words", namespace="shop", annotations={"note": "שלום עולם, مرحبا بالعالم", "mood": "🐑🚜"}
    )
    data = {
        "hebrew": "שלום עולם",
        "arabic": "مرحبا بالعالم 123",
        "sheep": "🐑 " * 40,
        "mixed": "port 80 של האתר",
    }
    sample.make(CONFIG_MAP, types.ConfigMap(metadata=meta, data=data))
    plan = shop(
        components__db__volumes=None,
        parameters__title={"type": "string", "label": "כותרת העמוד 🐑", "default": "שלום"},
    )
    name = "sheep"
    operations.install(
        WRITER,
        Application(
            metadata=types.ObjectMeta(name=name, namespace="shop"), spec=ApplicationSpec(definition=plan)
        ),
    )


def large() -> None:
    """A config map as large as they can be."""
    text = "".join(f"line {number} of a file that somebody generated\n" for number in range(19_000))
    meta = types.ObjectMeta(name="large", namespace="shop")
    sample.make(CONFIG_MAP, types.ConfigMap(metadata=meta, data={"all.csv": text, "mode": "quiet"}))


def no_room() -> None:
    """Nodes that have next to nothing left."""
    for row in store.list(NODE).rows:
        sample.edit(NODE, row.object, _full)


def _full(node: types.Node) -> None:
    node.status.allocatable = {**node.status.allocatable, "memory": "64Mi", "cpu": "50m"}


def bo_views() -> None:
    """Bo may look at shop, and change nothing."""
    binding = types.RoleBinding(
        metadata=types.ObjectMeta(name="bo-views", namespace="shop"),
        role_ref=types.RoleRef(api_group="rbac.authorization.k8s.io", kind="ClusterRole", name="view"),
        subjects=[types.Subject(kind="User", name="bo", api_group="rbac.authorization.k8s.io")],
    )
    sample.make(ROLE_BINDING, binding)
    policy.forget()


def drifted() -> None:
    """The deployments of the shop are there, and somebody changed one of them."""
    revision = store.get(APPLICATION_REVISION, "default", "shop-1").object
    for manifest in rollout.parts(revision.spec.objects).values():
        sample.make(DEPLOYMENT, drift.wanted(DEPLOYMENT, manifest))

    def meddle(tx: Transaction) -> None:
        found = tx.get(DEPLOYMENT, "default", "shop-db")
        found.spec.replicas, found.spec.template.spec.containers[0].image = 3, "redis:other"
        tx.update(DEPLOYMENT, found)

    store.write(WRITER, meddle)
