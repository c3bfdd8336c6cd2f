"""A signed-in administrator and somebody who may see one namespace only, with the sample cluster behind."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from apps.accounts import policy
from apps.cluster import types
from apps.cluster.kinds import ROLE_BINDING
from tests.browser import sample


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
    binding = types.RoleBinding(
        metadata=types.ObjectMeta(name="bo-views", namespace="shop"),
        role_ref=types.RoleRef(api_group="rbac.authorization.k8s.io", kind="ClusterRole", name="view"),
        subjects=[types.Subject(kind="User", name="bo", api_group="rbac.authorization.k8s.io")],
    )
    sample.make(ROLE_BINDING, binding)
    policy.forget()
    return signed_in(user)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    # The browser knows the session under a name that says on which port it was given.
    from apps.accounts.cookies import outer_name  # noqa: PLC0415

    client.cookies[outer_name("sessionid", secure=False)] = client.cookies["sessionid"].value
    return client
