"""``manage.py service``: the control plane that `up-nodes` sent to this machine, as a service of it."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from paas.remote import landed
from paas.state import Refused


class Command(BaseCommand):
    help = "The control plane that `up-nodes` sent to this machine, which runs it, after reboots too; or no longer."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        install = verbs.add_parser(
            "install", help="check what it needs, start it, wait until it answers; `up-nodes` does this"
        )
        install.add_argument("--sent", action="store_true", help="with the settings that were sent with it")
        verbs.add_parser("check", help="could this version take the place of the one that is there? `--upgrade` asks")
        verbs.add_parser("stop", help="end it until it is started, or the machine is")
        verbs.add_parser("start", help="after a stop")
        verbs.add_parser("remove", help="end it for good; the other servers and all nodes go on")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["verb"] == "install":
                landed.install(say, sent=options["sent"])
            else:
                VERBS[options["verb"]](say)
        except Refused as refusal:
            sys.exit(str(refusal))


VERBS = {"check": landed.check, "stop": landed.stop, "start": landed.start, "remove": landed.remove}


def say(text: str) -> None:
    print(text, flush=True)
