"""One platform of three nodes for the whole suite."""

from collections.abc import Iterator

import pytest

from tests.platform import Platform, running


@pytest.fixture(scope="package")
def platform() -> Iterator[Platform]:
    with running(nodes=3) as platform:
        yield platform
