"""One server and one Chromium per module: while Playwright runs, its event loop holds this thread."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import site as sites


@pytest.fixture(scope="module")
def site() -> Iterator[sites.Site]:
    running = sites.Site("guestbook")
    yield running
    running.remove()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sites.browser() as running:
        yield running


@pytest.fixture
def page(chromium: Browser, site: sites.Site) -> Iterator[Page]:
    """A signed-in tab. Any error of a script, and anything the content policy refuses, fails the test."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    opened = context.new_page()
    troubles: list[str] = []
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on(
        "console", lambda told: troubles.append(told.text) if "Content Security Policy" in told.text else None
    )
    sites.sign_in(opened, site.url)
    yield opened
    context.close()
    assert not troubles
