"""``manage.py set-up``: bring the database to this version, with all a cluster needs; what `up` does at each start."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from paas import platform, upgrading
from paas.state import Refused, StateDirectory


class Command(BaseCommand):
    help = (
        "Bring the database to this version of Drover, after a snapshot; make first objects, certificates, kubeconfig. "
        "For those who start web, worker and beat one by one: once, on one machine, before each new version."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="only say what would change")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["check"]:
                upgrading.preflight(self.stdout.write)
                return
            settings.STATE.mkdir(mode=0o700, parents=True, exist_ok=True)
            told = json.loads(platform.bootstrap(StateDirectory(settings.STATE), [], self.stdout.write))
        except Refused as refusal:
            sys.exit(str(refusal))
        self.stdout.write(f"ready; kubectl: export KUBECONFIG={settings.STATE / 'kubeconfig'}")
        self.stdout.write(f"Certificate: SHA-256 {told['fingerprint']}")
        if told["link"]:
            self.stdout.write(f"Begin here: {told['link']} makes the first admin; it works once")
