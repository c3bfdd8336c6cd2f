"""What a person does in the dashboard, in a real browser: look, find, scale, delete, reveal, create."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.server import LONG
from tests.browser.site import Site, sign_in
from tests.platform import eventually

pytestmark = pytest.mark.browser
SCREENS = (
    "/", "/kinds/pods", "/kinds/pods/default/frontend-x7k2p", "/kinds/services/default/frontend", "/create",
    "/kinds/nodes/-/drover-1", "/kinds/secrets/shop/login", "/kinds/events", "/styleguide",
    "/kinds/cronjobs.batch", "/kinds/services", "/cluster",
)  # fmt: skip
SENTINEL = "sentinel-7f3a9c"


def test_every_screen_fits_a_phone(page: Page, site: Site) -> None:
    page.set_viewport_size({"width": 360, "height": 780})
    for path in SCREENS:
        page.goto(f"{site.url}{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path


def test_the_overview_puts_problems_first(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/cluster")
    problems = page.locator(".problems")
    expect(problems).to_contain_text("3 pods of api")
    expect(problems).to_contain_text("cannot be had")
    expect(problems).to_contain_text("2 short of memory")


def test_a_pending_pod_says_why(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/kinds/pods/shop/report-zz71m")
    expect(page.locator(".why")).to_contain_text("No node can take this pod: 0/3 nodes are available.")
    expect(page.locator(".why")).to_contain_text("Lower the request")


def test_scaling_answers_at_once(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/kinds/replicationcontrollers/default/redis-slave")
    page.get_by_role("button", name="Scale").click()
    page.get_by_label("One more").click()
    page.locator("#dialog").get_by_role("button", name="Scale", exact=True).click()
    expect(page.locator(".toast")).to_contain_text("redis-slave is scaling to 3")
    eventually(lambda: "Progressing" in page.locator(".title").inner_text(), within=1.5)
    expect(page.locator("#dialog")).to_be_hidden()


def test_a_wrong_number_is_refused_in_words(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/kinds/replicationcontrollers/default/redis-slave")
    page.get_by_role("button", name="Scale").click()
    page.locator("#dialog form").evaluate("form => { form.noValidate = true }")
    page.get_by_label("Number of pods").fill("-1")
    page.locator("#dialog").get_by_role("button", name="Scale", exact=True).click()
    expect(page.locator("#dialog [role=alert]")).to_contain_text("between 0 and 1000")


def test_deleting_says_what_goes_and_the_row_leaves(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/kinds/pods/shop/report-zz71m")
    page.get_by_role("button", name="Delete").click()
    dialog = page.locator("#dialog")
    expect(dialog).to_contain_text("ReplicationController report stays and makes a new pod at once")
    expect(dialog).to_contain_text("scratch")
    dialog.get_by_role("button", name="Delete pod").click()
    page.wait_for_url(f"{site.url}/kinds/pods")
    expect(page.locator("tbody")).not_to_contain_text("report-zz71m")


def test_a_secret_comes_only_when_asked_for(page: Page, site: Site) -> None:
    for path in ("/kinds/secrets/shop/login", "/kinds/secrets/shop/login?tab=yaml", "/kinds/secrets"):
        page.goto(f"{site.url}{path}")
        assert SENTINEL not in page.content()
        assert "c2VudGluZWwtN2YzYTlj" not in page.content()
    page.goto(f"{site.url}/kinds/secrets/shop/login")
    page.get_by_role("button", name="Reveal").first.click()
    expect(page.locator(".secret-value")).to_have_text(SENTINEL)


def test_the_palette_finds_any_object(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/")
    page.keyboard.press("Control+k")
    page.keyboard.type("settings")
    expect(page.locator("#found a").first).to_contain_text("settings")
    page.keyboard.press("Enter")
    page.wait_for_url("**/kinds/configmaps/shop/settings")


def test_the_keyboard_is_enough(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/")
    page.keyboard.press("g")
    page.keyboard.press("p")
    page.wait_for_url("**/kinds/pods")
    page.keyboard.press("/")
    expect(page.get_by_label("Filter by text")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    expect(page.locator("[data-row]").first).to_be_focused()
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()


def test_sorting_and_labels_live_in_the_address(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/kinds/pods")
    page.get_by_role("link", name="Restarts").click()
    page.wait_for_url("**sort=Restarts**")
    page.get_by_label("Label selector").fill("app=guestbook")
    page.get_by_label("Label selector").press("Enter")
    expect(page.locator("tbody tr")).to_have_count(3)
    page.reload()
    expect(page.locator("tbody tr")).to_have_count(3)
    page.get_by_label("Label selector").fill("app=")
    page.get_by_label("Label selector").press("Enter")
    page.get_by_label("Label selector").fill("=nonsense")
    page.get_by_label("Label selector").press("Enter")
    expect(page.locator("#rows")).to_contain_text("cannot be read")


def test_the_theme_is_remembered(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/")
    page.get_by_label("Dark theme").click()
    dark = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    page.reload()
    assert (
        page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        == dark
        == "rgb(19, 18, 16)"
    )


def test_creating_is_all_or_nothing(page: Page, site: Site) -> None:
    good = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: first}\ndata: {a: b}\n"
    bad = "apiVersion: v1\nkind: Service\nmetadata: {name: second}\nspec: {ports: [{port: 99999}], colour: red}\n"
    page.goto(f"{site.url}/create")
    page.get_by_label("YAML", exact=True).fill(f"{good}---\n{bad}")
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("spec.colour")
    page.get_by_label("YAML", exact=True).fill(good)
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.locator("#create")).to_contain_text("This would be created")
    page.get_by_role("button", name="Create", exact=True).click()
    page.locator("#create").get_by_role("link", name="first").click()
    expect(page.locator("h1")).to_have_text("first")


def test_someone_without_a_role_sees_nothing_and_is_told_so(page: Page, site: Site) -> None:
    context = page.context.browser.new_context()  # type: ignore[union-attr]
    other = context.new_page()
    sign_in(other, site.url, "bo")
    other.goto(f"{site.url}/kinds/pods")
    expect(other.locator("#rows")).to_contain_text("You may not see pods")
    answer = other.goto(f"{site.url}/kinds/pods/default/frontend-x7k2p")
    assert answer is not None and answer.status == 404
    context.close()


def test_a_log_streams_and_can_be_filtered(page: Page, site: Site) -> None:
    site.tell("open_doors")
    page.goto(f"{site.url}/kinds/pods/default/frontend-x7k2p?tab=logs")
    lines = page.locator(".log-lines")
    expect(lines).to_contain_text("frontend: this run, line 3 <b>&amp;</b>")  # as it is, never as markup
    expect(lines).to_contain_text("line 8")  # and it goes on
    page.get_by_label("Filter lines").fill("line 2")
    expect(lines.locator("span:visible").first).to_contain_text("line 2")
    page.get_by_label("Filter lines").fill("")
    page.get_by_label("Previous run").check()
    expect(lines).to_contain_text("previous run, line 3")
    expect(lines).not_to_contain_text("this run")
    expect(page.locator("[data-log-state]")).to_have_text("The stream has ended")
    assert "previous=1" in page.url


@pytest.fixture(scope="module")
def odd() -> Iterator[Site]:
    site = Site("guestbook", "applications", "long_names", "large")
    yield site
    site.remove()


def test_the_longest_names_make_no_page_wider_than_its_window(chromium: Browser, odd: Site) -> None:
    pod = f"/kinds/pods/{LONG}/{LONG}-5tq9v"
    app = f"/apps/{LONG}/{LONG[:30]}"
    others = ("/", "/kinds/pods", "/kinds/configmaps/shop/large")
    context = chromium.new_context()
    page = context.new_page()
    sign_in(page, odd.url)
    for width in (1440, 360):
        page.set_viewport_size({"width": width, "height": 800})
        for path in (app, f"{app}?component=web", f"{app}/image/web", pod, *others):
            page.goto(f"{odd.url}{path}")
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, (path, width, wide)
    context.close()
