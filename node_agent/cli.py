"""The agent's command line: ``join`` makes this machine a node, ``run`` serves it, ``down`` takes away everything the
agent made on the machine."""

from __future__ import annotations

import argparse
import logging
import math
import sys
from contextlib import nullcontext
from pathlib import Path

from apps.cluster.types.agent import LEFT_EXIT
from node_agent import limits
from node_agent.agent import Agent
from node_agent.alone import Taken, alone
from node_agent.down import down
from node_agent.hollow.fleet import Fleet
from node_agent.joining.service import DEFAULT_ROOT
from node_agent.network import roads
from node_agent.settings import CLUSTER_CIDR, SERVICE_CIDR, Settings

END_SECONDS = 5.0
"""How long an agent that was asked to end may take, before its state is taken down."""
DOCKER = "unix:///var/run/docker.sock"


def main(argv: list[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    if options.command == "join":
        return _join(options)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(levelname).1s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    for loud in ("websockets", "urllib3", "docker", "asyncio", "uvicorn"):
        logging.getLogger(loud).setLevel(logging.WARNING)
    state = Path(options.state).resolve()
    if options.command == "down":
        return _down(state, options.docker, left=options.left)
    settings = Settings(
        server=options.server,
        state=state,
        node=options.node_name,
        address=options.address,
        docker=options.docker,
        mirror=options.mirror,
        door_port=options.door_port,
        runtime=options.runtime,
        service_cidr=options.service_cidr,
        cluster_cidr=options.cluster_cidr,
        pod_network=options.pod_network,
    )
    if settings.runtime == "hollow":
        return _run_hollow(settings, options.count)
    if not settings.token.exists():
        print(f"there is no token in {state}: has this node joined the cluster?", file=sys.stderr)
        return LEFT_EXIT
    with alone(state, math.inf):
        limits.lift()
        Agent(settings).run()
    return 0


def _down(state: Path, docker: str, *, left: bool) -> int:
    try:
        with alone(state, END_SECONDS) if state.is_dir() else nullcontext():
            return down(state, docker, left=left)
    except Taken as words:
        logging.error("%s, and would make anew what is removed: end it first", words)
        return 1


def _join(options: argparse.Namespace) -> int:
    from node_agent.joining.admission import Wish, join  # noqa: PLC0415  an agent that serves needs none of it
    from node_agent.joining.refusal import Refused  # noqa: PLC0415

    wish = Wish(
        server=options.server,
        authority=options.authority,
        root=options.root.resolve(),
        docker=options.docker,
        door_port=options.door_port,
        node=options.name,
        address=options.address,
    )
    try:
        join(wish)
    except Refused as refusal:
        print(f"join: {refusal}", file=sys.stderr)
        return 1
    return 0


def _run_hollow(settings: Settings, count: int) -> int:
    fleet = Fleet(settings, count)
    missing = fleet.missing()
    if missing:
        print(
            f"there is no {missing[0]}: `manage.py credentials` makes them for {count} nodes", file=sys.stderr
        )
        return 1
    fleet.run()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="node_agent", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    entry = commands.add_parser("join", help="make this machine a node; the line of `manage.py join-command` does this")
    entry.add_argument("--server", required=True, help="host:port of the server")
    entry.add_argument("--authority", type=Path, required=True, help="the cluster's authority, PEM")
    entry.add_argument("--name", default="", help="the node's name; this machine's host name when left out")
    entry.add_argument("--address", default="", help="this machine's address, as others reach it")
    entry.add_argument("--door-port", type=int, default=10250)
    entry.add_argument("--docker", default=DOCKER, help="the container engine's address")
    entry.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="where program, keys and files are kept")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--state", required=True, help="directory of this agent's keys and files")
    common.add_argument("--docker", default=DOCKER, help="the container engine's address")
    common.add_argument("--verbose", action="store_true", help="say more")
    end = commands.add_parser("down", parents=[common], help="remove everything this agent made on the machine")
    end.add_argument("--left", action="store_true", help="the node has left the cluster: give up its identity too")
    run = commands.add_parser("run", parents=[common], help="serve this node", fromfile_prefix_chars="@")
    run.add_argument("--server", required=True, help="https://host:port of the server")
    run.add_argument("--node-name", required=True)
    run.add_argument("--address", required=True, help="this machine's address, as others reach it")
    run.add_argument("--mirror", default="", help="a registry that may hold copies of the hub's images")
    run.add_argument("--door-port", type=int, default=10250)
    run.add_argument("--runtime", choices=["docker", "hollow"], default="docker")
    run.add_argument("--count", type=int, default=1, help="how many nodes to pretend (--runtime hollow)")
    run.add_argument("--service-cidr", default=SERVICE_CIDR)
    run.add_argument("--cluster-cidr", default=CLUSTER_CIDR)
    told = "how pods reach those of other nodes; auto: directly on a shared link, by VXLAN where a router lies between"
    run.add_argument("--pod-network", choices=roads.MODES, default=roads.AUTO, help=told)
    return parser
