"""A platform of three nodes for each module: what one does to its nodes is nobody else's. Starting it takes seconds."""

from collections.abc import Iterator

import pytest

from tests.platform import Platform, running

NETWORK, POOL = "10.199.77.0/24", "10.199.77.200-10.199.77.209"


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with running(nodes=3, NODE_CIDR=NETWORK, LOAD_BALANCER_POOL=POOL) as platform:
        yield platform
