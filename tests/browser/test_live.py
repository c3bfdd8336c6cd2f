"""Point 4 of the issue: what changes in the cluster shows within a second, without a reload, over one websocket."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import Page, Request, WebSocket, expect

from tests.browser.site import Site

pytestmark = pytest.mark.browser
POD = "frontend-x7k2p"


def live(page: Page) -> None:
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    page.wait_for_timeout(300)


def restarts(page: Page, name: str = POD) -> str:
    return page.locator("tr", has_text=name).locator("td[data-label=Restarts]").inner_text()


def test_a_killed_container_shows_within_a_second(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/kinds/pods")
    live(page)
    page.evaluate("window.untouched = true")
    before = int(restarts(page).split()[0])
    started = time.monotonic()
    site.tell(f"kill {POD}")
    row = page.locator("tr", has_text=POD).locator("td[data-label=Restarts]")
    expect(row).to_contain_text(f"{before + 1} (", timeout=1000)
    assert time.monotonic() - started < 1.5
    assert page.evaluate("window.untouched") is True


def test_a_pods_own_page_follows_it(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/kinds/pods/default/{POD}")
    live(page)
    site.tell(f"kill {POD}")
    expect(page.locator(".container-card")).to_contain_text("restart", timeout=1000)


def test_one_socket_serves_the_whole_tab(page: Page, site: Site) -> None:
    opened: list[WebSocket] = []
    page.on("websocket", lambda socket: opened.append(socket))  # noqa: PLW0108  Playwright marks handlers
    page.goto(f"{site.url}/kinds/nodes")
    live(page)
    site.tell(f"kill {POD}")
    page.wait_for_timeout(600)
    assert [socket.url for socket in opened] == [f"ws://127.0.0.1:{site.port}/live"]


def test_filters_scroll_and_focus_survive_updates(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/kinds/pods?namespace=default")
    live(page)
    page.get_by_label("Filter by text").press_sequentially("frontend", delay=20)
    expect(page.locator("tbody tr")).to_have_count(3)
    link = page.get_by_role("link", name=POD)
    link.focus()
    site.tell(f"kill {POD}")
    page.wait_for_timeout(700)
    expect(page.locator("tbody tr")).to_have_count(3)
    expect(link).to_be_focused()
    expect(page.get_by_label("Filter by text")).to_have_value("frontend")
    assert "q=frontend" in page.url


def test_a_burst_is_told_at_most_four_times_a_second(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/kinds/pods")
    live(page)
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request) if request.headers.get("x-live") else None)
    started = time.monotonic()
    site.tell("burst 500")
    page.wait_for_timeout(1200)
    seconds = time.monotonic() - started
    assert 1 <= len(asked) <= 4 * seconds + 2
    site.tell(f"kill {POD}")  # and the tab has caught up
    page.wait_for_timeout(900)
    shown = restarts(page).split()[0]
    page.reload()
    assert restarts(page).split()[0] == shown


def test_a_lost_server_is_said_and_found_again(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/kinds/pods")
    live(page)
    site.stop()
    expect(page.locator("#live")).to_have_attribute("data-state", "waiting", timeout=5000)
    expect(page.locator("#live")).to_contain_text("Stale since", timeout=15000)
    expect(page.locator("#rows")).to_have_class("panel stale")
    site.start_again()
    expect(page.locator("#live")).to_have_attribute("data-state", "live", timeout=20000)
    expect(page.locator("#rows")).to_have_class("panel", timeout=3000)
    before = int(restarts(page).split()[0])
    site.tell(f"kill {POD}")
    expect(page.locator("tr", has_text=POD).locator("td[data-label=Restarts]")).to_contain_text(
        f"{before + 1} (", timeout=1500
    )


def test_a_tab_without_its_session_stops(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/kinds/pods")
    live(page)
    page.context.clear_cookies()
    site.tell(f"kill {POD}")
    expect(page.locator("#live")).to_contain_text("Not live", timeout=3000)
