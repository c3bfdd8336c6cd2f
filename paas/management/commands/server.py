"""``manage.py server list``: the servers of this cluster that live."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from paas import roll_call
from paas.management import listing


class Command(BaseCommand):
    help = "Where the servers of this cluster are reached: those that were heard of within 15 seconds."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        listing.declare(verbs, who="servers", state="live", help="every server that lives, and its version")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.stdout.write(listing.answer(options, roll_call.servers_call, roll_call.serving))
        except DatabaseError as error:
            raise CommandError(f"the database does not answer: {error}") from None
