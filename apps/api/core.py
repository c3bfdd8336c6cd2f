"""The REST API without transport: a request and who asks go in, an answer or a stream comes out.

Every rule of the API lives here or below; adapters only carry. Whatever is wrong with a request is answered with a
Status; nothing is ever half applied, since every change is one write of the store.
"""

import logging
from collections.abc import Callable

import orjson
import yaml
from django.db import InterfaceError, OperationalError

from apps.accounts import policy
from apps.api import (
    absent,
    autoscaling_v1,
    discovery,
    exposures,
    leases,
    metrics,
    openapi,
    reading,
    reviews,
    subresources,
    writing,
)
from apps.api.accepts import choose, discovery_version
from apps.api.calls import NOT_ALLOWED, Call
from apps.api.messages import JSON, Answer, Request, Stream, refusal
from apps.api.paths import HEALTH, UNKNOWN, Document, Resource, parse
from apps.api.v1beta1 import serve as v1beta1
from apps.cluster import registry, store, types
from apps.cluster.actors import Actor
from apps.cluster.errors import (
    ApiError,
    BadRequest,
    Forbidden,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
    RequestEntityTooLarge,
    Unavailable,
)

logger = logging.getLogger(__name__)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
# Groups of which nothing is stored: each is answered by a module of its own.
_DERIVED = {
    exposures.GROUP: exposures.answer, metrics.GROUP: metrics.answer, leases.KIND.group: leases.answer,
}  # fmt: skip


def handle(actor: Actor, request: Request) -> Answer | Stream:
    """Answers every request; never raises. Asks the database: call it in a thread that may."""
    try:
        answer = _answer(actor, request)
        if isinstance(answer, Answer) and answer.content_type == JSON and "yaml" in request.accept:
            return _as_yaml(answer, request)
        return answer
    except Exception as error:
        return failed(error, request)


def failed(error: Exception, request: Request) -> Answer:
    """The answer to a request that met this, also on the way to ``handle``: while the client was found out about."""
    if isinstance(error, ApiError):
        return refusal(error)
    if isinstance(error, OperationalError | InterfaceError):
        logger.warning("request %s: the database failed: %s", request.id, error)
        return refusal(Unavailable("the database is away or too busy: try again", retry_after=1))
    logger.error("request %s failed: %s %s", request.id, request.method, request.path, exc_info=error)
    return refusal(ApiError(f"Internal error occurred: the server's log tells more under request {request.id}"))


def public(request: Request) -> bool:
    """Whether anyone may ask this: is the server alive, which version is it."""
    first = request.path.strip("/").partition("/")[0]
    return request.method in {"GET", "HEAD"} and (first in HEALTH or first == "version")


def _answer(actor: Actor, request: Request) -> Answer | Stream:
    if request.method not in METHODS:
        raise MethodNotAllowed(NOT_ALLOWED)
    if len(request.path) > 2048:
        raise RequestEntityTooLarge("the path is too long")
    if "\0" in request.path or any("\0" in text for pair in request.query.pairs for text in pair):
        raise BadRequest("the path and the query must not contain the NUL character")  # no database holds it
    target = parse(request.path)
    if isinstance(target, Document):
        return _document(actor, request, target)
    if (
        target.plural in discovery.REVIEWS
        and (target.group, target.version) == discovery.REVIEWS[target.plural][0]
    ):
        if request.method != "POST" or target.name or target.namespace is not None:
            raise MethodNotAllowed(NOT_ALLOWED)
        return reviews.answer(actor, request, target.plural)
    if target.group in _DERIVED:
        return _DERIVED[target.group](actor, request, target)
    if absent.serves(target):
        return absent.answer(request, target)
    return _older(actor, request, target) or _of_kind(actor, request, target)


def _older(actor: Actor, request: Request, target: Resource) -> Answer | None:
    """What a version of old is answered, None for those of today."""
    if autoscaling_v1.serves(target):
        return autoscaling_v1.answer(actor, request, target, _answer)
    return v1beta1.answer(actor, request, target, _answer) if v1beta1.serves(target) else None


def _of_kind(actor: Actor, request: Request, target: Resource) -> Answer | Stream:
    call = Call(actor, request, _kind(target), target)
    if target.subresource:
        return subresources.answer(call)
    return _verb(call)(call)


def _kind(target: Resource) -> registry.Kind:
    try:
        kind = registry.kind_of(target.plural, target.group)
    except registry.UnknownKind:
        raise NotFound(UNKNOWN) from None
    fits = target.namespace is not None or not target.name if kind.namespaced else target.namespace is None
    if kind.version != target.version or not fits:
        raise NotFound(UNKNOWN)
    return kind


def _verb(call: Call) -> Callable[[Call], Answer | Stream]:
    """What a method on a collection or on an object means."""
    method = call.request.method
    if method in {"GET", "HEAD"} and call.query.flag("watch"):
        return reading.watch
    if call.name:
        verbs: dict[str, Callable[[Call], Answer | Stream]] = {
            "GET": reading.get,
            "HEAD": reading.get,
            "PUT": writing.update,
            "PATCH": writing.patch,
            "DELETE": writing.delete,
        }
    else:
        verbs = {
            "GET": reading.list_,
            "HEAD": reading.list_,
            "POST": writing.create,
            "DELETE": writing.delete_collection,
        }
    if method not in verbs:
        raise MethodNotAllowed(NOT_ALLOWED)
    return verbs[method]


def _document(actor: Actor, request: Request, document: Document) -> Answer:
    if request.method not in {"GET", "HEAD"}:
        raise MethodNotAllowed(NOT_ALLOWED)
    if document.name in HEALTH:
        return _health(request, document.name)
    if document.name == "version":
        return Answer(200, types.encode(discovery.VERSION))
    if not policy.non_resource(actor, "get", request.path.rstrip("/") or "/").allowed:
        raise Forbidden(f'forbidden: User "{actor.name}" cannot get path "{request.path}"')
    if document.name == "openapi":
        return _openapi(request, document.parts)
    if document.name == "paths":
        return Answer(200, types.encode(discovery.paths()))
    version = discovery_version(request.accept) if len(document.parts) == 1 else ""
    body = types.encode(discovery.answer(document.parts, version))
    if version:
        return Answer(200, body, f"{JSON};g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList")
    choose(request.accept)
    return Answer(200, body)


def _health(request: Request, name: str) -> Answer:
    checks = ["ping"]
    if name == "readyz":
        store.clock()
        checks.append("database")
    words = "ok"
    if request.query.flag("verbose"):
        words = "".join(f"[+]{check} ok\n" for check in checks) + f"{name} check passed\n"
    return Answer(200, words.encode(), "text/plain; charset=utf-8")


def _openapi(request: Request, parts: tuple[str, ...]) -> Answer:
    match parts:
        case ("v3",):
            body = openapi.index()
        case ("v3", *rest) if rest:
            body = openapi.document("/".join(rest))
        case ("v2",) if openapi.V2_TYPE in request.accept:
            return Answer(200, openapi.V2, openapi.V2_TYPE.replace("@", "."))  # "@" is no valid media type
        case ("v2",):
            raise NotAcceptable("only /openapi/v3 is served as JSON")
        case _:
            raise NotFound(UNKNOWN)
    tag = f'"{openapi.digest(body)}"'
    headers = [("etag", tag), ("vary", "Accept")]
    if "hash" in request.query:
        headers.append(("cache-control", "public, immutable, max-age=31536000"))
    if tag in request.headers.get("if-none-match", ""):
        return Answer(304, b"", headers=headers)
    return Answer(200, body, headers=headers)


def _as_yaml(answer: Answer, request: Request) -> Answer:
    if choose(request.accept).yaml:
        answer.body = yaml.dump(orjson.loads(answer.body), Dumper=yaml.CSafeDumper, sort_keys=True).encode()
        answer.content_type = "application/yaml"
    return answer
