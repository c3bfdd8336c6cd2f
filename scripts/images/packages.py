"""Debian packages as trees of files: resolved and downloaded by apt-get, unpacked by dpkg, never installed."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# Only libraries are followed, and what a metapackage stands for: nothing here runs maintainer scripts.
# A connection that hangs is given up and tried again, instead of holding everything up.
PATIENCE = ("-o", "Acquire::http::Timeout=20", "-o", "Acquire::https::Timeout=20", "-o", "Acquire::Retries=3")
FOLLOWED = re.compile(
    r"lib(?!elogind|perl|debian-installer|llvm)|zlib1g$|php[\d.]+-(cli|common|mysql)$|nginx(-common|-core)?$|"
    r"redis-tools$|postgresql(-client)?-\d+$|python[\d.]+-minimal$|node-"
)
ANEW = ("-o", "Dir::State::status=/dev/null")
"""What this machine has installed makes no difference to what an image is made of."""
DEPENDENCY = re.compile(r"^ ([ |])(?:Pre)?Depends: <?([^<>:\s]+)")


class PackagesUnavailable(Exception):
    """One sentence for the person at the terminal."""


def closure(wanted: Iterable[str]) -> list[str]:
    """The packages and, from each to the next, the libraries they depend on."""
    flags = ["recommends", "suggests", "conflicts", "breaks", "replaces", "enhances"]
    graph: dict[str, list[str]] = {}
    here: list[str] = []
    alternative = False
    command = ["apt-cache", *ANEW, "depends", "--recurse", *(f"--no-{flag}" for flag in flags), *wanted]
    for line in _run(command).splitlines():
        found = DEPENDENCY.match(line)
        if found is None:
            if not line.startswith(" "):
                here = graph.setdefault(line.strip("<>").partition(":")[0], [])
            continue
        if not alternative:
            here.append(found.group(2))
        alternative = found.group(1) == "|"  # the next one is another choice for the same need
    seen: list[str] = []
    queue = list(wanted)
    while queue:
        name = queue.pop()
        if name not in seen:
            seen.append(name)
            queue += [needed for needed in graph.get(name, []) if FOLLOWED.match(needed)]
    return sorted(seen)


def addresses(packages: list[str]) -> dict[str, str]:
    """File name and origin with hash of each package's current version."""
    found = {}
    for line in _run(["apt-get", *ANEW, "--print-uris", "-qq", "download", *packages]).splitlines():
        if line.startswith("'"):
            found[line.split()[1]] = line
    return found


def refresh() -> None:
    """Bring apt's lists up to date; needs root."""
    if os.geteuid() != 0:
        raise PackagesUnavailable("apt's package lists are missing or old: run `apt-get update` as root first.")
    print("images: refreshing the package lists (apt-get update)", flush=True)
    _run(["apt-get", "-qq", *PATIENCE, "update"])


def download(files: dict[str, str], folder: Path) -> None:
    """Fetch what is not in ``folder`` yet, and forget what is no longer wanted."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.deb"):
        if old.name not in files:
            old.unlink()
    missing = [name.partition("_")[0] for name in files if not (folder / name).exists()]
    if missing:
        print(f"images: downloading {len(missing)} Debian packages", flush=True)
        # As root apt would drop to a user that may not enter the folder, and warn that it cannot.
        as_root = ("-o", "APT::Sandbox::User=root")
        _run(["apt-get", "-qq", *ANEW, *PATIENCE, *as_root, "download", *missing], cwd=folder)


def unpack(files: Iterable[str], folder: Path, tree: Path) -> None:
    """One tree with the content of all packages."""
    tree.mkdir(parents=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(lambda name: _run(["dpkg", "-x", str(folder / name), str(tree)]), files):
            pass


def _run(command: list[str], cwd: Path | None = None) -> str:
    environment = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        words = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise PackagesUnavailable(f"{' '.join(command[:2])} failed: {words[0]}")
    return done.stdout
