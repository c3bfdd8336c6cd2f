"""Bodies as kubectl 1.32 sent them, and what they say; broken ones are named so."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.api import protobuf

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
