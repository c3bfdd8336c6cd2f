"""What the commands share that run one of Celery's processes in the foreground."""

import os
import sys
from typing import Any, ClassVar

from django.core.management.base import BaseCommand

from paas import platform, upgrading
from paas.state import Refused


class CeleryCommand(BaseCommand):
    """Runs until it is told to end; the database must be at this version."""

    name: ClassVar[str]
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            upgrading.check()
        except Refused as refusal:
            sys.exit(str(refusal))
        os.environ["CELERY_SKIP_CHECKS"] = "true"
        platform.run_celery(self.name)
