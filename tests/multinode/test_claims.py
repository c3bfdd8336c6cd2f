"""Data lives on one node: pods follow it there, and say where it is when that node is lost."""

from __future__ import annotations

import pytest

from tests.platform import Platform, eventually

pytestmark = [pytest.mark.docker, pytest.mark.kubectl, pytest.mark.timeout(600)]

MANIFEST = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: anchor}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 10Mi}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: ship}
spec:
  replicas: 3
  selector: {matchLabels: {app: ship}}
  template:
    metadata: {labels: {app: ship}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: main
        image: busybox
        imagePullPolicy: IfNotPresent
        command: [sh, -c, "hostname >> /data/names; exec sleep 3600"]
        volumeMounts: [{name: data, mountPath: /data}]
      volumes: [{name: data, persistentVolumeClaim: {claimName: anchor}}]
"""


def test_all_pods_of_a_claim_are_where_its_data_is_and_wait_for_that_node(platform: Platform) -> None:
    platform.kubectl("apply", "-f", "-", input=MANIFEST)
    platform.kubectl("rollout", "status", "deploy/ship", "--timeout=60s", within=70)
    (node,) = {pod["spec"]["nodeName"] for pod in platform.pods("app=ship", ready=3)}
    platform.kubectl("cordon", node)
    try:
        platform.kubectl("delete", "pod", "-l", "app=ship", "--wait=false")

        def waits() -> bool:
            told = platform.kubectl("describe", "pod", "-l", "app=ship")
            return f"without its volume data, which lives on {node}, which is cordoned" in told

        eventually(waits, within=60, what="the reason in words")
    finally:
        platform.kubectl("uncordon", node)
    back = platform.ready_pods("app=ship", 3)
    assert {pod["spec"]["nodeName"] for pod in back} == {node}
    platform.kubectl("delete", "-f", "-", input=MANIFEST)
    eventually(lambda: not platform.objects("pv"), within=60, what="the volume is gone")
