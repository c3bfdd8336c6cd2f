"""Many changes a second, written by a program of its own beside the platform."""

from collections.abc import Sequence

# Several updates a transaction: the burst must reach its rate whatever one HTTP client could do.
PROGRAM = """
import time
from apps.cluster import kinds, store
from apps.cluster.actors import system
me, kind, names, rate, seconds = system("bench"), kinds.{kind}, {names}, {rate}, {seconds}
def change(turn):
    def work(tx):
        for name in names:
            found = tx.get(kind, "default", name)
            found.metadata.annotations = {{"stamp": str(turn)}}
            found.metadata.resource_version = ""
            tx.update(kind, found)
    return work
began = time.monotonic()
for turn in range(rate * seconds // len(names)):
    store.write(me, change(turn))
    time.sleep(max(0.0, began + (turn + 1) * len(names) / rate - time.monotonic()))
print(rate * seconds / (time.monotonic() - began))
"""


def program(kind: str, names: Sequence[str], rate: int, seconds: int) -> str:
    """For ``manage.py shell -c``: changes these objects in turn and prints the rate that it reached."""
    return PROGRAM.format(kind=kind, names=[*names], rate=rate, seconds=seconds)
