"""More of the tour: what kubectl changes of a deployment that runs, and what it says of that."""

from collections.abc import Iterator

import pytest

from tests.cluster.test_kubectl_tour import SPACE, Kubectl, node_of
from tests.platform import Platform

pytestmark = [pytest.mark.docker, pytest.mark.kubectl, pytest.mark.timeout(300)]

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {name: main, image: busybox, imagePullPolicy: IfNotPresent, command: [sleep, "3600"]}
"""
CHANGES = (
    ("set env deploy/web A=1", "deployment.apps/web env updated"),
    ("set env deploy/web --list", "A=1"),
    ("set resources deploy/web --requests=cpu=10m", "resource requirements updated"),
    ("set serviceaccount deploy/web default", "serviceaccount updated"),
    ("rollout status deploy/web --timeout=60s", "successfully rolled out"),
    ("rollout history deploy/web", "REVISION  CHANGE-CAUSE"),
    ("rollout history deploy/web --revision=1", "pod-template-hash="),
    ("rollout undo deploy/web --to-revision=1 --dry-run=server", "(server dry run)"),
    ("rollout undo deploy/web --to-revision=1", "deployment.apps/web rolled back"),
    ("rollout pause deploy/web", "paused"),
    ("rollout resume deploy/web", "resumed"),
    ("rollout restart deploy/web", "restarted"),
    ("rollout status deploy/web --timeout=60s", "successfully rolled out"),
    ("create service clusterip web --tcp=80", "created"),
    ("set selector svc/web app=web", "selector updated"),
    ("create rolebinding readers --clusterrole=view --user=ann", "created"),
    ("set subject rolebinding/readers --user=bob", "subjects updated"),
    ("get rolebinding readers -o wide", "ann, bob"),
    ("create token default --duration=10m", "."),
    ('patch deploy web --subresource=scale --type=merge -p {"spec":{"replicas":2}}', "scale.autoscaling/web patched"),
    ("get deploy web --subresource=scale", "DESIRED"),
    ("events --for deployment/web", "ScalingReplicaSet"),
    ("exec deploy/web -- echo hi", "hi"),
)


@pytest.fixture(scope="module")
def kubectl(platform: Platform) -> Iterator[Kubectl]:
    run = Kubectl(platform)
    run("create", "namespace", SPACE)
    run("create", "-f", "-", input=DEPLOYMENT)
    run("rollout", "status", "deploy/web", "--timeout=60s", within=70)
    yield run
    run("delete", "namespace", SPACE, "--timeout=60s", within=70)


def test_a_deployment_is_changed_step_by_step(kubectl: Kubectl) -> None:
    for command, words in CHANGES:
        said = kubectl(*command.split(" "), within=70)
        assert words in said.out, f"{words!r} is not in what {command!r} said: {said.all}"
    assert "unable to find" in kubectl("rollout", "history", "deploy/web", "--revision=99", code=1).err


def test_trying_changes_nothing(kubectl: Kubectl) -> None:
    node = node_of(kubectl)
    number = ("get", "node", node, "-o", "jsonpath={.spec.unschedulable}")
    assert "(server dry run)" in kubectl("cordon", node, "--dry-run=server").out
    assert "evicting pod" in kubectl("drain", node, "--dry-run=client", "--force", "--ignore-daemonsets").out
    assert kubectl(*number).out == ""


def test_a_copy_of_a_pod_is_made_to_look_into(kubectl: Kubectl) -> None:
    name = kubectl("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[0].metadata.name}").out
    image = ("--image=busybox", "--image-pull-policy=IfNotPresent")
    kubectl("debug", name, "--copy-to=copy", "--container=looker", *image, "--", "sleep", "3600")
    kubectl("wait", "--for=condition=Ready", "pod/copy", "--timeout=60s", within=70)
    names = kubectl("get", "pod", "copy", "-o", "jsonpath={.spec.containers[*].name}").out
    assert names == "main looker"
    kubectl("delete", "pod", "copy", "--now")
