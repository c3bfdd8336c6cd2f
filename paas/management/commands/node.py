"""``manage.py node remove NAME``: take a node out of the cluster."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from paas.management.administrator import ADMINISTRATOR


class Command(BaseCommand):
    help = "Look after nodes. `remove`: the node's identity ends, its pods' addresses are free, its pods go elsewhere."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("verb", choices=["remove"])
        parser.add_argument("name")

    def handle(self, *args: Any, **options: Any) -> None:
        from apps.cluster import store  # noqa: PLC0415  the apps can be imported only once Django is set up
        from apps.cluster.errors import ApiError  # noqa: PLC0415
        from apps.cluster.kinds import NODE  # noqa: PLC0415

        name = options["name"]
        try:
            store.write(ADMINISTRATOR, lambda tx: tx.delete(NODE, "", name))
        except ApiError as refusal:
            raise CommandError(refusal.message) from None
        except DatabaseError as error:
            raise CommandError(f"node {name} was not removed: {error}") from None
        self.stdout.write(f"node {name} removed: its agent takes down what ran there as soon as it hears of it")
