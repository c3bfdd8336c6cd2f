"""``manage.py machine``: switch off at random one of the nodes that this machine runs, cut its cable, look inside."""

import os
import sys
from argparse import REMAINDER, ArgumentParser
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from paas.machines import fleet
from paas.machines.machine import Machine
from paas.state import Refused, StateDirectory

ACTIONS: dict[str, tuple[str, Callable[[Machine], None]]] = {
    "off": ("cut its power: everything in it ends at once, its disk stays", Machine.switch_off),
    "on": ("switch it on again", Machine.switch_on),
    "cut": ("cut its cable: it goes on alone", lambda machine: machine.lan.cut(machine.name)),
    "heal": ("mend its cable", lambda machine: machine.lan.heal(machine.name)),
}


class Command(BaseCommand):
    help = "The nodes of `make up NODES=n`: list them, switch one off and on, cut its cable, run a command in one."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        commands = parser.add_subparsers(dest="action", required=True)
        commands.add_parser("list", help="which there are")
        for action, (told, _) in ACTIONS.items():
            commands.add_parser(action, help=told).add_argument("name")
        run = commands.add_parser("run", help="run a command in its network, processes and mounts")
        run.add_argument("name")
        run.add_argument("words", nargs=REMAINDER, help="the command; a shell when there is none")

    def handle(self, *args: Any, **options: Any) -> None:
        state = StateDirectory(settings.STATE)
        try:
            if options["action"] == "list":
                for each in fleet.present(state):
                    self.stdout.write(f"{each.name}  {'on' if each.is_on else 'off':<3}  {each.address}")
                return
            machine = fleet.named(state, options["name"])
            if options["action"] == "run":
                inside = machine.enter(options["words"] or [os.environ.get("SHELL") or "/bin/sh"])
                os.execvp(inside[0], inside)
            ACTIONS[options["action"]][1](machine)
        except Refused as refusal:
            sys.exit(str(refusal))
