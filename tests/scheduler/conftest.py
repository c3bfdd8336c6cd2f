"""A cluster whose controllers have their roles."""

import pytest

from tests.harness import install_roles


@pytest.fixture
def ruled(cluster: None) -> None:
    install_roles()
