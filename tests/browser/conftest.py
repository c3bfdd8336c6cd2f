"""One server and one Chromium per module: while Playwright runs, its event loop holds this thread."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, StorageState

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


@pytest.fixture(scope="module")
def signed_in(chromium: Browser, site: sites.Site) -> StorageState:
    """The administrator's cookies: signing in is slow on purpose."""
    context = chromium.new_context()
    sites.sign_in(context.new_page(), site.url)
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def page(chromium: Browser, signed_in: StorageState) -> Iterator[Page]:
    """A signed-in tab. Any error of a script, and anything the content policy refuses, fails the test."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, storage_state=signed_in)
    opened = context.new_page()
    troubles: list[str] = []
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on(
        "console", lambda told: troubles.append(told.text) if "Content Security Policy" in told.text else None
    )
    yield opened
    context.close()
    assert not troubles
