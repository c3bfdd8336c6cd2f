"""A tour with the real kubectl on a real node: each command's exit code and what it says.

What is talked to over a connection that stays (exec, attach, cp, port-forward) has tests of its own.
"""

import json
import re
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.platform import BASE, Platform, eventually
from tests.prerequisites import kubectl_version

pytestmark = [pytest.mark.docker, pytest.mark.kubectl, pytest.mark.timeout(600)]

SPACE = "tour"
TALKER = "echo begun; echo to-err >&2; i=0; while true; do echo line-$i; i=$((i+1)); sleep 0.3; done"
PODS = f"""
apiVersion: v1
kind: Pod
metadata: {{name: web, labels: {{app: web, tier: front}}}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: talk
    image: busybox
    imagePullPolicy: IfNotPresent
    command: [sh, -c, "{TALKER}"]
    ports: [{{containerPort: 8080}}]
  - name: quiet
    image: busybox
    imagePullPolicy: IfNotPresent
    command: [sh, -c, "echo quiet-begun; exec sleep 3600"]
---
apiVersion: v1
kind: Pod
metadata: {{name: brief, labels: {{app: brief}}}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: once
    image: busybox
    imagePullPolicy: IfNotPresent
    command: [sh, -c, "echo life-$(cat /proc/sys/kernel/random/uuid); sleep 2; exit 3"]
"""
CONTROLLER = """
apiVersion: v1
kind: ReplicationController
metadata: {name: many, labels: {app: many}}
spec:
  replicas: 1
  selector: {app: many}
  template:
    metadata: {labels: {app: many}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: main
        image: busybox
        imagePullPolicy: IfNotPresent
        command: [sleep, "3600"]
        ports: [{containerPort: 80}]
"""
MAP = """
apiVersion: v1
kind: ConfigMap
metadata: {name: colours}
data: {sky: blue, grass: green}
"""
POLICY = '{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "far"}, "spec": {}}'


@dataclass
class Said:
    out: str
    err: str

    @property
    def all(self) -> str:
        return self.out + self.err


class Kubectl:
    """``kubectl -n tour ...`` as a person types it; a code other than the one expected fails the test."""

    def __init__(self, platform: Platform, **environment: str) -> None:
        self.platform, self.environment = platform, {**platform.environment, **environment}

    def __call__(self, *words: str, code: int = 0, input: str | None = None, within: float = 60) -> Said:
        done = subprocess.run(
            ["kubectl", "-n", SPACE, *words], env=self.environment, input=input, capture_output=True, text=True,
            timeout=within, check=False, cwd=BASE,
        )  # fmt: skip
        assert done.returncode == code, (
            f"kubectl {' '.join(words)}: {done.returncode}: {done.stdout}{done.stderr}"
        )
        return Said(done.stdout, done.stderr)


@pytest.fixture(scope="module")
def kubectl(platform: Platform) -> Iterator[Kubectl]:
    """A namespace with two pods and a controller that run."""
    run = Kubectl(platform)
    run("create", "namespace", SPACE)
    run("create", "-f", "-", input=PODS)
    run("create", "-f", "-", input=CONTROLLER)
    run("wait", "--for=condition=Ready", "pod/web", "--timeout=60s", within=70)
    run("wait", "--for=jsonpath={.status.readyReplicas}=1", "rc/many", "--timeout=60s", within=70)
    yield run
    run("delete", "namespace", SPACE, "--timeout=60s", within=70)


def node_of(kubectl: Kubectl) -> str:
    return kubectl("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}").out


GETS: list[tuple[str, list[str]]] = [
    ("get pods", ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "web", "2/2", "Running"]),
    ("get pods -o wide", ["IP", "NODE", "10."]),
    ("get pod web -o yaml", ["kind: Pod", "name: web", "phase: Running"]),
    ("get pod/web -o json", ['"kind": "Pod"']),
    ("get po web -o name", ["pod/web"]),
    ("get pods -o jsonpath={.items[*].metadata.name}", ["web"]),
    ("get pods -o custom-columns=N:.metadata.name,P:.status.phase", ["N ", "P", "web"]),
    ("get pods -o go-template={{range.items}}{{.metadata.name}};{{end}}", ["web;"]),
    ("get pods --sort-by=.metadata.name", ["brief"]),
    ("get pods -A", ["NAMESPACE", SPACE]),
    ("get pods -l app=web,tier!=back --show-labels", ["LABELS", "app=web"]),
    ("get pods -L app", ["APP"]),
    ("get pods --field-selector=status.phase=Running", ["web"]),
    ("get pods --field-selector=metadata.name=web", ["web"]),
    ("get pods --chunk-size=1", ["web", "brief"]),
    ("get pods --no-headers", ["web"]),
    ("get rc,pods", ["replicationcontroller/many", "pod/web"]),
    ("get all", ["pod/web", "replicationcontroller/many"]),
    ("get --raw /healthz", ["ok"]),
    ("get nodes -o wide", ["INTERNAL-IP", "Ready"]),
    ("get leases -A", ["kube-node-lease", "HOLDER"]),
    ("get events", ["LAST SEEN", "Scheduled"]),
    ("events --for pod/web", ["Started"]),
    ("events --types=Normal", ["Pulled"]),
    ("cluster-info", ["control plane", "is running at"]),
    ("version", ["Server Version: ", "v1.32"]),
    ("api-versions", ["v1", "metrics.k8s.io/v1beta1", "rbac.authorization.k8s.io/v1"]),
    ("api-resources", ["pods", "replicationcontrollers", "rc", "NodeMetrics", "deploy", "hpa", "pvc", "cj"]),
    ("api-resources --namespaced=false --verbs=list -o name", ["nodes", "namespaces"]),
    ("auth can-i delete pods", ["yes"]),
    ("auth can-i --list", ["*.*"]),
    ("auth whoami", ["Username", "system:admin"]),
    ("explain rc", ["KIND:", "ReplicationController", "spec"]),
    ("explain deploy.spec.strategy.rollingUpdate", ["maxSurge", "maxUnavailable"]),
    ("explain pod --recursive", ["containers", "imagePullPolicy", "hostPath"]),
    ("explain service.spec.ports.nodePort", ["nodePort", "integer"]),
    ("config view --minify", ["clusters:"]),
]


@pytest.mark.parametrize(("command", "words"), GETS, ids=[command for command, _ in GETS])
def test_what_is_asked_is_shown(kubectl: Kubectl, command: str, words: list[str]) -> None:
    if command == "auth whoami" and kubectl_version() < (1, 28):
        pytest.skip("it asks for v1beta1, which Kubernetes 1.32 does not serve either")
    said = kubectl(*command.split(" "))
    for word in words:
        assert word in said.out, f"{word!r} is not in: {said.all}"


def test_what_is_not_there_is_said_so(kubectl: Kubectl) -> None:
    assert 'pods "nobody" not found' in kubectl("get", "pod", "nobody", code=1).err
    assert "doesn't have a resource type" in kubectl("get", "colours", code=1).err
    assert "No resources found" in kubectl("get", "pods", "-l", "app=none").err
    assert "no" in kubectl("auth", "can-i", "delete", "pods", "--as", "nobody", code=1).out


def test_each_kind_is_described(kubectl: Kubectl) -> None:
    kubectl("create", "service", "clusterip", "seen", "--tcp=80:8080")
    kubectl("create", "secret", "generic", "seen", "--from-literal=password=hunter2")
    kubectl("create", "serviceaccount", "seen")
    kubectl("create", "quota", "seen", "--hard=pods=50")
    kubectl("create", "role", "seen", "--verb=get", "--resource=pods")
    kubectl("create", "rolebinding", "seen", "--role=seen", "--serviceaccount=tour:seen")
    kinds = kubectl("api-resources", "--verbs=list", "-o", "name").out.split()
    for kind in kinds:
        if kind.endswith(".metrics.k8s.io"):
            continue
        said = kubectl("describe", kind).all
        assert "Name:" in said or "No resources found" in said, (kind, said)
    pod = kubectl("describe", "pod", "web").out
    for word in ("Node:", "IP:", "Container ID:", "State:", "Running", "Conditions:", "Started container"):
        assert word in pod
    assert "1 current / 1 desired" in kubectl("describe", "rc", "many").out
    node = kubectl("describe", "node", node_of(kubectl)).out
    for word in ("Capacity:", "Allocatable:", "Non-terminated Pods:", "Ready", "HolderIdentity:"):
        assert word in node
    secret = kubectl("describe", "secret", "seen").out
    assert "password:  7 bytes" in secret
    assert "hunter2" not in secret


GENERATORS = (
    ("create namespace tour-more", "namespace/tour-more created"),
    ("create configmap made --from-literal=a=1 --from-file=Makefile", "configmap/made created"),
    ("create secret generic made --from-literal=a=1", "secret/made created"),
    ("create secret docker-registry made-pull --docker-server=r --docker-username=u --docker-password=p", "created"),
    ("create serviceaccount made", "serviceaccount/made created"),
    ("create service clusterip made --tcp=80", "service/made created"),
    ("create service nodeport made-np --tcp=80:8080", "service/made-np created"),
    ("create ingress made --rule=tour.example.org/*=made:80,tls=made", "ingress.networking.k8s.io/made created"),
    ("describe ingress made", "tour.example.org"),
    ("create service externalname made-far --external-name=example.org", "service/made-far created"),
    ("create deployment made --image=busybox --replicas=0", "deployment.apps/made created"),
    ("create job made --image=busybox -- true", "job.batch/made created"),
    ("create cronjob made --image=busybox --schedule=@yearly -- true", "cronjob.batch/made created"),
    ("create job made-now --from=cronjob/made", "job.batch/made-now created"),
    ("create priorityclass tour-made --value=10", "priorityclass.scheduling.k8s.io/tour-made created"),
    ("autoscale deployment made --min=1 --max=3", "horizontalpodautoscaler.autoscaling/made autoscaled"),
    ("create role made --verb=get,list --resource=pods,pods/log", "created"),
    ("create rolebinding made --role=made --user=ann", "created"),
    ("create clusterrole tour-made --verb=get --resource=nodes", "created"),
    ("create clusterrolebinding tour-made --clusterrole=tour-made --group=team", "created"),
    ("create quota made --hard=pods=40,services=20", "resourcequota/made created"),
    ("create configmap dry --from-literal=a=1 --dry-run=server", "created (server dry run)"),
    ("delete deployment/made job/made job/made-now cronjob/made hpa/made ingress/made pc/tour-made", "deleted"),
    ("delete namespace/tour-more clusterrole/tour-made clusterrolebinding/tour-made", "deleted"),
)


@pytest.mark.parametrize(("command", "words"), GENERATORS, ids=[command for command, _ in GENERATORS])
def test_generators_make_their_kinds(kubectl: Kubectl, command: str, words: str) -> None:
    assert words in kubectl(*command.split(" ")).out


def test_what_is_not_supported_is_refused_by_name(kubectl: Kubectl) -> None:
    assert "Drover has no NetworkPolicy: " in kubectl("apply", "-f", "-", input=POLICY, code=1).err
    overrides = '{"spec":{"runtimeClassName":"gvisor"}}'
    run = ("run", "far", "--image=busybox", "--overrides", overrides)
    assert 'unknown field "spec.runtimeClassName"' in kubectl(*run, code=1).err


def test_objects_are_applied_compared_and_changed(kubectl: Kubectl, tmp_path: Path) -> None:
    assert kubectl("apply", "-f", "-", input=MAP).out == "configmap/colours created\n"
    changed = MAP.replace("blue", "grey")
    assert "+  sky: grey" in kubectl("diff", "-f", "-", input=changed, code=1).out
    assert kubectl("diff", "-f", "-", input=MAP).out == ""
    assert kubectl("apply", "-f", "-", input=changed).out == "configmap/colours configured\n"
    assert kubectl("apply", "-f", "-", input=changed).out == "configmap/colours unchanged\n"
    assert "grey" in kubectl("apply", "view-last-applied", "cm/colours").out
    served = changed.replace("name: colours", "name: served")
    assert (
        kubectl("apply", "--server-side", "-f", "-", input=served).out
        == "configmap/served serverside-applied\n"
    )
    kubectl("patch", "cm", "served", "-p", '{"data":{"sky":"red"}}')
    assert "conflict with" in kubectl("apply", "--server-side", "-f", "-", input=served, code=1).err
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=served)
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nsed -i s/grey/black/ $1\n")
    editor.chmod(editor.stat().st_mode | stat.S_IXUSR)
    assert "edited" in Kubectl(kubectl.platform, EDITOR=str(editor))("edit", "cm", "colours").out
    assert kubectl("get", "cm", "colours", "-o", "jsonpath={.data.sky}").out == "black"
    for form, patch in (
        ("strategic", '{"data":{"a":"1"}}'),
        ("merge", '{"data":{"b":"2"}}'),
        ("json", '[{"op":"add","path":"/data/c","value":"3"}]'),
    ):
        assert "patched" in kubectl("patch", "cm", "colours", f"--type={form}", "-p", patch).out
    assert "replaced" in kubectl("replace", "-f", "-", input=MAP).out
    assert "replaced" in kubectl("replace", "--force", "-f", "-", input=MAP).out
    assert "labeled" in kubectl("label", "cm", "colours", "a=1", "b=2").out
    assert "already has a value" in kubectl("label", "cm", "colours", "a=2", code=1).err
    kubectl("label", "cm", "colours", "a=2", "--overwrite")
    assert "unlabeled" in kubectl("label", "cm", "colours", "b-").out
    assert "annotate" in kubectl("annotate", "cm", "colours", "note=x y").out
    meta = json.loads(kubectl("get", "cm", "colours", "-o", "json").out)["metadata"]
    assert (meta["labels"], meta["annotations"]) == ({"a": "2"}, {"note": "x y"})


def test_controllers_are_scaled_and_exposed(kubectl: Kubectl) -> None:
    assert "scaled" in kubectl("scale", "rc/many", "--replicas=2", "--current-replicas=1").out
    wrong = kubectl("scale", "rc/many", "--replicas=3", "--current-replicas=1", code=1).err
    assert "Expected replicas to be 1, was 2" in wrong
    kubectl("wait", "--for=jsonpath={.status.readyReplicas}=2", "rc/many", "--timeout=60s", within=70)
    assert "exposed" in kubectl("expose", "rc", "many", "--port=80").out
    eventually(
        lambda: kubectl("get", "endpoints", "many", "-o", "wide").out.count(":80") == 2, what="2 endpoints"
    )
    assert "image updated" in kubectl("set", "image", "rc/many", "main=busybox:latest").out
    kubectl("scale", "rc/many", "--replicas=1")


def test_pods_are_run_waited_for_and_deleted(kubectl: Kubectl) -> None:
    image = ("--image=busybox", "--image-pull-policy=IfNotPresent")
    assert kubectl("run", "ran", *image, "--", "sleep", "3600").out == "pod/ran created\n"
    kubectl("run", "ended", *image, "--restart=Never", "--", "true")
    kubectl("wait", "--for=condition=Ready", "pod/ran", "--timeout=60s", within=70)
    kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/ended", "--timeout=60s", within=70)
    said = kubectl("wait", "--for=condition=Ready", "pod/ended", "--timeout=1s", code=1)
    assert "timed out" in said.err
    dry = kubectl("delete", "pod", "ran", "--dry-run=server").out
    assert "deleted" in dry and "dry run" in dry
    assert kubectl("delete", "pod", "ran", "--grace-period=1", "--wait=false").out == 'pod "ran" deleted\n'
    kubectl("wait", "--for=delete", "pod/ran", "--timeout=30s")
    assert "deleted" in kubectl("delete", "pod", "ended", "--now").out
    assert kubectl("delete", "pod", "ended", "--ignore-not-found").out == ""
    assert 'pods "ended" not found' in kubectl("delete", "pod", "ended", code=1).err
    kubectl("run", "ran", *image, "--labels=group=x", "--", "sleep", "3600")
    kubectl("delete", "pod", "-l", "group=x", "--force", "--grace-period=0")


def test_dependents_go_or_stay_as_asked(kubectl: Kubectl) -> None:
    for cascade, left in (("orphan", 1), ("foreground", 0), ("background", 0)):
        named = CONTROLLER.replace("many", f"kept-{cascade}")
        kubectl("create", "-f", "-", input=named)
        pods = ("get", "pods", "-l", f"app=kept-{cascade}", "-o", "name")
        eventually(lambda pods=pods: kubectl(*pods).out.count("pod/") == 1, what="one pod")  # type: ignore[misc]
        kubectl("delete", "rc", f"kept-{cascade}", f"--cascade={cascade}", "--timeout=60s", within=70)
        eventually(
            lambda pods=pods, left=left: kubectl(*pods).out.count("pod/") == left,  # type: ignore[misc]
            what=f"{left} pods after {cascade}",
        )
        kubectl("delete", "pods", "-l", f"app=kept-{cascade}", "--now")


def test_logs_in_their_forms(kubectl: Kubectl) -> None:
    assert "line-0" in kubectl("logs", "web", "-c", "talk").out
    assert "Defaulted container" in kubectl("logs", "web", "--tail=1").err
    assert len(kubectl("logs", "web", "-c", "talk", "--tail=3").out.splitlines()) == 3
    assert "quiet-begun" in kubectl("logs", "web", "--all-containers").out
    prefixed = kubectl("logs", "-l", "app=web", "--all-containers", "--prefix", "--tail=2").out
    assert "[pod/web/talk]" in prefixed
    assert re.match(r"\d{4}-\d\d-\d\dT", kubectl("logs", "web", "-c", "talk", "--timestamps", "--tail=1").out)
    assert kubectl("logs", "web", "-c", "quiet", "--since=1s").out == ""
    assert len(kubectl("logs", "web", "-c", "talk", "--limit-bytes=5").out) == 5
    assert "container nobody is not valid" in kubectl("logs", "web", "-c", "nobody", code=1).err
    with subprocess.Popen(
        ["kubectl", "-n", SPACE, "logs", "-f", "web", "-c", "talk", "--tail=1"], env=kubectl.environment,
        stdout=subprocess.PIPE, text=True,
    ) as following:  # fmt: skip
        assert following.stdout is not None
        lines = [following.stdout.readline() for _ in range(3)]
        following.terminate()
    assert all(line.startswith("line-") for line in lines), lines
    eventually(
        lambda: int(
            kubectl("get", "pod", "brief", "-o", "jsonpath={.status.containerStatuses[0].restartCount}").out
        ),
        what="a restart",
    )
    assert kubectl("logs", "brief", "--previous").out.startswith("life-")


def test_a_watch_tells_of_changes(kubectl: Kubectl) -> None:
    with subprocess.Popen(
        ["kubectl", "-n", SPACE, "get", "cm", "-w", "--output-watch-events"], env=kubectl.environment,
        stdout=subprocess.PIPE, text=True,
    ) as watching:  # fmt: skip
        assert watching.stdout is not None
        kubectl("create", "configmap", "watched", "--from-literal=a=1")
        kubectl("delete", "configmap", "watched")
        seen = []
        for line in watching.stdout:
            if "watched" in line:
                seen.append(line.split()[0])
            if "DELETED" in seen:
                break
        watching.terminate()
    assert seen == ["ADDED", "DELETED"]


def test_use_is_shown(kubectl: Kubectl) -> None:
    eventually(lambda: "web" in kubectl("top", "pods").out, within=40, what="the first samples")
    assert re.search(
        r"^web +talk +\d+m +\d+Mi", kubectl("top", "pod", "web", "--containers").out, re.MULTILINE
    )
    assert "POD" not in kubectl("top", "pod", "web", "--containers", "--no-headers").out
    assert re.search(r"\d+m +\d+% +\d+Mi +\d+%", kubectl("top", "nodes").out)


def test_a_node_is_tainted_cordoned_and_drained(kubectl: Kubectl) -> None:
    """Last: it empties the node."""
    node = node_of(kubectl)
    assert "tainted" in kubectl("taint", "node", node, "tour=yes:NoSchedule").out
    assert "untainted" in kubectl("taint", "node", node, "tour-").out
    assert "cordoned" in kubectl("cordon", node).out
    assert "SchedulingDisabled" in kubectl("get", "node", node).out
    refused = kubectl("drain", node, "--pod-selector=app in (web,many)", "--timeout=10s", code=1, within=30)
    assert "declare no controller" in refused.err
    drained = kubectl(
        "drain", node, "--force", "--pod-selector=app in (web,many)", "--timeout=60s", within=70
    )
    assert f"node/{node} drained" in drained.out
    assert 'pods "web" not found' in kubectl("get", "pod", "web", code=1).err
    assert "Pending" in kubectl("get", "pods", "-l", "app=many").out
    assert "uncordoned" in kubectl("uncordon", node).out
    kubectl("wait", "--for=jsonpath={.status.readyReplicas}=1", "rc/many", "--timeout=60s", within=70)
