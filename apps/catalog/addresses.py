"""What references may name, and what each stands for in one application: hosts, addresses, URLs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.catalog.format import Component, Definition, Port
from apps.catalog.references import Hidden, Reference, pieces, spelled, substitute
from apps.cluster.types import guess

ROOTS = ("params", "components", "endpoints", "app")
OF_COMPONENT = ("host", "address", "port")
URLS = ("internalUrl", "url")
OF_ENDPOINT = (*URLS, "host")
OF_APP = ("name", "namespace")


class NotKnown(ValueError):
    """Why a reference stands for nothing, in words that follow "Invalid value"."""


def service_name(app: str, name: str, component: Component) -> str:
    """The application's name and the component's, or what the author insists on."""
    return component.host or f"{app}-{name}"


def host(app: str, name: str, definition: Definition) -> str:
    """The name under which a component is found in its namespace."""
    return service_name(app, name, definition.components[name])


def endpoint_in(text: str) -> str:
    """The endpoint with whose URL a text begins; "" when it begins with none. Raises Malformed."""
    first = next(iter(pieces(text)), "")
    if isinstance(first, str) or first.root != "endpoints" or len(first.steps) != 3 or first.steps[2] not in URLS:
        return ""
    return first.steps[1]


class Offers:
    """Every reference that a definition allows."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition

    def check(self, reference: Reference, *, roots: Sequence[str] = ROOTS, told: bool = False) -> None:
        """Raises NotKnown. ``told``: in notes and checks, which are read once everything has its address."""
        root, *rest = reference.steps
        if root not in roots:
            raise NotKnown(f"must begin with one of {', '.join(roots)} here{guess(root, roots)}")
        named: dict[str, Mapping[str, Any]] = {
            "params": self.definition.parameters, "components": self.definition.components,
            "endpoints": self.definition.endpoints, "app": dict.fromkeys(OF_APP),
        }  # fmt: skip
        known = named[root]
        if not rest or rest[0] not in known:
            name = rest[0] if rest else ""
            raise NotKnown(
                f"names none of the {root} {', '.join(known) or '(there are none)'}{guess(name, known)}"
            )
        if root in {"params", "app"} and len(rest) > 1:
            raise NotKnown(f"ends after {rest[0]}")
        if root == "components":
            self._check_component(rest[0], rest[1:])
        if root == "endpoints":
            self._check_endpoint(rest[1:], told=told)

    def _check_component(self, name: str, rest: list[str]) -> None:
        ports = self.definition.components[name].ports
        if not rest or rest[0] not in OF_COMPONENT:
            raise NotKnown(f"a component has {', '.join(OF_COMPONENT)}")
        if not ports:
            raise NotKnown(f"{name} has no ports, so nothing can reach it by name")
        if rest[0] == "host":
            if len(rest) > 1:
                raise NotKnown("ends after host")
        elif len(rest) != 2 or rest[1] not in ports:
            wanted = rest[1] if len(rest) > 1 else ""
            raise NotKnown(f"{rest[0]} wants one of {name}'s ports: {', '.join(ports)}{guess(wanted, ports)}")

    def _check_endpoint(self, rest: list[str], *, told: bool) -> None:
        if len(rest) != 1 or rest[0] not in OF_ENDPOINT:
            raise NotKnown(f"an endpoint has {', '.join(OF_ENDPOINT)}")
        if rest[0] == "url" and not told:
            raise NotKnown(
                "is known only once everything runs: in notes and checks; internalUrl is known before"
            )


class Addresses:
    """The value of every reference of one application."""

    def __init__(self, app: str, namespace: str, definition: Definition, params: Mapping[str, Any]) -> None:
        self.app, self.namespace, self.definition, self.params = app, namespace, definition, params

    def value(self, reference: Reference) -> Any:
        root, *rest = reference.steps
        match root:
            case "params":
                return self.params[rest[0]]
            case "app":
                return self.app if rest[0] == "name" else self.namespace
            case "components":
                return self._of_component(rest[0], rest[1], *rest[2:])
        return self._of_endpoint(rest[0], rest[1])

    def quoted(self, reference: Reference) -> Any:
        """As text for commands and variables, where pods read $(NAME) as another variable: not in a value."""
        value = self.value(reference)
        return value if isinstance(value, Hidden) else spelled(value).replace("$", "$$")

    def port(self, component: str, name: str) -> Any:
        """The number of a component's port, which may itself be a parameter's."""
        given = self.definition.components[component].ports[name]
        number = given.port if isinstance(given, Port) else given
        return self._plain(number)

    def internal_url(self, name: str) -> str:
        """Where an endpoint answers inside the cluster."""
        endpoint = self.definition.endpoints[name]
        where = self._of_component(endpoint.component, "address", endpoint.port)
        return f"http://{where}{self._plain(endpoint.path) or '/'}"

    def _of_component(self, name: str, what: str, port: str = "") -> Any:
        if what == "port":
            return self.port(name, port)
        where = host(self.app, name, self.definition)
        return where if what == "host" else f"{where}:{self.port(name, port)}"

    def _of_endpoint(self, name: str, what: str) -> Any:
        if what == "host":
            return self._plain(self.definition.endpoints[name].host)
        return self.internal_url(name)

    def _plain(self, value: Any) -> Any:
        return substitute(value, self.value)
