"""One request about one kind, understood: what the verbs start from."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from apps.accounts import policy
from apps.api import accepts, bodies
from apps.api.apply.owners import UPDATE, Owner, after_update
from apps.api.messages import Query, Request
from apps.api.objects import Validation
from apps.api.paths import Resource
from apps.cluster import query, selectors, types
from apps.cluster.actors import Actor
from apps.cluster.errors import BadRequest, Forbidden, MethodNotAllowed, NotFound, invalid
from apps.cluster.registry import Kind
from apps.cluster.selectors import FieldSelector, LabelSelector
from apps.cluster.transaction import Record

LONGEST_MANAGER = 128
NOT_ALLOWED = "the server does not allow this method on the requested resource"


@dataclass(frozen=True)
class Call:
    """Who wants what of which kind. Values that the client sent wrongly raise BadRequest when they are read."""

    actor: Actor
    request: Request
    kind: Kind
    target: Resource

    @property
    def query(self) -> Query:
        return self.request.query

    @property
    def name(self) -> str:
        return self.target.name

    @property
    def namespace(self) -> str:
        """The namespace of the object meant; "" for what has none."""
        return self.target.namespace or ""

    @cached_property
    def wanted(self) -> accepts.Wanted:
        return accepts.choose(self.request.accept)

    def require(self, verb: str) -> None:
        """Return when the actor may do this. Raises Forbidden, or NotFound for what must not even be known of."""
        kind, target = self.kind, self.target
        if verb not in kind.verbs and not target.subresource:
            raise MethodNotAllowed(NOT_ALLOWED)
        decision = policy.authorize(
            self.actor, verb, kind.group, kind.plural, target.subresource, self.namespace, target.name
        )
        if decision.allowed:
            return
        if policy.hidden(self.actor, self.namespace, target.name):
            raise self.missing()
        what = f"{kind.plural}/{target.subresource}" if target.subresource else kind.plural
        named = f' "{target.name}"' if target.name else ""
        where = f'in the namespace "{self.namespace}"' if self.namespace else "at the cluster scope"
        raise Forbidden(
            f'{kind.key}{named} is forbidden: User "{self.actor.name}" cannot {verb} resource "{what}" '
            f'in API group "{kind.group}" {where}',
            name=target.name,
            kind=kind.plural,
            group=kind.group,
        )

    def missing(self) -> NotFound:
        kind = self.kind
        return NotFound(
            f'{kind.key} "{self.name}" not found', name=self.name, kind=kind.plural, group=kind.group
        )

    def body(self) -> Any:
        return bodies.read(self.request.content_type, self.request.body)

    @cached_property
    def dry_run(self) -> bool:
        asked = self.query.all("dryRun")
        if any(value != "All" for value in asked):
            raise BadRequest('dryRun: Unsupported value: must be "All"')
        return bool(asked)

    @cached_property
    def validation(self) -> Validation:
        value = self.query.get("fieldValidation") or Validation.STRICT.value
        try:
            return Validation(value)
        except ValueError:
            raise BadRequest(
                f'fieldValidation: Unsupported value: "{value[:40]}": supported values: Ignore, Strict, Warn'
            ) from None

    @cached_property
    def manager(self) -> str:
        """Who the written fields will belong to: as the client calls itself."""
        name = self.query.get("fieldManager")
        if len(name) > LONGEST_MANAGER or not name.isprintable():
            why = f"Invalid value: must be printable and at most {LONGEST_MANAGER} characters"
            raise invalid("PatchOptions", "", [types.Problem("fieldManager", why)], group="meta.k8s.io")
        if name:
            return name
        agent = self.request.headers.get("user-agent", "").partition("/")[0].strip()[:LONGEST_MANAGER]
        return agent if agent and agent.isprintable() else "unknown"

    def record(self, subresource: str = "") -> Record:
        """What a write of this call makes of the owners of an object's fields."""
        owner, now = Owner(self.manager, UPDATE, self.kind.api_version, subresource), types.now()
        return lambda old, new: after_update(self.kind, old, new, owner, now)

    @cached_property
    def labels(self) -> LabelSelector:
        try:
            return selectors.parse_labels(self.query.get("labelSelector"))
        except ValueError as error:
            raise BadRequest(str(error)) from None

    @cached_property
    def fields(self) -> FieldSelector:
        try:
            selector = selectors.parse_fields(self.query.get("fieldSelector"))
        except ValueError as error:
            raise BadRequest(str(error)) from None
        query.with_fields(self.kind, selector)  # refuses fields that this kind cannot be selected by
        return selector

    @cached_property
    def since(self) -> int | None:
        """The number the client has seen; None for "whatever is there now"."""
        text = self.query.get("resourceVersion")
        if text in {"", "0"}:
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            raise BadRequest(
                f'resourceVersion: Invalid value: "{text[:40]}": must be a number given by this server'
            )
        return int(text)


def warned(warnings: tuple[str, ...]) -> list[tuple[str, str]]:
    """Warnings as kubectl prints them."""
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in warnings[:20])
    return [("warning", f'299 - "{text}"') for text in quoted if text.isascii() and text.isprintable()]
