"""Which tokens the pods of one connection were given, and which are due: for the first time, or again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from apps.accounts import pod_tokens
from apps.cluster import types
from apps.cluster.types import agent

Signed = dict[str, agent.PodTokens | None]
"""By pod uid; None where the service account is not there (yet)."""


class Handed:
    """By pod uid. Knows nothing of databases: what is signed elsewhere is noted here."""

    def __init__(self) -> None:
        self._pods: dict[str, types.Pod] = {}
        self._due: dict[str, datetime | None] = {}

    def fresh(self, pods: Iterable[types.Pod]) -> list[types.Pod]:
        """Those of the pods that mount tokens and were not noted before."""
        return [pod for pod in pods if pod.metadata.uid not in self._due and pod_tokens.mounted(pod)]

    def note(self, pod: types.Pod, tokens: agent.PodTokens | None, now: datetime) -> None:
        """What was signed for the pod, or that there was no service account to sign for."""
        self._pods[pod.metadata.uid] = pod
        self._due[pod.metadata.uid] = pod_tokens.renew_at(tokens, now) if tokens is not None else None

    def forget(self, uid: str) -> bool:
        """Whether the pod had any."""
        self._due.pop(uid, None)
        return self._pods.pop(uid, None) is not None

    def due(self, now: datetime) -> list[types.Pod]:
        """Those that lack theirs, and those whose end comes near."""
        return [self._pods[uid] for uid, due in self._due.items() if due is None or due <= now]

    @property
    def lacking(self) -> bool:
        """Whether a pod waits for its first."""
        return None in self._due.values()
