"""``manage.py node``: list the nodes, mark one, take one out of the cluster."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from paas.management import listing


class Command(BaseCommand):
    help = "Look after nodes: which there are, what they are marked with, and taking one out of the cluster."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        listing.declare(verbs, who="nodes", state="are Ready", help="every node and its state")
        marked = verbs.add_parser("set", help="give a node labels, taints and images to have ready")
        marked.add_argument("name")
        marked.add_argument("--labels", default="", help="disk=ssd,zone=a")
        marked.add_argument("--taints", default="", help="gpu=yes:NoSchedule")
        marked.add_argument("--images", default="", help="redis:7.2.5,nginx: pulled before a pod needs them")
        removed = verbs.add_parser(
            "remove", help="its identity ends, what ran there is taken down, its addresses are free again"
        )
        removed.add_argument("name")

    def handle(self, *args: Any, **options: Any) -> None:
        from apps.cluster.errors import ApiError  # noqa: PLC0415  the apps can be imported only once Django is set up

        try:
            self.stdout.write(VERBS[options["verb"]](options))
        except ApiError as refusal:
            raise CommandError(refusal.message) from None
        except DatabaseError as error:
            raise CommandError(f"the database does not answer: {error}") from None


def _list(options: dict[str, Any]) -> str:
    from paas import roll_call  # noqa: PLC0415

    return listing.answer(options, roll_call.roll_call, roll_call.present)


def _set(options: dict[str, Any]) -> str:
    from apps.nodes import invitations, marks  # noqa: PLC0415
    from paas.management.administrator import ADMINISTRATOR  # noqa: PLC0415

    labels, taints = invitations.read_labels(options["labels"]), invitations.read_taints(options["taints"])
    images = [image for image in options["images"].split(",") if image]
    marks.put(ADMINISTRATOR, options["name"], labels, taints, images)
    return f"node {options['name']} is marked"


def _remove(options: dict[str, Any]) -> str:
    from apps.cluster import store  # noqa: PLC0415
    from apps.cluster.kinds import NODE  # noqa: PLC0415
    from paas.management.administrator import ADMINISTRATOR  # noqa: PLC0415

    name = options["name"]
    store.write(ADMINISTRATOR, lambda tx: tx.delete(NODE, "", name))
    return f"node {name} removed: its agent takes down what ran there as soon as it hears of it"


VERBS = {"list": _list, "set": _set, "remove": _remove}
