"""The dashboard as a browser sees it: an engine's event on the page, pages over 2,000 pods, a storm of changes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Queue
from statistics import median
from threading import Thread
from typing import Any

import docker
from playwright.sync_api import Page

from benchmarks.burst import program
from benchmarks.figures import Figure, percentile
from tests.browser.site import browser, sign_in
from tests.faults.hollow import hollow_nodes
from tests.platform import BASE, Platform, eventually

PODS_URL = "/api/v1/namespaces/default/pods"
APPS_URL = "/apis/drover.dev/v1/namespaces/default/applications"
TURNS = 40
COMPONENTS, REPLICAS, NODES = 50, 40, 40
OPENINGS = 7
STORM_RATE, STORM_SECONDS = 500, 8

# In the page: notes when the row of a pod first says one of these words, by the machine's clock, in milliseconds.
NOTICE = """([name, words]) => { window.noticed = new Promise((done) => {
  const look = () => {
    const row = [...document.querySelectorAll("tr[data-key]")].find((one) => one.textContent.includes(name));
    if (row && words.some((word) => row.textContent.includes(word))) {
      observer.disconnect();
      done(performance.timeOrigin + performance.now());
    }
  };
  const observer = new MutationObserver(look);
  observer.observe(document.body, { subtree: true, childList: true, characterData: true });
  look();
}); }"""
# In the page: the longest task, and the longest time between two frames.
WATCH_FRAMES = """() => {
  const seen = window.storm = { task: 0, gap: 0, frames: 0 };
  const longer = (one) => { seen.task = Math.max(seen.task, one.duration); };
  new PerformanceObserver((list) => list.getEntries().forEach(longer)).observe({ entryTypes: ["longtask"] });
  let last = performance.now();
  const frame = (now) => {
    seen.gap = Math.max(seen.gap, now - last);
    seen.frames += 1;
    last = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}"""
FIRST_PAINT = """() => new Promise((done) => {
  const told = () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime;
  const wait = () => told() === undefined ? setTimeout(wait, 10) : done(told());
  wait();
})"""


@contextmanager
def tab(platform: Platform) -> Iterator[tuple[Page, str]]:
    """A signed-in tab and the dashboard's address."""
    url = f"http://127.0.0.1:{platform.port}"
    with browser() as chromium:
        page = chromium.new_page(viewport={"width": 1440, "height": 900})
        sign_in(page, url)
        yield page, url


# From the engine's event to the page


def live_page(platform: Platform) -> list[Figure]:
    """Milliseconds from a container's start, and from its end, until the open list of pods shows it."""
    engine = docker.from_env()
    events: Queue[tuple[str, str, float]] = Queue()
    Thread(target=_listen, args=(engine, events), daemon=True).start()
    started: list[float] = []
    ended: list[float] = []
    api = platform.connection(timeout=600)
    with tab(platform) as (page, url):
        page.goto(f"{url}/kinds/pods?namespace=default")
        page.wait_for_selector("#live[data-state=live]")
        for turn in range(TURNS):
            name = f"seen-{turn:02}"
            page.evaluate(NOTICE, [name, ["Running"]])
            _ask(platform, api, "POST", PODS_URL, _sleeper(name))
            at = _at(events, "start", name)
            started.append(page.evaluate("window.noticed") - at)
            page.evaluate(NOTICE, [name, ["Failed", "Error", "Completed", "Succeeded"]])
            engine.containers.list(filters={"name": f"^k8s_app_{name}_"})[0].kill()
            at = _at(events, "die", name)
            ended.append(page.evaluate("window.noticed") - at)
            _ask(platform, api, "DELETE", f"{PODS_URL}/{name}?gracePeriodSeconds=0")
    return [
        Figure(f"container {what} -> page, p95", percentile(took, 0.95), "ms", at_most=300,
               detail=f"p50 {median(took):.0f}, n={TURNS}")
        for what, took in (("started", started), ("ended", ended))
    ]  # fmt: skip


def _listen(engine: docker.DockerClient, events: Queue[tuple[str, str, float]]) -> None:
    for event in engine.events(decode=True, filters={"type": "container", "event": ["start", "die"]}):
        events.put((event["Action"], event["Actor"]["Attributes"].get("name", ""), event["timeNano"] / 1e6))


def _at(events: Queue[tuple[str, str, float]], action: str, name: str) -> float:
    while True:
        said, container, at = events.get(timeout=60)
        if said == action and container.startswith(f"k8s_app_{name}_"):
            return at


def _sleeper(name: str) -> dict[str, Any]:
    container = {
        "name": "app", "image": "busybox", "imagePullPolicy": "IfNotPresent", "command": ["sleep", "3600"],
    }  # fmt: skip
    return {"metadata": {"name": name}, "spec": {"restartPolicy": "Never", "containers": [container]}}


def _ask(platform: Platform, api: Any, method: str, path: str, body: object = None) -> None:
    api.request(method, path, None if body is None else json.dumps(body), platform.headers())
    answer = api.getresponse()
    told = answer.read()
    assert answer.status < 300, told


# Many pods


def screens(platform: Platform) -> list[Figure]:
    """First paint of pages over 2,000 pods of one application with 50 components; then a storm of changes to them."""
    with hollow_nodes(platform, NODES):
        api = platform.connection(timeout=60)
        _ask(platform, api, "POST", APPS_URL, _large())
        eventually(lambda: _is_running(platform), within=300, what="all pods run")
        pod = platform.objects("pods", "-l", "app.kubernetes.io/component=c00")[0]["metadata"]["name"]
        pages = {
            "topology of 50 components": "/apps/default/large",
            "one of its components": "/apps/default/large?component=c00", "home": "/", "cluster": "/cluster",
            "list of 2,000 pods": "/kinds/pods", "one pod": f"/kinds/pods/default/{pod}",
        }  # fmt: skip
        with tab(platform) as (page, url):
            found = [_painted(page, what, f"{url}{path}") for what, path in pages.items()]
            names = [one["metadata"]["name"] for one in platform.objects("pods")[:5]]
            for what in ("list of 2,000 pods", "topology of 50 components"):
                found += _stormed(platform, page, what, f"{url}{pages[what]}", names)
    return found


def _large() -> dict[str, Any]:
    """Each component refers to the one before it in its row of ten."""
    components: dict[str, Any] = {}
    for number in range(COMPONENTS):
        one: dict[str, Any] = {"image": "hollow:1", "replicas": REPLICAS, "ports": {"http": 8080}}
        if number % 10:
            one["env"] = {"NEXT": f"${{components.c{number - 1:02}.address.http}}"}
        components[f"c{number:02}"] = one
    endpoints = {f"e{row}": {"component": f"c{row}9", "port": "http"} for row in range(COMPONENTS // 10)}
    return {
        "metadata": {"name": "large"},
        "spec": {"definition": {"components": components, "endpoints": endpoints}},
    }


def _is_running(platform: Platform) -> bool:
    (app,) = platform.objects("apps", "large")
    time.sleep(1)
    return bool(app.get("status", {}).get("phase") == "Running")


def _painted(page: Page, what: str, url: str) -> Figure:
    took = []
    for _ in range(OPENINGS):
        page.goto("about:blank")
        page.goto(url)
        took.append(page.evaluate(FIRST_PAINT))
    words = f"first {took[0]:.0f}, longest {max(took):.0f}, n={OPENINGS}"
    return Figure(f"first paint, {what}, p50", median(took), "ms", at_most=1000, detail=words)


def _stormed(platform: Platform, page: Page, what: str, url: str, names: list[str]) -> Iterator[Figure]:
    """The tab while five of the pods change 500 times a second altogether."""
    page.goto(url)
    page.wait_for_selector("#live[data-state=live]")
    page.evaluate(WATCH_FRAMES)
    writer = subprocess.Popen(
        [sys.executable, "manage.py", "shell", "-c", program("POD", names, STORM_RATE, STORM_SECONDS)],
        env=platform.environment, cwd=BASE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    _until(page, lambda: writer.poll() is not None)
    assert writer.stdout is not None
    rate = float(writer.stdout.read().split()[-1])
    seen = page.evaluate("window.storm")
    words = f"{rate:.0f} changes/s for {STORM_SECONDS} s, {seen['frames']} frames"
    yield Figure(f"storm, {what}: longest task", seen["task"], "ms", at_most=250, detail=words)
    yield Figure(f"storm, {what}: longest time between frames", seen["gap"], "ms", at_most=500)


def _until(page: Page, done: Callable[[], bool]) -> None:
    while not done():
        page.wait_for_timeout(100)
