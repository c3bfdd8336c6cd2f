"""Pods that tests of streams talk to."""

from __future__ import annotations

import json
from typing import Any

from tests.platform import Platform, eventually, is_ready

SLEEPER = "trap exit TERM; while true; do sleep 0.2; done"
IMAGE = {"image": "busybox", "imagePullPolicy": "IfNotPresent"}


def pod(name: str, containers: list[dict[str, Any]], **metadata: Any) -> dict[str, Any]:
    """Containers by what differs; each runs busybox."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, **metadata},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{**IMAGE, **container} for container in containers],
        },
    }


def shell(script: str, name: str = "main", **rest: Any) -> dict[str, Any]:
    return {"name": name, "command": ["sh", "-c", script], **rest}


def running(platform: Platform, *pods: dict[str, Any]) -> None:
    """Create them and wait until all are Ready."""
    platform.kubectl(
        "apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": pods})
    )
    names = [each["metadata"]["name"] for each in pods]
    eventually(
        lambda: all(is_ready(platform.objects("pod", name)[0]) for name in names),
        within=60,
        what=f"{', '.join(names)}: Ready",
    )
