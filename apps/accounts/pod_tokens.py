"""The tokens of service accounts that pods mount: handed to their node together with the pod, and in time again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from apps.accounts import service_tokens
from apps.cluster import store, types
from apps.cluster.kinds import SERVICE_ACCOUNT
from apps.cluster.types import agent

RENEWED_AT = 0.8
"""The part of its life after which a token is replaced."""


def mounted(pod: types.Pod) -> list[tuple[str, int]]:
    """The tokens a pod mounts, by audience and seconds."""
    return sorted(set(_projections(pod)))


def issue_for(pod: types.Pod, account: types.ServiceAccount, now: datetime) -> agent.PodTokens:
    """All of them, bound to the pod."""
    meta = pod.metadata
    bound = service_tokens.Bound("Pod", meta.name, meta.uid)
    items = []
    for audience, seconds in mounted(pod):
        audiences = [audience] if audience else []
        issued = service_tokens.issue(account, seconds=seconds, audiences=audiences, bound=bound, now=now)
        items.append(
            agent.PodToken(
                token=issued.text, expires_at=issued.expires_at, audience=audience, seconds=seconds
            )
        )
    named = types.ObjectMeta(name=meta.name, namespace=meta.namespace, uid=meta.uid)
    return agent.PodTokens(metadata=named, items=items)


def issue_all(pods: Iterable[types.Pod], now: datetime) -> dict[str, agent.PodTokens | None]:
    """By pod uid; None where the service account is not there (yet). Asks the database once per account."""
    accounts: dict[tuple[str, str], types.ServiceAccount | None] = {}
    found: dict[str, agent.PodTokens | None] = {}
    for pod in pods:
        key = (pod.metadata.namespace, pod.spec.service_account_name)
        if key not in accounts:
            row = store.find(SERVICE_ACCOUNT, *key)
            accounts[key] = row.object if row is not None else None
        account = accounts[key]
        found[pod.metadata.uid] = issue_for(pod, account, now) if account is not None else None
    return found


def renew_at(tokens: agent.PodTokens, now: datetime) -> datetime:
    """When the first of them should be replaced."""
    lives = (item.expires_at - now for item in tokens.items)
    return now + min(lives, default=timedelta(days=1)) * RENEWED_AT


def _projections(pod: types.Pod) -> Iterator[tuple[str, int]]:
    for volume in pod.spec.volumes:
        for projection in volume.projected.sources if volume.projected is not None else ():
            token = projection.service_account_token
            if token is not None:
                yield token.audience, token.expiration_seconds or 0
