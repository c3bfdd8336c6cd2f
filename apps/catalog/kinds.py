"""The kinds of drover.dev/v1, declared once: rules, admission, columns."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from apps.catalog import checking, types, versions
from apps.catalog.admission import decide
from apps.cluster import names
from apps.cluster.kinds import ages, meta, refusals
from apps.cluster.registry import Column, Kind, register
from apps.cluster.types import Problem

GROUP = "drover.dev"
APP_NAME_LIMIT = 30
"""With a component's name of the same length it must fit into one DNS label."""


def _template_problems(template: types.ApplicationTemplate) -> Iterator[Problem]:
    spec = template.spec
    yield from checking.problems(spec)
    if not spec.version:
        yield refusals.required("spec.version", "the template's own version, such as 1.0.0")
    elif versions.read(spec.version) is None:
        yield refusals.invalid("spec.version", spec.version, "must be a version such as 1.0.0")
    yield from refusals.plain("spec.title", spec.title)
    yield from refusals.plain("spec.summary", spec.summary)
    for index, upgrade in enumerate(spec.upgrades):
        if not versions.are_some(upgrade.from_):
            yield refusals.invalid(f"spec.upgrades[{index}].from", upgrade.from_, versions.RULE)
    for name in ("docs", "source", "website"):
        link: str = getattr(spec.links, name)
        if link and not link.startswith("https://"):
            yield refusals.invalid(f"spec.links.{name}", link, "must begin with https://")


def _template_update_problems(
    old: types.ApplicationTemplate, new: types.ApplicationTemplate
) -> Iterator[Problem]:
    """What a version says never changes: applications name it."""
    before, after = versions.read(old.spec.version), versions.read(new.spec.version)
    if old.spec != new.spec and before is not None and after is not None and after <= before:
        yield refusals.invalid(
            "spec.version", new.spec.version, f"must be more than {before} when anything changes"
        )


def _application_problems(app: types.Application) -> Iterator[Problem]:
    spec = app.spec
    if len(app.metadata.name) > APP_NAME_LIMIT:
        yield refusals.too_long("metadata.name", APP_NAME_LIMIT, "characters")
    if spec.template is None and spec.definition is None and spec.rollback_to is None:
        yield refusals.required("spec.template", "name a template of the catalog, or give a definition")
    if spec.definition is not None:
        yield from checking.problems(spec.definition, "spec.definition")
    yield from refusals.between("spec.historyLimit", spec.history_limit, 2, 1000)
    yield from refusals.between("spec.progressDeadlineSeconds", spec.progress_deadline_seconds, 10, 86400)


def _revision_update_problems(
    old: types.ApplicationRevision, new: types.ApplicationRevision
) -> Iterator[Problem]:
    if old.spec != new.spec:
        yield refusals.forbidden(
            "spec", "a revision never changes: change the application, which makes a new one"
        )


def _ready(app: types.Application, now: datetime) -> str:
    components = app.status.components
    return f"{sum(one.ready >= one.desired for one in components)}/{len(components)}"


def _template_of(app: types.Application, now: datetime) -> str:
    template = app.spec.template
    return f"{template.name} {template.version}".strip() if template else "<none>"


APPLICATION_TEMPLATE = register(
    Kind(
        group=GROUP,
        name="ApplicationTemplate",
        plural="applicationtemplates",
        short=("template", "templates"),
        namespaced=False,
        schema=types.ApplicationTemplate,
        validate=meta.checked(names.dns_1035_problem, _template_problems, namespaced=False),
        validate_update=meta.checked_update(_template_update_problems),
        columns=(
            ages.NAME,
            Column("Version", lambda template, now: template.spec.version, description="The template's own."),
            Column("Title", lambda template, now: template.spec.title, description="What it is called."),
            Column(
                "Components", lambda template, now: ",".join(template.spec.components), wide=True,
                description="What it is made of.",
            ),
            ages.AGE,
        ),
    )
)  # fmt: skip

APPLICATION = register(
    Kind(
        group=GROUP,
        name="Application",
        plural="applications",
        short=("app", "apps"),
        categories=("all",),
        schema=types.Application,
        subresources=frozenset({"status"}),
        validate=meta.checked(names.dns_1035_problem, _application_problems),
        validate_update=meta.checked_update(),
        admit=(decide,),
        columns=(
            ages.NAME,
            Column("Status", lambda app, now: app.status.phase, description="How it stands, in a word."),
            Column("Ready", _ready, description="Components that have all their replicas."),
            Column("Revision", lambda app, now: app.spec.revision, "integer", description="What is to run."),
            Column("Template", _template_of, description="Where it comes from."),
            Column("URL", lambda app, now: app.status.url, description="Where it opens."),
            ages.AGE,
            Column("Message", lambda app, now: app.status.message, wide=True, description="How it stands."),
        ),
    )
)

APPLICATION_REVISION = register(
    Kind(
        group=GROUP,
        name="ApplicationRevision",
        plural="applicationrevisions",
        short=("apprev",),
        schema=types.ApplicationRevision,
        subresources=frozenset({"status"}),
        validate=meta.checked(names.dns_subdomain_problem),
        validate_update=meta.checked_update(_revision_update_problems),
        columns=(
            ages.NAME,
            Column(
                "Application", lambda revision, now: revision.spec.application, description="Whose it is."
            ),
            Column(
                "Revision", lambda revision, now: revision.spec.number, "integer", description="Its number."
            ),
            Column("Status", lambda revision, now: revision.status.phase, description="How it fared."),
            Column("By", lambda revision, now: revision.spec.by, description="Who made it."),
            Column("Why", lambda revision, now: revision.spec.why, description="What for."),
            ages.AGE,
        ),
    )
)
