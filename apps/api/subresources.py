"""Parts of objects that have an address of their own: status, scale, binding, log, and what is talked to."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from apps.api import applying, bodies, containers, service_tokens, tables, writing
from apps.api.accepts import Form
from apps.api.calls import NOT_ALLOWED, Call
from apps.api.messages import Answer, Stream, status_body
from apps.api.objects import checked_as
from apps.api.paths import UNKNOWN
from apps.api.reading import get
from apps.api.streams import forwarding, processes
from apps.cluster import eviction, names, store, types
from apps.cluster.errors import BadRequest, MethodNotAllowed, NotFound, invalid
from apps.cluster.kinds import ages
from apps.cluster.registry import kind_for
from apps.cluster.transaction import Transaction
from apps.cluster.types.meta import Eviction
from apps.nodes import door

SCALE = ("Scale", "autoscaling/v1")
# A websocket is a GET, whatever it does; older clients POST.
_TALKS: dict[str, Callable[[Call], Answer | Stream]] = {
    "exec": processes.answer,
    "attach": processes.answer,
    "portforward": forwarding.answer,
}


def answer(call: Call) -> Answer | Stream:
    """A request about a part. Raises NotFound where the kind has no such part, MethodNotAllowed for its verb."""
    part, method = call.target.subresource, call.request.method
    if part not in call.kind.subresources or not call.name:
        raise NotFound(UNKNOWN)
    verbs: dict[tuple[str, str], Callable[[Call], Answer | Stream]] = {
        **{
            key: verb
            for name in ("status", *call.kind.parts)
            for key, verb in (
                ((name, "GET"), get),
                ((name, "PUT"), lambda call: writing.update(call, part)),
                ((name, "PATCH"), lambda call: writing.patch(call, part)),
            )
        },
        ("scale", "GET"): get_scale,
        ("scale", "PUT"): update_scale,
        ("scale", "PATCH"): patch_scale,
        ("binding", "POST"): bind,
        ("eviction", "POST"): evict,
        ("log", "GET"): log,
        ("token", "POST"): service_tokens.create,
        **{(part, method): verb for part, verb in _TALKS.items() for method in ("GET", "POST")},
    }
    verb = verbs.get((part, method))
    if verb is None:
        raise MethodNotAllowed(NOT_ALLOWED)
    return verb(call)


def get_scale(call: Call) -> Answer:
    call.require("get")
    scale = _scale_of(store.get(call.kind, call.namespace, call.name).object)
    if call.wanted.form is Form.TABLE:
        counts = (str(scale.spec.replicas), str(scale.status.replicas))
        cells = (scale.metadata.name, *counts, ages.age(scale, types.now()))
        heads = ("Name", "Desired", "Available", "Age")
        return Answer(200, tables.plain(heads, [(cells, scale.metadata)], {}))
    return Answer(200, types.encode(scale))


def update_scale(call: Call) -> Answer:
    call.require("update")
    wanted = _scale_in(call, call.body())
    return _scaled(call, lambda _: wanted)


def patch_scale(call: Call) -> Answer:
    call.require("patch")
    if bodies.media_type(call.request.content_type) in applying.MEDIA_TYPES:
        return _apply_scale(call)
    media_type, wanted = writing.patch_type(call.request.content_type), bodies.read_json(call.request.body)

    def apply(current: types.Scale) -> types.Scale:
        return _scale_in(call, writing.patched(media_type, types.to_data(current), wanted, types.Scale))

    return _scaled(call, apply)


def _apply_scale(call: Call) -> Answer:
    """The replicas become the client's field of the object itself."""
    wanted = _scale_in(call, applying.configuration(call))
    config = {
        "apiVersion": call.kind.api_version, "kind": call.kind.name,
        "metadata": {"name": call.name, "namespace": call.namespace}, "spec": {"replicas": wanted.spec.replicas},
    }  # fmt: skip
    _, obj, _ = applying.applied(call, "spec", config)
    return Answer(200, types.encode(_scale_of(obj)))


def _scaled(call: Call, change_scale: Callable[[types.Scale], types.Scale]) -> Answer:
    record = call.record("scale")

    def change(tx: Transaction) -> bytes:
        obj = tx.get(call.kind, call.namespace, call.name)
        wanted = change_scale(_scale_of(obj))
        obj.spec.replicas = wanted.spec.replicas
        obj.metadata.resource_version = wanted.metadata.resource_version
        if wanted.metadata.uid:
            obj.metadata.uid = wanted.metadata.uid
        return types.encode(_scale_of(tx.update(call.kind, obj, "spec", record=record)))

    return Answer(200, store.write(call.actor, change, dry_run=call.dry_run))


def _scale_of(obj: Any) -> types.Scale:
    meta: types.ObjectMeta = obj.metadata
    return types.Scale(
        kind=SCALE[0],
        api_version=SCALE[1],
        metadata=types.ObjectMeta(
            name=meta.name,
            namespace=meta.namespace,
            uid=meta.uid,
            resource_version=meta.resource_version,
            creation_timestamp=meta.creation_timestamp,
        ),
        spec=types.ScaleSpec(replicas=obj.spec.replicas or 0),
        status=types.ScaleStatus(
            replicas=obj.status.replicas or 0, selector=str(kind_for(obj).selects(obj))
        ),
    )


def _scale_in(call: Call, data: Any) -> types.Scale:
    """The Scale a client sends, for the object that the path names."""
    data, _ = checked_as(types.Scale, *SCALE, data, call.validation)
    scale: types.Scale = msgspec.convert(data, types.Scale)
    _must_be_about(call, scale.metadata)
    if scale.spec.replicas < 0:
        path, why = (
            "spec.replicas",
            f"Invalid value: {scale.spec.replicas}: must be greater than or equal to 0",
        )
        raise invalid("Scale", call.name, [types.Problem(path, why)], group="autoscaling")
    return scale


def _must_be_about(call: Call, meta: types.ObjectMeta) -> None:
    """What is sent to a part of an object may leave the object's name out, but not say another."""
    if meta.name not in {"", call.name} or meta.namespace not in {"", call.namespace}:
        raise BadRequest(
            f"the name of the object ({meta.name}) does not match the name on the URL ({call.name})"
        )


def bind(call: Call) -> Answer:
    """Gives a pod its node: how a scheduler tells its decision."""
    call.require("create")
    data, _ = checked_as(types.Binding, "Binding", "v1", call.body(), call.validation)
    binding: types.Binding = msgspec.convert(data, types.Binding)
    meta, target = binding.metadata, binding.target
    _must_be_about(call, meta)
    problems = []
    if target.kind not in {"", "Node"}:
        shown = types.encode(target.kind).decode()
        why = f'Unsupported value: {shown}: supported values: "Node"'
        problems.append(types.Problem("target.kind", why, "FieldValueNotSupported"))
    if not target.name:
        problems.append(types.Problem("target.name", "Required value", "FieldValueRequired"))
    elif wrong := names.dns_subdomain_problem(target.name):
        problems.append(types.Problem("target.name", f"Invalid value: {wrong}"))
    if problems:
        raise invalid("Binding", call.name, problems)

    def change(tx: Transaction) -> None:
        tx.bind(call.namespace, call.name, target.name, meta.uid)

    store.write(call.actor, change, dry_run=call.dry_run)
    return Answer(201, status_body(types.Status(status="Success", code=201)))


def evict(call: Call) -> Answer:
    """Deletes a pod as those do who empty a node; a disruption budget may say "not now"."""
    call.require("create")
    data, _ = checked_as(Eviction, "Eviction", "policy/v1", call.body(), call.validation, group="policy")
    asked: Eviction = msgspec.convert(data, Eviction)
    _must_be_about(call, asked.metadata)
    options = asked.delete_options or types.DeleteOptions()
    writing.check_delete_options(options)

    def change(tx: Transaction) -> None:
        eviction.evict(tx, call.namespace, call.name, options)

    store.write(call.actor, change, dry_run=call.dry_run or bool(options.dry_run))
    return Answer(201, status_body(types.Status(status="Success", code=201)))


LOG_FLAGS = ("follow", "timestamps", "previous")
LOG_NUMBERS = ("tailLines", "limitBytes", "sinceSeconds")


def log(call: Call) -> Stream:
    """What a container wrote, straight from its node."""
    call.require("get")
    pod: types.Pod = store.get(call.kind, call.namespace, call.name).object
    container = containers.named(pod, call.query.get("container"))
    parameters = _log_parameters(call)
    node = pod.spec.node_name
    if not node:
        raise BadRequest(f"pod {call.name} does not have a host assigned")
    return Stream(
        "text/plain; charset=utf-8",
        lambda: door.logs(node, call.namespace, call.name, container, parameters),
        peek=True,
    )


def _log_parameters(call: Call) -> dict[str, str]:
    query = call.query
    parameters = {name: "true" for name in LOG_FLAGS if query.flag(name)}
    for name in LOG_NUMBERS:
        number = query.number(name)
        if number is not None:
            parameters[name] = str(number)
    since = query.get("sinceTime")
    if since and "sinceSeconds" in parameters:
        raise BadRequest("at most one of sinceTime or sinceSeconds may be specified")
    if since:
        try:
            datetime.fromisoformat(since)
        except ValueError:
            raise BadRequest(
                f'sinceTime: Invalid value: "{since[:40]}": must be a time in RFC 3339'
            ) from None
        parameters["sinceTime"] = since
    return parameters
