"""``manage.py up-nodes nodes.yaml``: the machines of a file become nodes, over ssh, all at once."""

import asyncio
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from paas.logs import prefix, show
from paas.remote import nodes_file
from paas.remote.bringing import Bringing
from paas.remote.reaching import Machines
from paas.state import Refused


class Command(BaseCommand):
    help = "Make the machines that a file lists nodes of this cluster, over ssh. Safe to repeat: what has joined stays."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--upgrade", action="store_true", help="bring control planes and agents of another version to this one"
        )
        parser.add_argument(
            "--accept-new-host-keys", action="store_true", help="believe machines that ssh has never seen before"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            file = nodes_file.read(options["file"])
            machines = Machines(file, options["accept_new_host_keys"], say)
            done = asyncio.run(Bringing(machines, options["upgrade"]).run())
        except Refused as refusal:
            sys.exit(str(refusal))
        except KeyboardInterrupt:
            sys.exit(130)
        if not done:
            sys.exit(1)


def say(machine: str, text: str) -> None:
    show("".join(f"{prefix(machine or 'nodes')}{line}\n" for line in text.splitlines()))
