"""``manage.py app``: install, look at, change, take back and delete applications from a terminal of this machine."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError


class Command(BaseCommand):
    help = "Install, list, change, take back and delete applications, as this STATE's administrator."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        for verb, told in VERBS.items():
            one = verbs.add_parser(verb, help=told)
            one.add_argument("-n", "--namespace", default="default")
            if verb not in {"catalog", "schema", "list", "install"}:
                one.add_argument("name", help="the application")
            ARGUMENTS.get(verb, _no_more)(one)

    def handle(self, *args: Any, **options: Any) -> None:
        # The apps can be imported only once Django is set up.
        errors = import_module("apps.cluster.errors")
        terminal = import_module("paas.applications")
        try:
            code = getattr(terminal, options["verb"])(self.stdout.write, **options)
        except errors.ApiError as refusal:
            raise CommandError(refusal.message) from None
        except terminal.Mistake as mistake:
            raise CommandError(str(mistake)) from None
        except DatabaseError:
            raise CommandError(
                "There is no cluster in this STATE yet: start it once with `make up`."
            ) from None
        except KeyboardInterrupt:
            code = 130
        if code:
            sys.exit(code)


VERBS = {
    "catalog": "the templates that can be installed",
    "schema": "the format of templates as a JSON Schema",
    "install": "install a template, or an application from a file",
    "list": "all applications",
    "status": "how one stands, component by component",
    "revision": "what one revision was: who made it, why, and the very images that it ran",
    "diff": "what lies between two revisions, or between the last one and a file or new values",
    "update": "change parameters, the template's version, or everything from a file",
    "scale": "give components other numbers of replicas, as a revision",
    "rollback": "go back to a revision, as a new one",
    "cancel": "give up what is under way, and go back to the last good revision",
    "repair": "put back what somebody changed beside the application",
    "check": "ask each of its checks: pages that must answer, commands that must end well",
    "logs": "the logs of all its pods, merged",
    "delete": "remove it; volumes and their secrets stay unless asked otherwise",
}


def _no_more(_: ArgumentParser) -> None:
    return None


def _values(parser: ArgumentParser) -> None:
    parser.add_argument("-f", "--filename", type=Path, help='an Application in YAML, "-" for the input')
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter's value"
    )
    parser.add_argument("--why", default="", help="kept with the revision")
    _waiting(parser)


def _waiting(parser: ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="say what would happen, and do nothing")
    parser.add_argument(
        "--wait", action="store_true", help="until it is ready or has failed, telling progress"
    )
    parser.add_argument("--timeout", type=float, default=600, help="seconds to wait at most")


def _install(parser: ArgumentParser) -> None:
    parser.add_argument("template", nargs="?", help="a template of the catalog")
    parser.add_argument("--name", default="", help="of the application; the template's by default")
    parser.add_argument("--version", default="", help="the template's version that is expected")
    parser.add_argument(
        "--secret", action="append", default=[], metavar="NAME=FILE",
        help="a secret parameter's value from a file; those left out are generated",
    )  # fmt: skip
    _values(parser)


def _revision(parser: ArgumentParser) -> None:
    parser.add_argument("number", nargs="?", type=int, help="the one that is to run by default")


def _diff(parser: ArgumentParser) -> None:
    parser.add_argument("revisions", nargs="*", type=int, help="two revisions; the last two by default")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")


def _update(parser: ArgumentParser) -> None:
    parser.add_argument("--version", default="", help="take this version of the template")
    parser.add_argument("--rotate", action="append", default=[], metavar="NAME", help="exchange a secret")
    _values(parser)


def _scale(parser: ArgumentParser) -> None:
    parser.add_argument("replicas", nargs="+", metavar="COMPONENT=N")
    _waiting(parser)


def _rollback(parser: ArgumentParser) -> None:
    parser.add_argument("revision", nargs="?", type=int, help="the one before the last by default")
    parser.add_argument("--why", default="")
    _waiting(parser)


def _cancel(parser: ArgumentParser) -> None:
    parser.add_argument("--why", default="")
    _waiting(parser)


def _check(parser: ArgumentParser) -> None:
    parser.add_argument("--reading", action="store_true", help="leave out the checks that write")
    parser.add_argument("--timeout", type=float, help="seconds for each check, instead of what it says itself")


def _logs(parser: ArgumentParser) -> None:
    parser.add_argument("-f", "--follow", action="store_true")
    parser.add_argument("--tail", type=int, default=100, help="lines of each container to begin with")
    parser.add_argument("-c", "--component", default="", help="only this component's")


def _delete(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--volumes", action="store_true", help="its volumes and their secrets too: data is lost"
    )
    parser.add_argument("-y", "--yes", action="store_true", help="without asking")
    parser.add_argument("--wait", action="store_true")


ARGUMENTS: dict[str, Callable[[ArgumentParser], None]] = {
    "install": _install, "revision": _revision, "diff": _diff, "update": _update, "scale": _scale,
    "rollback": _rollback, "cancel": _cancel, "check": _check, "logs": _logs, "delete": _delete,
}  # fmt: skip
