"""One platform of three nodes for the whole suite, with a few addresses of their network for load balancers."""

from collections.abc import Iterator

import pytest

from tests.platform import Platform, running

NETWORK, POOL = "10.199.77.0/24", "10.199.77.200-10.199.77.209"


@pytest.fixture(scope="package")
def platform() -> Iterator[Platform]:
    with running(nodes=3, NODE_CIDR=NETWORK, LOAD_BALANCER_POOL=POOL) as platform:
        yield platform
