"""What Ingresses ask for, as the server judges it and the edge serves it: pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from apps.cluster.types.core import Node, Service, ServicePort
from apps.cluster.types.networking import Ingress, IngressBackend, IngressClass, ServiceBackendPort

CONTROLLER: Final = "drover.dev/edge"
"""The ``controller`` of classes that the edge nodes serve."""
EDGE_LABEL: Final = "drover.dev/edge"
"""Nodes with this label (but for the value "false") are the edge; without any, every node is."""
CLASS_ANNOTATION: Final = "kubernetes.io/ingress.class"
"""How an Ingress named its class before there was a field."""
DEFAULT_CLASS: Final = "ingressclass.kubernetes.io/is-default-class"
ACME: Final = "kubernetes.io/tls-acme"
"""On an Ingress, "true": hosts whose ``tls`` names no secret get a certificate from the class's authority."""
HTTPS_ONLY: Final = "drover.dev/https-only"
"""On an Ingress, "false": hosts with TLS are served without it too, in place of being sent on to it."""
HTTP_PORT: Final = "drover.dev/http-port"
HTTPS_PORT: Final = "drover.dev/https-port"
ACME_DIRECTORY: Final = "drover.dev/acme-directory"
ACME_EMAIL: Final = "drover.dev/acme-email"
ACME_ROOTS: Final = "drover.dev/acme-roots"
"""On a class: the ports of the edge nodes, and the authority that certificates are asked of (with the PEM
certificates by which it is trusted, where it is not a public one)."""
PORTS: Final = {HTTP_PORT: 80, HTTPS_PORT: 443}
EXACT: Final = "Exact"
TLS: Final = "kubernetes.io/tls"
"""The type of secrets that hold a certificate and its key."""


@dataclass(frozen=True)
class Way:
    """One host and path, and where they lead. An empty host means all that nobody names."""

    host: str
    path: str
    exact: bool
    backend: IngressBackend

    @property
    def claim(self) -> tuple[str, str, bool]:
        """What no two may have."""
        return self.host, self.path, self.exact


def on_edge(node: Node) -> bool:
    """Whether it is labelled so."""
    return node.metadata.labels.get(EDGE_LABEL, "false") != "false"


def class_of(ingress: Ingress) -> str:
    """The class that an Ingress names, "" for none."""
    return ingress.spec.ingress_class_name or ingress.metadata.annotations.get(CLASS_ANNOTATION, "")


def served(ingresses: Iterable[Ingress], classes: Iterable[IngressClass]) -> list[tuple[Ingress, IngressClass]]:
    """Those that the edge serves, the oldest first, each with its class."""
    ours = {one.metadata.name: one for one in classes if one.spec.controller == CONTROLLER}
    found = [(one, ours[class_of(one)]) for one in ingresses if class_of(one) in ours]
    return sorted(found, key=lambda pair: (str(pair[0].metadata.creation_timestamp), *_key(pair[0])))


def port(ingress_class: IngressClass | None, annotation: str) -> int:
    """The edge nodes' port for ``HTTP_PORT`` or ``HTTPS_PORT``; the usual one where there is no class."""
    own = ingress_class.metadata.annotations if ingress_class is not None else {}
    return int(own.get(annotation) or PORTS[annotation])


def ports(ingress: Ingress, ingress_class: IngressClass | None) -> list[int]:
    """Those that it asks for."""
    wanted = [HTTP_PORT, HTTPS_PORT] if secured(ingress) else [HTTP_PORT]
    return [port(ingress_class, each) for each in wanted]


def ways(ingress: Ingress) -> Iterator[Way]:
    """Everything it claims. Its default backend takes what its own hosts have no path for, and without rules all
    that nobody names."""
    spec, whole = ingress.spec, set[str]()
    for rule in spec.rules:
        for each in rule.http.paths if rule.http else ():
            exact = each.path_type == EXACT
            way = Way(rule.host, each.path if exact else each.path.rstrip("/") or "/", exact, each.backend)
            if way.path == "/" and not exact:
                whole.add(rule.host)
            yield way
    if spec.default_backend is not None:
        for host in sorted({rule.host for rule in spec.rules} or {""}):
            if host not in whole:
                yield Way(host, "/", exact=False, backend=spec.default_backend)


def secured(ingress: Ingress) -> dict[str, str]:
    """Each host that has TLS, with the secret that holds its certificate ("" for none)."""
    every = [rule.host for rule in ingress.spec.rules if rule.host]
    found: dict[str, str] = {}
    for tls in ingress.spec.tls:
        for host in tls.hosts or every:
            found.setdefault(host, tls.secret_name)
    return found


def secrets_of(ingress: Ingress) -> set[str]:
    """The names of the secrets that it takes certificates from."""
    return {tls.secret_name for tls in ingress.spec.tls if tls.secret_name}


def services_of(ingress: Ingress) -> set[str]:
    """The names of the services that it leads to."""
    return {way.backend.service.name for way in ways(ingress) if way.backend.service is not None}


def port_of(service: Service, wanted: ServiceBackendPort) -> ServicePort | None:
    """The service's port that a backend means by its name or number."""
    for port in service.spec.ports:
        if port.name == wanted.name if wanted.name else port.port == wanted.number:
            return port
    return None


def _key(ingress: Ingress) -> tuple[str, str]:
    return ingress.metadata.namespace, ingress.metadata.name
