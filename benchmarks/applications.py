"""Applications: rendering one, from its installation to the first page it serves, and listing many."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.client import HTTPSConnection
from statistics import median
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import docker
from docker.errors import APIError
from playwright.sync_api import Page

from benchmarks.figures import Figure, percentile
from benchmarks.screens import tab
from tests.platform import BASE, Platform, eventually, is_ready

RENDERED, TURNS, LISTED, LOOKS = 200, 5, 200, 50
APPS = "/apis/drover.dev/v1/namespaces/default/applications"
BOOK = {"metadata": {"name": "book"}, "spec": {"template": {"name": "guestbook"}}}
RENDERING = f"""
import json, time
from apps.catalog import bundled, parameters, render
(template,) = (one for one in bundled.templates() if one.metadata.name == "guestbook")
took = []
for _ in range({RENDERED}):
    began = time.perf_counter()
    values, _ = parameters.resolve(template.spec.parameters, {{}})
    render.render(render.Identity("default", "book", "uid"), template.spec, values)
    took.append((time.perf_counter() - began) * 1000)
print(json.dumps(took))
"""
MANY = f"""
from apps.catalog import operations
from apps.catalog.format import Component, Definition
from apps.catalog.types import Application, ApplicationSpec
from apps.cluster import types
from apps.cluster.actors import system
plan = Definition(components={{"web": Component(image="shop:1.2", replicas=0, ports={{"http": 8080}})}})
for number in range({LISTED}):
    meta = types.ObjectMeta(name=f"shop-{{number:03}}", namespace="default")
    operations.install(system("bench"), Application(metadata=meta, spec=ApplicationSpec(definition=plan)))
"""


def rendering() -> list[Figure]:
    """Milliseconds from a definition and its values to all objects of Guestbook, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "-c", RENDERING], cwd=BASE, check=True, stdout=subprocess.PIPE,
        text=True, timeout=120,
    )  # fmt: skip
    took: list[float] = json.loads(done.stdout.splitlines()[-1])
    words = f"p95 {percentile(took, 0.95):.1f}, first {took[0]:.1f}, n={len(took)}"
    return [Figure("Guestbook rendered, p50", median(took), "ms", at_most=20, detail=words)]


# From the installation to the first page


def first_page(platform: Platform) -> list[Figure]:
    """Medians of seconds over interleaved turns, and their ratio: each turn against the same chain by hand."""
    engine = docker.from_env()
    with installed(platform):  # pulls the images, and shows which they are
        images = {
            name: _container(engine, name).image for name in ("redis-leader", "redis-follower", "frontend")
        }
        pause = _container(engine, "POD").image
    ours: list[float] = []
    raw: list[float] = []
    for _ in range(TURNS):
        raw.append(_by_hand(engine, pause, images))
        with installed(platform) as took:
            ours.append(took)
    ratio = median(mine / theirs for mine, theirs in zip(ours, raw, strict=True))
    return [
        Figure("Guestbook installed -> first page, p50", median(ours), "s", detail=f"n={TURNS}"),
        Figure("its longest chain of starts by raw docker, p50", median(raw), "s", detail=f"n={TURNS}"),
        Figure("installed -> first page / raw docker", ratio, "x", at_most=1.5),
    ]


@contextmanager
def installed(platform: Platform) -> Iterator[float]:
    """Guestbook, and the seconds until its page was served; gone again after the block."""
    api = platform.connection()
    address = eventually(partial(_node_address, platform), what="a ready node")
    began = time.monotonic()
    api.request("POST", APPS, json.dumps(BOOK), platform.headers())
    answer = api.getresponse()
    told = answer.read()
    assert answer.status == 201, told
    port = 0

    def served() -> bool:
        nonlocal port
        port = port or _node_port(platform, api)
        return bool(port) and _answers(address, port)

    _soon(served)
    yield time.monotonic() - began
    api.request("DELETE", f"{APPS}/book", json.dumps({"propagationPolicy": "Background"}), platform.headers())
    api.getresponse().read()
    eventually(lambda: not platform.objects("pods", "-l", "app.kubernetes.io/instance=book"), within=60)
    api.close()


def _node_address(platform: Platform) -> str:
    node = platform.objects("nodes")[0]
    assert is_ready(node)
    found: str = next(one["address"] for one in node["status"]["addresses"] if one["type"] == "InternalIP")
    return found


def _node_port(platform: Platform, api: HTTPSConnection) -> int:
    """Where the page is to answer; 0 before its service is there."""
    api.request("GET", "/api/v1/namespaces/default/services/book-web-public", headers=platform.headers())
    service = json.loads(api.getresponse().read())
    found: int = service.get("spec", {}).get("ports", [{}])[0].get("nodePort", 0)
    return found


def _container(engine: docker.DockerClient, name: str) -> Any:
    return engine.containers.list(filters={"name": f"^k8s_{name}_"}, ignore_removed=True)[0]


def _by_hand(engine: docker.DockerClient, pause: Any, images: dict[str, Any]) -> float:
    """Seconds until a page is served when each of the three is started once the one before it answers."""
    made: list[Any] = []
    hosts: dict[str, str] = {}
    began = time.monotonic()
    try:
        for name, port in (("redis-leader", 6379), ("redis-follower", 6379), ("frontend", 80)):
            sandbox = engine.containers.create(pause, ipc_mode="shareable", extra_hosts=hosts)
            made.append(sandbox)
            sandbox.start()
            app = engine.containers.create(
                images[name], network_mode=f"container:{sandbox.id}", ipc_mode=f"container:{sandbox.id}",
                environment={"GET_HOSTS_FROM": "dns"},
            )  # fmt: skip
            made.append(app)
            app.start()
            sandbox.reload()
            hosts[name] = sandbox.attrs["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
            _soon(partial(_answers if port == 80 else _listens, hosts[name], port))
        return time.monotonic() - began
    finally:
        for container in reversed(made):
            with suppress(APIError):
                container.remove(force=True)


def _answers(address: str, port: int) -> bool:
    try:
        with urlopen(f"http://{address}:{port}/", timeout=2) as answer:
            return bool(answer.status == 200 and answer.read())
    except (URLError, OSError):
        return False


def _listens(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) == 0


def _soon(done: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it never answered"
        time.sleep(0.01)


# Many


def app_list(platform: Platform) -> list[Figure]:
    """Milliseconds of a list of 200 applications: over the API, as kubectl asks for it, and as the first page."""
    subprocess.run(
        [sys.executable, "manage.py", "shell", "-c", MANY], env=platform.environment, cwd=BASE, check=True,
        stdout=subprocess.DEVNULL, timeout=300,
    )  # fmt: skip
    eventually(lambda: len(_settled(platform)) == LISTED, within=120, what="all are running")
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    with tab(platform) as (page, url):
        ways: dict[str, Callable[[], float]] = {
            "over the API": partial(_listed, platform, "application/json"),
            "as kubectl asks": partial(_listed, platform, table),
            "as the first page": partial(_page, page, url),
        }
        taken = {way: [ask() for _ in range(LOOKS)] for way, ask in ways.items()}
    return [
        Figure(f"{LISTED} applications {way}, p95", percentile(took, 0.95), "ms", at_most=100,
               detail=f"p50 {median(took):.1f}, n={LOOKS}")
        for way, took in taken.items()
    ]  # fmt: skip


def _page(page: Page, url: str) -> float:
    began = time.monotonic()
    answer = page.request.get(url)
    took = (time.monotonic() - began) * 1000
    assert answer.status == 200
    assert f"shop-{LISTED - 1:03}" in answer.text()
    return took


def _settled(platform: Platform) -> list[Any]:
    return [one for one in platform.objects("apps") if one.get("status", {}).get("phase") == "Running"]


def _listed(platform: Platform, accept: str) -> float:
    api = platform.connection()
    api.connect()
    began = time.monotonic()
    api.request("GET", APPS, headers={**platform.headers(), "Accept": accept})
    answer = api.getresponse()
    body = answer.read()
    took = (time.monotonic() - began) * 1000
    assert answer.status == 200, body[:200]
    api.close()
    return took
