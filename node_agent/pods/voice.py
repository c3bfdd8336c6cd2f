"""A pod's voice: its events, on their way to the server."""

from __future__ import annotations

from apps.cluster.types.agent import EventReport
from node_agent.pods.record import Record
from node_agent.pods.tools import Reports


class Voice:
    def __init__(self, record: Record, reports: Reports) -> None:
        self._record, self._reports = record, reports

    def say(self, reason: str, message: str, *, container: str = "", warning: bool = False) -> None:
        """Something worth telling about the pod. Says nothing for a pod the server never knew."""
        pod = self._record.pod
        if pod is None:
            return
        meta = pod.metadata
        self._reports.event(
            EventReport(
                namespace=meta.namespace,
                name=meta.name,
                uid=meta.uid,
                reason=reason,
                message=message,
                type="Warning" if warning else "Normal",
                container=container,
            )
        )
