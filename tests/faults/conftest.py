"""Two control planes of one cluster, for the tests that need several: started once, and ended with the last of them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from tests.faults.by_hand import ByHand
from tests.platform import Platform
from tests.services import Postgres, private_redis


@pytest.fixture(scope="package")
def shared() -> dict[str, str]:
    """What every machine of the control plane is told alike."""
    return {
        "DATABASE_URL": Postgres("synchronous_commit=on").url,
        "REDIS_URL": private_redis(),
        "DROVER_KEY": secrets.token_hex(32),
        "DROVER_ADMIN_PASSWORD": secrets.token_urlsafe(12),
    }


@pytest.fixture(scope="package")
def first(shared: dict[str, str]) -> Iterator[Platform]:
    """An `up` without nodes."""
    platform = Platform(settings=shared)
    try:
        platform.start(within=120, nodes=0)
        yield platform
    finally:
        platform.stop()
        platform.down()


@pytest.fixture(scope="package")
def second(first: Platform, shared: dict[str, str]) -> Iterator[ByHand]:
    """Of this one every process is started by itself."""
    platform = ByHand(shared)
    try:
        platform.begin()
        yield platform
    finally:
        platform.down()
