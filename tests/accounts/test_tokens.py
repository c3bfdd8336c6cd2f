"""Tokens: random, hashed, ended by time, by hand or with their user."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User

from apps.accounts import tokens
from apps.accounts.models import Token
from apps.cluster.actors import Actor

pytestmark = pytest.mark.usefixtures("cluster")


def fresh(text: str, now: datetime | None = None) -> Actor | None:
    tokens.forget()
    return tokens.check(text, now)


def test_a_token_speaks_for_its_actor() -> None:
    text = tokens.issue("ana", ["dev"])
    actor = tokens.check(text)
    assert actor is not None
    assert actor.name == "ana"
    assert actor.groups == {"dev", "system:authenticated"}
    assert actor.uid


def test_only_its_digest_is_kept() -> None:
    text = tokens.issue("ana")
    assert text.startswith("drv_")
    row = Token.objects.get()
    assert text.removeprefix("drv_") not in str(vars(row))


@pytest.mark.parametrize("text", ["", "drv_", "drv_unknown", "nothing of ours", "drv_\udcff", "drv_ü"])
def test_anything_else_speaks_for_nobody(text: str) -> None:
    assert tokens.check(text) is None


def test_it_ends_with_its_time_even_while_remembered() -> None:
    text = tokens.issue("ana", ttl=timedelta(hours=1))
    assert tokens.check(text) is not None
    later = datetime.now(UTC) + timedelta(hours=1, seconds=1)
    assert tokens.check(text, later) is None
    assert fresh(text, later) is None
    assert tokens.expiry(text) is not None


def test_a_revocation_counts_at_once() -> None:
    one, other, foreign = tokens.issue("ana"), tokens.issue("ana", purpose=tokens.NODE), tokens.issue("bob")
    assert tokens.check(one) and tokens.check(other)
    assert tokens.revoke(text=one) == 1
    assert tokens.check(one) is None
    assert tokens.check(other)
    assert tokens.revoke(actor="ana", purpose=tokens.NODE) == 1
    assert tokens.revoke(actor="ana") == 0
    assert tokens.check(other) is None
    assert tokens.check(foreign)


def test_revoking_nothing_in_particular_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="which"):
        tokens.revoke()


def test_a_users_token_ends_with_the_user() -> None:
    user = User.objects.create_user("ana")
    text = tokens.issue("ana", user_id=user.pk)
    assert fresh(text)
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert fresh(text) is None
    user.delete()
    assert not Token.objects.exists()


def test_its_use_is_noted_once_a_minute() -> None:
    text, start = tokens.issue("ana"), datetime.now(UTC)
    seen = []
    for seconds in (0, 30, 61):
        fresh(text, start + timedelta(seconds=seconds))
        seen.append(Token.objects.values_list("last_used_at", flat=True).get())
    assert seen == [start, start, start + timedelta(seconds=61)]


def test_a_warm_check_asks_no_database(django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    text = tokens.issue("ana")
    tokens.check(text)
    with django_assert_num_queries(0):
        assert tokens.check(text)
