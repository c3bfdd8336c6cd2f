"""From Ingresses to Caddy's configuration. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from apps.cluster import types
from apps.cluster.types import ways
from apps.cluster.types.ways import Way
from node_agent.edge import caddy
from node_agent.edge.sight import Key, Sight
from node_agent.slices import by_service, is_ready


@dataclass(frozen=True)
class Plan:
    """What Caddy is told."""

    config: dict[str, Any]
    ports: frozenset[int]
    files: Mapping[str, str] = field(default_factory=dict)
    """Beside the configuration, by name: what Caddy reads only from files."""

    def without(self, certificate: int | None) -> Plan:
        """The same but for one certificate, by its place in the list, or for all: one that Caddy does not take shall
        keep nobody else's from being served."""
        apps = self.config["apps"]
        certificates = dict(apps["tls"]["certificates"])
        kept = [each for place, each in enumerate(certificates["load_pem"]) if certificate not in (None, place)]
        certificates["load_pem"] = kept
        tls = {**apps["tls"], "certificates": certificates}
        return Plan({**self.config, "apps": {**apps, "tls": tls}}, self.ports, self.files)

    def certificates(self) -> list[str]:
        """The secret of each, in the order of the list."""
        tls = self.config["apps"].get("tls", {})
        return [each["tags"][0] for each in tls.get("certificates", {}).get("load_pem", ())]


@dataclass
class Port:
    """One port of the node, while it is put together."""

    secure: bool
    routes: dict[str, dict[tuple[str, bool], dict[str, Any]]] = field(default_factory=lambda: defaultdict(dict))
    """By host, then by path and whether that is the whole of it."""


def plan(sight: Sight) -> Plan | None:
    """None when nothing is to be served."""
    served = ways.served(sight.ingresses, sight.classes)
    if not served:
        return None
    slices = by_service(sight.slices)
    ports: dict[int, Port] = {}
    certificates = caddy.Certificates()
    for ingress, found in served:
        http, https = ways.port(found, ways.HTTP_PORT), ways.port(found, ways.HTTPS_PORT)
        secured = ways.secured(ingress)
        onward = ingress.metadata.annotations.get(ways.HTTPS_ONLY) != "false"
        for way in ways.ways(ingress):
            handler = _leads(ingress, way, sight, slices)
            key = (way.path, way.exact)
            plain = ports.setdefault(http, Port(secure=False))
            if way.host in secured:
                ports.setdefault(https, Port(secure=True)).routes[way.host].setdefault(key, handler)
            sent_on = way.host in secured and onward
            plain.routes[way.host].setdefault(key, caddy.redirect(https) if sent_on else handler)
        for host, secret in secured.items():
            _certify(certificates, ingress, found, host, secret, sight.secrets)
    servers = {str(port): _server(port, each, certificates, sight.peers) for port, each in sorted(ports.items())}
    files = {_file(roots): roots for roots in certificates.roots()}
    return Plan(caddy.config(servers, certificates.app(_file)), frozenset(ports), files)


def _leads(
    ingress: types.Ingress, way: Way, sight: Sight, slices: Mapping[Key, list[types.EndpointSlice]]
) -> dict[str, Any]:
    """To the service's address; without one, to its pods."""
    backend = way.backend.service
    key = (ingress.metadata.namespace, backend.name if backend else "")
    service = sight.services.get(key)
    port = ways.port_of(service, backend.port) if service and backend else None
    if service is None or port is None or service.spec.type == "ExternalName":
        return caddy.unavailable("no such service, or it has no such port")
    if service.spec.cluster_ip == "None":
        found = [f"{address}:{number}" for address, number in _behind(slices.get(key, ()), port)]
    else:
        found = [f"{service.spec.cluster_ip}:{port.port}"] if service.spec.cluster_ip else []
    return caddy.proxy(found) if found else caddy.unavailable("nothing answers behind the service")


def _behind(slices: Iterable[types.EndpointSlice], port: types.ServicePort) -> Iterator[tuple[str, int]]:
    return iter(
        sorted(
            (address, each.port)
            for found in slices
            for each in found.ports
            if each.port and (each.name or "") == port.name
            for endpoint in found.endpoints
            if is_ready(endpoint)
            for address in endpoint.addresses
        )
    )


def _certify(
    certificates: caddy.Certificates,
    ingress: types.Ingress,
    found: types.IngressClass,
    host: str,
    name: str,
    secrets: Mapping[Key, types.Secret],
) -> None:
    """Where the host's certificate comes from: the secret, the class's authority, or this very node."""
    notes = found.metadata.annotations
    key = (ingress.metadata.namespace, name)
    if name:
        if (secret := secrets.get(key)) is not None and secret.type == ways.TLS:
            chain, private = (_text(secret, each) for each in ("tls.crt", "tls.key"))
            if chain and private:
                certificates.own(host, "/".join(key), chain, private)
    elif ingress.metadata.annotations.get(ways.ACME) == "true" and not host.startswith("*"):
        authority = caddy.Authority(
            directory=notes.get(ways.ACME_DIRECTORY, ""),
            email=notes.get(ways.ACME_EMAIL, ""),
            roots=notes.get(ways.ACME_ROOTS, ""),
            http_port=ways.port(found, ways.HTTP_PORT),
        )
        certificates.ask(host, authority)
    else:
        certificates.sign(host)


def _text(secret: types.Secret, key: str) -> str:
    try:
        return base64.b64decode(secret.data.get(key, ""), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""


def _server(port: int, found: Port, certificates: caddy.Certificates, peers: tuple[str, ...]) -> dict[str, Any]:
    routes = [
        caddy.for_host(host, [_route(path, exact, handler) for (path, exact), handler in _longest_first(paths)])
        for host, paths in sorted(found.routes.items(), key=_most_particular_first)
    ]
    if not found.secure and peers and certificates.asked:
        routes.insert(0, caddy.challenges(certificates.asked, peers, port))
    policies = certificates.policies(sorted(found.routes)) if found.secure else []
    return caddy.server(port, routes, policies)


def _most_particular_first(item: tuple[str, Any]) -> tuple[int, str]:
    """Whole names, then those with a wildcard, and last what nobody names."""
    host = item[0]
    return (2 if not host else 1 if host.startswith("*") else 0), host


def _longest_first(
    paths: Mapping[tuple[str, bool], dict[str, Any]],
) -> list[tuple[tuple[str, bool], dict[str, Any]]]:
    """The longest path decides; of two equal ones that which means itself alone."""
    return sorted(paths.items(), key=lambda item: (-len(item[0][0]), not item[0][1], item[0][0]))


def _route(path: str, exact: bool, handler: dict[str, Any]) -> dict[str, Any]:
    """A path and what lies below it, part by part: ``/a`` means ``/a/b`` and not ``/ab``."""
    if exact:
        return caddy.for_path(f"^{re.escape(path)}$", handler)
    return caddy.for_path("" if path == "/" else f"^{re.escape(path)}(?:/|$)", handler)


ROOTS: Final = "roots-{}.pem"


def _file(roots: str) -> str:
    return ROOTS.format(hashlib.sha256(roots.encode()).hexdigest()[:12])
