"""Hollow nodes beside a platform under test or measurement."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.platform import BASE, Platform, eventually


def joined(platform: Platform) -> int:
    """How many nodes are ready."""
    rows = platform.kubectl("get", "nodes", "--no-headers", within=120).splitlines()
    return sum(1 for row in rows if " Ready " in row)


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
        eventually(lambda: joined(platform) >= count, within=within, what=f"{count} hollow nodes")
        yield nodes
    finally:
        nodes.terminate()
        try:
            nodes.wait(timeout=20)
        except subprocess.TimeoutExpired:
            nodes.kill()
            nodes.wait()
