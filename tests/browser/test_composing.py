"""Composing in a real browser: by mouse, by keyboard alone, as text, and two people at once."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.site import Site, drag, sign_in

pytestmark = pytest.mark.browser
SCREENS = (
    "/compose", "/apps/shop/blank/compose", "/apps/default/book/compose?component=frontend",
    "/apps/default/book/compose?component=frontend&to=redis-leader", "/apps/default/book/compose?view=list",
    "/apps/default/book/compose?question=reach", "/apps/default/book/compose?add=question",
    "/apps/default/book/compose?way=web", "/apps/default/book/compose?check=0", "/apps/default/book/compose?add=plan",
)  # fmt: skip


@pytest.fixture(scope="module")
def shops() -> Iterator[Site]:
    site = Site("guestbook", "applications")
    yield site
    site.remove()


@pytest.fixture
def tab(chromium: Browser, shops: Site) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: dialog.accept())
    sign_in(page, shops.url)
    yield page
    context.close()
    # A refusal is an answer like any other; the browser notes its code.
    assert [one for one in wrong if "status of 4" not in one] == []


def node(page: Page, name: str) -> Locator:
    return page.locator(f'[data-node="{name}"]')


def open_(page: Page, address: str) -> None:
    """Opens a page and waits until it is followed: then its scripts are there, and nothing moves any more."""
    page.goto(address)
    expect(page.locator("#live")).to_have_attribute("data-state", "live")


def test_every_screen_fits_a_phone(tab: Page, shops: Site) -> None:
    tab.set_viewport_size({"width": 360, "height": 780})
    for path in SCREENS:
        tab.goto(f"{shops.url}{path}")
        assert tab.evaluate("document.documentElement.scrollWidth") <= 360, path


def test_five_components_in_a_row_are_seen_at_once_and_can_be_read(tab: Page, shops: Site) -> None:
    open_(tab, f"{shops.url}/apps/shop/row/compose")
    names = ("front", "middle", "service", "cache", "database")
    parts = [f"  {one}:\n    image: x:1\n    ports: {{p: 1}}\n" for one in names]
    needs = [f"    env: {{A: '${{components.{one}.address.p}}'}}\n" for one in names[1:]]
    plan = "components:\n" + "".join(f"{part}{need}" for part, need in zip(parts, [*needs, ""], strict=True))
    tab.locator("#yaml").fill(f"{plan}endpoints:\n  web: {{component: front, port: p}}\n")
    expect(tab.locator(".canvas .box")).to_have_count(6)
    room, drawing = tab.locator(".canvas"), tab.locator(".canvas .drawing")
    assert room.evaluate("node => node.scrollWidth <= node.clientWidth")
    assert drawing.evaluate("node => node.getScreenCTM().a") > 0.8


def test_files_rights_and_autoscaling_are_typed_with_what_is_wrong_beside_them(tab: Page, shops: Site) -> None:
    open_(tab, f"{shops.url}/apps/shop/typing/compose")
    area, beside, press = tab.locator("#yaml"), tab.locator("#beside"), tab.keyboard.press
    area.fill("components:\n  web:\n    image: web:1\n")
    node(tab, "web").focus()
    press("Enter")
    for fold in ("Volumes and files", "Amounts", "Rights"):
        beside.get_by_text(fold).focus()
        press("Enter")
    content = beside.get_by_label("New file's content")
    content.fill("one\ntwo\n")
    beside.get_by_label("Image", exact=True).fill("web:2")
    press("Tab")
    expect(area).to_have_value(re.compile("web:2"))
    expect(content).to_have_value("one\ntwo\n")  # it waits for its name
    beside.get_by_label("New file's path").fill("etc/web")
    beside.get_by_label("Runs").focus()
    expect(beside.get_by_label("File's path", exact=True)).to_have_attribute("aria-invalid", "true")
    expect(beside).to_contain_text("must be an absolute path")
    expect(content).to_have_value("")
    beside.get_by_label("File's path", exact=True).fill("/etc/web")
    beside.get_by_label("Runs").focus()
    expect(area).to_have_value(re.compile("      /etc/web:\n        content: \\|\n          one\n          two\n"))
    beside.get_by_label("User", exact=True).fill("me")
    beside.get_by_label("Runs").focus()
    expect(beside).to_contain_text("must be an integer")
    expect(beside.get_by_label("User", exact=True)).to_have_value("me")
    expect(beside).to_contain_text("Not in the draft yet")
    beside.get_by_label("User", exact=True).fill("1000")
    beside.get_by_label("In the node's own network").focus()
    press("Space")
    expect(area).to_have_value(re.compile("runAsUser: 1000\n      hostNetwork: true"))
    expect(area).to_have_value(re.compile("privileges:\n +- hostNetwork"))
    beside.get_by_label("From", exact=True).fill("2")
    beside.get_by_label("To", exact=True).fill("5")
    beside.get_by_label("Replicas", exact=True).fill("3")
    press("Tab")
    expect(beside).to_contain_text("autoscale decides on the replicas")
    beside.get_by_label("Replicas", exact=True).fill("")
    press("Tab")
    expect(area).to_have_value(re.compile("autoscale:\n      min: 2\n      max: 5"))
    expect(tab.locator("#wrongs")).to_have_count(0)


def test_health_and_exchange_are_typed_by_keyboard_with_what_is_wrong_beside_them(tab: Page, shops: Site) -> None:
    open_(tab, f"{shops.url}/apps/shop/healthy/compose")
    area, beside, press = tab.locator("#yaml"), tab.locator("#beside"), tab.keyboard.press
    area.fill("components:\n  web:\n    image: web:1\n    ports: {http: 80}\n")
    node(tab, "web").focus()
    press("Enter")
    for fold in ("Health", "Exchange and place"):
        beside.get_by_text(fold).focus()
        press("Enter")
    beside.get_by_label("Restarted when").select_option("exec")
    command = beside.locator('[name="probes.live.exec"]')
    expect(command).to_have_attribute("aria-invalid", "true")
    expect(beside).to_contain_text("which command is run?")
    command.fill("/bin/web 'is well'")
    press("Tab")
    expect(area).to_have_value(re.compile(re.escape("exec: [/bin/web, is well]")))
    beside.get_by_text("How often").focus()
    press("Enter")
    beside.get_by_label("Every").fill("20")
    press("Tab")
    expect(beside).to_contain_text("must be a whole number with a unit")
    beside.get_by_label("Every").fill("20s")
    press("Tab")
    expect(tab.locator("#wrongs")).to_have_count(0)
    beside.get_by_label("Restarted when").select_option("http")
    expect(area).to_have_value(re.compile("live:\n +every: 20s\n +http: /"))
    beside.get_by_label("Pods are exchanged").select_option("own")
    expect(beside.get_by_label("More meanwhile")).to_have_value("1")
    expect(area).to_have_value(re.compile("maxUnavailable: 0"))


def test_ways_in_checks_and_notes_are_made_by_keyboard(tab: Page, shops: Site) -> None:
    open_(tab, f"{shops.url}/apps/shop/checked/compose")
    area, beside, press = tab.locator("#yaml"), tab.locator("#beside"), tab.keyboard.press
    area.fill("components:\n  web:\n    image: web:1\n    ports: {http: 80}\n")
    expect(node(tab, "web")).to_be_visible()
    tab.get_by_role("link", name="The whole plan").focus()
    press("Enter")
    expect(tab.locator("#whole-form")).to_be_visible()
    beside.get_by_role("link", name="Add a way in").focus()
    press("Enter")
    expect(tab.locator("#ask-name")).to_be_focused()
    press("Enter")
    expect(beside.get_by_label("Leads to")).to_have_value("web")
    beside.get_by_label("Opens at").fill("welcome")
    press("Tab")
    expect(beside).to_contain_text("must begin with '/'")
    beside.get_by_label("Opens at").fill("/welcome")
    press("Tab")
    expect(area).to_have_value(re.compile("path: /welcome"))
    tab.get_by_role("link", name="Check", exact=True).focus()
    press("Enter")
    expect(tab.locator("#ask-name")).to_be_focused()
    tab.keyboard.type("the page answers")
    press("Enter")
    expect(beside.get_by_label("Page")).to_have_value("${endpoints.web.internalUrl}")
    beside.get_by_label("Holds when").select_option("exec")
    expect(beside).to_contain_text("which command is run?")
    beside.get_by_label("Command").fill("curl localhost")
    press("Tab")
    expect(area).to_have_value(re.compile("command:\n +- curl\n +- localhost"))
    expect(tab.locator("#wrongs")).to_have_count(0)
    beside.get_by_role("link", name="Close").focus()
    press("Enter")
    expect(tab.locator("#whole-form")).to_be_visible()
    beside.get_by_label("Told once it runs").fill("Open ${endpoints.web.url}.")
    press("Tab")
    expect(area).to_have_value(re.compile(re.escape("notes: Open ${endpoints.web.url}.")))


def test_a_question_is_asked_limited_and_renamed_by_keyboard(tab: Page, shops: Site) -> None:
    open_(tab, f"{shops.url}/apps/shop/asking/compose")
    area, beside, press = tab.locator("#yaml"), tab.locator("#beside"), tab.keyboard.press
    area.fill("components:\n  web:\n    image: web:1\n    replicas: ${params.copies}\n")
    expect(tab.locator("#wrongs")).to_contain_text("copies")
    tab.get_by_role("link", name="Question", exact=True).focus()
    press("Enter")
    expect(tab.locator("#ask-name")).to_be_focused()
    tab.keyboard.type("copies")
    beside.get_by_label("Takes").select_option("integer")
    tab.locator("#ask-name").focus()
    press("Enter")
    expect(beside.locator("h2").first).to_have_text("copies")
    expect(tab.locator("#wrongs")).to_have_count(0)
    beside.get_by_label("Unless somebody says otherwise").fill("9")
    beside.get_by_label("At most").fill("5")
    press("Tab")
    expect(beside.locator("#c-default-wrong")).to_contain_text("must be at most 5")
    beside.get_by_label("Unless somebody says otherwise").fill("3")
    beside.get_by_label("Under the heading").fill("The shop")
    press("Tab")
    expect(area).to_have_value(re.compile("title: The shop"))
    beside.get_by_label("Name", exact=True).fill("pods")
    press("Tab")
    expect(area).to_have_value(re.compile(re.escape("replicas: ${params.pods}")))
    expect(beside).to_contain_text("Its answer goes into web.")


def test_two_images_and_a_line_become_an_application_by_mouse(tab: Page, shops: Site) -> None:
    tab.goto(f"{shops.url}/compose")
    tab.get_by_label("Name", exact=True).fill("drawn")
    tab.get_by_label("Namespace").select_option("shop")
    tab.get_by_role("button", name="Begin").click()
    tab.wait_for_url("**/apps/shop/drawn/compose")
    expect(tab.locator("[data-canvas]")).to_contain_text("An empty canvas")
    for image in ("registry.example/page:1.2", "redis:7.2.5"):
        tab.get_by_role("link", name="Image", exact=True).click()
        tab.locator("#add-image").fill(image)
        tab.get_by_role("button", name="Add to the canvas").click()
        expect(tab.locator("#c-image")).to_have_value(image)
    drag(tab, tab.locator('[data-from="page"]'), node(tab, "redis"))
    expect(tab.locator("#beside h2").first).to_have_text("page needs redis")
    expect(tab.locator("#beside")).to_contain_text("REDIS_HOST=${components.redis.host}")
    tab.get_by_role("button", name="Connect", exact=True).click()
    expect(tab.locator(".edge[marker-end]")).to_have_count(1)
    expect(tab.locator("#yaml")).to_have_value(
        re.compile(re.escape("REDIS_PORT: ${components.redis.port.redis}"))
    )
    tab.reload()  # the draft is kept
    tab.get_by_role("button", name="Review and apply").click()
    dialog = tab.locator("#dialog")
    expect(dialog).to_contain_text("Page starts with 1 pod")
    expect(dialog).to_contain_text("Deployment")
    dialog.get_by_label("Why").fill("drawn by hand")
    dialog.get_by_role("button", name="Apply").click()
    tab.wait_for_url("**/apps/shop/drawn")
    expect(tab.locator(".picture")).to_contain_text("redis")
    tab.goto(f"{shops.url}/apps/shop/drawn?tab=revisions")
    expect(tab.locator(".timeline")).to_contain_text("drawn by hand")
    tab.goto(f"{shops.url}/apps/shop/drawn/compose")
    expect(tab.locator("#staged")).to_contain_text("Nothing is staged")


def test_a_part_of_the_palette_is_dropped_on_what_needs_it(tab: Page, shops: Site) -> None:
    open_(tab, f"{shops.url}/apps/default/book/compose")
    drag(tab, tab.locator('[data-part="cache"]').first, node(tab, "frontend"))
    expect(tab.locator("#beside h2").first).to_have_text("frontend needs cache")
    expect(node(tab, "cache")).to_contain_text("New")
    tab.get_by_role("button", name="Discard").click()
    tab.wait_for_url("**/apps/default/book")


def test_the_same_by_keyboard_alone(tab: Page, shops: Site) -> None:
    open_(tab, f"{shops.url}/apps/shop/typed/compose?add=image")
    press = tab.keyboard.press
    for image in ("page:1.2", "redis:7.2.5"):
        tab.get_by_role("link", name="Image", exact=True).focus()
        press("Enter")
        expect(tab.locator("#add-image")).to_be_focused()
        tab.keyboard.type(image)
        press("Enter")
        expect(tab.locator("#c-image")).to_have_value(image)
    node(tab, "page").focus()
    press("Enter")
    expect(tab.locator("#beside h2").first).to_have_text("page")
    tab.get_by_role("button", name="Connect to…").focus()
    press("Enter")
    expect(tab.locator("#beside h2").first).to_have_text("page needs redis")
    expect(tab.get_by_label("Host and port")).to_be_focused()
    press("Enter")
    expect(tab.locator("#beside")).to_contain_text("REDIS_HOST, REDIS_PORT")
    node(tab, "redis").focus()
    press("Delete")
    expect(node(tab, "redis")).to_have_count(0)
    expect(tab.locator(".toast").last).to_contain_text("redis is off the canvas")
    tab.get_by_role("button", name="Undo").focus()
    press("Enter")
    expect(node(tab, "redis")).to_have_count(1)
    press("Control+s")
    expect(tab.locator("#dialog")).to_contain_text("Redis starts with 1 pod")
    expect(tab.locator("#dialog").get_by_role("button", name="Apply")).to_be_focused()
    press("Enter")
    tab.wait_for_url("**/apps/shop/typed")


def test_the_text_and_the_canvas_are_one_draft(tab: Page, shops: Site) -> None:
    open_(tab, f"{shops.url}/apps/shop/words/compose")
    area = tab.locator("#yaml")
    area.fill("# mine\ncomponents:\n  web:\n    image: web:1\n")
    expect(node(tab, "web")).to_contain_text("web:1")
    node(tab, "web").click()
    expect(tab.locator("#component-form")).to_be_visible()
    tab.get_by_label("Image", exact=True).fill("web:2")
    tab.get_by_label("New port's name").fill("http")
    tab.get_by_label("New port's number").fill("80")
    tab.get_by_label("New variable's name").focus()
    expect(area).to_have_value("# mine\ncomponents:\n  web:\n    image: web:2\n    ports:\n      http: 80\n")
    area.fill("components:\n  web:\n    image: web:2\n    replicsa: 2\n")
    wrong = tab.locator("#wrongs")
    expect(wrong).to_contain_text("line 4, column 5")
    expect(wrong).to_contain_text('did you mean "replicas"?')
    wrong.get_by_role("button").click()
    assert area.evaluate("area => area.value.slice(area.selectionStart, area.selectionEnd)") == "replicsa"
    expect(tab.locator("[data-gutter] b")).to_have_text("4")
    expect(node(tab, "web")).to_be_visible()  # the last picture stays
    tab.keyboard.type("replicas")
    expect(wrong).to_have_count(0)
    expect(tab.get_by_label("Replicas")).to_have_value("2")


def test_leaving_with_something_staged_is_asked_about_and_loses_nothing(tab: Page, shops: Site) -> None:
    asked: list[str] = []
    tab.on("dialog", lambda dialog: asked.append(dialog.type))
    tab.goto(f"{shops.url}/apps/shop/left/compose")
    tab.get_by_role("button", name="Begin with a web server").click()
    expect(node(tab, "web")).to_be_visible()
    tab.get_by_role("link", name="Catalog", exact=True).click()
    tab.wait_for_url("**/catalog")
    assert asked == ["beforeunload"]
    tab.goto(f"{shops.url}/compose")
    tab.get_by_role("link", name="left").click()
    expect(node(tab, "web")).to_be_visible()


def test_two_who_edit_see_each_other_and_neither_overwrites(tab: Page, shops: Site) -> None:
    open_(tab, f"{shops.url}/apps/default/fresh/compose?component=db")
    tab.get_by_label("Image", exact=True).fill("redis:8.0.1")
    tab.keyboard.press("Tab")
    expect(node(tab, "db")).to_contain_text("Edited")
    shops.tell("somebody_changes fresh web shop:1.3")
    news = tab.locator("#compose-news")
    expect(news).to_contain_text("Bo changed this")  # by itself
    tab.get_by_role("button", name="Review and apply").click()
    expect(tab.locator("#dialog")).to_contain_text("Nothing was applied")
    tab.locator("#dialog").get_by_role("button", name="See the difference").click()
    expect(tab.locator("#dialog")).to_contain_text("shop:1.3")
    tab.locator("#dialog").get_by_role("button", name="Bring it into my draft").click()
    expect(news).not_to_contain_text("Bo changed this")
    expect(tab.locator("#yaml")).to_have_value(re.compile(re.escape("shop:1.3")))
    tab.get_by_role("button", name="Review and apply").click()
    expect(tab.locator("#dialog")).to_contain_text("redis:8.0.1")
    tab.locator("#dialog").get_by_role("button", name="Apply").click()
    tab.wait_for_url("**/apps/default/fresh")
