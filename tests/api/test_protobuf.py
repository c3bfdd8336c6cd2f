"""Bodies as kubectl 1.32 sent them, and what they say; broken ones are named so."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from apps.api import protobuf
from apps.cluster.registry import Kind, all_kinds
from tests.api.doors import Door
from tests.api.protobuf_writer import body as written
from tests.api.protobuf_writer import message
from tests.api.test_contract import place, sent

SENT: list[tuple[str, dict[str, Any]]] = [
    (
        "6b3873000a320a17617574686f72697a6174696f6e2e6b38732e696f2f7631121753656c665375626a65637441"
        "6363657373526576696577123f0a100a0012001a0022002a0032003800420012210a1f0a0764656661756c7412"
        "066372656174651a0022002a04706f647332003a001a08080012001a0020001a002200"
        "",
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {"namespace": "default", "verb": "create", "resource": "pods"}},
        },
    ),
    (
        "6b3873000a130a027631120d44656c6574654f7074696f6e7312001a002200",
        {"apiVersion": "v1", "kind": "DeleteOptions"},
    ),
    (
        "6b3873000a0f0a0276311209436f6e6669674d6170121d0a130a03636d3112001a0022002a0032003800420012"
        "060a01611201621a002200"
        "",
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm1"}, "data": {"a": "b"}},
    ),
    (
        "6b3873000a0c0a0276311206536563726574121e0a120a02733112001a0022002a0032003800420012060a0161"
        "1201621a001a002200"
        "",
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s1"}, "data": {"a": "Yg=="}},
    ),
    (
        "6b3873000a0d0a02763112075365727669636512600a1d0a02733112001a0022002a003200380042005a090a03"
        "61707012027331123b0a150a023830120354435018502206080010501a00280012090a03617070120273311a00"
        "2209436c757374657249503a00420052005a00600068001a020a001a002200"
        "",
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "s1", "labels": {"app": "s1"}},
            "spec": {
                "ports": [{"name": "80", "protocol": "TCP", "port": 80, "targetPort": 80}],
                "selector": {"app": "s1"},
                "type": "ClusterIP",
            },
        },
    ),
    (
        "6b3873000a2b0a1c726261632e617574686f72697a6174696f6e2e6b38732e696f2f7631120b526f6c6542696e"
        "64696e6712620a120a02726212001a0022002a0032003800420012260a04557365721219726261632e61757468"
        "6f72697a6174696f6e2e6b38732e696f1a017522001a240a19726261632e617574686f72697a6174696f6e2e6b"
        "38732e696f1204526f6c651a01721a002200"
        "",
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "rb"},
            "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "u"}],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
        },
    ),
]


@pytest.mark.parametrize(("body", "said"), SENT, ids=[said["kind"] for _, said in SENT])
def test_bodies_of_kubectl_are_read(body: str, said: dict[str, Any]) -> None:
    assert protobuf.decode(bytes.fromhex(body)) == said


@pytest.mark.parametrize(("body", "said"), SENT, ids=[said["kind"] for _, said in SENT])
def test_a_body_cut_anywhere_is_read_or_refused(body: str, said: dict[str, Any]) -> None:
    whole = bytes.fromhex(body)
    for end in range(len(whole)):
        try:
            protobuf.decode(whole[:end])
        except protobuf.Undecodable:
            continue


@given(st.binary(max_size=60))
def test_noise_is_read_or_refused(noise: bytes) -> None:
    for body in (noise, protobuf.MAGIC + noise, bytes.fromhex(SENT[0][0])[:30] + noise):
        try:
            protobuf.decode(body)
        except protobuf.Undecodable:
            continue


def test_a_pod_is_read_with_what_is_inlined_and_the_zeros_that_are_meant() -> None:
    get = message(n1=b"/ok", n2=message(n1=1, n2=0, n3=b"web"), n4=b"")
    container = message(
        n1=b"app", n2=b"redis", n7=[message(n1=b"A", n3=message(n3=message(n1=message(n1=b"cm"), n2=b"key")))],
        n10=message(n1=message(n2=get), n2=0, n7=0), n15=message(n4=0, n6=0), n16=0,
    )  # fmt: skip
    volumes = [message(n1=b"v", n2=message(n19=message(n1=message(n1=b"cm"), n3=0)))]
    looking = message(n1=message(n1=b"look", n2=b"busybox"), n2=b"app")
    spec = message(n1=volumes, n2=container, n4=0, n11=0, n34=looking, n35=0)
    pod = message(n1=message(n1=b"p", n17=b"\x01"), n2=spec, n3=b"")
    body = protobuf.MAGIC + message(n1=message(n1=b"v1", n2=b"Pod"), n2=pod)
    assert protobuf.decode(body) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {
            "volumes": [{"name": "v", "configMap": {"name": "cm", "defaultMode": 0}}],
            "containers": [
                {
                    "name": "app",
                    "image": "redis",
                    "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "key"}}}],
                    "livenessProbe": {
                        "httpGet": {"path": "/ok", "port": "web"},
                        "terminationGracePeriodSeconds": 0,
                    },
                    "securityContext": {"runAsUser": 0, "readOnlyRootFilesystem": False},
                }
            ],
            "terminationGracePeriodSeconds": 0,
            "ephemeralContainers": [{"name": "look", "image": "busybox", "targetContainerName": "app"}],
            "setHostnameAsFQDN": False,
        },
    }


PROTOBUF = "application/vnd.kubernetes.protobuf"
OURS = [kind for kind in all_kinds() if not kind.group.endswith("drover.dev")]  # those have no numbers


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.name)
async def test_every_kind_is_created_from_protobuf_as_from_json(door: Door, kind: Kind) -> None:
    as_json = (await door.ask("POST", f"{place(kind)}?dryRun=All", sent(kind))).data
    reply = await door.ask("POST", place(kind), written(sent(kind)), {"content-type": PROTOBUF})
    assert reply.code == 201, reply.body
    assert bare(reply.data) == bare(as_json)


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.name)
def test_every_kind_is_known_in_protobuf_with_all_that_it_is_made_of(kind: Kind) -> None:
    """A field that a body may hold and that is not known would be refused by number instead of by name."""
    message_name = protobuf.message_of(kind.api_version, kind.name)
    missing = [*unknown_fields(kind.schema, message_name, set())]
    if kind.has_status and "status" not in fields_of(message_name):  # typed clients send it, if only empty
        missing.append("status")
    assert not missing


def bare(data: dict[str, Any]) -> str:
    """Without what is each object's own: what the server counts, and what is drawn by chance."""
    own = {"uid", "resourceVersion", "creationTimestamp", "managedFields"}
    uid = data["metadata"]["uid"]
    data = {**data, "metadata": {name: value for name, value in data["metadata"].items() if name not in own}}
    text = re.sub(r"kube-api-access-\w{5}", "kube-api-access", json.dumps(data, sort_keys=True)).replace(uid, "")
    return re.sub(r'"10\.254\.[\d.]+"|"nodePort": \d+', '""', text)


def unknown_fields(struct: Any, name: str, seen: set[str]) -> Iterator[str]:
    if name in seen:
        return
    seen.add(name)
    fields = fields_of(name)
    for each in inspect.type_info(struct).fields:  # type: ignore[attr-defined]
        wire = each.encode_name
        if name == "ObjectMeta" and wire == "managedFields" or wire in ("apiVersion", "kind", "status"):
            continue
        if wire not in fields:
            yield f"{name}.{wire}"
            continue
        for inner in structs_in(each.type):
            yield from unknown_fields(inner, fields[wire].rpartition(" ")[2], seen)


def fields_of(name: str) -> dict[str, str]:
    """Field name -> type, those of inlined messages among them."""
    found: dict[str, str] = {}
    for field, kind in protobuf._messages()[name].values():
        shape, _, inner = kind.rpartition(" ")
        found |= fields_of(inner) if shape == "inline" else {field: kind}
    return found


def structs_in(info: inspect.Type) -> list[type]:
    match info:
        case inspect.StructType():
            return [info.cls]
        case inspect.UnionType():
            return [found for each in info.types for found in structs_in(each)]
        case inspect.ListType():
            return structs_in(info.item_type)
        case inspect.DictType():
            return structs_in(info.value_type)
    return []
