"""What every machine of one control plane is told alike, and whether another machine can use it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

SETTINGS = (
    "DATABASE_URL", "REDIS_URL", "DROVER_KEY", "DROVER_ADMIN_PASSWORD", "PORT", "POD_CIDR", "SERVICE_CIDR",
    "NODE_PORTS", "LOAD_BALANCER_POOL", "RESERVED_PORTS", "DROVER_NODE_GRACE", "DROVER_NODE_EVICTION",
    "DROVER_POD_NETWORK", "DROVER_MIRROR", "DROVER_HOSTS", "DROVER_NAMES", "DROVER_LOG_LEVEL", "DROVER_DB_THREADS",
)  # fmt: skip

Environment = Mapping[str, str]


def lacking(environment: Environment) -> Iterator[str]:
    """Sentences about what to set before a control plane can be on several machines."""
    database, redis = environment.get("DATABASE_URL", ""), environment.get("REDIS_URL", "")
    if not database or database.startswith("sqlite"):
        yield "the database is an SQLite of this machine: set DATABASE_URL to a PostgreSQL that all of them reach"
    elif own := _only_here(database):
        yield f"DATABASE_URL names {own}, which only this machine reaches: give the address that all of them reach"
    if not redis or redis.startswith("unix:"):
        yield "Redis is reached by a socket of this machine: set REDIS_URL to a Redis that all of them reach"
    elif own := _only_here(redis):
        yield f"REDIS_URL names {own}, which only this machine reaches: give the address that all of them reach"
    if not environment.get("DROVER_KEY"):
        yield "the cluster's key is a file of this machine: set DROVER_KEY to what STATE/key holds"


def settings(environment: Environment, address: str, state: Path) -> dict[str, str]:
    """The environment of the control plane on the machine at ``address``."""
    alike = {name: environment[name] for name in SETTINGS if environment.get(name)}
    return {**alike, "DROVER_ADDRESS": address, "STATE": str(state)}


def _only_here(url: str) -> str:
    """The host of a URL, where it means another one on each machine; "" where it does not."""
    parts = urlsplit(url)
    host = unquote(parts.hostname or parse_qs(parts.query).get("host", [""])[0] or "localhost")
    try:
        local = ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost" or host.startswith("/")
    return host if local else ""
