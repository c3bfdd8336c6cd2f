#!/usr/bin/env python3
"""Django's command line for Drover: ``manage.py up`` starts everything, ``manage.py help`` lists the rest."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from paas.privileges import follow_owner
from paas.state import default_path

NEED_ROOT = ("up", "down", "machine", "service")
AS_CALLER = ("up-nodes", "backup", "restore")  # with the caller's own keys and files; the database is its owner's
PRIVATE = ("set-up", "web", "worker", "beat", "backup", "restore")  # what they make is their own account's alone

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "paas.settings")
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command in PRIVATE:
        os.umask(0o077)
    if command not in (*NEED_ROOT, *AS_CALLER):
        follow_owner(default_path() / "db.sqlite3")
    elif command in NEED_ROOT and os.geteuid() != 0:
        sys.exit("Drover's containers and packet rules need root: run this as root, for example with sudo.")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as problem:
        sys.exit(str(problem))
