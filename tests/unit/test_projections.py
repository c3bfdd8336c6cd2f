"""Volumes of several sources: what is refused by name, and what every pod is given."""

from __future__ import annotations

from typing import Any

import pytest

from apps.cluster import types
from apps.cluster.kinds import POD
from apps.cluster.kinds.automount import MOUNT_PATH, mount_token
from tests.builders import defaulted

TOKEN = {"serviceAccountToken": {"path": "token"}}


def problems(volume: dict[str, Any]) -> list[str]:
    pod = defaulted(POD)
    pod.spec.volumes = [types.convert(types.Volume, {"name": "v", **volume})]
    POD.default(pod)
    return [problem.path for problem in POD.validate(pod)]


@pytest.mark.parametrize(
    ("volume", "path"),
    [
        ({"projected": {"sources": [{}]}}, "sources[0]"),
        ({"projected": {"sources": [{**TOKEN, "secret": {"name": "s"}}]}}, "sources[0].serviceAccountToken"),
        ({"projected": {"sources": [TOKEN, TOKEN]}}, "sources[1]"),
        ({"projected": {"sources": [{"serviceAccountToken": {"path": "../x"}}]}}, "serviceAccountToken.path"),
        (
            {"projected": {"sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 5}}]}},
            "serviceAccountToken.expirationSeconds",
        ),
        ({"projected": {"sources": [{"configMap": {"name": ""}}]}}, "configMap.name"),
        ({"downwardAPI": {"items": [{"path": "a"}]}}, "items[0]"),
        (
            {"downwardAPI": {"items": [{"path": "a", "fieldRef": {"fieldPath": "status.podIP"}}]}},
            "fieldRef.fieldPath",
        ),
        (
            {"downwardAPI": {"items": [{"path": "a", "resourceFieldRef": {"resource": "limits.cpu"}}]}},
            "resourceFieldRef.containerName",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_its_path(volume: dict[str, Any], path: str) -> None:
    assert any(found.endswith(path) for found in problems(volume)), problems(volume)


def test_what_can_be_is_served_with_its_defaults() -> None:
    labels = {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}
    assert problems({"projected": {"sources": [TOKEN, {"downwardAPI": {"items": [labels]}}]}}) == []
    pod = defaulted(POD)
    mount_token(pod, None)
    POD.default(pod)
    assert list(POD.validate(pod)) == []


@pytest.mark.parametrize(
    ("of_pod", "of_account", "mounted"),
    [
        (None, None, True),
        (None, False, False),
        (True, False, True),
        (False, True, False),
        (False, None, False),
    ],
)
def test_the_pods_word_counts_before_its_accounts(
    of_pod: bool | None, of_account: bool | None, mounted: bool
) -> None:
    pod = defaulted(POD)
    pod.spec.automount_service_account_token = of_pod
    mount_token(pod, types.ServiceAccount(automount_service_account_token=of_account))
    assert bool(pod.spec.volumes) is mounted
    assert [mount.mount_path for mount in pod.spec.containers[0].volume_mounts] == [MOUNT_PATH] * mounted


def test_a_container_with_something_of_its_own_there_keeps_it() -> None:
    pod = defaulted(POD)
    pod.spec.volumes = [types.Volume(name="own", empty_dir=types.EmptyDirVolumeSource())]
    pod.spec.containers[0].volume_mounts = [types.VolumeMount(name="own", mount_path=f"{MOUNT_PATH}/")]
    mount_token(pod, None)
    assert [volume.name for volume in pod.spec.volumes] == ["own"]
