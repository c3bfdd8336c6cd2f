"""One platform for the whole cluster suite, started as a user starts it and removed afterwards."""

from collections.abc import Iterator

import pytest

from tests.platform import Platform


@pytest.fixture(scope="package")
def platform() -> Iterator[Platform]:
    running = Platform()
    try:
        running.start(within=120)
        yield running
    finally:
        running.stop()
        running.down()
