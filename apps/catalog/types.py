"""The kinds of drover.dev/v1: ApplicationTemplate, Application, ApplicationRevision."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from msgspec import field

from apps.catalog.format import Definition, Scalar, TemplateSpec
from apps.catalog.render.payload import Recipe
from apps.cluster.types import Condition, Resource, Wire, encode


class ApplicationTemplate(Resource):
    """What a catalog offers: a definition with its version, title and summary."""

    spec: TemplateSpec = field(default_factory=TemplateSpec)


class TemplateReference(Wire):
    """The template an application comes from; without a version the catalog's own is taken, and written down."""

    name: str
    version: str = ""


class ApplicationSpec(Wire):
    """A template or a definition of one's own, and the values of its parameters."""

    template: TemplateReference | None = None
    definition: Definition | None = None
    """What is installed. Copied from the template, so that the application depends on no catalog."""
    parameters: dict[str, Scalar | None] = {}
    replicas: dict[str, int] = {}
    """Of components whose number no parameter says: how many are wanted instead of what the plan says."""
    pins: dict[str, str] = {}
    """Of components that went back to what an older revision ran: the image with its digest, while the plan names it.
    Set by going back; taking one out lets the plan's tag count again."""
    rotations: dict[str, int] = {}
    """How often each secret was exchanged: a higher number exchanges it once more."""
    rollback_to: int | None = None
    """Asks for the state of this revision; answered by a new revision."""
    cancel: int | None = None
    """Asks to give up this revision, which is under way; answered by going back to the last good one."""
    revision: int = 0
    """The revision that is to run. Set by the server."""
    revision_digest: str = ""
    """What that revision says, in a few letters: one that anybody else wrote is not carried out. Set by the server."""
    history_limit: int | None = None
    progress_deadline_seconds: int | None = None
    adopt: bool | None = None
    """Whether objects of the right names that belong to nobody become the application's."""


class ComponentStatus(Wire):
    """How one component stands: ``state`` is a word, ``message`` the sentence that explains it."""

    name: str
    kind: str = ""
    desired: int = 0
    ready: int = 0
    updated: int = 0
    state: str = ""
    message: str = ""


class EndpointStatus(Wire):
    """Where an endpoint answers; ``url`` only when it does from outside."""

    name: str
    internal_url: str = ""
    url: str = ""


class ApplicationStatus(Wire):
    """One sentence in ``message``; ``revision`` is the last one that became ready."""

    phase: str = ""
    message: str = ""
    url: str = ""
    revision: int = 0
    observed_generation: int = 0
    components: list[ComponentStatus] = []
    endpoints: list[EndpointStatus] = []
    drift: list[str] = []
    conditions: list[Condition] = []


class Application(Resource):
    """Several services as one thing: installed, seen, changed and taken back together."""

    spec: ApplicationSpec = field(default_factory=ApplicationSpec)
    status: ApplicationStatus = field(default_factory=ApplicationStatus)


class RevisionSpec(Wire):
    """What an application was at one time: the plan, the values, and the objects that these make."""

    application: str
    number: int
    definition: Definition = field(default_factory=Definition)
    template: TemplateReference | None = None
    parameters: dict[str, Scalar | None] = {}
    replicas: dict[str, int] = {}
    pins: dict[str, str] = {}
    rotations: dict[str, int] = {}
    objects: list[Any] = []
    secrets: list[Recipe] = []
    """Secrets with the names of parameters where their values go."""
    waits: dict[str, dict[str, str]] = {}
    by: str = ""
    why: str = ""

    def digest(self) -> str:
        return hashlib.sha256(encode(self)).hexdigest()[:32]


class RevisionStatus(Wire):
    """How the revision fared; ``images`` tells for each component what it ran when it became ready, such as
    ``shop:1.2@sha256:...``, or the engine's own id of an image that no registry knows."""

    phase: str = ""
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    images: dict[str, str] = {}


class ApplicationRevision(Resource):
    """An application at one time. Its spec never changes."""

    spec: RevisionSpec = field(default_factory=lambda: RevisionSpec(application="", number=0))
    status: RevisionStatus = field(default_factory=RevisionStatus)
