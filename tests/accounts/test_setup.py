"""The first administrator and the way in: the link works once, guessing is slow, forms say what is wrong."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts import known_browsers, setup, throttle
from apps.accounts.authentication import user_of_cookie
from apps.accounts.cookies import outer_name
from apps.accounts.models import SetupLink, Throttle

pytestmark = pytest.mark.usefixtures("cluster")
GOOD = {"username": "admin", "password1": "correct horse battery", "password2": "correct horse battery"}
T0 = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def browser() -> Client:
    return Client(enforce_csrf_checks=False)


def who(browser: Client) -> str:
    """Whose session the browser's cookies are; "" for nobody's."""
    jar = "; ".join(f"{name}={morsel.value}" for name, morsel in browser.cookies.items())
    return user_of_cookie(jar, secure=False).get_username()


def path() -> str:
    return "/setup/" + setup.link().rpartition("/")[2]


def test_the_link_makes_the_first_administrator_and_logs_in(browser: Client) -> None:
    link = path()
    assert browser.get(link).status_code == 200
    answer = browser.post(link, GOOD)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    admin = User.objects.get()
    assert admin.is_superuser
    assert who(browser) == "admin"


def test_it_works_once(browser: Client) -> None:
    link = path()
    browser.post(link, GOOD)
    again = Client().post(link, GOOD | {"username": "second"})
    assert again.status_code == 410
    assert b"An administrator exists already" in again.content
    assert User.objects.count() == 1
    assert setup.link() == ""


def test_each_start_ends_the_link_before(browser: Client) -> None:
    old, new = path(), path()
    assert browser.get(old).status_code == 410
    assert browser.get(new).status_code == 200
    assert SetupLink.objects.count() == 1


def test_of_two_at_once_one_wins() -> None:
    token = setup.link().rpartition("/")[2]
    setup.use_link(token, "one", "secret")
    with pytest.raises(setup.LinkSpent):
        setup.use_link(token, "two", "secret")
    assert [user.username for user in User.objects.all()] == ["one"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"password2": "different"}, b"didn"),
        ({"password1": "short", "password2": "short"}, b"too short"),
        ({"password1": "password123", "password2": "password123"}, b"too common"),
        ({"username": "system:admin"}, b"valid username"),
        ({"username": ""}, b"required"),
    ],
)
def test_a_bad_choice_is_explained_and_does_not_spend_the_link(
    browser: Client, change: dict[str, str], words: bytes
) -> None:
    link = path()
    answer = browser.post(link, GOOD | change)
    assert answer.status_code == 422
    assert words in answer.content
    assert browser.post(link, GOOD).status_code == 302


def test_the_forms_need_their_own_page() -> None:
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(path(), GOOD).status_code == 403
    assert not User.objects.exists()


def test_a_password_from_the_environment_replaces_the_link(
    monkeypatch: pytest.MonkeyPatch, browser: Client
) -> None:
    link = path()
    monkeypatch.setenv("DROVER_ADMIN_PASSWORD", "correct horse battery")
    assert setup.admin_from_environment() is None
    assert browser.get(link).status_code == 410
    answer = browser.post("/login", {"username": "admin", "password": "correct horse battery"})
    assert answer.status_code == 302
    monkeypatch.setenv("DROVER_ADMIN_PASSWORD", "another one entirely")
    setup.admin_from_environment()
    assert not User.objects.get().check_password("another one entirely"), "only the first time"


def test_a_weak_one_is_taken_and_remarked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DROVER_ADMIN_PASSWORD", "secret")
    assert "weak" in (setup.admin_from_environment() or "")
    assert setup.admin_exists()


def test_logging_in_and_out(browser: Client) -> None:
    User.objects.create_user("ana", password="correct horse battery")
    wrong = browser.post("/login", {"username": "ana", "password": "wrong"})
    assert wrong.status_code == 200
    assert b"correct username and password" in wrong.content
    right = browser.post(
        "/login?next=/x", {"username": "ana", "password": "correct horse battery", "next": "/pods"}
    )
    assert right["Location"] == "/pods"
    assert who(browser) == "ana"
    assert browser.get("/logout").status_code == 405, "a link must not log anyone out"
    assert browser.post("/logout")["Location"] == "/login"
    assert who(browser) == ""


def test_the_way_back_never_leads_to_another_site(browser: Client) -> None:
    User.objects.create_user("ana", password="correct horse battery")
    answer = browser.post(
        "/login", {"username": "ana", "password": "correct horse battery", "next": "//evil.example/"}
    )
    assert answer["Location"] == "/"


def test_without_an_administrator_the_page_says_what_to_do(browser: Client) -> None:
    assert b"set-up link" in browser.get("/login").content


def test_guessing_is_slowed_down_even_with_the_right_password(browser: Client) -> None:
    User.objects.create_user("ana", password="correct horse battery")
    for _ in range(5):
        browser.post("/login", {"username": "Ana", "password": "wrong"})
    answer = browser.post("/login", {"username": "ana", "password": "correct horse battery"})
    assert b"Too many attempts" in answer.content
    Throttle.objects.update(until=T0)
    assert browser.post("/login", {"username": "ana", "password": "correct horse battery"}).status_code == 302
    assert not Throttle.objects.filter(key="user:ana").exists()


def test_an_hour_of_quiet_forgives() -> None:
    keys = throttle.keys("ana", "192.0.2.1")
    for _ in range(6):
        throttle.failed(keys, T0)
    assert throttle.wait(keys, T0) > 0
    later = T0 + throttle.QUIET + timedelta(seconds=1)
    throttle.failed(keys, later)
    assert throttle.wait(keys, later) == 0


def test_the_slips_of_many_at_one_address_do_not_add_up() -> None:
    keys = throttle.keys("", "192.0.2.1")[1:]
    for number in range(200):
        throttle.failed(keys, T0 + number * throttle.FORGIVEN)
    assert throttle.wait(keys, T0 + 200 * throttle.FORGIVEN) == 0
    for _ in range(40):
        throttle.failed(keys, T0 + 200 * throttle.FORGIVEN)
    assert throttle.wait(keys, T0 + 200 * throttle.FORGIVEN) > 600, "who does not stop is not forgiven"


RIGHT, WRONG = "correct horse battery", "wrong"


def enter(browser: Client, name: str, password: str) -> str:
    """What signing in leads to: "in", "slow" or "wrong"."""
    answer = browser.post("/login", {"username": name, "password": password})
    return "in" if answer.status_code == 302 else "slow" if b"Too many attempts" in answer.content else "wrong"


def test_a_browser_that_was_signed_in_is_not_held_up_by_those_who_guess(browser: Client) -> None:
    """All come from one address, as behind a balancer."""
    for name in ("ana", "bo"):
        User.objects.create_user(name, password=RIGHT)
    assert enter(browser, "ana", RIGHT) == "in"
    browser.post("/logout")
    guesser = Client()
    for number in range(25):
        enter(guesser, f"somebody-{number}", WRONG)
    for _ in range(6):
        enter(guesser, "ana", WRONG)
    assert enter(Client(), "ana", RIGHT) == "slow"
    assert enter(browser, "bo", RIGHT) == "slow", "she has never signed in with it"
    assert enter(browser, "ana", WRONG) == "wrong"
    assert enter(browser, "ana", RIGHT) == "in"


def test_a_browser_that_was_signed_in_may_not_guess_either(browser: Client) -> None:
    User.objects.create_user("ana", password=RIGHT)
    assert enter(browser, "ana", RIGHT) == "in"
    browser.post("/logout")
    assert [enter(browser, "ana", WRONG) for _ in range(6)] == ["wrong"] * 5 + ["slow"]
    assert enter(Client(), "ana", RIGHT) == "in", "which is its own affair"


def test_the_mark_of_a_browser_cannot_be_made_up_or_lent(browser: Client) -> None:
    for name in ("ana", "bo"):
        User.objects.create_user(name, password=RIGHT)
    enter(browser, "ana", RIGHT)
    name = outer_name(known_browsers.COOKIE, secure=False)
    mark = browser.cookies[name].value
    stranger = Client()
    for forged in ("", "rubbish", mark.replace(mark[0], "x", 1), mark):
        stranger.cookies[name] = forged
        request = stranger.get("/login").wsgi_request
        assert known_browsers.mark_of(request, "bo") == ""
        assert bool(known_browsers.mark_of(request, "ana")) == (forged == mark)
    assert browser.cookies[name]["httponly"]


@given(st.sampled_from(["user:x", "address:y", "browser:z"]), st.integers(0, 100))
def test_the_pause_never_shrinks_and_is_bounded(key: str, failures: int) -> None:
    assert 0 <= throttle.pause(key, failures) <= throttle.pause(key, failures + 1) <= 900
