"""What ``manage.py app`` does: a function per verb, each telling its story to ``say``; returns an exit code."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from apps.catalog import bundled, checks, format, operations, parameters, pins, removal, standing
from apps.catalog import schema as published
from apps.catalog.changes import Change
from apps.catalog.kinds import APPLICATION, APPLICATION_REVISION, APPLICATION_TEMPLATE
from apps.catalog.types import Application, ApplicationRevision, ApplicationSpec, TemplateReference
from apps.cluster import documents, store, types
from apps.nodes import talk
from paas import application_logs
from paas.management.administrator import ADMINISTRATOR

Say = Callable[[str], object]
POLL_SECONDS = 0.3
OVER = {"Running": 0, "Failing": 1, standing.CANCELLED: 1}


class Mistake(Exception):
    """Something the person who typed must change, in words."""


def catalog(say: Say, **_: Any) -> int:
    rows = [
        (one.metadata.name, one.spec.version, bundled.stamp(one) or "-", one.spec.summary or one.spec.title)
        for one in (row.object for row in store.list(APPLICATION_TEMPLATE).rows)
    ]
    _table(say, ("NAME", "VERSION", "VERIFIED", "SUMMARY"), rows)
    return 0


def schema(say: Say, **_: Any) -> int:
    say(json.dumps(published.schema(), indent=2))
    return 0


def install(
    say: Say, *, template: str | None, name: str, namespace: str, version: str, **options: Any
) -> int:
    """Install a template, or an Application from a file."""
    app = _from_file(options["filename"]) if options["filename"] else Application(spec=ApplicationSpec())
    if template:
        app.spec.template = TemplateReference(name=template, version=version)
    elif not options["filename"]:
        raise Mistake("Name a template (`manage.py app catalog` lists them), or give a file with -f.")
    app.metadata.name = name or app.metadata.name or template or ""
    app.metadata.namespace = app.metadata.namespace or namespace
    app.spec.parameters = {**app.spec.parameters, **_typed(options["set"], _questions(app))}
    if options["why"]:
        app.metadata.annotations["kubernetes.io/change-cause"] = options["why"]
    chosen = {key: _secret(file) for key, file in _pairs(options["secret"], "--secret")}
    made = operations.install(ADMINISTRATOR, app, chosen, dry_run=options["dry_run"])
    say(f"application {app.metadata.name} {'would be' if options['dry_run'] else 'is'} installed as revision "
        f"{made.app.spec.revision}")  # fmt: skip
    return _after(say, made, **options)


def list(say: Say, *, namespace: str, **_: Any) -> int:  # noqa: A001  the verb is called so
    rows = [
        (
            one.metadata.namespace, one.metadata.name, one.status.phase or "Installing",
            APPLICATION.columns[2].cell(one, types.now()), one.spec.revision, one.status.url or "-",
        )
        for one in (row.object for row in store.list(APPLICATION).rows)
    ]  # fmt: skip
    _table(say, ("NAMESPACE", "NAME", "STATUS", "READY", "REVISION", "URL"), rows)
    return 0


def status(say: Say, *, namespace: str, name: str, **_: Any) -> int:
    app = _get(namespace, name)
    say(f"{name}: {app.status.phase or 'Installing'}. {app.status.message}")
    if app.status.url:
        say(f"opens at {app.status.url}")
    rows = [(one.name, one.state, f"{one.ready}/{one.desired}", one.message) for one in app.status.components]
    _table(say, ("COMPONENT", "STATE", "READY", ""), rows)
    for path in app.status.drift:
        say(f"changed beside the application: {path}")
    revisions = _revisions(app)
    _table(
        say, ("REVISION", "STATUS", "BY", "WHY"),
        [(one.spec.number, one.status.phase or "-", one.spec.by, one.spec.why or "-") for one in revisions],
    )  # fmt: skip
    return OVER.get(app.status.phase, 2)


def revision(say: Say, *, namespace: str, name: str, number: int | None, **_: Any) -> int:
    """Who made it, why, how it fared, and the very images that it ran."""
    app = _get(namespace, name)
    wanted = app.spec.revision if number is None else number
    found = next((one for one in _revisions(app) if one.spec.number == wanted), None)
    if found is None:
        raise Mistake(f"{name} has no revision {wanted}: `manage.py app status -n {namespace} {name}` lists them.")
    say(f"revision {wanted} of {name}: {found.status.phase or 'not begun'}. {found.status.message}".rstrip())
    say(f"by {found.spec.by}{f': {found.spec.why}' if found.spec.why else ''}")
    _table(say, ("COMPONENT", "RAN"), [*found.status.images.items()])
    for component in found.status.images.keys() - pins.known(found):
        say(f"{component}: no registry knows it by this name, so going back takes what the tag means then")
    return 0


def diff(say: Say, *, namespace: str, name: str, revisions: Sequence[int], **options: Any) -> int:
    """0 when nothing differs, 1 when something does, as ``diff`` has it."""
    app = _get(namespace, name)
    if options["set"]:
        typed = _typed(options["set"], _questions(app))
        made = operations.change(ADMINISTRATOR, namespace, name, _set(typed), dry_run=True)
        found: Iterable[Change] = made.changes
        for one in made.impact:
            say(one.words)
    else:
        numbers = [one.spec.number for one in _revisions(app)]
        old, new = (
            (*revisions, app.spec.revision)[:2] if revisions else numbers[-2:] if len(numbers) > 1 else (0, 0)
        )
        if not old:
            say(f"{name} has one revision only")
            return 0
        found = operations.differences(namespace, name, old, new)
    told = [*found]
    _tell(say, told)
    return 1 if told else 0


def update(
    say: Say, *, namespace: str, name: str, version: str, rotate: Sequence[str], **options: Any
) -> int:
    """Change parameters, take another version, exchange secrets."""
    app = _get(namespace, name)
    given = _from_file(options["filename"]) if options["filename"] else None
    typed = _typed(options["set"], _questions(given or app))
    if not (given or typed or version or rotate):
        raise Mistake("Nothing to change: give --set, --version, --rotate or -f.")

    def work(app: Application) -> None:
        if given is not None:
            app.spec.definition = given.spec.definition or app.spec.definition
            app.spec.template = given.spec.template or app.spec.template
            app.spec.parameters = given.spec.parameters
        if version and app.spec.template is not None:
            app.spec.template = TemplateReference(name=app.spec.template.name, version=version)
        _set(typed)(app)
        for one in rotate:
            app.spec.rotations = {**app.spec.rotations, one: app.spec.rotations.get(one, 0) + 1}

    made = operations.change(
        ADMINISTRATOR, namespace, name, work, why=options["why"], dry_run=options["dry_run"]
    )
    return _changed(say, name, made, **options)


def scale(say: Say, *, namespace: str, name: str, replicas: Sequence[str], **options: Any) -> int:
    """Other numbers of replicas, as a revision."""
    wanted = {component: _count(component, text) for component, text in _pairs(replicas, "COMPONENT=N")}
    made = operations.scale(ADMINISTRATOR, namespace, name, wanted, dry_run=options["dry_run"])
    return _changed(say, name, made, **options)


def _count(component: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise Mistake(f"{component}={text}: replicas are a whole number.")
    return int(text)


def rollback(say: Say, *, namespace: str, name: str, revision: int | None, **options: Any) -> int:
    """Back to a revision, as a new one."""
    app = _get(namespace, name)
    if revision is None:
        older = [one.spec.number for one in _revisions(app) if one.spec.number < app.spec.revision]
        if not older:
            raise Mistake(f"{name} has no revision to go back to.")
        revision = older[-1]
    made = operations.take_back(
        ADMINISTRATOR, namespace, name, revision, why=options["why"], dry_run=options["dry_run"]
    )
    say(f"{name} goes back to revision {revision}, as revision {made.app.spec.revision}")
    return _after(say, made, **options)


def cancel(say: Say, *, namespace: str, name: str, **options: Any) -> int:
    """Give up what is under way."""
    app = _get(namespace, name)
    number = app.spec.revision
    if not operations.under_way(app):
        words = "ready" if number == app.status.revision else "cancelled already"
        say(f"nothing is under way: revision {number} of {name} is {words}")
        return 0
    made = operations.cancel(
        ADMINISTRATOR, namespace, name, number, why=options["why"], dry_run=options["dry_run"]
    )
    if made.app.spec.revision == number:
        say(f"revision {number} of {name} {'would be' if options['dry_run'] else 'is'} cancelled; what was made of it "
            f"stays: `manage.py app delete -n {namespace} {name}` lists and removes it")  # fmt: skip
        return 0
    say(f"revision {number} of {name} {'would be' if options['dry_run'] else 'is'} cancelled: back to revision "
        f"{app.status.revision}, as revision {made.app.spec.revision}")  # fmt: skip
    return _after(say, made, **options)


def repair(say: Say, *, namespace: str, name: str, **_: Any) -> int:
    for one in operations.repair(ADMINISTRATOR, namespace, name):
        for field in one.fields:
            say(f"put back: {one.kind.name} {one.name}: {field.path}")
    return 0


def check(say: Say, *, namespace: str, name: str, reading: bool, timeout: float | None, **_: Any) -> int:
    """Ask each of its checks; 0 when all hold."""
    return asyncio.run(_checked(say, _get(namespace, name), reading=reading, patience=timeout))


async def _checked(say: Say, app: Application, *, reading: bool, patience: float | None) -> int:
    failed = 0
    async for one in checks.ask(app, talk, reading=reading, patience=patience):
        failed += bool(one.trouble)
        say(f"FAILED  {one.name}: {one.trouble}" if one.trouble else f"ok      {one.name} ({one.seconds:.1f} s)")
    return 1 if failed else 0


def delete(say: Say, *, namespace: str, name: str, volumes: bool, yes: bool, wait: bool, **_: Any) -> int:
    """Says exactly what goes and what stays, asks, and deletes."""
    app = _get(namespace, name)
    told = removal.of(app, volumes=volumes)
    for line in told.goes:
        say(f"goes:  {line}")
    for line in told.stays:
        say(f"stays: {line}")
    if not yes and input(f"Type {name} to delete it: ") != name:
        raise Mistake("Nothing was deleted.")
    removal.carry_out(ADMINISTRATOR, namespace, name, volumes=volumes)
    while wait and (store.find(APPLICATION, namespace, name) is not None or removal.remains(app.metadata.uid)):
        time.sleep(POLL_SECONDS)
    say(f"application {name} is deleted")
    return 0


def logs(say: Say, *, namespace: str, name: str, component: str, follow: bool, tail: int, **_: Any) -> int:
    """Every container's lines by time, each after its pod's name, also those of pods that are gone."""
    _get(namespace, name)
    asyncio.run(application_logs.tell(say, namespace, name, component, tail, following=follow))
    return 0


# Shared


def _get(namespace: str, name: str) -> Application:
    found: Application = store.get(APPLICATION, namespace, name).object
    return found


def _revisions(app: Application) -> Sequence[ApplicationRevision]:
    found = [row.object for row in store.list(APPLICATION_REVISION, namespace=app.metadata.namespace).rows]
    mine = [one for one in found if one.spec.application == app.metadata.name]
    return sorted(mine, key=lambda one: one.spec.number)


def _from_file(path: Path) -> Application:
    try:
        text = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise Mistake(f"-f {path}: cannot be read: {error.strerror}") from None
    try:
        (document,) = documents.read(text)
    except ValueError as error:
        raise Mistake(f"{path}: must hold one Application: {error}") from None
    if found := types.problems(Application, document):
        lines = [f"{path}{documents.place(text, one.path)}: {one.path}: {one.message}" for one in found]
        raise Mistake("\n".join(lines))
    return types.convert(Application, document)


def _questions(app: Application) -> Mapping[str, format.Parameter]:
    """The parameters that an application is asked."""
    if app.spec.definition is not None:
        return app.spec.definition.parameters
    template = app.spec.template and store.find(APPLICATION_TEMPLATE, "", app.spec.template.name)
    return template.object.spec.parameters if template else {}


def _pairs(given: Iterable[str], option: str) -> Iterable[tuple[str, str]]:
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise Mistake(f"{option} {text}: must be of the form NAME=VALUE")
        yield name, value


def _typed(given: Iterable[str], questions: Mapping[str, format.Parameter]) -> dict[str, Any]:
    """The values as their parameters' types have them; what does not fit is left for the rules to refuse."""
    return {
        name: parameters.read(questions[name], value) if name in questions else value
        for name, value in _pairs(given, "--set")
    }


def _set(values: Mapping[str, Any]) -> Callable[[Application], None]:
    def work(app: Application) -> None:
        app.spec.parameters = {**app.spec.parameters, **values}

    return work


def _secret(file: str) -> str:
    try:
        return (sys.stdin.read() if file == "-" else Path(file).read_text()).rstrip("\n")
    except OSError as error:
        raise Mistake(f"--secret {file}: cannot be read: {error.strerror}") from None


def _changed(say: Say, name: str, made: operations.Preview, **options: Any) -> int:
    if not made.changes:
        say(f"{name} is as asked already (revision {made.app.spec.revision})")
        return 0
    say(f"revision {made.app.spec.revision} of {name}{' would follow' if options['dry_run'] else ''}")
    return _after(say, made, **options)


def _after(say: Say, made: operations.Preview, *, dry_run: bool, wait: bool, timeout: float, **_: Any) -> int:
    if dry_run:
        _tell(say, made.changes)
    for note in made.warnings:
        say(f"note: {note}")
    for one in made.impact:
        say(one.words)
    return _awaited(say, made.app, timeout) if wait and not dry_run else 0


def _awaited(say: Say, app: Application, timeout: float) -> int:
    """Tell each news until the application is ready (0) or has failed (1)."""
    told, deadline = "", time.monotonic() + timeout
    while time.monotonic() < deadline:
        now = _get(app.metadata.namespace, app.metadata.name)
        if now.status.observed_generation >= app.metadata.generation and now.status.message != told:
            told = now.status.message
            say(told)
        if now.status.phase == standing.CANCELLED and now.spec.revision == app.spec.revision:
            return 1
        if now.spec.revision != app.spec.revision:
            say(f"revision {app.spec.revision} was taken back: now at {now.spec.revision}")
            return 1
        if now.status.revision == app.spec.revision and now.status.phase == "Running":
            if now.status.url:
                say(f"opens at {now.status.url}")
            return 0
        time.sleep(POLL_SECONDS)
    say(f"not ready after {timeout:.0f} s; it goes on by itself")
    return 1


def _tell(say: Say, changes: Iterable[Change]) -> None:
    for change in changes:
        say(f"{change.verb} {change.kind} {change.name}")
        for field in change.fields:
            say(f"  {field.path}: {_shown(field.before)} -> {_shown(field.after)}")
        for line in change.lines:
            say(f"  {line}")


def _shown(value: Any) -> str:
    text = "(nothing)" if value is None else types.encode(value).decode()
    return text if len(text) <= 120 else f"{text[:120]}..."


def _table(say: Say, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    lines = [tuple(map(str, row)) for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        say("   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
