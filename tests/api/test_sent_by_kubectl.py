"""Requests as kubectl 1.27 to 1.32 and the official Python client send them, in their order: each gets its answer."""

from __future__ import annotations

import json
from typing import Any

from tests.api.doors import Door

JSON, MERGE, STRATEGIC, JSON_PATCH = (
    "application/json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/json-patch+json",
)
PROTOBUF, APPLY = "application/vnd.kubernetes.protobuf", "application/apply-patch+yaml"
ONLY = "application/json"
TABLE = ",".join(f"application/json;as=Table;v={version};g=meta.k8s.io" for version in ("v1", "v1beta1")) + f",{ONLY}"
DISCOVERY = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)
EITHER = "application/vnd.kubernetes.protobuf,application/json"
NS = "/api/v1/namespaces/default"
POD = {
    "apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"app": "web"}, "name": "p1", "namespace": "default"},
    "spec": {"containers": [{"image": "nginx:1", "name": "c", "ports": [{"containerPort": 80}]}]},
}  # fmt: skip
RC = {
    "apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "replicas": 2, "selector": {"app": "web"},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"image": "n", "name": "c"}]}},
    },
}  # fmt: skip
SCALE = {
    "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {"name": "web", "namespace": "default"},
    "spec": {"replicas": 5},
}  # fmt: skip
CREATE = "fieldManager=kubectl-create&fieldValidation=Strict"
# A protobuf SelfSubjectAccessReview and DeleteOptions, as recorded.
REVIEW = bytes.fromhex(
    "6b3873000a320a17617574686f72697a6174696f6e2e6b38732e696f2f7631121753656c665375626a65637441"
    "6363657373526576696577123f0a100a0012001a0022002a0032003800420012210a1f0a0764656661756c7412"
    "066372656174651a0022002a04706f647332003a001a08080012001a0020001a002200"
)
OPTIONS = bytes.fromhex("6b3873000a130a027631120d44656c6574654f7074696f6e7312001a002200")

# method, address, Accept, Content-Type ("" for none), body, code
SENT: tuple[tuple[str, str, str, str, Any, int], ...] = (
    ("GET", "/version?timeout=32s", "application/json, */*", "", None, 200),
    ("GET", "/version/", ONLY, "", None, 200),
    ("GET", "/api?timeout=32s", DISCOVERY, "", None, 200),
    ("GET", "/apis?timeout=32s", DISCOVERY, "", None, 200),
    ("GET", "/api/v1?timeout=32s", "application/json, */*", "", None, 200),
    ("GET", "/openapi/v3?timeout=32s", ONLY, "", None, 200),
    ("GET", "/openapi/v3/api/v1?hash=0", ONLY, "", None, 200),
    ("GET", "/openapi/v2?timeout=32s", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf", "", None, 200),
    ("GET", f"{NS}/pods?limit=500", TABLE, "", None, 200),
    ("GET", "/api/v1/pods?includeObject=Object&limit=500", TABLE, "", None, 200),
    ("POST", f"{NS}/pods?{CREATE}", ONLY, JSON, POD, 201),
    ("POST", f"{NS}/pods?{CREATE}", ONLY, JSON, POD, 409),
    ("POST", f"{NS}/pods?fieldValidation=Warn&dryRun=All", ONLY, "", POD, 409),
    ("POST", f"{NS}/replicationcontrollers?{CREATE}", ONLY, JSON, RC, 201),
    ("GET", f"{NS}/pods/p1", EITHER, "", None, 200),
    ("GET", f"{NS}/events?fieldSelector=involvedObject.name%3Dp1%2CinvolvedObject.uid%3D1&limit=500", EITHER, "", None,
     200),
    ("PATCH", f"{NS}/pods/p1?fieldManager=kubectl-label", ONLY, MERGE,
     {"metadata": {"labels": {"a": "1"}}}, 200),
    ("PATCH", f"{NS}/pods/p1?fieldManager=kubectl-client-side-apply", ONLY, STRATEGIC,
     {"spec": {"$setElementOrder/containers": [{"name": "c"}], "containers": [{"name": "c", "image": "nginx:2"}]}},
     200),
    ("PATCH", f"{NS}/pods/p1?fieldManager=kubectl-patch", ONLY, JSON_PATCH,
     [{"op": "remove", "path": "/metadata/labels/a"}], 200),
    ("PATCH", f"{NS}/pods/p1?fieldManager=kubectl&fieldValidation=Strict&force=false", ONLY, APPLY,
     {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p1", "labels": {"b": "2"}}}, 200),
    ("GET", f"{NS}/replicationcontrollers/web/scale", "application/json, */*", "", None, 200),
    ("PUT", f"{NS}/replicationcontrollers/web/scale", "application/json, */*", "", SCALE, 200),
    ("PATCH", f"{NS}/replicationcontrollers/web/scale", "application/json, */*", MERGE, {"spec": {"replicas": 1}}, 200),
    ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", EITHER, PROTOBUF, REVIEW, 201),
    ("GET", f"{NS}/pods?fieldSelector=metadata.name%3Dp1&limit=500&resourceVersion=0", ONLY, "", None, 200),
    ("POST", f"{NS}/pods/p1/eviction", ONLY, JSON,
     {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p1"}, "deleteOptions": {"dryRun": ["All"]}},
     201),
    ("DELETE", f"{NS}/pods/p1", ONLY, JSON, {"gracePeriodSeconds": 0, "propagationPolicy": "Background"},
     200),
    ("DELETE", f"{NS}/replicationcontrollers/web", EITHER, PROTOBUF, OPTIONS, 200),
    ("GET", "/apis/metrics.k8s.io/v1beta1/nodes", "application/json, */*", "", None, 200),
    ("GET", "/apis/apps/v1/namespaces/default/colours", ONLY, "", None, 404),
)  # fmt: skip


async def test_each_request_of_a_session_is_answered(door: Door) -> None:
    for method, path, accept, content_type, body, code in SENT:
        headers = {"accept": accept, "user-agent": "kubectl/v1.32.4 (linux/amd64) kubernetes"}
        if content_type:
            headers["content-type"] = content_type
        raw = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        reply = await door.ask(method, path, raw, headers)
        assert reply.code == code, (method, path, reply.body)
