"""One person's desk: the application as it is, their draft of it, and who else works on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, cast

from django.contrib.auth.models import User
from django.http import HttpRequest

from apps.catalog import changes, operations, pins
from apps.catalog.admission import WHY
from apps.catalog.kinds import APPLICATION, APPLICATION_REVISION
from apps.catalog.types import Application, ApplicationRevision, ApplicationSpec, RevisionSpec
from apps.cluster import store, types
from apps.cluster.actors import Actor
from apps.cluster.errors import BadRequest, Conflict, NotFound
from apps.dashboard import access, manifest, paths
from apps.dashboard.commands import Same
from apps.dashboard.compose import draft, keeping, merging, retold
from apps.dashboard.compose.draft import Reading
from apps.dashboard.compose.edits import Data
from apps.dashboard.models import Draft


@dataclass(frozen=True)
class Theirs:
    """What somebody else did to the application since the draft began; ``number`` is the revision it made."""

    verb: str
    by: str = ""
    at: datetime | None = None
    number: int = 0


class Desk:
    """What the pages of one draft share. Raises NotFound where there is nothing to see and nothing may be made."""

    def __init__(self, request: HttpRequest, who: Actor, namespace: str, name: str) -> None:
        self.who, self.namespace, self.name = who, namespace, name
        self.user = cast(User, request.user)
        self.app = self._application()
        verb = "update" if self.app else "create"
        self.may = access.may(who, verb, APPLICATION, namespace, name)
        if self.app is None and not self.may.allowed:
            access.seen(who, APPLICATION, namespace, name)  # raises NotFound
        self.kept: Draft = keeping.find(self.user, namespace, name) or self._fresh()

    def _application(self) -> Application | None:
        try:
            found: Application = access.seen(self.who, APPLICATION, self.namespace, self.name).object
        except NotFound:
            return None
        return found

    def _fresh(self) -> Draft:
        return keeping.fresh(self.user, self.namespace, self.name, self.app)

    def require(self) -> None:
        """Raises Forbidden for those who may only look."""
        access.require(self.who, "update" if self.app else "create", APPLICATION, self.namespace, self.name)

    @property
    def href(self) -> str:
        return paths.of_compose(self.namespace, self.name)

    @cached_property
    def reading(self) -> Reading:
        return draft.read(self.kept.text)

    @cached_property
    def drawn(self) -> Reading:
        """The draft, or the last one that could be drawn."""
        return self.reading if self.reading.definition is not None else draft.read(self.kept.before)

    @cached_property
    def live(self) -> Data:
        """The plan that runs."""
        return draft.bare(self.app.spec.definition if self.app else None)

    @cached_property
    def changed(self) -> Mapping[str, str]:
        """What of the draft differs from what runs."""
        return draft.parts_changed(self.live, draft.bare(self.drawn.definition))

    # Steps

    def say(self, text: str, seen: int) -> None:
        """Keep another text. Raises Conflict when the draft has moved in another tab."""
        if text == self.kept.text and self.kept.number:
            return
        if self.reading.definition is not None:
            self.kept.before = self.kept.text
        self.kept.text = text
        self._keep(seen)

    def put(self, data: Data, seen: int) -> None:
        """Keep a draft that says this, with as much of its text as stays true."""
        self.say(retold.retold(self.kept.text, data), seen)

    def undo(self, seen: int) -> None:
        """Back to the text before; once more, and it is as it was."""
        self.kept.text, self.kept.before = self.kept.before, self.kept.text
        self._keep(seen)

    def _keep(self, seen: int) -> None:
        keeping.keep(self.kept, seen, types.now())
        self.__dict__.pop("reading", None)
        self.__dict__.pop("drawn", None)
        self.__dict__.pop("changed", None)

    # Others

    @cached_property
    def theirs(self) -> Theirs | None:
        if keeping.is_current(self.kept, self.app):
            return None
        if self.app is None:
            return Theirs("deleted")
        same = self.app.metadata.uid == self.kept.base_uid
        revision = self.revision(self.app.spec.revision)
        by, at = (revision.spec.by, revision.metadata.creation_timestamp) if revision else ("", None)
        return Theirs("changed" if same else "made", by, at, self.app.spec.revision)

    def revision(self, number: int) -> ApplicationRevision | None:
        row = store.find(APPLICATION_REVISION, self.namespace, f"{self.name}-{number}")
        found: ApplicationRevision | None = row.object if row else None
        return found if found and found.spec.application == self.name else None

    def spec(self, number: int) -> RevisionSpec | None:
        found = self.revision(number)
        return found.spec if found else None

    def their_changes(self) -> tuple[changes.Change, ...]:
        """What became different, object by object."""
        now = self.revision(self.app.spec.revision) if self.app else None
        base = self.revision(self.kept.base_revision)
        if now is not None and base is not None:
            return changes.between(*pins.compared(base, now))
        return changes.between(base.spec if base else None, now.spec if now else None)

    def bring_in_theirs(self, seen: int) -> list[str]:
        """Take what they did into the draft; returns what both changed, where the draft's own stays."""
        clashes: list[str] = []
        data = self.mine()
        if self.app is not None:
            base = self.spec(self.kept.base_revision)
            old = draft.bare(base.definition) if base and self.kept.base_uid == self.app.metadata.uid else {}
            data, clashes = merging.merged(old, self.live, data)
        keeping.begin_at(self.kept, self.app)
        self.kept.before = self.kept.text
        self.kept.text = retold.retold(self.kept.text, data)
        self._keep(seen)
        return clashes

    def mine(self) -> Data:
        """The draft's data. Raises BadRequest while it cannot be read."""
        if self.reading.definition is None:
            raise BadRequest("The YAML has to be right first: the list under it says where it is not.")
        return self.reading.data

    # The deed

    def apply(self, why: str, *, dry_run: bool) -> operations.Preview:
        """Make it so, or say what that would make. Raises what the store raises, Conflict when others were first."""
        self.mine()
        if self.app is None and not self.kept.base_uid:
            wanted = self.wanted()
            wanted.metadata.annotations = {WHY: why} if why else {}
            return operations.install(self.who, wanted, dry_run=dry_run)

        def work(found: Application) -> None:
            if not keeping.is_current(self.kept, found):
                raise Conflict(f"{self.name} has been changed since this draft began")
            wanted = self.wanted().spec
            found.spec.definition, found.spec.parameters = wanted.definition, wanted.parameters
            found.spec.rotations = wanted.rotations

        return operations.change(self.who, self.namespace, self.name, work, why=why, dry_run=dry_run)

    def wanted(self) -> Application:
        """The application that the draft asks for; values of questions that it no longer asks go."""
        definition = self.reading.definition
        asked = definition.parameters if definition else {}
        meta = types.ObjectMeta(name=self.name, namespace=self.namespace)
        spec = ApplicationSpec(definition=definition)
        if self.app is not None:
            meta.resource_version = self.app.metadata.resource_version
            was = self.app.spec
            spec.template = was.template
            spec.parameters = {name: value for name, value in was.parameters.items() if name in asked}
            spec.rotations = {name: count for name, count in was.rotations.items() if name in asked}
            spec.replicas, spec.pins = was.replicas, was.pins
        return Application(metadata=meta, spec=spec)

    def as_yaml(self) -> str:
        """The same as an object for kubectl."""
        data: dict[str, Any] = types.to_data(self.wanted())
        head = {"apiVersion": APPLICATION.api_version, "kind": APPLICATION.name}
        return manifest.as_yaml({**head, **{key: one for key, one in data.items() if key not in head}})

    @property
    def command(self) -> str:
        return f"kubectl {'replace' if self.app else 'create'} -f {self.name}.yaml"

    def same(self) -> Same:
        """What applying does, in a terminal."""
        return Same((self.command,), self.as_yaml())
