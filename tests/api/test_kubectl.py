"""The real kubectl against a served API with nothing behind it: no worker, no node, no Docker."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.api.test_discovery import SHORT, entries
from tests.platform import BASE, EXAMPLES, eventually, free_port

pytestmark = [
    pytest.mark.kubectl,
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed"),
]

Run = Callable[..., "subprocess.CompletedProcess[str]"]

PREPARE = """
import django
django.setup()
from django.core.management import call_command
from apps.accounts import bootstrap
call_command("migrate", verbosity=0)
bootstrap.ensure_platform()
"""

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  containers:
  - {name: a, image: "nginx:1", ports: [{containerPort: 80}]}
  - {name: b, image: busybox, env: [{name: X, value: "1"}]}
"""


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """A web process of its own, and what kubectl needs to find it."""
    state, port = Path(tempfile.mkdtemp(prefix="drover-api-")), free_port()
    environ = {**os.environ, "STATE": str(state), "PORT": str(port), "REDIS_URL": "redis://127.0.0.1:1/0",
               "DJANGO_SETTINGS_MODULE": "paas.settings", "KUBECONFIG": str(state / "kubeconfig"),
               "HOME": str(state)}  # fmt: skip
    environ.pop("DATABASE_URL", None)
    subprocess.run([sys.executable, "-c", PREPARE], cwd=BASE, env=environ, check=True, timeout=60)
    log = (state / "web.log").open("wb")
    web = subprocess.Popen([sys.executable, "manage.py", "web"], cwd=BASE, env=environ, stderr=log)

    def ready() -> bool:
        ask = ["kubectl", "get", "--raw", "/readyz"]
        return subprocess.run(ask, env=environ, capture_output=True, timeout=20, check=False).stdout == b"ok"

    try:
        eventually(ready, within=60, what="the API answers")
        yield environ
        assert b"Traceback" not in (state / "web.log").read_bytes()
    finally:
        web.terminate()
        web.wait(timeout=20)
        log.close()
        shutil.rmtree(state, ignore_errors=True)


@pytest.fixture
def kubectl(environment: dict[str, str]) -> Run:
    def run(*arguments: str, input: str | None = None, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["kubectl", *arguments], env=environment, input=input, capture_output=True, text=True, timeout=60,
            check=False, cwd=EXAMPLES,
        )  # fmt: skip
        assert done.returncode == code, f"kubectl {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done

    return run


def test_the_articles_files_are_created_scaled_and_described(kubectl: Run) -> None:
    files = sorted((EXAMPLES / "guestbook").glob("*.yaml"))
    for file in files:
        if file.name != "frontend-service-nodeport.yaml":
            kubectl("create", "-f", str(file))
    kubectl("apply", "-f", "guestbook/frontend-service-nodeport.yaml")
    table = kubectl("get", "service", "frontend").stdout.splitlines()
    assert table[0].split() == ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"]
    assert "80:30061/TCP" in table[1]
    wide = kubectl("get", "rc", "-o", "wide").stdout
    assert wide.split("\n")[0].split() == [
        "NAME", "DESIRED", "CURRENT", "READY", "AGE", "CONTAINERS", "IMAGES", "SELECTOR",
    ]  # fmt: skip
    kubectl("scale", "rc", "frontend", "--replicas=5")
    kubectl("scale", "rc", "frontend", "--current-replicas=5", "--replicas=2")
    assert kubectl("get", "rc", "frontend", "-o", "jsonpath={.spec.replicas}").stdout == "2"
    assert "Replicas:     0 current / 2 desired" in kubectl("describe", "rc", "frontend").stdout
    told = kubectl("create", "-f", "guestbook/frontend-controller.yaml", code=1).stderr
    assert "(AlreadyExists): error when creating" in told
    assert 'replicationcontrollers "frontend" already exists' in told


def test_apply_patch_label_edit_and_delete(kubectl: Run) -> None:
    assert kubectl("apply", "-f", "-", input=POD).stdout == "pod/web created\n"
    changed = POD.replace("nginx:1", "nginx:2")
    assert "image: nginx:2" in kubectl("diff", "-f", "-", input=changed, code=1).stdout
    assert kubectl("apply", "-f", "-", input=changed).stdout == "pod/web configured\n"
    assert kubectl("apply", "-f", "-", input=changed).stdout == "pod/web unchanged\n"
    kubectl("label", "pod", "web", "seen=1")
    kubectl("annotate", "pod", "web", "note=x")
    kubectl("patch", "pod", "web", "--type=json", "-p", '[{"op":"remove","path":"/metadata/labels/seen"}]')
    kubectl("set", "image", "pod/web", "a=nginx:3")
    pod = json.loads(kubectl("get", "pod", "web", "-o", "json").stdout)
    assert [container["image"] for container in pod["spec"]["containers"]] == ["nginx:3", "busybox"]
    assert pod["metadata"]["labels"] == {"app": "web"}
    watching = kubectl("wait", "--for=jsonpath={.status.phase}=Pending", "pod/web", "--timeout=20s")
    assert "condition met" in watching.stdout
    kubectl("delete", "pod", "web", "--timeout=30s")
    assert 'pods "web" not found' in kubectl("get", "pod", "web", code=1).stderr


def test_server_side_apply_tells_of_conflicts_and_can_be_forced(kubectl: Run) -> None:
    pod = POD.replace("name: web,", "name: owned,")
    assert kubectl("apply", "-f", "-", input=pod).stdout == "pod/owned created\n"
    served = kubectl("apply", "--server-side", "-f", "-", input=pod)
    assert served.stdout == "pod/owned serverside-applied\n"
    number = ("get", "pod", "owned", "-o", "jsonpath={.metadata.resourceVersion}")
    before = kubectl(*number).stdout
    kubectl("apply", "--server-side", "-f", "-", input=pod)
    assert kubectl(*number).stdout == before
    kubectl("set", "image", "pod/owned", "a=nginx:3")
    told = kubectl("apply", "--server-side", "-f", "-", input=pod, code=1).stderr
    assert 'Apply failed with 1 conflict: conflict with "kubectl-set" using v1' in told
    assert '.spec.containers[name="a"].image' in told
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=pod)
    assert "managedFields" not in kubectl("get", "pod", "owned", "-o", "yaml").stdout
    shown = kubectl("get", "pod", "owned", "-o", "yaml", "--show-managed-fields").stdout
    assert "manager: kubectl\n    operation: Apply" in shown
    changed = pod.replace("nginx:1", "nginx:2")
    assert "nginx:2" in kubectl("diff", "--server-side", "-f", "-", input=changed, code=1).stdout
    kubectl("delete", "pod", "owned", "--timeout=30s")


NODE = """
apiVersion: v1
kind: Node
metadata: {name: machine}
"""


def test_a_node_is_tainted_and_drained(kubectl: Run) -> None:
    kubectl("create", "-f", "-", input=NODE)
    kubectl("taint", "node", "machine", "colour=red:NoSchedule")
    told = kubectl("get", "node", "machine", "-o", "jsonpath={.spec.taints}").stdout
    assert json.loads(told)[0] == {"effect": "NoSchedule", "key": "colour", "value": "red"}
    kubectl("taint", "node", "machine", "colour-")
    kubectl("create", "-f", "-", input=POD.replace("name: web,", "name: guest,"))
    binding = json.dumps({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "guest"},
                          "target": {"name": "machine"}})  # fmt: skip
    path = "/api/v1/namespaces/default/pods/guest/binding"
    kubectl("create", "--raw", path, "-f", "-", input=binding)
    assert "node/machine cordoned" in kubectl("cordon", "machine").stdout
    told = kubectl("drain", "machine", "--timeout=5s", code=1).stderr
    assert "cannot delete Pods that declare no controller" in told
    told = kubectl("drain", "machine", "--force", "--grace-period=0", "--timeout=30s").stdout
    assert "evicting pod default/guest" in told or "pod/guest evicted" in told
    assert 'pods "guest" not found' in kubectl("get", "pod", "guest", code=1).stderr
    assert "node/machine uncordoned" in kubectl("uncordon", "machine").stdout
    kubectl("delete", "node", "machine")


def test_typed_commands_send_protobuf_and_are_understood(kubectl: Run) -> None:
    kubectl("create", "namespace", "team")
    kubectl("create", "configmap", "colours", "--from-literal=sky=blue", "-n", "team")
    kubectl("create", "secret", "generic", "login", "--from-literal=password=hunter2", "-n", "team")
    kubectl("create", "serviceaccount", "robot", "-n", "team")
    kubectl("create", "role", "reader", "--verb=get,list", "--resource=pods", "-n", "team")
    kubectl("create", "rolebinding", "reader", "--role=reader", "--user=ann", "-n", "team")
    kubectl("create", "quota", "most", "--hard=pods=10,requests.memory=1Gi", "-n", "team")
    assert kubectl("get", "quota", "most", "-n", "team", "-o", "jsonpath={.spec.hard.pods}").stdout == "10"
    assert kubectl("get", "configmap", "colours", "-n", "team", "-o", "jsonpath={.data.sky}").stdout == "blue"
    assert kubectl("auth", "can-i", "create", "pods").stdout == "yes\n"
    assert "system:admin" in kubectl("auth", "whoami").stdout
    assert "*.*" in kubectl("auth", "can-i", "--list").stdout


def test_what_is_wrong_is_refused_in_words(kubectl: Run) -> None:
    unknown = POD.replace("name: a,", "name: a, imagee: x,")
    told = kubectl("create", "-f", "-", input=unknown, code=1).stderr
    assert 'strict decoding error: unknown field "spec.containers[0].imagee"' in told
    told = kubectl("create", "-f", "-", input=POD.replace("name: web", "name: Web_1"), code=1).stderr
    assert 'Pod "Web_1" is invalid: metadata.name: Invalid value' in told
    assert "the server doesn't have a resource type" in kubectl("get", "nosuch", code=1).stderr
    told = kubectl("get", "pods", "--field-selector=spec.colour=red", code=1).stderr
    assert "field label not supported" in told


def test_it_explains_itself(kubectl: Run) -> None:
    assert "containerPort" in kubectl("explain", "pod.spec.containers.ports").stdout
    assert "rc" in kubectl("api-resources").stdout
    assert "Server Version: v1.32" in kubectl("version").stdout


def test_what_is_not_built_says_what_to_use_instead_by_each_of_its_names(kubectl: Run) -> None:
    for name in ("sts", "statefulset", "statefulsets.apps"):
        assert "Warning: Drover has no StatefulSet: use a Deployment" in kubectl("get", name).stderr
    assert "not found: Drover has no StatefulSet" in kubectl("get", "sts/web", code=1).stderr
    assert "Drover has no CustomResourceDefinition" in kubectl("explain", "crd").stdout
    made = '{"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "x"}}'
    assert "Drover has no DaemonSet: use" in kubectl("create", "-f", "-", input=made, code=1).stderr


@pytest.mark.parametrize("kind", sorted(SHORT))
def test_each_kind_is_explained_by_its_short_name(kubectl: Run, kind: str) -> None:
    assert f"KIND:       {kind_of(kind)}\n" in kubectl("explain", kind, "--recursive").stdout


def kind_of(short: str) -> str:
    return next(str(one["responseKind"]["kind"]) for one in entries() if short in one["shortNames"])


def test_a_node_that_was_never_heard_has_no_lease_and_one_is_not_made(kubectl: Run) -> None:
    kubectl("create", "-f", "-", input=NODE)
    assert "HolderIdentity" not in kubectl("describe", "node", "machine").stdout
    assert "No resources found" in kubectl("get", "leases", "-A").stderr
    lease = '{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "machine"}}'
    assert "a lease says when its node was last heard" in kubectl("create", "-f", "-", input=lease, code=1).stderr
    kubectl("delete", "node", "machine")


def test_a_difference_is_of_what_was_changed_and_of_nothing_else(kubectl: Run) -> None:
    colours = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "diff"}, "data": {"sky": "blue"}}'
    kubectl("apply", "-f", "-", input=colours)
    for form in ((), ("--server-side", "--force-conflicts")):
        told = kubectl("diff", *form, "-f", "-", input=colours.replace("blue", "red"), code=1).stdout
        lines = [line for line in told.splitlines() if line[0] in "+-" and line[:3] not in {"+++", "---"}]
        assert lines == ["-  sky: blue", "+  sky: red"]
    assert "resourceVersion" not in kubectl("create", "cm", "dry", "--dry-run=server", "-o", "yaml").stdout
    kubectl("delete", "cm", "diff")


def test_the_root_and_parts_are_shown(kubectl: Run) -> None:
    assert "/apis/apps/v1" in json.loads(kubectl("get", "--raw", "/").stdout)["paths"]
    assert "[+]database ok" in kubectl("get", "--raw", "/readyz?verbose").stdout
    kubectl("create", "deployment", "seen", "--image=busybox", "--replicas=3")
    scale = kubectl("get", "deployment", "seen", "--subresource=scale").stdout.split()
    assert scale[:7] == ["NAME", "DESIRED", "AVAILABLE", "AGE", "seen", "3", "0"]
    kubectl("expose", "deployment", "seen", "--port=80", "--type=NodePort")
    assert "Target:" in kubectl("describe", "exposures").stdout
    kubectl("delete", "deployment/seen", "service/seen")
