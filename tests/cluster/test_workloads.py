"""Claims, jobs and autoscalers with the real kubectl on real Docker."""

from __future__ import annotations

import re

import pytest

from tests.platform import Platform, eventually

pytestmark = [pytest.mark.docker, pytest.mark.kubectl, pytest.mark.timeout(600)]

KEEPER = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: diary}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 10Mi}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: diarist}
spec:
  strategy: {type: Recreate}
  selector: {matchLabels: {app: diarist}}
  template:
    metadata: {labels: {app: diarist}}
    spec:
      terminationGracePeriodSeconds: 0
      securityContext: {fsGroup: 2000}
      containers:
      - name: main
        image: busybox
        imagePullPolicy: IfNotPresent
        command: [sh, -c, "hostname >> /data/names; exec sleep 3600"]
        volumeMounts: [{name: data, mountPath: /data}]
      volumes: [{name: data, persistentVolumeClaim: {claimName: diary}}]
"""
BURNER = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: burner}
spec:
  selector: {matchLabels: {app: burner}}
  template:
    metadata: {labels: {app: burner}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: main
        image: busybox
        imagePullPolicy: IfNotPresent
        command: [sh, -c, "while true; do :; done"]
        resources: {requests: {cpu: 50m}, limits: {cpu: 100m}}
"""


def test_what_a_claim_holds_outlives_its_pods_and_goes_with_it(platform: Platform) -> None:
    assert "local (default)" in platform.kubectl("get", "storageclass")
    platform.kubectl("apply", "-f", "-", input=KEEPER)
    status = ("rollout", "status", "deploy/diarist", "--timeout=60s")
    platform.kubectl(*status, within=70)
    header, row = platform.kubectl("get", "pvc", "diary").splitlines()
    assert header.split()[:4] == ["NAME", "STATUS", "VOLUME", "CAPACITY"]
    assert row.split()[1] == "Bound"
    volume = row.split()[2]
    platform.kubectl("rollout", "restart", "deploy/diarist")
    platform.kubectl(*status, within=70)
    names = platform.kubectl("exec", "deploy/diarist", "--", "cat", "/data/names").split()
    assert len(set(names)) == 2
    assert "Used By:       diarist-" in platform.kubectl("describe", "pvc", "diary")
    assert f"kubernetes.io/hostname in [{platform.objects('nodes')[0]['metadata']['name']}]" in platform.kubectl(
        "describe", "pv", volume
    )
    held = list(platform.state.rglob(f"volumes/{volume}/names"))
    assert len(held) == 1 and held[0].stat().st_gid == 2000
    platform.kubectl("delete", "pvc", "diary", "--wait=false")
    assert "Terminating" in platform.kubectl("get", "pvc", "diary"), "a pod uses it"
    assert held[0].exists()
    platform.kubectl("delete", "deploy", "diarist")
    eventually(lambda: not held[0].parent.exists(), what="the data went with the claim")
    eventually(lambda: not platform.objects("pv"), what="so did its volume")


def test_jobs_are_created_waited_for_and_read(platform: Platform) -> None:
    image = ("--image=busybox",)
    platform.kubectl("create", "job", "sum", *image, "--", "sh", "-c", "expr 40 + 2")
    platform.kubectl("wait", "--for=condition=complete", "job/sum", "--timeout=60s", within=70)
    assert platform.kubectl("logs", "job/sum") == "42\n"
    header, row = platform.kubectl("get", "job", "sum").splitlines()
    assert header.split() == ["NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE"]
    assert row.split()[1:3] == ["Complete", "1/1"]
    platform.kubectl("create", "cronjob", "often", *image, "--schedule=*/5 * * * *", "--", "date")
    assert "*/5 * * * *" in platform.kubectl("get", "cronjob", "often")
    platform.kubectl("create", "job", "now", "--from=cronjob/often")
    platform.kubectl("wait", "--for=condition=complete", "job/now", "--timeout=60s", within=70)
    assert "Pods Statuses:    0 Active / 1 Succeeded / 0 Failed" in platform.kubectl("describe", "job", "sum")
    platform.kubectl("delete", "job/sum", "job/now", "cronjob/often")
    eventually(lambda: not platform.objects("pods", "-l", "batch.kubernetes.io/job-name"), what="their pods are gone")


def test_a_load_is_answered_with_more_pods(platform: Platform) -> None:
    platform.kubectl("apply", "-f", "-", input=BURNER)
    made = platform.kubectl("autoscale", "deploy", "burner", "--min=1", "--max=2", "--cpu-percent=50")
    assert "autoscaled" in made
    eventually(
        lambda: platform.objects("deploy", "burner")[0]["spec"]["replicas"] == 2, within=60, what="a second pod"
    )
    header, row = platform.kubectl("get", "hpa").splitlines()
    assert header.split() == ["NAME", "REFERENCE", "TARGETS", "MINPODS", "MAXPODS", "REPLICAS", "AGE"]
    assert re.match(r"burner\s+Deployment/burner\s+cpu: \d+%/50%\s+1\s+2\s", row)
    told = platform.kubectl("describe", "hpa", "burner")
    assert "SuccessfulRescale" in told
    assert "cpu resource utilization (percentage of request) above target" in told
    platform.kubectl("delete", "hpa/burner", "deploy/burner")
