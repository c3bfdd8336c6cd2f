"""The scheduler: which node each pending pod runs on, and in words why it runs nowhere.

Snapshot, filters, scores, ``place`` and ``preempt`` are pure; only ``bind`` and ``evict`` write. What this does
not do: make pods, move pods that run, or place pods that name another scheduler.
"""

import os

# Nothing here multiplies matrices; without this, numpy reserves memory for one thread per core.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
