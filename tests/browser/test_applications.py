"""Applications in a real browser: install from the catalog, look, change, go back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.site import Site, sign_in

pytestmark = pytest.mark.browser
SCREENS = (
    "/", "/catalog", "/catalog/guestbook", "/apps/default/book", "/apps/default/shop?component=web",
    "/apps/default/book?tab=settings", "/apps/default/book?tab=revisions", "/apps/default/book?tab=logs",
    "/apps/default/fresh", "/apps/default/book?component=frontend", "/exposure",
    "/kinds/pods/default/book-frontend-7d9fk?tab=terminal",
)  # fmt: skip


@pytest.fixture(scope="module")
def shops() -> Iterator[Site]:
    site = Site("guestbook", "applications", "app_pods", "open_doors")
    yield site
    site.remove()


@pytest.fixture
def tab(chromium: Browser, shops: Site) -> Iterator[Page]:
    context = chromium.new_context()
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    sign_in(page, shops.url)
    yield page
    context.close()
    assert wrong == []


def test_every_screen_fits_a_phone(tab: Page, shops: Site) -> None:
    tab.set_viewport_size({"width": 360, "height": 780})
    for path in SCREENS:
        tab.goto(f"{shops.url}{path}")
        assert tab.evaluate("document.documentElement.scrollWidth") <= 360, path


@pytest.mark.parametrize("path", ["/", "/catalog", "/apps/default/book", "/exposure", "/kinds/nodes"])
def test_nothing_has_to_be_scrolled_sideways_on_a_desk(tab: Page, shops: Site, path: str) -> None:
    tab.set_viewport_size({"width": 1440, "height": 900})
    tab.goto(f"{shops.url}{path}")
    over = "nodes => nodes.filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.className)"
    assert tab.locator("main, .frame, .picture").evaluate_all(over) == []


def test_an_application_is_installed_by_a_form(tab: Page, shops: Site) -> None:
    tab.goto(f"{shops.url}/catalog")
    tab.get_by_role("link", name="Guestbook").click()
    expect(tab.get_by_label("Host name")).to_be_hidden()
    tab.get_by_label("Who can open it").select_option("ingress")
    expect(tab.get_by_label("Host name")).to_be_visible()
    tab.get_by_label("Who can open it").select_option("internal")
    tab.get_by_label("Name", exact=True).fill("mine")
    tab.get_by_label("Namespace").select_option("shop")
    tab.get_by_role("button", name="Show what will be made").click()
    expect(tab.locator(".changes")).to_contain_text("mine-frontend")
    tab.get_by_role("button", name="Install", exact=True).click()
    tab.wait_for_url("**/apps/shop/mine")


def test_a_component_shows_what_it_is(tab: Page, shops: Site) -> None:
    tab.goto(f"{shops.url}/apps/default/book")
    tab.get_by_role("link", name="frontend").click()
    expect(tab.locator("aside")).to_contain_text("gb-frontend:v5")


def test_going_back_asks_first(tab: Page, shops: Site) -> None:
    tab.goto(f"{shops.url}/apps/default/book?tab=revisions")
    tab.get_by_role("button", name="Go back to it").click()
    expect(tab.locator("#dialog")).to_contain_text("Frontend goes from 4 to 3 pods")
    tab.locator("#dialog").get_by_role("button", name="Go back", exact=True).click()
    tab.wait_for_url("**/apps/default/book")
    tab.goto(f"{shops.url}/apps/default/book?tab=revisions")
    expect(tab.locator(".timeline")).to_contain_text("back to revision 1")


def test_logs_are_one_in_the_order_of_their_times_also_of_pods_that_are_gone(tab: Page, shops: Site) -> None:
    tab.goto(f"{shops.url}/apps/default/book?tab=logs")
    lines = tab.locator(".log-lines")
    expect(lines).to_contain_text("its last words")
    for end in ("7d9fk", "x2mqp", "c4v8n", "p6w2z", "h9j5t", "k3s7r", "m8d4b"):
        expect(lines).to_contain_text(f"book-frontend-{end}")
    expect(tab.locator("[data-log-state]")).to_have_text("Following 7 containers")
    expect(lines.locator("span").first).to_contain_text("book-frontend-gone1")
    times: list[str] = tab.evaluate("[...document.querySelectorAll('.log-lines > span')].map((one) => one.dataset.at)")
    assert times == sorted(times) and len(times) > 6
    shops.tell("app_pod later 7")
    expect(lines).to_contain_text("book-frontend-later")
    expect(tab.locator("[data-log-state]")).to_have_text("Following 8 containers")
    tab.get_by_label("Pods that are gone").uncheck()
    expect(lines).to_contain_text("book-frontend-7d9fk")
    expect(lines).not_to_contain_text("its last words")


def test_scaling_is_told_at_once_and_what_cannot_be_in_words(tab: Page, shops: Site) -> None:
    tab.goto(f"{shops.url}/apps/default/book?component=redis-follower")
    tab.get_by_role("button", name="Scale", exact=True).click()
    number = tab.get_by_label("Number of pods")
    expect(number).to_have_value("3")
    number.fill("5")
    expect(tab.locator("#told")).to_contain_text("Redis-follower goes from 3 to 5 pods")
    tab.locator("#dialog").get_by_role("button", name="Scale", exact=True).click()
    expect(tab.locator("#toasts")).to_contain_text("Scaling redis-follower to 5…")
    expect(tab.locator("aside")).to_contain_text("Scaling to 5…")


def test_a_dialog_listens_as_soon_as_it_has_the_focus(tab: Page, shops: Site) -> None:
    tab.goto(f"{shops.url}/apps/default/book?component=redis-leader")
    tab.evaluate("""() => document.addEventListener("focusin", (event) => {
        const form = event.target.closest("#dialog form");  // the soonest that a key can come
        if (form) setTimeout(() => { form.elements.replicas.value = "0"; form.requestSubmit(); });
    })""")
    tab.get_by_role("button", name="Scale", exact=True).click()
    expect(tab.locator("#toasts")).to_contain_text("Scaling redis-leader to 0…")
    expect(tab.locator("#dialog")).to_be_hidden()


def test_what_is_under_way_is_cancelled_beside_its_progress(tab: Page, shops: Site) -> None:
    tab.goto(f"{shops.url}/apps/default/fresh")
    tab.get_by_role("button", name="Cancel").click()
    expect(tab.locator("#dialog")).to_contain_text("nothing more is made of it, and what was made stays")
    tab.locator("#dialog summary", has_text="terminal").click()
    expect(tab.locator("#dialog")).to_contain_text("manage.py app cancel -n default fresh")
    with tab.expect_navigation():
        tab.locator("#dialog").get_by_role("button", name="Cancel revision 1").click()
    tab.goto(f"{shops.url}/apps/default/fresh?tab=revisions")
    expect(tab.locator(".timeline")).to_contain_text("cancelled by admin")
