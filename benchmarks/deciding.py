"""Ten thousand pods on five thousand nodes, decided and committed by the scheduler on a private PostgreSQL."""

import json
import os
import subprocess
import sys

from benchmarks.figures import Figure
from tests.platform import BASE

NODES = int(os.environ.get("DROVER_BENCH_NODES") or 5000)
PODS = 2 * NODES
TEMPLATES, CHUNK = 40, 500


def deciding() -> list[Figure]:
    """Seconds from the look to the last commit; in a process of its own, which has no other work."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.deciding"], cwd=BASE, check=True, capture_output=True, text=True, timeout=900
    )
    told = json.loads(done.stdout.splitlines()[-1])
    words = f"look {told['look']:.1f} s, place {told['place']:.1f} s, bind {told['bind']:.1f} s"
    name = f"{PODS} pods on {NODES} nodes decided and committed (PostgreSQL)"
    return [Figure(name, told["total"], "s", at_most=5, detail=words)]


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "paas.settings")
    from tests.services import private_postgres  # noqa: PLC0415  before the settings are read

    os.environ["DATABASE_URL"] = private_postgres()
    import django  # noqa: PLC0415

    django.setup()
    from benchmarks.deciding_cluster import measure  # noqa: PLC0415  needs Django set up

    print(json.dumps(measure(NODES, PODS, TEMPLATES, CHUNK)))


if __name__ == "__main__":
    main()
