"""Loaded before Django: gives the test run a STATE of its own, and PostgreSQL instead of SQLite when asked.

``DROVER_TEST_DATABASE=postgres`` runs the same tests on a private PostgreSQL that this session starts and ends.
``DROVER_TEST_KUBECTL=/path/of/kubectl.1.27`` has the tests run this kubectl instead of the one on PATH.
"""

import atexit
import os
import shutil
import tempfile

STATE = tempfile.mkdtemp(prefix="drover-test-")
os.chmod(STATE, 0o755)
atexit.register(shutil.rmtree, STATE, ignore_errors=True)
os.environ.update(STATE=STATE, DROVER_KEY="", DJANGO_SETTINGS_MODULE="paas.settings")
os.environ.pop("DATABASE_URL", None)

if kubectl := os.environ.get("DROVER_TEST_KUBECTL"):
    os.mkdir(f"{STATE}/bin")
    os.symlink(os.path.abspath(kubectl), f"{STATE}/bin/kubectl")
    os.environ["PATH"] = f"{STATE}/bin:{os.environ['PATH']}"

if os.environ.get("DROVER_TEST_DATABASE") == "postgres":
    from tests.services import private_postgres

    os.environ["DATABASE_URL"] = private_postgres()
