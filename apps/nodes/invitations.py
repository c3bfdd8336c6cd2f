"""Who may join: one line to paste on a new machine, good for one machine and a short time.

Whoever may create nodes may make one. A machine that joins is given pods with their secrets: a line that leaks is worth
as much as a node until it is used or ends.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

from apps.accounts import bootstrap, certificates
from apps.cluster import types
from apps.cluster.actors import Actor
from apps.cluster.errors import BadRequest, Unauthorized, invalid
from apps.cluster.kinds import NODE
from apps.nodes import servers
from apps.nodes.models import Invitation

PREFIX = "drj_"
DEFAULT_TTL = timedelta(minutes=30)
LONGEST_TTL = timedelta(days=7)
FORGOTTEN_AFTER = timedelta(days=7)
TAINT = re.compile(r"(?P<key>[^=:]+)(?:=(?P<value>[^:]*))?:(?P<effect>\w+)")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

# Asks without trust for the authority, believes it by its hash, and only then runs what the server sends.
BOOTSTRAP = (
    "import hashlib,http.client,ssl,sys;s,t,p=sys.argv[1:4];"
    'sys.excepthook=lambda k,e,b:print("join: no way in by %s: %s. '
    'Is it up, and is the clock here right?"%(s,e),file=sys.stderr);'
    'g=lambda u,x:[c.request("GET",u)or c.getresponse().read()'
    "for c in[http.client.HTTPSConnection(s,timeout=20,context=x)]][0];"
    'a=g("/join/ca",ssl._create_unverified_context());'
    "hashlib.sha256(a).hexdigest()==p or "
    'sys.exit("join: "+s+" is not the cluster this line was made for (another CA): make a new line");'
    'exec(g("/join/start",ssl.create_default_context(cadata=a)));main(s,t,a)'
)


@dataclass(frozen=True)
class Wish:
    """What the machine gets when it comes. An empty ``name``: it says its own."""

    name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[types.Taint] = ()
    ttl: timedelta = DEFAULT_TTL


def invite(who: Actor, wish: Wish, now: datetime) -> tuple[str, Invitation]:
    """A new token and what is kept of it. Raises Invalid for labels, taints or a name that no node may have."""
    if not timedelta(0) < wish.ttl <= LONGEST_TTL:
        raise BadRequest(f"the time to live must be above 0 and at most {LONGEST_TTL.days} days")
    check(wish)
    Invitation.objects.filter(expires_at__lt=now - FORGOTTEN_AFTER).delete()
    text = PREFIX + secrets.token_urlsafe(32)
    made = Invitation.objects.create(
        digest=digest_of(text),
        made_by=who.name,
        name=wish.name,
        labels=dict(wish.labels),
        taints=[types.to_data(taint) for taint in wish.taints],
        expires_at=now + wish.ttl,
    )
    return text, made


def check(wish: Wish) -> None:
    """Raises Invalid where a node could not be so."""
    node = types.Node(metadata=types.ObjectMeta(name=wish.name or "n", labels=dict(wish.labels)))
    node.spec.taints = [*wish.taints]
    if problems := [*NODE.validate(node)]:
        raise invalid(NODE.name, wish.name, problems)


def find(text: str, now: datetime) -> Invitation:
    """The invitation of a token that is still good. Raises Unauthorized with what to do."""
    found = known(text)
    if found.used_at is not None:
        raise Unauthorized(f"this line was used by node {found.node}: make a new one for each machine")
    if found.expires_at <= now:
        raise Unauthorized(
            f"this line ended at {found.expires_at:%Y-%m-%d %H:%M:%S} UTC: make a new one, "
            "in the dashboard under Nodes or with `manage.py join-command`"
        )
    return found


def known(text: str) -> Invitation:
    """The invitation, used and ended ones too. Raises Unauthorized."""
    found = Invitation.objects.filter(digest=digest_of(text)).first() if text.startswith(PREFIX) else None
    if found is None:
        raise Unauthorized(
            "this cluster does not know the line's token: copy the whole line, or make a new one, in the "
            "dashboard under Nodes or with `manage.py join-command`"
        )
    return found


def line(server: str, text: str) -> str:
    """What is pasted; ``server`` is host:port."""
    return shlex.join(["python3", "-c", BOOTSTRAP, server, text, certificates.authority_hash()])


def server_place(wished: str = "") -> str:
    """Where a new machine reaches this server, as host:port. Raises BadRequest for a name it could not prove there."""
    if not wished:
        return servers.place(bootstrap.server_address(), settings.TLS_PORT)
    host = urlsplit(f"//{wished}").hostname or ""
    if not re.fullmatch(r"[A-Za-z0-9.-]+:[0-9]{1,5}", wished):
        raise BadRequest(f'server: "{wished}" must be host:port, as the new machine reaches this server')
    if not certificates.serves(Path(settings.STATE), host):
        raise BadRequest(
            f"server: this server's certificate does not hold {host}: give it with DROVER_NAMES={host} at the next "
            "start, and the new machine will believe it"
        )
    return wished


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def read_labels(text: str) -> dict[str, str]:
    """``disk=ssd,zone=a``. Raises BadRequest."""
    found: dict[str, str] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        key, equals, value = part.partition("=")
        if not equals or key in found:
            raise BadRequest(f'labels: "{part}" must be key=value, each key once (such as disk=ssd,zone=a)')
        found[key.strip()] = value.strip()
    return found


def read_taints(text: str) -> list[types.Taint]:
    """``gpu=yes:NoSchedule,quiet:NoExecute``. Raises BadRequest."""
    found = []
    for part in filter(None, (each.strip() for each in text.split(","))):
        read = TAINT.fullmatch(part)
        if read is None:
            raise BadRequest(f'taints: "{part}" must be key=value:Effect (such as gpu=yes:NoSchedule)')
        found.append(types.Taint(key=read["key"], value=read["value"] or "", effect=read["effect"]))
    return found


def read_ttl(text: str) -> timedelta:
    """``90s``, ``30m``, ``12h``, ``2d``. Raises BadRequest."""
    amount, unit = text[:-1], text[-1:]
    if not (amount.isascii() and amount.isdigit() and len(amount) < 8 and unit in UNITS):
        raise BadRequest(f'ttl: "{text}" must be a number with s, m, h or d behind it (such as 30m)')
    return timedelta(seconds=int(amount) * UNITS[unit])
