"""The catalog that comes with Drover: templates in files, brought into the store when the platform starts."""

from __future__ import annotations

from pathlib import Path

from packaging.version import Version

from apps.catalog.kinds import APPLICATION_TEMPLATE
from apps.catalog.types import ApplicationTemplate
from apps.cluster import documents, store, types
from apps.cluster.actors import Actor
from apps.cluster.transaction import Transaction

BUNDLE = Path(__file__).parent / "bundle"
LABELS = {"drover.dev/source": "bundled"}
VERIFIED = "drover.dev/verified"
"""The annotation by which a template's file says what was tried with it; the only place where that stands."""
STAMPS = {"wiring": "wiring verified", "published": "published image verified"}
"""``wiring``: installed, checked, restarted and checked again on three nodes, with the same software in other images.
``published``: with the very images that it names."""


def templates() -> list[ApplicationTemplate]:
    """Every bundled template, by name."""
    return [
        types.convert(ApplicationTemplate, document)
        for path in sorted(BUNDLE.glob("*.yaml"))
        for document in documents.read(path.read_bytes())
    ]


def stamp(template: ApplicationTemplate) -> str:
    """What a catalog says of how a template was tried; "" when it was not, or is somebody else's."""
    ours = LABELS.items() <= template.metadata.labels.items()
    return STAMPS.get(template.metadata.annotations.get(VERIFIED, ""), "") if ours else ""


def bring_in(actor: Actor) -> None:
    """Add what is missing and what is newer. A template of the same name that somebody else put there is left alone."""

    def work(tx: Transaction) -> None:
        for template in templates():
            there: ApplicationTemplate | None = tx.find(APPLICATION_TEMPLATE, "", template.metadata.name)
            template.metadata.labels = {**template.metadata.labels, **LABELS}
            if there is None:
                tx.create(APPLICATION_TEMPLATE, template)
            elif LABELS.items() <= there.metadata.labels.items() and _newer(template, there):
                tx.update(APPLICATION_TEMPLATE, template)

    store.write(actor, work)


def _newer(template: ApplicationTemplate, there: ApplicationTemplate) -> bool:
    return Version(template.spec.version) > Version(there.spec.version)
