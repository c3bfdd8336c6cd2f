"""Adding a machine: the line, its end, and the machine as it arrives, all in one dialog that follows along."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.site import Site, sign_in

pytestmark = pytest.mark.browser


def open_dialog(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/kinds/nodes")
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    page.get_by_role("button", name="Add a machine").click()


def test_a_machine_shows_in_the_dialog_and_behind_it_as_it_joins(page: Page, site: Site) -> None:
    open_dialog(page, site)
    page.get_by_label("Labels").fill("disk=ssd")
    page.get_by_role("button", name="Make the line").click()
    line = page.locator("#line").inner_text()
    assert page.get_by_role("button", name="Copy the line").get_attribute("data-copy") == line
    arrival = page.locator("#arrival")
    expect(arrival).to_contain_text("Waiting")
    rest = arrival.locator("time")
    expect(rest).to_have_text(re.compile(r"29m\d+s"))
    expect(rest).not_to_have_text(rest.inner_text())  # it counts
    token = line.split()[-2]
    site.tell(f"join {token} fresh-1 127.0.7.21")
    expect(arrival).to_contain_text("fresh-1 has joined")
    expect(arrival).to_contain_text("Ready")
    page.get_by_role("button", name="Done").click()
    expect(page.locator("tr", has_text="fresh-1")).to_contain_text("Ready")
    assert token not in page.content()


def test_a_line_that_ends_says_so_by_itself(page: Page, site: Site) -> None:
    open_dialog(page, site)
    page.get_by_label("Good for").evaluate("select => select.add(new Option('a moment', '2s', true, true))")
    page.get_by_role("button", name="Make the line").click()
    expect(page.locator("#arrival")).to_contain_text("Expired")


def test_what_no_node_may_have_is_said_in_the_dialog(page: Page, site: Site) -> None:
    open_dialog(page, site)
    page.get_by_label("Labels").fill("a b=c")
    page.get_by_label("Taints").fill("gpu:NoSchedule")
    page.get_by_role("button", name="Make the line").click()
    expect(page.get_by_role("alert")).to_contain_text("metadata.labels")
    expect(page.get_by_label("Taints")).to_have_value("gpu:NoSchedule")


def test_whoever_may_not_add_a_machine_is_not_let(chromium: Browser, site: Site) -> None:
    page = chromium.new_context().new_page()
    sign_in(page, site.url, "bo")
    page.goto(f"{site.url}/kinds/nodes")
    expect(page.locator("main")).to_be_visible()
    expect(page.get_by_role("link", name="Add a machine")).to_have_count(0)
    assert page.goto(f"{site.url}/machines/add").status == 403  # type: ignore[union-attr]
    page.context.close()
