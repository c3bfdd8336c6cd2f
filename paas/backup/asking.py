"""The passphrase of a backup: from a file, the environment or the terminal, never from an argument, which all see."""

from __future__ import annotations

import getpass
import os
import sys
from argparse import ArgumentParser
from pathlib import Path

from apps.cluster import seal
from paas.backup import vault
from paas.backup.vault import Secret
from paas.state import Refused

VARIABLE = "DROVER_BACKUP_PASSPHRASE"


def add_option(parser: ArgumentParser) -> None:
    told = f"a file that holds the passphrase; else {VARIABLE}, else it is asked for"
    parser.add_argument("--passphrase-file", type=Path, help=told)


def passphrase(file: Path | None, *, twice: bool = False) -> Secret:
    """``twice`` where a slip would lock the data away. Raises Refused."""
    text = _read(file, twice)
    if len(text) < seal.SHORTEST_PASSPHRASE:
        raise Refused(f"The passphrase is too short: take {seal.SHORTEST_PASSPHRASE} or more characters.")
    return Secret(vault.PASSPHRASE, text.encode())


def cluster_key() -> Secret:
    """For snapshots, which stay beside the key anyway and are made while nobody is there."""
    return Secret(vault.CLUSTER, seal.outer_key())


def _read(file: Path | None, twice: bool) -> str:
    if file is not None:
        try:
            return file.read_text().rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise Refused(f"The passphrase cannot be read from {file}: {error}.") from None
    if given := os.environ.get(VARIABLE):
        return given
    if not sys.stderr.isatty():
        raise Refused(f"A backup needs a passphrase: give --passphrase-file or {VARIABLE}.")
    text = getpass.getpass("Passphrase of the backup: ")
    if twice and getpass.getpass("Once more: ") != text:
        raise Refused("These were two different passphrases.")
    return text
