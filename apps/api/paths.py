"""What a path of the API means."""

from dataclasses import dataclass

from apps.cluster.errors import NotFound

UNKNOWN = "the server could not find the requested resource"


@dataclass(frozen=True, slots=True)
class Resource:
    """Objects of one kind, or one object, or a part of one. ``namespace`` is None where the path names none."""

    group: str
    version: str
    plural: str
    namespace: str | None = None
    name: str = ""
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """A page about the API itself: paths, version, health, discovery, OpenAPI; ``parts`` are what follows its name."""

    name: str
    parts: tuple[str, ...] = ()


HEALTH = frozenset({"healthz", "livez", "readyz"})


def parse(path: str) -> Resource | Document:
    """Raises NotFound for anything that no API serves. Slashes at the end do not matter."""
    parts = tuple(path.strip("/").split("/"))
    if parts == ("",):
        return Document("paths")
    if "" in parts or any(part in {".", ".."} for part in parts):
        raise NotFound(UNKNOWN)
    match parts:
        case ("version",):
            return Document("version")
        case (name, *_) if name in HEALTH:
            return Document(name, parts[1:])
        case ("openapi", *_):
            return Document("openapi", parts[1:])
        case ("api" | "apis",) | ("apis", _) | ("api", _) | ("apis", _, _):
            return Document("discovery", parts)
        case ("api", version, *rest):
            return _resource("", version, rest)
        case ("apis", group, version, *rest):
            return _resource(group, version, rest)
    raise NotFound(UNKNOWN)


def _resource(group: str, version: str, rest: list[str]) -> Resource:
    # "/namespaces/x" and "/namespaces/x/status" are about the Namespace itself.
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in {"status", "finalize"}:
        namespace, rest = rest[1], rest[2:]
        return _object(group, version, rest, namespace)
    return _object(group, version, rest, None)


def _object(group: str, version: str, rest: list[str], namespace: str | None) -> Resource:
    match rest:
        case [plural]:
            return Resource(group, version, plural, namespace)
        case [plural, name]:
            return Resource(group, version, plural, namespace, name)
        case [plural, name, subresource]:
            return Resource(group, version, plural, namespace, name, subresource)
    raise NotFound(UNKNOWN)
