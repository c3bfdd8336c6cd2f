"""A control plane alone for the whole suite, and machines that are about to join it."""

from collections.abc import Iterator

import pytest

from tests.joining.machines import Newcomer
from tests.platform import Platform, running


@pytest.fixture(scope="package")
def platform() -> Iterator[Platform]:
    with running(nodes=0) as platform:
        yield platform


@pytest.fixture(scope="package")
def first(platform: Platform) -> Newcomer:
    return Newcomer(platform, 1)


@pytest.fixture(scope="package")
def second(platform: Platform) -> Newcomer:
    return Newcomer(platform, 2)
