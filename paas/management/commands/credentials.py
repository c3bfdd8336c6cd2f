"""``manage.py credentials FOLDER --count N``: what N nodes need to join, for `node_agent run --runtime hollow`."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError


class Command(BaseCommand):
    help = "Issue the tokens of many nodes at once into a folder: FOLDER/ca.crt and FOLDER/<name>-<n>/token."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path)
        parser.add_argument("--count", type=int, default=1, help="how many nodes")
        parser.add_argument("--name", default="hollow", help="the nodes are called <name>-1, <name>-2, ...")

    def handle(self, *args: Any, **options: Any) -> None:
        from apps.accounts import bootstrap  # noqa: PLC0415  the apps can be imported only once Django is set up
        from apps.cluster.errors import ApiError  # noqa: PLC0415

        names = [f"{options['name']}-{number}" for number in range(1, options["count"] + 1)]
        try:
            bootstrap.ensure_tokens(options["folder"], names)
        except ApiError as refusal:
            raise CommandError(refusal.message) from None
        except (DatabaseError, OSError) as error:
            raise CommandError(f"no credentials could be made: {error}") from None
        self.stdout.write(f"{len(names)} tokens are in {options['folder']}")
