"""Tickets: one use, one person, half a minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from apps.accounts import tickets
from apps.accounts.models import Ticket
from apps.cluster.actors import Actor
from apps.cluster.errors import Forbidden

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
ANA, BO = Actor(name="ana"), Actor(name="bo")


def test_a_ticket_is_good_once() -> None:
    text = tickets.issue(ANA, "a shell", NOW)
    assert tickets.redeem(text, ANA, NOW) == "a shell"
    with pytest.raises(Forbidden):
        tickets.redeem(text, ANA, NOW)


@pytest.mark.parametrize(
    ("who", "when"), [(BO, NOW), (ANA, NOW + tickets.LIFETIME + timedelta(seconds=1))], ids=["stolen", "late"]
)
def test_a_ticket_is_good_for_nobody_else_and_not_for_long(who: Actor, when: datetime) -> None:
    text = tickets.issue(ANA, "a shell", NOW)
    with pytest.raises(Forbidden):
        tickets.redeem(text, who, when)
    with pytest.raises(Forbidden):
        tickets.redeem(text, ANA, NOW)  # whoever showed it, it is spent


def test_its_text_is_kept_nowhere() -> None:
    text = tickets.issue(ANA, "a shell", NOW)
    assert text not in str([*Ticket.objects.values_list()])


def test_what_nobody_used_does_not_pile_up() -> None:
    for hours in range(3):
        tickets.issue(ANA, "a shell", NOW + timedelta(hours=hours))
    assert Ticket.objects.count() == 1
