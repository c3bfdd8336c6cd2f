"""The agent's command line: ``run`` serves, ``down`` takes away everything the agent made on the machine."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from node_agent.agent import Agent
from node_agent.down import down
from node_agent.hollow.fleet import Fleet
from node_agent.network import roads
from node_agent.settings import CLUSTER_CIDR, SERVICE_CIDR, Settings

DOCKER = "unix:///var/run/docker.sock"


def main(argv: list[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(levelname).1s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    for loud in ("websockets", "urllib3", "docker", "asyncio", "uvicorn"):
        logging.getLogger(loud).setLevel(logging.WARNING)
    state = Path(options.state).resolve()
    if options.command == "down":
        return down(state, options.docker)
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
        return 1
    Agent(settings).run()
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
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--state", required=True, help="directory of this agent's keys and files")
    common.add_argument("--docker", default=DOCKER, help="the container engine's address")
    common.add_argument("--verbose", action="store_true", help="say more")
    commands.add_parser("down", parents=[common], help="remove everything this agent made on the machine")
    run = commands.add_parser("run", parents=[common], help="serve this node")
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
