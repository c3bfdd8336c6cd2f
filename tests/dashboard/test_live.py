"""The tab's socket: who gets one, what it says, and that bursts become few messages."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from apps.accounts.cookies import outer_name
from apps.cluster import store
from apps.cluster.kinds import CONFIG_MAP, NAMESPACE
from apps.cluster.work import in_db
from apps.dashboard import live
from tests.builders import build
from tests.calm import Stopwatch
from tests.harness import create, edit, install_roles
from tests.nodes.wire import Wire

pytestmark = pytest.mark.usefixtures("cluster")


def cookie(user: str, *, admin: bool) -> str:
    """What the browser of somebody who signed in sends along."""
    client = Client()
    client.force_login(User.objects.create_user(user, is_superuser=admin))
    return f"{outer_name('sessionid', secure=False)}={client.cookies['sessionid'].value}"


def wire(cookie: str, origin: str = "http://drover:8000") -> Wire:
    headers = [(b"host", b"drover:8000"), (b"origin", origin.encode()), (b"cookie", cookie.encode())]
    scope: dict[str, Any] = {"type": "websocket", "path": "/live", "headers": headers, "scheme": "ws"}
    return Wire(live.LiveConsumer.as_asgi(), scope)


async def shown(tab: Wire, *topics: str, number: int, labels: str = "") -> None:
    region = {"id": "rows", "topics": topics, "number": number, "labels": labels}
    await tab.say(json.dumps({"t": "show", "regions": [region]}))


async def first(tab: Wire) -> dict[str, Any]:
    """What the tab is told next, signs of life aside."""
    while (message := json.loads(await tab.hear()))["t"] == "here":
        pass
    return dict(message)


async def heard(tab: Wire, seconds: float) -> list[dict[str, Any]]:
    """What the tab is told within so many seconds, signs of life aside."""
    found: list[dict[str, Any]] = []
    try:
        async with asyncio.timeout(seconds):
            while True:
                found.append(await first(tab))
    except TimeoutError:
        return found


def write(name: str, text: str = "a", **changes: Any) -> None:
    if store.find(CONFIG_MAP, "default", name) is None:
        create(CONFIG_MAP, build(CONFIG_MAP, name=name, **changes))
    edit(CONFIG_MAP, name, lambda found: found.data.update(text=text))


async def test_a_page_of_another_site_gets_no_socket() -> None:
    tab = wire(await in_db(lambda: cookie("ana", admin=True)), "https://evil.example")
    assert (await tab.connect())["type"] == "websocket.close"
    await tab.leave()


async def test_nobody_is_told_why_there_is_no_socket() -> None:
    tab = wire("")
    assert (await tab.connect())["type"] == "websocket.accept"
    assert await tab.closed() == live.SIGNED_OUT
    await tab.leave()


async def test_a_tab_hears_of_what_it_shows_and_of_nothing_else() -> None:
    tab = wire(await in_db(lambda: cookie("ana", admin=True)))
    await tab.connect()
    await shown(tab, "configmaps/default", number=await in_db(store.clock), labels="app=shown")
    await in_db(lambda: write("other", labels={"app": "other"}))
    assert await heard(tab, 0.6) == []
    await in_db(lambda: write("mine", labels={"app": "shown"}))
    assert await first(tab) == {"t": "moved", "regions": ["rows"]}
    await tab.leave()


async def test_what_changed_before_the_socket_opened_is_told() -> None:
    number = await in_db(store.clock)
    await in_db(lambda: write("early"))
    tab = wire(await in_db(lambda: cookie("ana", admin=True)))
    await tab.connect()
    await shown(tab, "configmaps/default/early", number=number)
    assert await first(tab) == {"t": "moved", "regions": ["rows"]}
    await tab.leave()


async def test_a_burst_is_few_messages() -> None:
    tab = wire(await in_db(lambda: cookie("ana", admin=True)))
    await tab.connect()
    await shown(tab, "configmaps", number=await in_db(store.clock))

    def burst() -> None:
        for number in range(150):
            write("busy", str(number))

    since = Stopwatch()
    writing = asyncio.create_task(in_db(burst))
    told = [await first(tab), *await heard(tab, 2.0)]
    assert len(told) <= since.elapsed / live.APART + 1
    await writing
    await tab.leave()


async def test_somebody_without_rights_hears_nothing() -> None:
    await in_db(install_roles)
    tab = wire(await in_db(lambda: cookie("bo", admin=False)))
    await tab.connect()
    await shown(tab, "configmaps", "namespaces", number=await in_db(store.clock))
    await in_db(lambda: write("secretive"))
    await in_db(lambda: create(NAMESPACE, name="elsewhere"))
    assert await heard(tab, 1.0) == []
    await tab.leave()


async def test_nonsense_ends_the_socket() -> None:
    tab = wire(await in_db(lambda: cookie("ana", admin=True)))
    await tab.connect()
    await tab.say("{}")
    assert await tab.closed() == live.TOO_MUCH
    await tab.leave()


async def test_the_end_of_the_session_ends_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SIGN_OF_LIFE", 0.05)
    monkeypatch.setattr(live, "LOOK_AGAIN", 0.1)
    tab = wire(await in_db(lambda: cookie("ana", admin=True)))
    await tab.connect()
    await in_db(lambda: User.objects.filter(username="ana").update(is_active=False))
    assert await tab.closed() == live.SIGNED_OUT
    await tab.leave()
