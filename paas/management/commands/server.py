"""``manage.py server list``: the servers of this cluster that live."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from paas import roll_call


class Command(BaseCommand):
    help = "Where the servers of this cluster are reached: those that were heard of within 15 seconds."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        listed = verbs.add_parser("list", help="every server that lives, as host:port")
        listed.add_argument("wanted", nargs="*", help="servers that --wait waits for")
        listed.add_argument("--wait", type=float, default=0, help="seconds to wait until those live")
        listed.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            told = roll_call.servers_call(options["wanted"], options["wait"])
            self.stdout.write(json.dumps(roll_call.living()) if options["json"] else told)
        except DatabaseError as error:
            raise CommandError(f"the database does not answer: {error}") from None
