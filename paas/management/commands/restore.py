"""``manage.py restore FILE``: a platform from its backup, into an empty place; or a snapshot over what is there."""

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from paas.backup import asking, operations, vault
from paas.backup.vault import Secret
from paas.privileges import follow_owner
from paas.state import Refused


class Command(BaseCommand):
    help = "Restore a backup or a snapshot of an upgrade into an empty STATE or database; all of it or nothing."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help='the backup; "-" is the input, which must be a file')
        asking.add_option(parser)
        parser.add_argument("--check", action="store_true", help="only read it to its end and say what it holds")
        parser.add_argument("--replace", action="store_true", help="give up what the database holds now")

    def handle(self, *args: Any, **options: Any) -> None:
        self.stderr.style_func = None  # what it says there is no error
        try:
            with self._opened(options["file"]) as file:
                secret = self._secret(file, options["passphrase_file"])
                follow_owner(settings.STATE / "db.sqlite3")  # the file is the caller's, the database its owner's
                if options["check"]:
                    head = operations.look(file, secret)
                else:
                    head = operations.restore(file, secret, replace=options["replace"])
        except Refused as refusal:
            raise CommandError(str(refusal)) from None
        except DatabaseError as error:
            raise CommandError(f"Nothing was restored: {error}") from None
        except OSError as error:
            raise CommandError(f"{options['file']}: {error.strerror}.") from None
        self.stderr.write(f"{operations.words(head)}, as of {head.taken:%Y-%m-%d %H:%M:%S} UTC, Drover {head.version}.")
        if not options["check"]:
            self.stderr.write(f"Restored into {operations.database()}. Start the platform; agents come by themselves.")

    def _secret(self, file: IO[bytes], passphrase: Path | None) -> Secret:
        return asking.cluster_key() if vault.header(file).key == vault.CLUSTER else asking.passphrase(passphrase)

    def _opened(self, name: str) -> IO[bytes]:
        file = os.fdopen(os.dup(0), "rb") if name == "-" else open(name, "rb")  # noqa: SIM115  closed by the caller
        if not file.seekable():
            raise Refused("A backup is read twice: `manage.py restore - < FILE`, not through a pipe.")
        return file
