"""Hollow nodes beside a platform under test or measurement."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from tests.platform import BASE, Platform, is_ready


def wait_until_ready(platform: Platform, count: int, within: float) -> None:
    """Follows the nodes as any client would: to list thousands again and again would cost more than they do."""
    ready: set[str] = set()
    with closing(platform.connection(timeout=within)) as api:
        api.request("GET", "/api/v1/nodes?watch=1", headers=platform.headers())
        deadline = time.monotonic() + within
        for line in api.getresponse():
            node = json.loads(line)["object"]
            (ready.add if is_ready(node) else ready.discard)(node["metadata"]["name"])
            if len(ready) >= count:
                return
            assert time.monotonic() < deadline, f"{len(ready)} of {count} nodes are ready after {within:.0f} s"
    raise AssertionError(f"the watch ended when {len(ready)} of {count} nodes were ready")


@contextmanager
def hollow_nodes(
    platform: Platform, count: int, *, within: float = 300, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """``count`` of them, all Ready, in a process that ends with the block."""
    folder = platform.state / "hollow"
    settings = {**platform.environment, **environment}
    issue = [sys.executable, "manage.py", "credentials", str(folder), "--count", str(count)]
    subprocess.run(issue, env=settings, cwd=BASE, check=True, stdout=subprocess.DEVNULL, timeout=300)
    start = [sys.executable, "-m", "node_agent", "run", "--runtime", "hollow", "--count", str(count)]
    start += ["--state", str(folder), "--server", f"http://127.0.0.1:{platform.port}"]
    start += ["--node-name", "hollow", "--address", "127.0.0.1"]
    with (platform.state / "hollow.log").open("wb") as words:
        nodes = subprocess.Popen(start, env=settings, cwd=BASE, stderr=words, stdin=subprocess.DEVNULL)
    try:
        wait_until_ready(platform, count, within)
        yield nodes
    finally:
        nodes.terminate()
        try:
            nodes.wait(timeout=20)
        except subprocess.TimeoutExpired:
            nodes.kill()
            nodes.wait()
