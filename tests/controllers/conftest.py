"""A cluster whose controllers have their roles."""

import pytest

from tests.controllers.shop import install
from tests.harness import add_nodes, install_roles, roll


@pytest.fixture
def ruled(cluster: None) -> None:
    install_roles()


@pytest.fixture
def running(ruled: None) -> None:
    """The shop, installed and ready."""
    add_nodes("node-1")
    install()
    roll()
