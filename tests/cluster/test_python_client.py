"""The official Python client against a running platform: watch, exec, port-forward, dynamic client, YAML, logs."""

from __future__ import annotations

import socket
import threading
import warnings
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import yaml

from tests.cluster.pods import pod, running, shell
from tests.platform import EXAMPLES, Platform, eventually

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from kubernetes import client, config, dynamic, utils, watch
    from kubernetes.stream import portforward, stream

pytestmark = [
    pytest.mark.docker,
    pytest.mark.timeout(180),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # the client leaves sockets to the collector
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

TALK = "for i in 1 2 3; do echo line $i; sleep 0.2; done; exec httpd -f -p 8080 -h /etc"


@pytest.fixture(scope="module")
def api(platform: Platform) -> Iterator[Any]:
    config.load_kube_config(str(platform.state / "kubeconfig"))
    running(platform, pod("py", [shell(TALK)], labels={"a": "b"}))
    yield client.CoreV1Api()
    platform.kubectl("delete", "pod", "py", "--now")


@pytest.fixture
def config_map(api: Any) -> Iterator[str]:
    meta = client.V1ObjectMeta(name="settings", labels={"x": "1"})
    api.create_namespaced_config_map("default", client.V1ConfigMap(metadata=meta, data={"k": "v"}))
    yield "settings"
    api.delete_namespaced_config_map("settings", "default")


def test_objects_are_listed_patched_and_replaced(api: Any, config_map: str) -> None:
    assert [each.metadata.name for each in api.list_namespaced_pod("default", label_selector="a=b").items] == ["py"]
    as_dict = api.patch_namespaced_config_map(config_map, "default", {"metadata": {"labels": {"x": "2"}}})
    assert as_dict.metadata.labels == {"x": "2"}
    steps = [{"op": "add", "path": "/data/more", "value": "yes"}]
    assert api.patch_namespaced_config_map(config_map, "default", steps).data == {"k": "v", "more": "yes"}
    found = api.read_namespaced_config_map(config_map, "default")
    found.data = {"k": "w"}
    assert api.replace_namespaced_config_map(config_map, "default", found).data == {"k": "w"}
    with pytest.raises(client.ApiException) as refused:
        api.read_namespaced_pod("nosuch", "default")
    assert refused.value.status == 404
    assert client.VersionApi().get_code().git_version.startswith("v1.")


def test_a_watch_sees_what_changes(api: Any, config_map: str) -> None:
    seen = []
    watching = watch.Watch()
    events = watching.stream(api.list_namespaced_config_map, "default", label_selector="x", timeout_seconds=30)
    for event in events:
        seen.append((event["type"], event["object"].metadata.labels["x"]))
        if len(seen) == 1:
            api.patch_namespaced_config_map(config_map, "default", {"metadata": {"labels": {"x": "2"}}})
        else:
            watching.stop()
    assert seen == [("ADDED", "1"), ("MODIFIED", "2")]


def test_exec_gives_the_output(api: Any) -> None:
    command = ["sh", "-c", "echo out; echo err >&2"]
    said = stream(
        api.connect_get_namespaced_pod_exec, "py", "default", command=command,
        stdin=False, stdout=True, stderr=True, tty=False,
    )  # fmt: skip
    assert sorted(said.split()) == ["err", "out"]


@pytest.mark.parametrize("protocol", ["v5.channel.k8s.io", "v4.channel.k8s.io"])
def test_exec_takes_input_and_tells_the_exit_code(api: Any, protocol: str) -> None:
    own = client.ApiClient()
    own.set_default_header("sec-websocket-protocol", protocol)
    talk = stream(
        client.CoreV1Api(own).connect_get_namespaced_pod_exec, "py", "default",
        command=["sh", "-c", "read x; echo got $x; exit 7"],
        stdin=True, stdout=True, stderr=True, tty=False, _preload_content=False,
    )  # fmt: skip
    talk.write_stdin("abc\n")
    talk.run_forever(timeout=20)
    assert (talk.read_stdout(), talk.returncode) == ("got abc\n", 7)
    talk.close()


def test_exec_carries_bytes_and_the_end_of_input(api: Any) -> None:
    talk = stream(
        api.connect_get_namespaced_pod_exec, "py", "default", command=["sh", "-c", "cat; echo"],
        stdin=True, stdout=True, stderr=True, tty=False, _preload_content=False, binary=True,
    )  # fmt: skip
    talk.write_stdin(bytes(range(256)) * 1000)
    talk.close_channel(0)
    talk.run_forever(timeout=20)
    assert (talk.read_stdout(), talk.returncode) == (bytes(range(256)) * 1000 + b"\n", 0)
    talk.close()


def test_exec_into_what_is_not_there_is_refused(api: Any) -> None:
    with pytest.raises(client.ApiException, match="container nosuch is not valid for pod py"):
        stream(
            api.connect_get_namespaced_pod_exec, "py", "default", command=["ls"], container="nosuch", stdout=True
        )


def test_attach_follows_the_container(api: Any) -> None:
    talk = stream(
        api.connect_get_namespaced_pod_attach, "py", "default", stdout=True, stderr=True, _preload_content=False
    )
    assert talk.is_open()
    talk.close()


def test_a_port_is_forwarded(api: Any) -> None:
    forward = portforward(api.connect_get_namespaced_pod_portforward, "py", "default", ports="8080")
    with closing(forward.socket(8080)) as port:
        port.setblocking(True)
        port.sendall(b"GET /passwd HTTP/1.0\r\n\r\n")
        assert b"root:" in everything(port)
    assert forward.error(8080) is None


def test_a_port_nobody_listens_on_is_told(api: Any) -> None:
    forward = portforward(api.connect_get_namespaced_pod_portforward, "py", "default", ports="9")
    eventually(lambda: forward.error(9), within=20)
    assert "port 9 of pod" in forward.error(9) and "Connection refused" in forward.error(9)


def test_logs_are_followed(api: Any) -> None:
    watching, seen = watch.Watch(), []
    for line in watching.stream(api.read_namespaced_pod_log, "py", "default"):
        seen.append(line)
        if len(seen) == 3:
            watching.stop()
            break
    assert seen == ["line 1", "line 2", "line 3"]
    assert api.read_namespaced_pod_log("py", "default", tail_lines=1) == "line 3\n"


def test_the_dynamic_client_finds_every_kind(api: Any, config_map: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        any_kind = dynamic.DynamicClient(client.ApiClient())
    maps = any_kind.resources.get(api_version="v1", kind="ConfigMap")
    assert config_map in [each.metadata.name for each in maps.get(namespace="default").items]
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "dynamic"}, "data": {"a": "b"}}
    assert maps.create(body=body, namespace="default").data.a == "b"
    maps.delete(name="dynamic", namespace="default")


def test_yaml_is_created_and_scaled(api: Any, tmp_path: Any) -> None:
    manifest = yaml.safe_load((EXAMPLES / "guestbook/redis-slave-controller.yaml").read_text())
    manifest["metadata"]["name"] = manifest["spec"]["template"]["metadata"]["labels"]["name"] = "from-yaml"
    manifest["spec"]["selector"] = {"name": "from-yaml"}
    manifest["spec"]["replicas"] = 0
    file = tmp_path / "rc.yaml"
    file.write_text(yaml.safe_dump(manifest))
    made = utils.create_from_yaml(client.ApiClient(), str(file))
    assert made[0][0].metadata.name == "from-yaml"
    scaled = api.patch_namespaced_replication_controller_scale("from-yaml", "default", {"spec": {"replicas": 0}})
    assert scaled.spec.replicas == 0
    api.delete_namespaced_replication_controller("from-yaml", "default")


def everything(port: socket.socket) -> bytes:
    """Until the other end closes; a thread of the client's fills it."""
    assert threading.active_count() > 1
    said = b""
    while chunk := port.recv(65536):
        said += chunk
    return said
