"""Fixtures that many tests share: a store with its usual namespace, and who writes to it."""

import os
from collections.abc import Iterator

import pytest
from django.db import connection, transaction
from django.test.utils import setup_databases
from hypothesis import HealthCheck, settings
from pytest_django import DjangoDbBlocker

from apps.accounts import policy, service_tokens, tokens
from apps.cluster import seal, store, types, work
from apps.cluster.actors import Actor, system
from apps.cluster.kinds import NAMESPACE

# The same examples at every run: whoever runs the tests sees what everybody else does. Others are looked for with
# DROVER_TEST_EXAMPLES=<how many for each property>. How long one takes is not what a test asks.
EXAMPLES = int(os.environ.get("DROVER_TEST_EXAMPLES", "0"))
settings.register_profile(
    "drover", deadline=None, derandomize=not EXAMPLES, max_examples=EXAMPLES or 100,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
settings.load_profile("drover")


@pytest.fixture
def actor() -> Actor:
    return system("test")


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Whichever tests were chosen: pytest-django makes a database only where one of them asks by a name of its own.

    It goes with its server, or with this process.
    """
    with django_db_blocker.unblock():
        setup_databases(verbosity=0, interactive=False)


@pytest.fixture
def database(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """An empty database in which commits are real.

    pytest-django's ``transactional_db`` truncates every table and has Django note its permissions anew, which takes
    longer than most of these tests do.
    """
    with django_db_blocker.unblock():
        yield
        with transaction.atomic(), connection.cursor() as cursor:
            for table in connection.introspection.django_table_names():
                cursor.execute(f"DELETE FROM {connection.ops.quote_name(table)}")


@pytest.fixture
def cluster(database: None, actor: Actor) -> Iterator[None]:
    """An empty cluster with the namespace ``default``, in a database where commits are real."""
    for remembered in (seal.keyring, policy, tokens, service_tokens):
        remembered.forget()
    default = types.Namespace(metadata=types.ObjectMeta(name="default"))
    store.write(actor, lambda tx: tx.create(NAMESPACE, default))
    yield
    work.close_connections()
    seal.keyring.forget()
