"""``manage.py join-command``: one line that makes the machine it is pasted on a node of this cluster."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from paas.management.administrator import ADMINISTRATOR


class Command(BaseCommand):
    help = "Print one line to paste, as root, on a machine that is to become a node. It works once, and not for long."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--ttl", default="30m", help="how long the line is good: 90s, 30m, 12h, 2d")
        parser.add_argument("--name", default="", help="the node it is for; otherwise the machine says its host name")
        parser.add_argument("--labels", default="", help="for the node: disk=ssd,zone=a")
        parser.add_argument("--taints", default="", help="for the node: gpu=yes:NoSchedule")
        parser.add_argument("--server", default="", help="host:port under which the machine reaches this server")

    def handle(self, *args: Any, **options: Any) -> None:
        from apps.cluster.errors import ApiError  # noqa: PLC0415  the apps can be imported only once Django is set up
        from apps.nodes import invitations  # noqa: PLC0415

        try:
            wish = invitations.Wish(
                name=options["name"],
                labels=invitations.read_labels(options["labels"]),
                taints=invitations.read_taints(options["taints"]),
                ttl=invitations.read_ttl(options["ttl"]),
            )
            server = invitations.server_place(options["server"])
            text, made = invitations.invite(ADMINISTRATOR, wish, datetime.now(UTC))
            line = invitations.line(server, text)
        except ApiError as refusal:
            raise CommandError(refusal.message) from None
        except (DatabaseError, OSError) as error:
            raise CommandError(f"no line could be made: {error}. Was the cluster started once?") from None
        self.stderr.write(f"Paste this line as root on the new machine; until {made.expires_at:%H:%M:%S} UTC, once:")
        self.stdout.write(line)
