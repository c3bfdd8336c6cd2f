"""What an Ingress and an IngressClass may say, field by field."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from cryptography import x509

from apps.cluster import names, types
from apps.cluster.kinds import pod_checks, refusals
from apps.cluster.quantities import number_in
from apps.cluster.types import Problem, ways

PREFIX, EITHER = "Prefix", "ImplementationSpecific"
PATH_TYPES = (ways.EXACT, PREFIX, EITHER)
UNCLEAN = ("//", "/./", "/../", "%2f", "%2F")
UNCLEAN_ENDS = ("/..", "/.")
LONGEST_PATH, LONGEST_CONTROLLER = 1024, 250
SWITCHES = (ways.ACME, ways.HTTPS_ONLY)
EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


def problems(ingress: types.Ingress) -> Iterator[Problem]:
    spec, notes = ingress.spec, ingress.metadata.annotations
    if not spec.rules and spec.default_backend is None:
        yield refusals.invalid("spec", [], "either `defaultBackend` or `rules` must be specified")
    if spec.ingress_class_name is not None:
        path, name = "spec.ingressClassName", spec.ingress_class_name
        yield from refusals.named(path, name, names.dns_subdomain_problem)
        if notes.get(ways.CLASS_ANNOTATION, name) != name:
            path = f"metadata.annotations[{ways.CLASS_ANNOTATION}]"
            why = "may not name another class than `spec.ingressClassName`"
            yield refusals.invalid(path, notes[ways.CLASS_ANNOTATION], why)
    for switch in SWITCHES:
        yield from refusals.one_of(f"metadata.annotations[{switch}]", notes.get(switch, "true"), ("true", "false"))
    if spec.default_backend is not None:
        yield from _backend_problems(spec.default_backend, "spec.defaultBackend")
    for index, rule in enumerate(spec.rules):
        yield from _rule_problems(rule, f"spec.rules[{index}]", default=spec.default_backend is not None)
    for index, tls in enumerate(spec.tls):
        path = f"spec.tls[{index}]"
        for position, host in enumerate(tls.hosts):
            yield from _host_problems(f"{path}.hosts[{position}]", host)
        if tls.secret_name:
            yield from refusals.spelled(f"{path}.secretName", tls.secret_name, names.dns_subdomain_problem)
    yield from status_problems(ingress)


def status_problems(ingress: types.Ingress) -> Iterator[Problem]:
    balancer = ingress.status.load_balancer
    for index, one in enumerate(balancer.ingress if balancer else ()):
        path = f"status.loadBalancer.ingress[{index}]"
        if one.ip:
            yield from pod_checks.address_problems(f"{path}.ip", one.ip)
        if one.hostname:
            yield from refusals.spelled(f"{path}.hostname", one.hostname, names.dns_subdomain_problem)


def class_problems(ingress_class: types.IngressClass) -> Iterator[Problem]:
    spec = ingress_class.spec
    yield from refusals.named("spec.controller", spec.controller, _controller_problem)
    if spec.controller == ways.CONTROLLER:
        if spec.parameters is not None:
            why = f"{ways.CONTROLLER} takes none: its settings are annotations"
            yield refusals.forbidden("spec.parameters", why)
        yield from _setting_problems(ingress_class.metadata.annotations)
    elif spec.parameters is not None:
        for field in ("kind", "name"):
            path = f"spec.parameters.{field}"
            yield from refusals.named(path, getattr(spec.parameters, field), names.path_segment_problem)


def class_update_problems(old: types.IngressClass, new: types.IngressClass) -> Iterator[Problem]:
    if old.spec.controller != new.spec.controller:
        yield refusals.invalid("spec.controller", new.spec.controller, "field is immutable")


def _controller_problem(text: str) -> str | None:
    if len(text) > LONGEST_CONTROLLER:
        return f"must be no more than {LONGEST_CONTROLLER} characters"
    domain, slash, rest = text.partition("/")
    if not slash or not rest or names.dns_subdomain_problem(domain) or not rest.isprintable():
        return "must be a domain and a path (such as 'example.com/controller')"
    return None


def _setting_problems(notes: dict[str, str]) -> Iterator[Problem]:
    """Of a class that the edge nodes serve."""
    numbers = []
    for annotation in ways.PORTS:
        path, text = f"metadata.annotations[{annotation}]", notes.get(annotation, "")
        if text and not 0 < (number_in(text) or 0) <= pod_checks.LARGEST_PORT:
            yield refusals.invalid(path, text, f"must be a port, between 1 and {pod_checks.LARGEST_PORT}")
        numbers.append(text or str(ways.PORTS[annotation]))
    if numbers[0] == numbers[1]:
        path = f"metadata.annotations[{ways.HTTPS_PORT}]"
        yield refusals.invalid(path, numbers[1], f"must differ from {ways.HTTP_PORT}")
    if directory := notes.get(ways.ACME_DIRECTORY):
        path, url = f"metadata.annotations[{ways.ACME_DIRECTORY}]", urlsplit(directory)
        if url.scheme != "https" or not url.hostname or not directory.isprintable():
            yield refusals.invalid(path, directory, "must be an https:// URL")
    if (email := notes.get(ways.ACME_EMAIL)) and not EMAIL.fullmatch(email):
        yield refusals.invalid(f"metadata.annotations[{ways.ACME_EMAIL}]", email, "must be an e-mail address")
    if roots := notes.get(ways.ACME_ROOTS):
        try:
            x509.load_pem_x509_certificates(roots.encode())
        except ValueError:
            path = f"metadata.annotations[{ways.ACME_ROOTS}]"
            yield refusals.invalid(path, roots, "must be certificates in PEM")


def _rule_problems(rule: types.IngressRule, path: str, *, default: bool) -> Iterator[Problem]:
    if rule.host:
        yield from _host_problems(f"{path}.host", rule.host)
    if rule.http is None:
        if not default:
            yield refusals.required(f"{path}.http", "must be given where there is no `spec.defaultBackend`")
        return
    if not rule.http.paths:
        yield refusals.required(f"{path}.http.paths")
    for index, each in enumerate(rule.http.paths):
        here = f"{path}.http.paths[{index}]"
        yield from _path_problems(each, here)
        yield from _backend_problems(each.backend, f"{here}.backend")


def _host_problems(path: str, host: str) -> Iterator[Problem]:
    try:
        ip_address(host)
    except ValueError:
        bare = host.removeprefix("*.")
        if "*" in bare:
            yield refusals.invalid(path, host, "a wildcard must be the whole first part (such as '*.example.com')")
        else:
            yield from refusals.spelled(path, bare, names.dns_subdomain_problem)
    else:
        yield refusals.invalid(path, host, "must be a DNS name, not an IP address")


def _path_problems(each: types.HTTPIngressPath, path: str) -> Iterator[Problem]:
    if not each.path_type:
        yield refusals.required(f"{path}.pathType", "pathType must be specified")
        return
    yield from refusals.one_of(f"{path}.pathType", each.path_type, PATH_TYPES)
    here = f"{path}.path"
    yield from refusals.plain(here, each.path, LONGEST_PATH)
    if each.path_type == EITHER and not each.path:
        return
    if not each.path.startswith("/"):
        yield refusals.invalid(here, each.path, "must be an absolute path")
    if each.path_type == EITHER:
        return
    for part in UNCLEAN:
        if part in each.path:
            yield refusals.invalid(here, each.path, f"must not contain '{part}'")
    for end in UNCLEAN_ENDS:
        if each.path.endswith(end):
            yield refusals.invalid(here, each.path, f"cannot end with '{end}'")


def _backend_problems(backend: types.IngressBackend, path: str) -> Iterator[Problem]:
    if backend.resource is not None:
        yield refusals.forbidden(f"{path}.resource", "is not supported: lead to a service")
    elif backend.service is None:
        yield refusals.required(path, "cannot have empty service backend")
    if backend.service is None:
        return
    service, here = backend.service, f"{path}.service"
    yield from refusals.named(f"{here}.name", service.name, names.dns_1035_problem)
    port = service.port
    if bool(port.name) == bool(port.number):
        yield refusals.required(f"{here}.port", "exactly one of port name and port number must be given")
    elif port.name:
        yield from refusals.spelled(f"{here}.port.name", port.name, names.port_name_problem)
    else:
        yield from pod_checks.port_problems(f"{here}.port.number", port.number)
