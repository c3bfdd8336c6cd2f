"""Fixtures that many tests share: a store with its usual namespace, and who writes to it."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

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


@pytest.fixture
def cluster(transactional_db: None, actor: Actor) -> Iterator[None]:
    """An empty cluster with the namespace ``default``, in a database where commits are real."""
    for remembered in (seal.keyring, policy, tokens, service_tokens):
        remembered.forget()
    default = types.Namespace(metadata=types.ObjectMeta(name="default"))
    store.write(actor, lambda tx: tx.create(NAMESPACE, default))
    yield
    work.close_connections()
    seal.keyring.forget()
