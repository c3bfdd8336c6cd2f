"""Fixtures that many tests share: a store with its usual namespace, and who writes to it."""

from collections.abc import Iterator

import pytest

from apps.accounts import policy, service_tokens, tokens
from apps.cluster import seal, store, types, work
from apps.cluster.actors import Actor, system
from apps.cluster.kinds import NAMESPACE


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
