"""What tests of control planes on other machines share: the stores under them, the file, the command, and their API."""

from __future__ import annotations

import json
import secrets
import ssl
import subprocess
import sys
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import yaml

from tests.joining import sshd
from tests.joining.machines import Newcomer, lan_of
from tests.platform import BASE, Platform, free_port
from tests.services import Postgres, redis_at

MANAGE = "/var/lib/drover/server/manage"
POSTGRES_PORT = 5432


def stores(platform: Platform) -> dict[str, str]:
    """Settings of a PostgreSQL and a Redis that the platform and machines within this one reach."""
    redis_port = free_port()
    lan = lan_of(platform, POSTGRES_PORT, redis_port)
    return {
        "DATABASE_URL": Postgres(address=lan.gateway).tcp_url,
        "REDIS_URL": redis_at(lan.gateway, redis_port),
        "DROVER_KEY": secrets.token_hex(32),
    }


def nodes_file(folder: Path, text: str, **machines: Newcomer) -> Path:
    """The text with the machines' addresses by their names in it, and the ``key`` by which ssh gets into each."""
    own = sshd.key(folder / "key")
    for machine in machines.values():
        sshd.serve(machine, own)
    path = folder / "nodes.yaml"
    path.write_text(text.format(key=own, **{name: machine.address for name, machine in machines.items()}))
    return path


def up_nodes(
    operator: Platform, file: Path, *words: str, code: Path = BASE
) -> subprocess.CompletedProcess[str]:
    """From a copy of the code, believing whatever machine answers."""
    return subprocess.run(
        [sys.executable, "manage.py", "up-nodes", str(file), "--accept-new-host-keys", *words], cwd=code,
        env=operator.environment, capture_output=True, text=True, timeout=380, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def asked(operator: Platform, machine: Newcomer, path: str, body: object = None) -> Any:
    """The server of that machine, by whoever has its kubeconfig."""
    state = machine.root / "server" / "state"
    token = yaml.safe_load((state / "kubeconfig").read_text())["users"][0]["user"]["token"]
    trusted = ssl.create_default_context(cafile=str(state / "ca.crt"))
    connection = HTTPSConnection(machine.address, operator.port + 443, timeout=30, context=trusted)
    try:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection.request("POST" if body else "GET", path, json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        told = json.loads(answer.read())
    finally:
        connection.close()
    assert answer.status < 300, told
    return told
