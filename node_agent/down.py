"""Taking away everything an agent made on the machine, and nothing else."""

from __future__ import annotations

import contextlib
import logging
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from apps.cluster.types.agent import LEFT_EXIT
from node_agent import disk, identity
from node_agent.dns.client import end_others
from node_agent.edge.serving import end
from node_agent.names import Names
from node_agent.network.announcing import Announcer
from node_agent.network.bridge import BridgeNetwork
from node_agent.proxy import backends
from node_agent.runtime.base import EngineAway, Runtime, RuntimeTrouble, State
from node_agent.runtime.docker import DockerRuntime
from node_agent.settings import Settings

log = logging.getLogger(__name__)

GRACE_SECONDS = 2.0
AT_ONCE = 4


def down(state: Path, docker: str, *, left: bool = False) -> int:
    """0 when nothing is left. Safe to call again; the agent itself must not be running.

    Of a node that has left the cluster the identity goes too, last, and the answer is LEFT_EXIT.
    """
    settings = Settings(server="", state=state, node="", address="", docker=docker)
    names = Names.of(state)
    network = BridgeNetwork(names, settings.network)
    parts: tuple[tuple[str, Callable[[], None]], ...] = (
        ("containers", lambda: _containers(DockerRuntime(names, docker), names)),
        ("names", lambda: end_others(names)),
        ("edge", lambda: end(settings.edge)),
        ("service rules", lambda: backends.remove_all(names)),
        ("addresses of load balancers", Announcer(names, "").remove),
        ("network", network.remove),
        ("files", lambda: _files(settings)),
    )
    failed = 0
    for what, remove in parts:
        try:
            remove()
        except Exception as error:
            log.error("the %s could not be removed: %s", what, error)
            failed = 1
    if left and not failed:
        identity.forget(state)
        return LEFT_EXIT
    return failed


def _containers(runtime: Runtime, names: Names) -> None:
    try:
        found = runtime.containers()
    except EngineAway:
        log.warning("the container engine does not answer: what it holds for this agent stays")
        return
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda each: runtime.signal(each.id, "SIGTERM"), found))
    deadline = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < deadline and any(each.state is State.RUNNING for each in runtime.containers()):
        time.sleep(0.05)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda each: runtime.remove(each.id), found))
    with contextlib.suppress(RuntimeTrouble):
        runtime.untag(names.pause_image)


def _files(settings: Settings) -> None:
    """The pods' files and words, the edge's and the node's view. Keys, token and what claims keep stay: the node can
    come back."""
    disk.remove_tree(settings.pods)
    for directory in (settings.view, settings.network, settings.ended, settings.edge):
        shutil.rmtree(directory, ignore_errors=True)
    with contextlib.suppress(OSError):
        settings.volumes.rmdir()
