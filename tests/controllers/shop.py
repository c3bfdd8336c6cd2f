"""One application to try controllers with: installed, changed, looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apps.catalog.kinds import APPLICATION, APPLICATION_REVISION
from apps.catalog.types import Application, ApplicationRevision, ApplicationSpec
from apps.cluster import store, types
from apps.cluster.registry import Kind
from tests.catalog.plans import shop
from tests.harness import create, edit

PLAIN: dict[str, Any] = {"components__db__volumes": None}


def get(kind: Kind, name: str) -> Any:
    return store.get(kind, "default", name).object


def install(**changes: Any) -> None:
    spec = ApplicationSpec(definition=shop(**PLAIN, **changes))
    create(APPLICATION, Application(metadata=types.ObjectMeta(name="acme", namespace="default"), spec=spec))


def change(work: Callable[[ApplicationSpec], None]) -> None:
    edit(APPLICATION, "acme", lambda app: work(app.spec))


def app() -> Application:
    found: Application = get(APPLICATION, "acme")
    return found


def revision(number: int) -> ApplicationRevision:
    found: ApplicationRevision = get(APPLICATION_REVISION, f"acme-{number}")
    return found


def states() -> dict[str, str]:
    return {component.name: component.state for component in app().status.components}
