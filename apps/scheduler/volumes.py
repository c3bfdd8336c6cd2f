"""The filter of a pod's claims: their data is on one node each, and pods go where it is."""

from __future__ import annotations

import numpy as np

from apps.scheduler.filters import Filter, Refusals
from apps.scheduler.needs import PodNeeds
from apps.scheduler.snapshot import Mask, Snapshot


def _away_from_data(pod: PodNeeds, nodes: Snapshot) -> Refusals:
    every: Mask = np.ones(len(nodes.nodes), dtype=np.bool_)
    for key in pod.claims:
        name, claim = key.partition("/")[2], nodes.claims.find(key)
        if claim is None:
            yield every, f'waiting for persistentvolumeclaim "{name}", which does not exist'
        elif claim.lost:
            yield every, f'without the data of persistentvolumeclaim "{name}", whose volume is gone'
        elif claim.alone and nodes.claims.is_used(key):
            yield every, f'waiting for persistentvolumeclaim "{name}", which another pod has for itself'
        elif node := nodes.claims.node_of(claim):
            elsewhere = every.copy()
            if node in nodes.index:
                elsewhere[nodes.index[node]] = False
            yield elsewhere, f"without its volume data, which lives on {_described(node, nodes)}"


def _described(name: str, nodes: Snapshot) -> str:
    at = nodes.index.get(name)
    if at is None:
        return f"{name}, which is gone"
    if not nodes.ready[at]:
        return f"{name}, which is not ready"
    return f"{name}, which is cordoned" if nodes.cordoned[at] else name


volume_data = Filter(
    "volume data", _away_from_data, "Bring the node with the data back, or give the pod another claim."
)
