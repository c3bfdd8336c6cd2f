"""A machine becomes a node: checks first, then its Node, its identity and the end of its line in one write."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from ipaddress import IPv4Network

import msgspec
from django.conf import settings

from apps.accounts import certificates, node_identity
from apps.cluster import names, ranges, store, types
from apps.cluster.actors import system
from apps.cluster.errors import BadRequest, Conflict, Invalid
from apps.cluster.kinds import NODE
from apps.cluster.transaction import Transaction
from apps.cluster.types.agent import Identity
from apps.cluster.types.joining import Joined, JoinRequest, Route
from apps.nodes import invitations, marks
from apps.nodes.models import Heartbeat, Invitation

JOINER = system("join")
CLOCK_APART = timedelta(seconds=60)


def join(text: str, request: JoinRequest, now: datetime) -> Joined:
    """Admit the machine that holds the line's token. Raises ApiError with what to do; the line then stays good."""
    if why := refusal(request, now):
        raise BadRequest(why)
    if problem := names.dns_subdomain_problem(request.node):
        raise Invalid(f'the node name "{request.node}" is invalid: {problem}; choose one with --name')
    digest = certificates.key_digest(request.request.encode())
    identity = store.write(JOINER, lambda tx: _admit(tx, text, request, digest, now))
    return Joined(
        node=request.node,
        identity=identity,
        service_cidr=str(ranges.SERVICE_CIDR),
        cluster_cidr=str(ranges.POD_CIDR),
        pod_network=settings.POD_NETWORK,
        mirror=settings.NODE_MIRROR,
    )


def refusal(request: JoinRequest, now: datetime) -> str:
    """Why the machine cannot be a node as it is, and what to do; "" when it can. Pure."""
    apart = (request.clock - now).total_seconds()
    if abs(apart) > CLOCK_APART.total_seconds():
        side = "ahead of" if apart > 0 else "behind"
        return (
            f"this machine's clock is {abs(apart):.0f} s {side} the server's, and certificates and tokens live by "
            "it: set it (timedatectl set-ntp true) and paste the line again"
        )
    for what, ours, variable in (
        ("pods", ranges.POD_CIDR, "POD_CIDR"),
        ("services", ranges.SERVICE_CIDR, "SERVICE_CIDR"),
    ):
        if (route := overlapping(request.routes, ours)) is not None:
            return (
                f"the route to {route.network} by {route.link} on this machine overlaps {ours}, the cluster's "
                f"addresses for {what}: remove the route, or give the cluster another range with {variable}"
            )
    return ""


def overlapping(routes: Iterable[Route], ours: IPv4Network) -> Route | None:
    """The first route that would catch what is meant for the cluster, or that the cluster would catch.

    A wider route through a gateway may stay: the cluster's own are narrower and win.
    """
    for route in routes:
        try:
            network = IPv4Network(route.network)
        except ValueError:
            continue
        if network.prefixlen and (network.subnet_of(ours) or (route.direct and ours.subnet_of(network))):
            return route
    return None


def _admit(tx: Transaction, text: str, request: JoinRequest, digest: str, now: datetime) -> Identity:
    invitation = invitations.known(text)
    same = node_identity.is_held_by(request.node, digest)
    # An answer that was lost on its way is given again, to the machine whose key was admitted with this line.
    if not (same and invitation.node == request.node):
        invitation = invitations.find(text, now)
    if invitation.name and invitation.name != request.node:
        raise Conflict(f"this line was made for node {invitation.name}: join with --name {invitation.name}")
    node = tx.find(NODE, "", request.node)
    if node is not None and not same:
        _check_taken(node, invitation, now)
        node_identity.end(request.node)
    _put(tx, node, request.node, invitation)
    Invitation.objects.filter(pk=invitation.pk).update(used_at=now, node=request.node)
    return node_identity.issue(request.node, request.request.encode(), now)


def _check_taken(node: types.Node, invitation: Invitation, now: datetime) -> None:
    """A living node's name is nobody else's. A silent one's goes to whom the line names it for."""
    name = node.metadata.name
    heard = Heartbeat.objects.filter(node=name).values_list("at", flat=True).first()
    if heard is not None and now - heard < timedelta(seconds=settings.NODE_GRACE):
        raise Conflict(f"the name {name} is taken by a node that is alive: choose another with --name")
    if invitation.name != name:
        last = f"last heard at {heard:%Y-%m-%d %H:%M:%S} UTC" if heard else "never heard"
        raise Conflict(
            f"the name {name} is taken by another machine ({last}): choose another with --name; if that machine "
            f"is gone for good, run `manage.py node remove {name}`, or make a line for it: "
            f"`manage.py join-command --name {name}`"
        )


def _put(tx: Transaction, node: types.Node | None, name: str, invitation: Invitation) -> None:
    known = node or types.Node(metadata=types.ObjectMeta(name=name))
    labels = {**invitation.labels, "kubernetes.io/hostname": name}
    marks.add(known, labels, msgspec.convert(invitation.taints, list[types.Taint]))
    if node is None:
        tx.create(NODE, known)
    else:
        tx.update(NODE, known)
