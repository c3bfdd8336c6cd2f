#!/usr/bin/env python3
"""Django's command line for Drover: ``manage.py up`` starts everything, ``manage.py help`` lists the rest."""

import os
import sys

from django.core.management import execute_from_command_line

from paas.privileges import follow_owner
from paas.state import default_path

NEED_ROOT = ("up", "down")

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "paas.settings")
    if len(sys.argv) > 1 and sys.argv[1] not in NEED_ROOT:
        follow_owner(default_path() / "db.sqlite3")
    execute_from_command_line(sys.argv)
