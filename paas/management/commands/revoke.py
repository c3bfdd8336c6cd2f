"""``manage.py revoke``: end tokens now, by their text, their owner or their purpose."""

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError


class Command(BaseCommand):
    help = (
        "End tokens that Drover issued (they begin with drv_). Tokens of service accounts end with their account: "
        "kubectl delete serviceaccount."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument(
            "--token", action="store_true", help="one token, which is read from standard input"
        )
        which.add_argument("--actor", default="", help="all of one owner, such as system:node:web-1")
        which.add_argument(
            "--purpose", default="", choices=["admin-kubeconfig", "node", "api"], help="all of a purpose"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        from apps.accounts import tokens  # noqa: PLC0415  the apps can be imported only once Django is set up

        text = ""
        if options["token"]:  # never an argument: other users of the machine can read those
            text = getpass.getpass("token: ") if sys.stdin.isatty() else sys.stdin.readline()
            text = text.strip()
            if not text.startswith(tokens.PREFIX):
                raise CommandError(f"this is no token of Drover's: they begin with {tokens.PREFIX}")
        try:
            count = tokens.revoke(text=text, actor=options["actor"], purpose=options["purpose"])
        except DatabaseError as error:
            raise CommandError(f"nothing was revoked: {error}") from None
        self.stdout.write(f"{count} tokens have ended; every process knows within a few seconds")
