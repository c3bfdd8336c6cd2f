"""Strategies for what a client should never send: objects of our kinds gone wrong, patches, bodies, queries."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

Way = tuple[str | int, ...]

TEXTS = (
    "", " ", "x", "A_b", "a" * 300, "é\x00\n", "\u202e", "..", "../../etc", "'; DROP TABLE cluster_object; --",
    "{{7*7}}", "<script>", "10Gi", "-1", "1e999999999", "0x10", "2026-13-45T99:99:99Z", "2026-01-01T00:00:00+99:99",
    "10.64.0.1", "::1", "999.1.1.1", "10.0.0.0/33", "a=b,c in (d)", "!x", "$patch", "delete", "None", "default",
    "kubernetes.io/x", "a/b/c", "/", "-", ".", "NaN", "True", "\ud7ff", "𝔘", "a\tb",
)  # fmt: skip
NUMBERS = (
    0, -1, 1, 2, 65536, 2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64, -(2**70), 10**40,
    0.5, -0.0, 1e300, 1e-300,
)  # fmt: skip

scalars = st.none() | st.booleans() | st.sampled_from(NUMBERS) | st.sampled_from(TEXTS) | st.text(max_size=12)
keys = st.sampled_from(
    ("a", "", "name", "$patch", "$retainKeys", "$setElementOrder/containers", "é", "x/y", "metadata")
)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


def ways(data: Any, way: Way = ()) -> Iterator[Way]:
    """Every place in an object."""
    if way:
        yield way
    pairs = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for step, value in pairs:
        yield from ways(value, (*way, step))


def _at(data: Any, way: Way) -> Any:
    for step in way:
        data = data[step]
    return data


def _step(way: Way) -> Any:
    return way[-1]


def _alike(value: str | int) -> st.SearchStrategy[Any]:
    """Other values of the same type: they get past the types and meet the rules."""
    if isinstance(value, bool):
        return st.booleans()
    return st.sampled_from(TEXTS) if isinstance(value, str) else st.sampled_from(NUMBERS[:12])


@st.composite
def spoiled(draw: st.DrawFn, sample: Any) -> Any:
    """A valid object with a few places changed, half of them to another value of the same type."""
    data = copy.deepcopy(sample)
    for _ in range(draw(st.sampled_from((0, 1, 1, 1, 2, 4)))):
        places = [*ways(data)]
        if not places:
            break
        way = draw(st.sampled_from(places))
        target, last = _at(data, way[:-1]), _step(way)
        match draw(st.sampled_from(("alike", "alike", "alike", "replace", "remove", "add", "double", "wrap"))):
            case "alike" if isinstance(target[last], str | int):
                target[last] = draw(_alike(target[last]))
            case "alike" if isinstance(target[last], dict):
                target[last][draw(st.sampled_from(TEXTS))] = draw(st.sampled_from(TEXTS))
            case "replace":
                target[last] = draw(trees)
            case "remove":
                del target[last]
            case "add" if isinstance(target, dict):
                target[draw(st.text(max_size=6) | keys)] = draw(trees)
            case "double" if isinstance(target, list):
                target.append(copy.deepcopy(target[last]))
            case _:
                target[last] = [target[last]]
    return data


@st.composite
def json_patches(draw: st.DrawFn, sample: Any) -> Any:
    """Lists of operations on places that are there, or nearly."""
    pointers = ["", "/", "/-", "/metadata/labels/a~1b", "/a~2", "//", "spec", *map(_pointer, ways(sample))]
    places = st.sampled_from(pointers) | st.sampled_from(pointers).map(lambda text: f"{text}/-")
    names = ("add", "remove", "replace", "move", "copy", "test", "", "delete")
    one = st.fixed_dictionaries(
        {"op": st.sampled_from(names), "path": places},
        optional={"value": trees, "from": places, "extra": scalars},
    )
    apt = [
        {"op": "replace", "path": _pointer(way), "value": draw(_alike(value))}
        for way in draw(st.lists(st.sampled_from([*ways(sample)]), max_size=2))
        if isinstance(value := _at(sample, way), str | int)
    ]
    odd = draw(st.just([]) | st.just([]) | st.lists(one | trees, max_size=3) | trees)
    return [*apt, *odd] if isinstance(odd, list) else odd


def _pointer(way: Way) -> str:
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in way)


@st.composite
def merge_patches(draw: st.DrawFn, sample: Any) -> Any:
    """Parts of an object, spoiled; with the directives of strategic patches among them."""
    data = draw(spoiled(sample))
    if not isinstance(data, dict):
        return data
    kept = {name: value for name, value in data.items() if draw(st.booleans())}
    directives = ("$patch", "$retainKeys", "$setElementOrder/containers", "$deleteFromPrimitiveList/finalizers")
    for name in draw(st.lists(st.sampled_from(directives), max_size=2)):
        where: Any = kept
        for step in draw(st.sampled_from(((), ("spec",), ("metadata",), ("spec", "template", "spec")))):
            where = where.get(step) if isinstance(where, dict) else None
        if isinstance(where, dict):
            where[name] = draw(st.sampled_from(("delete", "replace", "merge")) | trees)
    return kept


@st.composite
def broken(draw: st.DrawFn, body: bytes) -> bytes:
    """A body as bytes: as it is, or cut, or not JSON at all."""
    ways_out = (*["whole"] * 30, "cut", "deep", "twice", "junk", "yaml", "protobuf")
    way = draw(st.sampled_from(ways_out))
    match way:
        case "cut":
            return body[: draw(st.integers(0, len(body)))]
        case "deep":
            depth = draw(st.sampled_from((90, 101, 1000, 50_000)))
            return b'{"spec":' + b"[" * depth + b"]" * depth + b"}"
        case "twice":
            return body[:-1] + b"," + body[1:] if body.startswith(b"{") and len(body) > 2 else body * 2
        case "junk":
            return draw(st.binary(max_size=40))
        case "yaml":
            within = b"*a, " * draw(st.integers(0, 3))
            return b"a: &a [" + within + b"x]\nb: *a\n? [1]\n: !!python/object:os.system {}\n"
        case "protobuf":
            return b"k8s\x00" + draw(st.binary(max_size=60))
    return body


def encoded(data: Any) -> bytes:
    return json.dumps(data, allow_nan=True).encode("utf-8", "surrogatepass")


_QUERIES: dict[str, st.SearchStrategy[str]] = {
    "dryRun": st.sampled_from(("All", "all", "")),
    "fieldValidation": st.sampled_from(("Strict", "Warn", "Ignore", "Odd")),
    "fieldManager": st.sampled_from(TEXTS),
    "force": st.sampled_from(("true", "false", "odd")),
    "labelSelector": st.sampled_from((*TEXTS, "a in (b,c),d notin (e),!f", "a>1", "a in (", "app=sample")),
    "fieldSelector": st.sampled_from((*TEXTS, "metadata.name=sample", "spec.nodeName!=x", "status.phase=", "a=b")),
    "limit": st.sampled_from(("1", "0", "-1", "9" * 30, "x")),
    "continue": st.sampled_from(("x", "e30=", "eyJudW1iZXIiOjF9", "é", "bnVsbA==", "\x00")),
    "resourceVersion": st.sampled_from(("0", "1", "99999999999", "-1", "x", "9" * 40, "٣")),
    "resourceVersionMatch": st.sampled_from(("Exact", "NotOlderThan", "x")),
    "gracePeriodSeconds": st.sampled_from(("0", "1", "-1", "9" * 30, "x")),
    "propagationPolicy": st.sampled_from(("Foreground", "Orphan", "Background", "x")),
    "orphanDependents": st.sampled_from(("true", "false", "x")),
    "watch": st.sampled_from(("1", "0", "odd")),
    "timeoutSeconds": st.sampled_from(("1", "-1", "x", "9" * 30)),
    "includeObject": st.sampled_from(("None", "Object", "Metadata", "odd")),
    "container": st.sampled_from(("app", "", "odd")),
    "tailLines": st.sampled_from(("1", "-1", "x")),
    "sinceTime": st.sampled_from(("x", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00+99:00")),
    "ports": st.sampled_from(("80", "0", "x", "99999")),
    "command": st.sampled_from(("ls", "", "\x00")),
}
queries: st.SearchStrategy[list[tuple[str, str]]] = st.just([]) | st.just([]) | st.lists(
    st.sampled_from(sorted(_QUERIES)).flatmap(lambda name: st.tuples(st.just(name), _QUERIES[name])), max_size=3
)
accepts = st.just("") | st.sampled_from(
    ("", "application/json", "*/*", "text/html", "application/yaml", "application/json;as=Table;v=v1;g=meta.k8s.io",
     "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", "application/json;as=Odd", ";;,q=x",
     "a/b;q=1e999",
     "application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json")
)  # fmt: skip
