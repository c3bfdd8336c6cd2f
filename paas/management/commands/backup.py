"""``manage.py backup FILE``: the whole platform as one encrypted file, taken while it runs."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from paas.backup import asking, operations
from paas.backup.vault import Secret
from paas.privileges import as_owner
from paas.state import Refused


class Command(BaseCommand):
    help = "Write database, authority and keys of this platform into one encrypted file; it goes on running meanwhile."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help='where to; "-" is the output')
        asking.add_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        self.stderr.style_func = None  # what it says there is no error: the output may be the backup
        try:
            secret = asking.passphrase(options["passphrase_file"], twice=True)
            if options["file"] == "-":
                self._make(sys.stdout.buffer, secret)
                return
            path = Path(options["file"])
            with operations.whole(path) as file:
                self._make(file, secret)
        except Refused as refusal:
            raise CommandError(str(refusal)) from None
        except OSError as error:
            raise CommandError(f"{options['file']}: {error.strerror}.") from None
        self.stderr.write(f"{path} has {path.stat().st_size / 2**20:.2f} MiB.")

    def _make(self, file: IO[bytes], secret: Secret) -> None:
        """The file is the caller's, the database its owner's. Raises CommandError when there is no whole backup."""

        def work() -> int:
            try:
                head = operations.make(file, secret)
                file.flush()
            except (Refused, DatabaseError, OSError) as error:
                self.stderr.write(str(error))
                return 1
            self.stderr.write(f"{operations.words(head)}, as of {head.taken:%Y-%m-%d %H:%M:%S} UTC.")
            self.stderr.write("Not in it: what volumes hold on the nodes, images, the change log, who is signed in.")
            return 0

        if as_owner(settings.STATE / "db.sqlite3", work):
            raise CommandError("There is no backup.")
