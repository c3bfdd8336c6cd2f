"""Single-use tickets: who asked over HTTP gets one, and may open one stream with it within moments.

A websocket's handshake carries cookies for any page and no CSRF token; the ticket proves that the page itself asked.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from apps.accounts.models import Ticket
from apps.accounts.tokens import digest_of
from apps.cluster.actors import Actor
from apps.cluster.errors import Forbidden

LIFETIME = timedelta(seconds=30)


def issue(actor: Actor, what: str, now: datetime) -> str:
    """A ticket for ``what``; it is shown once, and only its digest is kept."""
    text = secrets.token_urlsafe(32)
    Ticket.objects.filter(expires_at__lt=now).delete()
    Ticket.objects.create(digest=digest_of(text), actor=actor.name, what=what, expires_at=now + LIFETIME)
    return text


def redeem(text: str, actor: Actor, now: datetime) -> str:
    """What it was issued for. It is spent, whoever shows it. Raises Forbidden."""
    found = Ticket.objects.filter(digest=digest_of(text))
    ticket = found.first()
    spent, _ = found.delete()
    if ticket is None or not spent or ticket.actor != actor.name or ticket.expires_at < now:
        raise Forbidden("This ticket is spent, has ended, or is somebody else's.")
    return ticket.what
