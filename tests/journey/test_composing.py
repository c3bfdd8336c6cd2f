"""An application drawn on the canvas from two images, on real Docker: made, seen, changed, taken back, gone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http.client import HTTPException
from urllib.request import urlopen

import pytest
import yaml
from playwright.sync_api import Page, expect

from tests.browser.site import browser, drag
from tests.journey.test_first_run import become_administrator, is_trouble
from tests.platform import Platform, eventually, running

pytestmark = [pytest.mark.docker, pytest.mark.kubectl, pytest.mark.browser, pytest.mark.timeout(600)]
GREETING = "Redis is at ${components.redis.address.redis}"


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with running() as platform:
        yield platform


@pytest.fixture(scope="module")
def page(platform: Platform) -> Iterator[Page]:
    """The first administrator's tab."""
    with browser() as chromium:
        page = chromium.new_context(viewport={"width": 1440, "height": 1000}).new_page()
        troubles: list[str] = []
        page.on("console", lambda told: troubles.append(told.text) if is_trouble(told) else None)
        become_administrator(page, platform)
        yield page
        assert troubles == []


def add_image(page: Page, image: str, name: str) -> None:
    page.get_by_role("link", name="Image", exact=True).click()
    page.locator("#add-image").fill(image)
    page.locator("#add-name").fill(name)
    page.get_by_role("button", name="Add to the canvas").click()
    expect(page.locator("#beside h2").first).to_have_text(name)


def fill(page: Page, label: str, text: str) -> None:
    page.locator("#beside").get_by_label(label, exact=True).fill(text)


def apply(page: Page, why: str) -> None:
    page.get_by_role("button", name="Review and apply").click()
    page.locator("#dialog").get_by_label("Why").fill(why)
    page.locator("#dialog").get_by_role("button", name="Apply").click()
    page.wait_for_url("**/apps/default/drawn")


def greeting(platform: Platform) -> str:
    """What is read at the node's port."""
    (way,) = platform.objects("service", "drawn-page-public")
    try:
        with urlopen(f"http://127.0.0.1:{way['spec']['ports'][0]['nodePort']}/", timeout=5) as answer:
            text: str = answer.read().decode()
    except HTTPException as error:
        return repr(error)
    return text


def reads(platform: Platform, text: str) -> None:
    eventually(lambda: greeting(platform) == text, within=90, what=f"the page says {text}")


def test_two_images_drawn_on_the_canvas_run(platform: Platform, page: Page) -> None:
    page.goto(f"http://127.0.0.1:{platform.port}/compose")
    page.get_by_label("Name", exact=True).fill("drawn")
    page.get_by_role("button", name="Begin").click()
    page.wait_for_url("**/apps/default/drawn/compose")
    add_image(page, "redis:7.2.5", "redis")
    add_image(page, "busybox:1.37.0", "page")
    fill(page, "New port's name", "http")
    fill(page, "New port's number", "8080")
    page.get_by_text("Command", exact=True).first.click()
    fill(page, "Command", "httpd -f -p 8080 -h /srv")
    page.get_by_text("Volumes and files").click()
    fill(page, "New file's path", "/srv/index.html")
    fill(page, "New file's content", GREETING)
    page.get_by_label("Reached from outside").select_option("nodePort")
    expect(page.locator("#yaml")).to_have_value(re.compile("endpoints:"))
    drag(page, page.locator('[data-from="page"]'), page.locator('[data-node="redis"]'))
    expect(page.locator("#beside h2").first).to_have_text("page needs redis")
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.locator(".edge.waits")).to_have_count(1)
    apply(page, "drawn by hand")
    expect(page.locator("#application .page-head .chip")).to_have_text("Running", timeout=120_000)
    reads(platform, "Redis is at drawn-redis:6379")


def test_the_line_leads_from_the_one_to_the_other(platform: Platform) -> None:
    asked = "printf 'PING\\r\\n' | nc -w 3 $REDIS_HOST $REDIS_PORT"
    told = platform.kubectl("exec", "deployment/drawn-page", "--", "sh", "-c", asked)
    assert told.strip() == "+PONG"


def test_every_tool_knows_what_was_drawn(platform: Platform) -> None:
    assert re.search(r"^drawn\s.*Running", platform.kubectl("get", "apps"), re.MULTILINE)
    plan = yaml.safe_load(platform.kubectl("get", "application", "drawn", "-o", "yaml"))["spec"]["definition"]
    assert plan["components"]["page"]["env"] == {
        "REDIS_HOST": "${components.redis.host}", "REDIS_PORT": "${components.redis.port.redis}",
    }  # fmt: skip
    assert plan["components"]["page"]["files"] == {"/srv/index.html": {"content": GREETING}}
    told = platform.app("status", "drawn")
    assert told.startswith("drawn: Running.")
    for row in (r"^page +Ready +1/1", r"^redis +Ready +1/1", r"^1 +Ready +\S+ +drawn by hand"):
        assert re.search(row, told, re.MULTILINE), told


def test_a_change_on_the_canvas_is_a_revision_that_rolls_out(platform: Platform, page: Page) -> None:
    page.goto(f"http://127.0.0.1:{platform.port}/apps/default/drawn/compose?component=page")
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    page.get_by_text("Volumes and files").click()
    fill(page, "/srv/index.html: content", "Another page")
    page.keyboard.press("Tab")
    expect(page.locator('[data-node="page"]')).to_contain_text("Edited")
    apply(page, "it says more")
    reads(platform, "Another page")
    expect(page.locator("#application .page-head p")).to_contain_text("revision 2")
    assert "change File page:/srv/index.html" in platform.app("diff", "drawn", check=False)  # 1: something differs


def test_it_is_taken_back_and_deleted_from_the_terminal(platform: Platform) -> None:
    platform.app("rollback", "drawn", "--wait")
    reads(platform, "Redis is at drawn-redis:6379")
    assert re.search(r"^3 +Ready", platform.app("status", "drawn"), re.MULTILINE)
    platform.app("delete", "drawn", "--yes", "--wait")
    eventually(lambda: not platform.pods(), within=60, what="its pods are gone")
    assert "drawn" not in platform.kubectl("get", "apps", check=False)
