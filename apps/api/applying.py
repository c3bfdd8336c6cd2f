"""Server-side apply: a client says the fields it cares for, and the server keeps track of whose is what."""

from typing import Any

import orjson

from apps.accounts import policy
from apps.api import bodies
from apps.api.apply import merging, owners
from apps.api.apply.fields import Path
from apps.api.apply.owners import APPLY, Owned, Owner, Owners
from apps.api.calls import Call, warned
from apps.api.identity import metadata_of, settle_identity, tried
from apps.api.messages import Answer
from apps.api.objects import checked
from apps.cluster import store, types
from apps.cluster.errors import BadRequest, Conflict, Forbidden, invalid
from apps.cluster.transaction import Record, Transaction

MEDIA_TYPES = ("application/apply-patch+yaml",)


def apply(call: Call, part: str) -> Answer:
    """Create the object or bring the client's fields into it. Raises Conflict for fields that others hold."""
    code, obj, warnings = applied(call, part, _of_its_address(call, configuration(call)))
    return Answer(code, tried(call, types.encode(obj)), headers=warned(warnings))


def applied(call: Call, part: str, config: dict[str, Any]) -> tuple[int, Any, tuple[str, ...]]:
    """The write of an apply: its code, the object after it, and warnings."""
    owner = Owner(call.manager, APPLY, call.kind.api_version, call.target.subresource)
    force = call.query.flag("force")

    def change(tx: Transaction) -> tuple[int, Any, tuple[str, ...]]:
        row = tx.row(call.kind, call.namespace, call.name)
        if row is None:
            return (201, *_created(call, tx, config, owner))
        record, data = _brought_in(call, row.object, orjson.loads(row.text), config, owner, force=force)
        data, warnings = checked(call.kind, data, call.validation)
        settle_identity(call, metadata_of(data))
        obj = types.convert(call.kind.schema, data)
        return 200, tx.update(call.kind, obj, part, record=record) or obj, warnings

    return store.write(call.actor, change, dry_run=call.dry_run)


def _check_options(call: Call) -> None:
    if not call.query.get("fieldManager"):
        why = types.Problem(
            "fieldManager", "Required value: is required for apply patch", "FieldValueRequired"
        )
        raise invalid("PatchOptions", "", [why], group="meta.k8s.io")


def configuration(call: Call) -> dict[str, Any]:
    """The fields the client wants, for the object that the path names."""
    _check_options(call)
    config = types.prune_nulls(bodies.read("application/yaml", call.request.body))
    if not isinstance(config, dict):
        raise BadRequest(f"an apply patch is an object, a {call.kind.name}")
    for name in ("apiVersion", "kind"):
        if not config.get(name):
            raise BadRequest(f"error decoding patch: Object '{name}' is missing in the applied configuration")
    meta = config.setdefault("metadata", {})
    if not isinstance(meta, dict):
        raise BadRequest("metadata: must be an object")
    if meta.pop("managedFields", None):
        raise BadRequest("metadata.managedFields must be nil")
    checked_names = {name: meta.get(name, "") for name in ("name", "namespace", "resourceVersion", "uid")}
    for name, value in checked_names.items():
        if not isinstance(value, str):
            raise BadRequest(f"metadata.{name}: must be a string")
    settle_identity(call, meta)
    return config


def _of_its_address(call: Call, config: dict[str, Any]) -> dict[str, Any]:
    """Without the fields that are not the client's to say at this address."""
    if call.target.subresource == "status":
        return {name: config[name] for name in ("apiVersion", "kind", "metadata", "status") if name in config}
    if call.kind.has_status:
        config.pop("status", None)
    return config


def _created(
    call: Call, tx: Transaction, config: dict[str, Any], owner: Owner
) -> tuple[Any, tuple[str, ...]]:
    if call.target.subresource:
        raise call.missing()
    decision = policy.authorize(
        call.actor, "create", call.kind.group, call.kind.plural, "", call.namespace, ""
    )
    if not decision.allowed:
        raise Forbidden(f'{call.kind.key} "{call.name}" is forbidden: {decision.reason}')
    if config["metadata"].get("resourceVersion") or config["metadata"].get("uid"):
        raise Conflict(
            f'Operation cannot be fulfilled on {call.kind.key} "{call.name}": the object was applied with a '
            "resourceVersion or a uid, but there is none",
            name=call.name, kind=call.kind.plural, group=call.kind.group,
        )  # fmt: skip
    data, warnings = checked(call.kind, config, call.validation)
    owned = Owned(frozenset(_wanted(call, config, owner)), types.now())
    obj = types.convert(call.kind.schema, data)
    made = tx.create(call.kind, obj, record=lambda old, new: owners.written({owner: owned}))
    return made, warnings


def _brought_in(  # noqa: PLR0917
    call: Call, obj: Any, live: dict[str, Any], config: dict[str, Any], owner: Owner, *, force: bool
) -> tuple[Record, dict[str, Any]]:
    """The object after the apply, and who owns its fields then."""
    known = owners.known(None, obj)
    wanted = _wanted(call, config, owner)
    found = owners.conflicts(known, owner, owners.leaves_of(call.kind, live, owner), wanted)
    if found and not force:
        raise owners.refusal(known, found)
    for other, path in found:
        known[other] = Owned(known[other].paths - {path}, known[other].at)
    before = known.get(owner, Owned(frozenset()))
    gone = _no_longer_held(known, owner, before.paths - wanted.keys())
    data = merging.without(merging.merged(live, config, call.kind.schema), gone)
    now = types.now()

    def record(old: Any, new: Any) -> list[types.ManagedFields]:
        same = before.paths == wanted.keys() and _bare(old) == _bare(new)
        return owners.written({**known, owner: before if same else Owned(frozenset(wanted), now)})

    return record, data


def _bare(obj: Any) -> Any:
    """An object without its owners. Values are compared as stored: "0.5" is "500m"."""
    data = types.to_data(obj)
    data["metadata"].pop("managedFields", None)
    return data


def _wanted(call: Call, config: dict[str, Any], owner: Owner) -> dict[Path, Any]:
    return owners.leaves_of(call.kind, config, owner)


def _no_longer_held(known: Owners, owner: Owner, paths: frozenset[Path]) -> list[Path]:
    """Those paths that nobody else owns; an item stays while anyone owns something inside it."""
    others = {path for other, owned in known.items() if other != owner for path in owned.paths}
    held = {path[:length] for path in others for length in range(1, len(path) + 1)}
    return [path for path in paths if path not in held]
