"""Screens of applications for everybody: no serious finding of axe, no error, no foreign host, all by keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.site import BASE, Site, sign_in

pytestmark = pytest.mark.browser
AXE = BASE / "node_modules" / "axe-core" / "axe.min.js"
POD = "/kinds/pods/default/book-frontend-7d9fk"
SCREENS = {
    "home": "/",
    "catalog": "/catalog",
    "install": "/catalog/guestbook",
    "application": "/apps/default/book",
    "component": "/apps/default/book?component=frontend",
    "failing": "/apps/default/shop?component=web",
    "as a list": "/apps/default/book?view=list",
    "settings": "/apps/default/book?tab=settings",
    "revisions": "/apps/default/book?tab=revisions",
    "logs": "/apps/default/book?tab=logs",
    "scale": "/apps/default/book/scale/frontend?replicas=7",
    "image": "/apps/default/book/image/frontend",
    "delete": "/apps/default/book/delete",
    "compose": "/apps/default/book/compose?component=frontend",
    "compose, a line": "/apps/default/book/compose?component=frontend&to=redis-leader",
    "compose, as a list": "/apps/default/book/compose?view=list&add=catalog",
    "compose, a question": "/apps/default/book/compose?question=reach",
    "compose, questions": "/apps/default/book/compose?add=question",
    "compose, a way in": "/apps/default/book/compose?way=web",
    "compose, a check": "/apps/default/book/compose?check=0",
    "compose, the plan": "/apps/default/book/compose?add=plan",
    "compose, empty": "/apps/shop/blank/compose",
    "compose, begin": "/compose",
    "exposure": "/exposure",
    "nodes": "/kinds/nodes",
    "cluster": "/cluster",
    "terminal": f"{POD}?tab=terminal",
}
SERIOUS = """async () => {
    const found = await axe.run(document, { resultTypes: ["violations"] });
    return found.violations.filter(({ impact }) => impact === "serious" || impact === "critical")
        .map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.target} (${node.failureSummary})`).join("; ")}`);
}"""


@pytest.fixture(scope="module")
def shops() -> Iterator[Site]:
    site = Site("guestbook", "applications", "app_pods", "open_doors")
    yield site
    site.remove()


@pytest.fixture(scope="module")
def axe() -> str:
    assert AXE.exists(), "run scripts/setup test: it installs what package.json names"
    return AXE.read_text()


@pytest.fixture(params=["light", "dark"])
def tab(request: pytest.FixtureRequest, chromium: Browser, shops: Site) -> Iterator[Page]:
    """A signed-in tab in which nothing may go wrong and nothing be asked of another host."""
    context = chromium.new_context(color_scheme=request.param)
    page = context.new_page()
    wrong: list[str] = []
    here = urlsplit(shops.url).netloc
    page.on(
        "console", lambda told: wrong.append(f"{told.text} {told.location}") if told.type == "error" else None
    )
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda asked: wrong.append(asked.url) if urlsplit(asked.url).netloc != here else None)
    sign_in(page, shops.url)
    yield page
    context.close()
    assert wrong == []


def test_no_screen_has_a_serious_finding(tab: Page, shops: Site, axe: str) -> None:
    found: list[str] = []
    for name, path in SCREENS.items():
        tab.goto(f"{shops.url}{path}")
        tab.evaluate(axe)
        found += [f"{name}: {serious}" for serious in tab.evaluate(SERIOUS)]
    assert not found, "\n".join(found)


class Keyboard:
    """Somebody without a mouse."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def reach(self, name: str, role: str = "") -> None:
        """Tab until what is called so has the focus, and is seen to have it."""
        for _ in range(150):
            told: str = self.page.evaluate("""() => {
                const at = document.activeElement;
                const label = at.getAttribute("aria-label") || at.labels?.[0]?.innerText || at.textContent || "";
                return `${at.getAttribute("role") || at.nodeName.toLowerCase()}|${label.trim().split("\\n")[0]}`;
            }""")
            at_role, _, label = told.partition("|")
            if label.startswith(name) and (not role or at_role == role):
                return
            self.press("Tab")
        raise AssertionError(f"the keyboard does not reach {name}")


def test_an_application_is_installed_scaled_and_deleted_by_keyboard_alone(
    chromium: Browser, shops: Site
) -> None:
    context = chromium.new_context()
    page = context.new_page()
    sign_in(page, shops.url)
    hands = Keyboard(page)
    hands.press("g", "c")
    page.wait_for_url("**/catalog")
    hands.reach("Guestbook", "a")
    hands.press("Enter")
    page.wait_for_url("**/catalog/guestbook")
    hands.reach("Name", "input")
    page.keyboard.type("byhand")
    hands.reach("Namespace", "select")
    page.keyboard.type("shop")
    hands.reach("Install", "button")
    hands.press("Enter")
    page.wait_for_url(f"{shops.url}/apps/shop/byhand")
    hands.reach("frontend")
    hands.press("Enter")
    page.wait_for_url("**component=frontend")
    hands.reach("Scale", "button")
    hands.press("Enter")
    expect(page.get_by_label("Number of pods")).to_be_focused()
    hands.press("ArrowUp")
    expect(page.locator("#told")).to_contain_text("Frontend goes from 3 to 4 pods")
    hands.press("Enter")
    expect(page.locator("#toasts")).to_contain_text("Scaling frontend to 4…")
    expect(page.locator("#dialog")).to_be_hidden()
    hands.reach("Delete", "button")
    hands.press("Enter")
    expect(page.get_by_role("button", name="Keep it")).to_be_focused()
    hands.reach("Delete application", "button")
    hands.press("Enter")
    page.wait_for_url(f"{shops.url}/")
    context.close()
