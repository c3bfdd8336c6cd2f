"""A served cluster: its objects, and both adapters as an administrator asks them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections

from apps.accounts import policy, tokens
from apps.cluster import work
from tests.api.doors import DOORS, Door


@pytest.fixture
def served(cluster: None, settings: Any) -> Iterator[None]:
    """The cluster behind the adapters; the database threads let go of it in the end."""
    settings.ROOT_URLCONF = "apps.api.urls"
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "whitenoise" not in name]
    policy.forget()
    yield
    work.close_connections()
    asyncio.run(sync_to_async(connections.close_all)())
    policy.forget()


@pytest.fixture
def admin(served: None) -> str:
    """A token that may do everything."""
    return tokens.issue("root", ["system:masters", "system:authenticated"])


@pytest.fixture(params=DOORS, ids=lambda door: door.name)
def door(request: pytest.FixtureRequest, admin: str) -> Door:
    adapter: type[Door] = request.param
    return adapter(admin)
