"""One platform for the whole cluster suite, started as a user starts it and removed afterwards."""

from collections.abc import Iterator

import pytest

from tests.platform import Platform, running


@pytest.fixture(scope="package")
def platform() -> Iterator[Platform]:
    with running() as platform:
        yield platform
