"""The one character that a database's text cannot hold, wherever a request can carry it."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

from apps.api import core
from apps.api.messages import Answer, Query, Request
from apps.cluster.actors import Actor

ROOT = Actor("root", frozenset({"system:masters"}))
NUL = quote("a\0b")
PLACE = "/api/v1/namespaces/default/pods"
TOKEN = base64.urlsafe_b64encode(b'{"number":1,"namespace":"a\\u0000","name":"\\u0000"}').decode()


@pytest.mark.parametrize(
    "query",
    [f"fieldSelector=metadata.name={NUL}", f"fieldSelector=spec.nodeName={NUL}", f"fieldSelector=spec.nodeName!={NUL}",
     f"labelSelector=app={NUL}", f"labelSelector=app in ({NUL})", f"labelSelector={NUL}", f"continue={TOKEN}&limit=1",
     f"fieldManager={NUL}", f"resourceVersion={NUL}"],
)  # fmt: skip
@pytest.mark.usefixtures("cluster")
def test_a_query_with_it_is_answered(query: str) -> None:
    answer = core.handle(ROOT, Request("GET", PLACE, Query.parse(query)))
    assert isinstance(answer, Answer) and answer.code in {200, 400, 410}, answer


@pytest.mark.parametrize("method", ["GET", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", [f"{PLACE}/a\0b", "/api/v1/namespaces/a\0b", "/api/v1/namespaces/a\0b/pods/x"])
@pytest.mark.usefixtures("cluster")
def test_a_path_with_it_is_not_found(method: str, path: str) -> None:
    headers = {"content-type": "application/merge-patch+json"}
    answer = core.handle(ROOT, Request(method, path, headers=headers, body=b"{}" if method == "PATCH" else b""))
    assert isinstance(answer, Answer) and answer.code in {400, 404}, answer
