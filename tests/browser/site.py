"""A dashboard to look at: the server's process, and a browser that is signed in."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.browser.server import NAME, PASSWORD
from tests.platform import eventually

BASE = Path(__file__).resolve().parents[2]
CHROMIUM = "/usr/bin/chromium"
ALONE = "--host-resolver-rules=MAP *.com ~NOTFOUND"  # at every form it would ask its maker what people fill in
expect.set_options(timeout=30_000)  # what is expected is waited for, however busy the machine is


class Site:
    """One server with a sample cluster."""

    def __init__(self, *stories: str) -> None:
        self._folder = tempfile.mkdtemp(prefix="drover-site-")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.stories = stories
        self._start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def tell(self, story: str) -> None:
        """Plays a story and returns when it is committed."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(f"{story}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        if answer != "done":
            raise AssertionError(f"{story}: {answer}")

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()

    def start_again(self) -> None:
        """On the same STATE and port, without playing anything."""
        self.stories = ("resume",)
        self._start()

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self) -> None:
        words = [sys.executable, "-m", "tests.browser.server", self._folder, str(self.port), *self.stories]
        self._process = subprocess.Popen(
            words, cwd=BASE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout
        if self._process.stdout.readline().strip() != "seeded":
            raise AssertionError("the dashboard's server did not start")
        eventually(lambda: _listens(self.port), what="a server that listens")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", ALONE])
        try:
            yield running
        finally:
            running.close()


def sign_in(page: Page, url: str, name: str = NAME) -> None:
    page.goto(f"{url}/login")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{url}/")


def drag(page: Page, source: Locator, target: Locator) -> None:
    """By the mouse, from the middle of one to the middle of the other, wherever the page was scrolled to before."""
    source.evaluate("node => node.scrollIntoView({ block: 'center', behavior: 'instant' })")
    start, end = source.bounding_box(), target.bounding_box()
    assert start and end
    page.mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
    page.mouse.down()
    page.mouse.move(end["x"] + end["width"] / 2, end["y"] + end["height"] / 2, steps=6)
    page.mouse.up()
