"""A node's identity: a token bound to it and the certificate of its door, issued together and for one key.

Issued when a machine joins, renewed by its agent, ended in the very write that removes its Node. Of several for one
node the newest that was used counts: opening a connection with it ends the older ones.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from apps.accounts import certificates, tokens
from apps.accounts.models import Token
from apps.cluster import types
from apps.cluster.actors import NODE_PREFIX
from apps.cluster.actors import node as node_actor
from apps.cluster.kinds import NODE
from apps.cluster.kinds.transaction import Transaction
from apps.cluster.registry import farewell
from apps.cluster.types import agent

LIFE = timedelta(days=365)
RENEW_BEFORE = timedelta(days=120)


def watch_over_nodes() -> None:
    """From now on a removed node's identity ends with it."""
    farewell(NODE, _end)


def issue(node: str, request: bytes, now: datetime) -> agent.Identity:
    """A new identity for the key in a PEM signing request. Raises Invalid for a request that is none."""
    actor = node_actor(node)
    digest = certificates.key_digest(request)
    return agent.Identity(
        token=tokens.issue(actor.name, actor.groups, LIFE, tokens.NODE, key_digest=digest),
        certificate=certificates.sign_for_node(node, request, now).decode(),
        authority=certificates.ensure_authority().certificate.decode(),
    )


def end(node: str) -> None:
    """End every identity of the node: the machine that held them has left, and is told so when it comes back."""
    _living(node).update(revoked_at=datetime.now(UTC), node_left=True)
    transaction.on_commit(tokens.forget)


def is_held_by(node: str, key_digest: str) -> bool:
    """Whether the node's newest identity was issued for this key: then it is the same machine that asks again.

    A token that was revoked may have leaked; the key, which proves the machine, has not left it.
    """
    held = _held(node).filter(node_left=False).exclude(key_digest="").order_by("-created_at")
    return held.values_list("key_digest", flat=True).first() == key_digest


def is_due(text: str, now: datetime) -> bool:
    """Whether the token that a node shows comes to its end."""
    ends = tokens.expiry(text)
    return ends is not None and ends - now < RENEW_BEFORE


def used(text: str) -> None:
    """A connection was opened with this token: what the node held before has served its time."""
    row = _row(text)
    if row is None:
        return
    older = _living(row.actor.removeprefix(NODE_PREFIX)).filter(created_at__lt=row.created_at)
    if older.exists():
        older.update(revoked_at=datetime.now(UTC))
        transaction.on_commit(tokens.forget)


def node_left(text: str) -> str:
    """The node whose identity this was, when that node was taken out of the cluster; else "".

    A token that was revoked while its node stands is another matter: that machine keeps what it runs.
    """
    row = _row(text)
    return row.actor.removeprefix(NODE_PREFIX) if row is not None and row.node_left else ""


def _row(text: str) -> Token | None:
    return Token.objects.filter(digest=tokens.digest_of(text), purpose=tokens.NODE).first()


def _held(node: str) -> QuerySet[Token]:
    return Token.objects.filter(actor=f"{NODE_PREFIX}{node}", purpose=tokens.NODE)


def _living(node: str) -> QuerySet[Token]:
    return _held(node).filter(revoked_at=None)


def _end(tx: Transaction, node: types.Node) -> None:
    end(node.metadata.name)
