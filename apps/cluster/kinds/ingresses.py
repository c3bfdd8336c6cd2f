"""The kinds Ingress and IngressClass: host names and paths that lead from outside to services, and who serves them."""

from __future__ import annotations

from datetime import datetime

from apps.cluster import names, types
from apps.cluster.errors import invalid
from apps.cluster.kinds import ages, ingress_checks, meta, refusals
from apps.cluster.kinds.transaction import Transaction
from apps.cluster.registry import Column, Kind, kind_of, register
from apps.cluster.types import ways

GROUP = "networking.k8s.io"


def take_default_class(tx: Transaction, old: types.Ingress | None, new: types.Ingress) -> None:
    """One that names no class when it is made gets the default one, where there is one."""
    if old is not None or ways.class_of(new):
        return
    classes = tx.list(kind_of("ingressclasses", GROUP))
    usual = [one.metadata.name for one in classes if one.metadata.annotations.get(ways.DEFAULT_CLASS) == "true"]
    new.spec.ingress_class_name = min(usual, default=None)


def hold_claims(tx: Transaction, old: types.Ingress | None, new: types.Ingress) -> None:
    """A host belongs to one namespace, and each of its paths to one Ingress: raises Invalid for what is taken.

    Else whoever may write an Ingress could draw to himself what others were sent.
    """
    had = {way.claim for way in ways.ways(old)} if old is not None and ways.class_of(old) == ways.class_of(new) else ()
    asked = {way.claim for way in ways.ways(new)}.difference(had)
    if not asked:
        return
    hosts: dict[str, str] = {}
    paths: dict[tuple[str, str, bool], str] = {}
    for other in tx.list(kind_of("ingresses", GROUP)):
        own = other.metadata.namespace == new.metadata.namespace
        if ways.class_of(other) != ways.class_of(new) or (own and other.metadata.name == new.metadata.name):
            continue
        for way in ways.ways(other):
            if own:
                paths[way.claim] = other.metadata.name
            else:
                hosts[way.host] = other.metadata.namespace
    problems = []
    for host in sorted({host for host, _, _ in asked}):
        if host in hosts:
            why = "is already taken by an Ingress of another namespace: use another host, or have that one changed"
            problems.append(refusals.invalid(_field(new, host), host or "*", why))
    for claim in sorted(asked & paths.keys()):
        why = f'is already taken by ingress "{paths[claim]}": use another host or path, or change that one'
        problems.append(refusals.invalid(_field(new, claim[0]), f"{claim[0] or '*'}{claim[1]}", why))
    if problems:
        raise invalid(new.kind, new.metadata.name, problems, group=GROUP)


def _field(ingress: types.Ingress, host: str) -> str:
    rules = [index for index, rule in enumerate(ingress.spec.rules) if rule.host == host]
    return f"spec.rules[{rules[0]}].host" if rules else "spec.defaultBackend"


def addresses(ingress: types.Ingress) -> list[str]:
    """Where it is reached."""
    balancer = ingress.status.load_balancer
    return [one.ip or one.hostname for one in balancer.ingress] if balancer else []


def _class(ingress: types.Ingress, now: datetime) -> str:
    return ingress.spec.ingress_class_name or "<none>"


def _hosts(ingress: types.Ingress, now: datetime) -> str:
    return ages.few([rule.host for rule in ingress.spec.rules if rule.host]) or "*"


def _parameters(ingress_class: types.IngressClass, now: datetime) -> str:
    found = ingress_class.spec.parameters
    if found is None:
        return "<none>"
    return f"{found.kind}.{found.api_group}/{found.name}" if found.api_group else f"{found.kind}/{found.name}"


INGRESS = register(
    Kind(
        group=GROUP,
        name="Ingress",
        plural="ingresses",
        short=("ing",),
        schema=types.Ingress,
        subresources=frozenset({"status"}),
        validate=meta.checked(names.dns_subdomain_problem, ingress_checks.problems),
        validate_status=ingress_checks.status_problems,
        validate_update=meta.checked_update(),
        admit=(take_default_class, hold_claims),
        columns=(
            ages.NAME,
            Column("Class", _class, description="Who serves it."),
            Column("Hosts", _hosts, description="The names it answers to."),
            Column(
                "Address",
                lambda ingress, now: ",".join(addresses(ingress)),
                description="The edge nodes, by which it is reached.",
            ),
            Column(
                "Ports",
                lambda ingress, now: "80, 443" if ingress.spec.tls else "80",
                description="With 443 where it has certificates.",
            ),
            ages.AGE,
        ),
    )
)

INGRESS_CLASS = register(
    Kind(
        group=GROUP,
        name="IngressClass",
        plural="ingressclasses",
        schema=types.IngressClass,
        namespaced=False,
        validate=meta.checked(names.dns_subdomain_problem, ingress_checks.class_problems, namespaced=False),
        validate_update=meta.checked_update(ingress_checks.class_update_problems),
        columns=(
            ages.NAME,
            Column("Controller", lambda one, now: one.spec.controller, description="Who serves its Ingresses."),
            Column("Parameters", _parameters, description="An object with its settings."),
            ages.AGE,
        ),
    )
)
