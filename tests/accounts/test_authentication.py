"""Who is believed to be whom: tokens, sessions on either listener, pages of other sites."""

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.test import Client

from apps.accounts import authentication, tokens
from apps.accounts.authentication import actor_of, authenticate, of_scope
from apps.cluster.actors import ANONYMOUS
from apps.cluster.errors import Forbidden, Unauthorized
from apps.cluster.work import in_db

pytestmark = pytest.mark.usefixtures("cluster")
PASSWORD = "correct horse battery"


@pytest.fixture
def ana(cluster: None) -> User:
    return User.objects.create_user("ana", password=PASSWORD)


def logged_in(*, secure: bool) -> tuple[str, str]:
    """Log ana in; the cookie header that her browser then sends, and the cookie's attributes."""
    client = Client()
    client.post("/login", {"username": "ana", "password": PASSWORD}, secure=secure)
    morsel = next(cookie for name, cookie in client.cookies.items() if "session" in name)
    return f"{morsel.key}={morsel.value}", morsel.OutputString()


def scope(type_: str = "http", **rest: Any) -> dict[str, Any]:
    headers = {"host": "localhost:8000", **rest.pop("headers", {})}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"type": type_, "method": "GET", "path": "/", "scheme": "http", "headers": raw, **rest}


def test_a_token_is_believed_and_a_bad_one_is_not_forgiven() -> None:
    text = tokens.issue("robot")
    assert authenticate({"authorization": f"Bearer {text}"}).name == "robot"
    assert authenticate({"authorization": f"bearer  {text} "}).name == "robot"
    for bad in (f"Bearer {text}x", "Bearer ", f"Basic {text}", text):
        with pytest.raises(Unauthorized):
            authenticate({"authorization": bad})


def test_a_bad_token_beside_a_good_session_is_refused(ana: User) -> None:
    with pytest.raises(Unauthorized):
        authenticate({"authorization": "Bearer drv_wrong"}, ana)
    assert authenticate({}, ana).name == "ana"


def test_nobody_is_nobody_even_from_loopback() -> None:
    with pytest.raises(Unauthorized):
        authenticate({}, None, peer_is_loopback=True)
    with pytest.raises(Unauthorized):
        authenticate({}, AnonymousUser())


def test_a_person_cannot_take_a_group_of_the_system(ana: User) -> None:
    ana.groups.add(Group.objects.create(name="dev"), Group.objects.create(name="system:masters"))
    assert actor_of(ana).groups == {"dev", "system:authenticated"}
    ana.is_superuser = True
    assert "system:masters" in actor_of(ana).groups
    ana.is_active = False
    assert actor_of(ana) == ANONYMOUS == actor_of(AnonymousUser())


@pytest.mark.parametrize("secure", [False, True])
async def test_a_session_counts_on_its_own_listener_only(secure: bool, ana: User) -> None:
    cookie, attributes = await in_db(logged_in, secure=secure)
    assert cookie.startswith("__Host-drover-sessionid-" if secure else "drover-sessionid-")
    assert ("Secure" in attributes) is secure
    assert "HttpOnly" in attributes
    assert "SameSite=Lax" in attributes
    here, there = ("https", "http") if secure else ("http", "https")
    assert (await of_scope(scope(headers={"cookie": cookie}, scheme=here))).name == "ana"
    with pytest.raises(Unauthorized):
        await of_scope(scope(headers={"cookie": cookie}, scheme=there))


async def test_a_session_ends_with_its_user_or_password(ana: User) -> None:
    cookie, _ = await in_db(logged_in, secure=False)
    ana.set_password("something new entirely")
    await in_db(ana.save)
    with pytest.raises(Unauthorized):
        await of_scope(scope(headers={"cookie": cookie}))


@pytest.mark.parametrize(
    "cookie", ["", "drover-sessionid-8000=", "drover-sessionid-8000=unknown", "a=b; ;;=\\", "\x00"]
)
async def test_a_strange_cookie_is_nobody(cookie: str) -> None:
    with pytest.raises(Unauthorized):
        await of_scope(scope(headers={"cookie": cookie}))


ORIGINS = [
    ("http://localhost:8000", True),
    ("http://localhost:9000", False),
    ("http://evil.example", False),
    ("null", False),
]


@pytest.mark.parametrize(("origin", "answer"), [*ORIGINS, ("", False)])
@pytest.mark.parametrize("what", [{"type_": "websocket", "scheme": "ws"}, {"method": "POST"}])
async def test_with_a_cookie_the_page_must_be_ours(
    origin: str, answer: bool, what: dict[str, str], ana: User
) -> None:
    cookie, _ = await in_db(logged_in, secure=False)
    headers = {"cookie": cookie, **({"origin": origin} if origin else {})}
    asked = of_scope(scope(headers=headers, **what))
    if answer:
        assert (await asked).name == "ana"
    else:
        with pytest.raises(Forbidden):
            await asked


async def test_a_token_needs_no_page() -> None:
    text = await in_db(tokens.issue, "robot")
    headers = {"authorization": f"Bearer {text}", "origin": "http://evil.example", "cookie": "a=b"}
    assert (await of_scope(scope("websocket", headers=headers))).name == "robot"


async def test_a_token_in_the_address_is_nobodys() -> None:
    text = await in_db(tokens.issue, "robot")
    with pytest.raises(Unauthorized):
        await of_scope(scope(query_string=f"token={text}&access_token={text}".encode()))


def test_origin_and_host_must_agree_to_the_port() -> None:
    assert authentication.same_origin({"origin": "https://Box.example:8443", "host": "box.example:8443"})
    assert not authentication.same_origin({"origin": "https://box.example", "host": "box.example:8443"})
    assert not authentication.same_origin({"host": "box.example"})
    assert not authentication.same_origin({"origin": "http://[", "host": "["})
