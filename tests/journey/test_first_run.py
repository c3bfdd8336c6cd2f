"""From the set-up link to an application installed, opened, scaled, broken, returned, taken back, read and deleted."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest
from playwright.sync_api import ConsoleMessage, Error, Page, expect

from tests.browser.site import browser
from tests.platform import Platform, eventually, running

pytestmark = [pytest.mark.docker, pytest.mark.kubectl, pytest.mark.browser, pytest.mark.timeout(600)]
PASSWORD = "correct-horse-7"
BROKEN = "127.0.0.1:1/gb-frontend:v5-no-such"
MINUTES = 5
SKIPPED = "Transition was skipped"
"""What Chromium throws at nobody when a page comes before the picture of the last one has faded."""


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with running() as platform:
        yield platform


class Tab(NamedTuple):
    """One tab all the way, and what went wrong in it: errors, refusals of the content policy, foreign addresses."""

    page: Page
    troubles: list[str]


@pytest.fixture(scope="module")
def tab(platform: Platform) -> Iterator[Tab]:
    with browser() as chromium:
        page = chromium.new_context(viewport={"width": 1440, "height": 900}).new_page()
        troubles: list[str] = []
        page.on("pageerror", lambda error: troubles.append(str(error)) if str(error) != SKIPPED else None)
        page.on("console", lambda told: troubles.append(told.text) if is_trouble(told) else None)
        page.on("request", lambda asked: troubles.append(asked.url) if foreign(asked.url, platform) else None)
        yield Tab(page, troubles)


def become_administrator(page: Page, platform: Platform) -> None:
    """By the link that `up` printed; ends on the first page."""
    printed = re.search(r"http://\S+/setup/\S+", platform.output.read_text())
    assert printed is not None
    page.goto(printed[0])
    page.locator("[name=password1]").fill(PASSWORD)
    page.locator("[name=password2]").fill(PASSWORD)
    page.get_by_role("button", name="Create administrator").click()
    page.wait_for_url(f"http://127.0.0.1:{platform.port}/")


def is_trouble(told: ConsoleMessage) -> bool:
    """Pods' network cards come and go on this machine; Chromium then begins its connections anew, and says so."""
    return told.type == "error" and "ERR_NETWORK_CHANGED" not in told.text


def foreign(url: str, platform: Platform) -> bool:
    return not re.match(rf"(http|ws)://127\.0\.0\.1:{platform.port}/", url) and not url.startswith("data:")


class Clock:
    """What each step took, told at the end."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, float]] = []

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.steps.append((name, time.monotonic() - began))

    @property
    def total(self) -> float:
        return sum(seconds for _, seconds in self.steps)

    def told(self) -> str:
        return "\n".join(
            f"{seconds:7.1f} s  {name}" for name, seconds in [*self.steps, ("in all", self.total)]
        )


def state(page: Page, word: str, within: float = 120) -> None:
    """The application's chip says so."""
    expect(page.locator("#application .page-head .chip")).to_have_text(word, timeout=within * 1000)


def visit(page: Page, url: str) -> None:
    """Chromium gives up a request when a network card comes or goes, as pods' cards do."""
    try:
        page.goto(url)
    except Error as error:
        assert "ERR_NETWORK_CHANGED" in error.message
        page.goto(url)


def choose(page: Page, component: str) -> None:
    page.get_by_role("link", name=re.compile(component)).first.click()
    expect(page.locator("#component-title")).to_have_text(component)


def test_the_first_five_minutes(platform: Platform, tab: Tab, capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    page = tab.page
    with clock.step("first administrator, from the set-up link"):
        become_administrator(page, platform)
    with clock.step("install Guestbook"):
        page.get_by_role("link", name="Install Guestbook").click()
        page.get_by_role("button", name="Install", exact=True).click()
        page.wait_for_url("**/apps/default/guestbook")
        state(page, "Running", 180)
    with clock.step("open it"):
        link = page.get_by_role("link", name="Open", exact=True)
        expect(link).to_have_attribute("target", "_blank")
        opened = page.context.new_page()
        visit(opened, link.get_attribute("href") or "")
        expect(opened.locator("body")).to_contain_text("Guestbook", timeout=20_000)
        opened.close()
    with clock.step("scale it"):
        choose(page, "frontend")
        page.get_by_role("button", name="Scale", exact=True).click()
        page.get_by_label("Number of pods").fill("5")
        expect(page.locator("#told")).to_contain_text("Frontend goes from 3 to 5 pods")
        page.locator("#dialog").get_by_role("button", name="Scale", exact=True).click()
        expect(page.locator("#toasts")).to_contain_text("Scaling frontend to 5…")
        expect(page.locator("aside")).to_contain_text("5 of 5 ready", timeout=60_000)
    with clock.step("break it with a bad image"):
        page.get_by_role("button", name="Image", exact=True).click()
        page.get_by_label("Image", exact=True).fill(BROKEN)
        expect(page.locator("#told")).to_contain_text("without a gap")
        page.get_by_role("button", name="Change image").click()
    with clock.step("read why"):
        expect(page.locator(".callout.why")).to_contain_text("cannot be had", timeout=60_000)
    with clock.step("see it return by itself"):
        state(page, "Running", 120)
        page.get_by_role("link", name="Revisions", exact=True).click()
        expect(page.locator(".timeline")).to_contain_text("revision 3 has failed", timeout=30_000)
    with clock.step("roll it back"):
        page.locator(".timeline li", has_text="Revision 1").get_by_role(
            "button", name="Go back to it"
        ).click()
        expect(page.locator("#dialog")).to_contain_text("Frontend goes from 5 to 3 pods")
        page.locator("#dialog").get_by_role("button", name="Go back", exact=True).click()
        page.wait_for_url("**/apps/default/guestbook")
        expect(page.locator("#application .page-head p")).to_contain_text("revision 5", timeout=20_000)
        state(page, "Running", 90)
    with clock.step("read its logs, also of pods that are gone"):
        # Two pods leave with the rollback; they have half a minute for it.
        eventually(lambda: len(platform.objects("pods")) == 6, within=60)
        page.get_by_role("link", name="Logs", exact=True).first.click()
        lines = page.locator(".log-lines")
        expect(lines).to_contain_text("guestbook-redis-leader", timeout=20_000)
        expect(lines.locator("b.over").first).to_contain_text("guestbook-frontend", timeout=20_000)
    assert tab.troubles == []  # from here on the browser tells of a page that is gone
    with clock.step("delete it"):
        page.get_by_role("button", name="Delete", exact=True).click()
        page.locator("#dialog").get_by_role("button", name="Delete application").click()
        page.wait_for_url(f"http://127.0.0.1:{platform.port}/")
        expect(page.locator("#home")).to_contain_text("No application yet", timeout=60_000)
    with capsys.disabled():
        print(f"\n{clock.told()}")
    assert clock.total < MINUTES * 60
    tab.troubles.clear()


def test_a_terminal_in_a_pod_of_an_application(platform: Platform, tab: Tab) -> None:
    page = tab.page
    platform.kubectl(
        "run", "shell", "--image=busybox", "--image-pull-policy=IfNotPresent", "--", "sleep", "1000"
    )
    platform.kubectl("wait", "--for=condition=Ready", "pod/shell", "--timeout=60s")
    visit(page, f"http://127.0.0.1:{platform.port}/kinds/pods/default/shell")
    page.locator(".tabs").get_by_role("link", name="Terminal").click()
    state, screen = page.locator("[data-terminal-state]"), page.locator(".xterm-rows")
    expect(state).to_have_text("Connected", timeout=15_000)
    page.keyboard.type("echo $((6*7))\n")
    expect(screen).to_contain_text("42")
    page.keyboard.type("printf '\\033[38;2;200;80;80mred\\033[0m\\n'; stty size\n")
    rows = page.evaluate("document.querySelector('.xterm-rows').childElementCount")
    expect(screen).to_contain_text(f"{rows} ")
    page.set_viewport_size({"width": 800, "height": 700})
    page.wait_for_function(
        "(rows) => document.querySelector('.xterm-rows').childElementCount !== rows", arg=rows
    )
    fewer = page.evaluate("document.querySelector('.xterm-rows').childElementCount")
    page.keyboard.type("clear; stty size\n")
    expect(screen).to_contain_text(f"{fewer} ")
    page.keyboard.type("yes | head -c 3000000; echo; echo al''l\n")
    expect(screen).to_contain_text("all", timeout=60_000)
    page.keyboard.type("exit 3\n")
    expect(state).to_have_text("The shell has ended with exit code 3.")
    page.get_by_role("button", name="Connect again").click()
    expect(state).to_have_text("Connected")
    assert tab.troubles == []
    platform.kubectl("delete", "pod", "shell", "--grace-period=0", "--force")
    expect(state).to_contain_text("ended", timeout=20_000)
    events = platform.kubectl("get", "events")
    assert "TerminalOpened" in events and "TerminalClosed" in events
