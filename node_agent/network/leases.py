"""Keeps the pool of addresses across restarts of the agent, in one file only root can read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection
from ipaddress import IPv4Network
from pathlib import Path
from threading import Lock

from node_agent.network.ipam import Pool


class Leases:
    """The pool of one node, safe to use from several threads."""

    def __init__(self, file: Path, network: IPv4Network) -> None:
        self._file = file
        self._lock = Lock()
        self._pool = _read(file, network)

    @property
    def gateway(self) -> str:
        return self._pool.gateway

    @property
    def network(self) -> IPv4Network:
        return self._pool.network

    def held(self) -> dict[str, str]:
        return dict(self._pool.taken)

    def take(self, uid: str) -> str:
        with self._lock:
            pool, address = self._pool.take(uid)
            self._keep(pool)
            return address

    def hold(self, uid: str, address: str) -> None:
        self._change(lambda pool: pool.hold(uid, address))

    def give(self, uid: str) -> None:
        self._change(lambda pool: pool.give(uid))

    def keep_only(self, uids: Collection[str]) -> None:
        """Frees the addresses of pods that went while nobody looked."""
        for uid in self._pool.taken:
            if uid not in uids:
                self.give(uid)

    def forget(self) -> None:
        """Removes the file."""
        with self._lock:
            self._pool = Pool(self._pool.network)
            self._file.unlink(missing_ok=True)

    def _change(self, change: Callable[[Pool], Pool]) -> None:
        with self._lock:
            self._keep(change(self._pool))

    def _keep(self, pool: Pool) -> None:
        if pool == self._pool:
            return
        data = {"network": str(pool.network), "last": pool.last, "taken": dict(pool.taken)}
        fresh = self._file.with_suffix(".new")
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            json.dump(data, out)
        fresh.replace(self._file)
        self._pool = pool


def _read(file: Path, network: IPv4Network) -> Pool:
    """What was kept, or an empty pool: a torn file costs nothing, running pods are adopted."""
    try:
        data = json.loads(file.read_text())
        if data["network"] == str(network):
            return Pool(network, taken=dict(data["taken"]), last=int(data["last"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        pass
    return Pool(network)
