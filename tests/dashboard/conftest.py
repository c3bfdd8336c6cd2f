"""A signed-in administrator and somebody who may see one namespace only, with the sample cluster behind."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from apps.accounts import policy
from tests.browser import odd, sample


@pytest.fixture
def sampled(database: None) -> None:
    policy.forget()
    sample.empty()
    sample.guestbook()
    policy.forget()


@pytest.fixture
def admin(sampled: None) -> Client:
    return signed_in(User.objects.create_superuser("admin"))


@pytest.fixture
def tenant(sampled: None) -> Client:
    """Bo, who may view namespace shop and nothing else."""
    user = User.objects.create_user("bo")
    odd.bo_views()
    return signed_in(user)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    # The browser knows the session under a name that says on which port it was given.
    from apps.accounts.cookies import outer_name  # noqa: PLC0415

    client.cookies[outer_name("sessionid", secure=False)] = client.cookies["sessionid"].value
    return client
