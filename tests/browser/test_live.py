"""Point 4 of the issue: what changes in the cluster shows within a second, without a reload, over one websocket."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, Request, Route, WebSocket, expect

from tests.browser.site import Site
from tests.calm import Stopwatch
from tests.platform import eventually

pytestmark = pytest.mark.browser
POD = "frontend-x7k2p"


def live(page: Page) -> None:
    expect(page.locator("#live")).to_have_attribute("data-state", "live")


def count(page: Page) -> Locator:
    """How often the pod's container was started again, as its row says."""
    return page.locator("tr", has_text=POD).locator("td[data-label=Restarts]")


def restarts(page: Page) -> int:
    return int(count(page).inner_text().split()[0])


def kill_and_see(page: Page, site: Site, within: float = 1) -> None:
    """The row tells of a killed container in so many seconds."""
    before = restarts(page)
    site.tell(f"kill {POD}")
    eventually(lambda: restarts(page) == before + 1, within=within, what="one more restart")


def test_a_killed_container_shows_within_a_second(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/kinds/pods")
    live(page)
    page.evaluate("window.untouched = true")
    kill_and_see(page, site)
    assert page.evaluate("window.untouched") is True


def test_a_pods_own_page_follows_it(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/kinds/pods/default/{POD}")
    live(page)
    card = page.locator(".container-card")
    before = card.inner_text()
    site.tell(f"kill {POD}")
    eventually(lambda: "restart" in card.inner_text() and card.inner_text() != before, within=1)


def test_one_socket_serves_the_whole_tab(page: Page, site: Site) -> None:
    opened: list[WebSocket] = []
    page.on("websocket", lambda socket: opened.append(socket))  # noqa: PLW0108  Playwright marks handlers
    page.goto(f"{site.url}/kinds/pods")
    live(page)
    kill_and_see(page, site)
    assert [socket.url for socket in opened] == [f"ws://127.0.0.1:{site.port}/live"]


def test_filters_scroll_and_focus_survive_updates(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/kinds/pods?namespace=default")
    live(page)
    page.get_by_label("Filter by text").press_sequentially("frontend", delay=20)
    expect(page.locator("tbody tr")).to_have_count(3)
    link = page.get_by_role("link", name=POD)
    link.focus()
    kill_and_see(page, site)
    expect(page.locator("tbody tr")).to_have_count(3)
    expect(link).to_be_focused()
    expect(page.get_by_label("Filter by text")).to_have_value("frontend")
    assert "q=frontend" in page.url


def test_a_burst_is_told_at_most_four_times_a_second(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/kinds/pods")
    live(page)
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request) if request.headers.get("x-live") else None)
    before, since = restarts(page), Stopwatch()
    site.tell("burst 500")
    eventually(lambda: restarts(page) > before, what="the burst shows")
    assert 1 <= len(asked) <= 4 * since.elapsed + 2
    site.tell(f"kill {POD}")
    with page.context.new_page() as other:
        other.goto(page.url)
        last = restarts(other)
    eventually(lambda: restarts(page) == last, what="the tab has caught up")


def test_a_lost_server_is_said_and_found_again(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/kinds/pods")
    live(page)
    site.stop()
    expect(page.locator("#live")).to_have_attribute("data-state", re.compile("waiting|paused"))
    expect(page.locator("#live")).to_contain_text("Stale since")
    expect(page.locator("#rows")).to_have_class("panel stale")
    site.start_again()
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    expect(page.locator("#rows")).to_have_class("panel")
    kill_and_see(page, site, within=1.5)


def test_a_tab_without_its_session_stops(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/kinds/pods")
    live(page)
    page.context.clear_cookies()
    site.tell(f"kill {POD}")
    expect(page.locator("#live")).to_contain_text("Not live")


def test_a_tab_on_a_pod_that_went_says_so_and_asks_no_more(page: Page, site: Site) -> None:
    site.tell("replace frontend-x7k2p frontend-goes")
    page.goto(f"{site.url}/kinds/pods/default/frontend-goes")
    live(page)
    site.tell("replace frontend-goes frontend-x7k2p")
    expect(page.locator("#ended")).to_contain_text("This pod is gone")
    expect(page.locator("#ended")).to_contain_text("It was deleted")
    expect(page.get_by_role("heading", name="frontend-goes")).to_be_visible()
    expect(page.locator("#live")).to_have_attribute("data-state", "over")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with page.context.new_page() as other:
        other.goto(f"{site.url}/kinds/pods")
        live(other)
        kill_and_see(other, site, within=5)
    assert not asked
    page.get_by_role("link", name="frontend-x7k2p took its place").click()
    live(page)


def test_a_page_whose_server_stumbled_once_is_live_again(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/kinds/pods")
    live(page)
    broken = {"left": 1}

    def stumble(route: Route) -> None:
        broken["left"] -= 1
        route.fulfill(status=500, body="") if broken["left"] >= 0 else route.continue_()

    page.route("**/kinds/pods", stumble)
    before = restarts(page)
    site.tell(f"kill {POD}")
    expect(page.locator("#live")).not_to_have_attribute("data-state", "live")
    eventually(lambda: restarts(page) == before + 1, what="it asks again by itself")
    live(page)
