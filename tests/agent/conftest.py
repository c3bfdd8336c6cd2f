"""A machine per test: an agent on the real engine with a state directory of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.agent.machine import ENGINE, Machine, busybox_image


@pytest.fixture(scope="session")
def busybox() -> str:
    """The image all test containers run."""
    api = docker.APIClient(base_url=ENGINE, version="auto")
    try:
        return busybox_image(api)
    finally:
        api.close()


@pytest.fixture
def machine(busybox: str, tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    made.clean()
