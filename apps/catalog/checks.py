"""What an application's plan says must work: each check, asked of its pods until it holds or its time is over.

How a pod is spoken to is the caller's: nothing here knows of nodes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol
from urllib.parse import urlsplit

from apps.catalog import parameters, references
from apps.catalog.addresses import Addresses, endpoint_in
from apps.catalog.format import Check, Definition
from apps.catalog.render.metadata import Identity
from apps.catalog.types import Application
from apps.cluster import store, types
from apps.cluster.errors import ApiError
from apps.cluster.eviction import is_healthy
from apps.cluster.kinds import POD
from apps.cluster.selectors import LabelSelector
from apps.cluster.work import in_db

PATIENCE = 60.0
"""Seconds within which a check must hold when it does not say."""
PAUSE = 1.0
LONGEST = 300


class Ways(Protocol):
    """How pods are spoken to; both raise ApiError when they cannot be."""

    async def run(self, pod: types.Pod, container: str, command: Sequence[str]) -> tuple[int, str]:
        """A command's exit code, and what it said."""
        ...

    async def fetch(self, pod: types.Pod, port: int, host: str, path: str) -> tuple[int, str]:
        """A page's status, and its text."""
        ...


@dataclass(frozen=True)
class Question:
    """A check as it is asked: a ``command`` in a pod of ``component``, or a page on its ``port``."""

    name: str
    contains: str
    patience: float
    writes: bool
    component: str = ""
    command: tuple[str, ...] = ()
    expect: int = 0
    port: int = 0
    host: str = ""
    path: str = ""


@dataclass(frozen=True)
class Outcome:
    """``trouble`` says in words why a check does not hold; "" when it does."""

    name: str
    trouble: str
    seconds: float


async def ask(
    app: Application, ways: Ways, *, reading: bool = False, patience: float | None = None
) -> AsyncIterator[Outcome]:
    """Each check in its order. ``reading`` leaves out those that write; ``patience`` stands for what they say."""
    for question in questions(app):
        if not (reading and question.writes):
            yield await _outcome(app, question, ways, question.patience if patience is None else patience)


def questions(app: Application) -> tuple[Question, ...]:
    """The checks of an application, with what its parameters and addresses are. Pure."""
    definition = app.spec.definition or Definition()
    values, _ = parameters.resolve(definition.parameters, app.spec.parameters)
    addresses = Addresses(app.metadata.name, app.metadata.namespace, definition, values)
    return tuple(_question(definition, check, addresses) for check in definition.checks)


def trouble(question: Question, code: int, text: str) -> str:
    """Why an answer will not do, "" when it does. Pure."""
    if code != question.expect:
        return f"ended with {code}: {text.strip()[-LONGEST:]}" if question.command else f"answered {code}"
    if question.contains not in text:
        return f"did not say {question.contains!r}"
    return ""


def _question(definition: Definition, check: Check, addresses: Addresses) -> Question:
    asked: Check = types.convert(Check, references.substitute(types.to_data(check), addresses.value))
    patience = parameters.seconds(asked.within) if asked.within else PATIENCE
    found = Question(asked.name, asked.contains, patience, asked.writes)
    if asked.exec is not None:
        return replace(found, component=asked.exec.component, command=tuple(asked.exec.command))
    endpoint = definition.endpoints[endpoint_in(check.http)]
    where = urlsplit(asked.http)
    return replace(
        found,
        component=endpoint.component,
        expect=int(asked.expect),
        port=int(addresses.port(endpoint.component, endpoint.port)),
        host=where.netloc,
        path=f"{where.path or '/'}{'?' if where.query else ''}{where.query}",
    )


async def _outcome(app: Application, question: Question, ways: Ways, patience: float) -> Outcome:
    began = time.monotonic()
    while True:
        words = await _asked(app, question, ways)
        spent = time.monotonic() - began
        if not words or spent + PAUSE > patience:
            return Outcome(question.name, words, spent)
        await asyncio.sleep(PAUSE)


async def _asked(app: Application, question: Question, ways: Ways) -> str:
    pod = await in_db(_ready_pod, app, question.component)
    if pod is None:
        return f"no pod of {question.component} is ready"
    try:
        if question.command:
            found = await ways.run(pod, question.component, question.command)
        else:
            found = await ways.fetch(pod, question.port, question.host, question.path)
    except ApiError as refused:
        return refused.message
    return trouble(question, *found)


def _ready_pod(app: Application, component: str) -> types.Pod | None:
    meta = app.metadata
    chosen = LabelSelector.of(Identity(meta.namespace, meta.name).selector(component))
    pods = [row.object for row in store.list(POD, namespace=meta.namespace, labels=chosen).rows]
    return next((pod for pod in pods if is_healthy(pod)), None)
