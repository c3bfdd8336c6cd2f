"""``manage.py create -f FILE``: make the objects of manifest files, v1 or v1beta1, as this STATE's administrator."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from paas.management.administrator import ADMINISTRATOR


class Command(BaseCommand):
    help = "Create what manifest files describe, v1 and v1beta1, JSON and YAML, through the same API as any client."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "-f", "--filename", action="append", required=True, help='a file, or "-" for the input'
        )
        parser.add_argument("-n", "--namespace", default="default", help="for objects that name none")

    def handle(self, *args: Any, **options: Any) -> None:
        from apps.api import manifests  # noqa: PLC0415  the apps can be imported only once Django is set up
        from apps.cluster import store  # noqa: PLC0415
        from apps.cluster.errors import ApiError  # noqa: PLC0415
        from apps.cluster.kinds import NAMESPACE  # noqa: PLC0415
        from paas.celery import app  # noqa: F401, PLC0415  what is written here is told through it

        try:
            started = store.find(NAMESPACE, "", "default") is not None
        except DatabaseError:
            started = False
        if not started:
            raise CommandError("There is no cluster in this STATE yet: start it once with `make up`.")
        failed = False
        for name in options["filename"]:
            try:
                found = [*manifests.objects(_text(name))]
            except ApiError as refusal:
                raise CommandError(f"{name}: {refusal.message}") from None
            for data in found:
                made = manifests.create(ADMINISTRATOR, data, options["namespace"])
                failed |= bool(made.error)
                for warning in made.warnings:
                    self.stderr.write(f"Warning: {warning}")
                if made.error:
                    self.stderr.write(made.error)
                else:
                    self.stdout.write(f"{made.what} created")
        if failed:
            sys.exit(1)


def _text(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise CommandError(
            f"{name}: {error.strerror}. This command reads as the account that owns the state: "
            f"`manage.py create -f - < {name}` hands a file over."
        ) from None
