"""Volumes of several sources: tokens, configuration and the pod's own fields, side by side."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.cluster import types
from apps.cluster.types.agent import TOKENS, Changed, PodToken, PodTokens, raw
from node_agent import disk
from node_agent.persistent import LocalVolumes
from node_agent.pods.env import ConfigTrouble
from node_agent.projected import NOWHERE, downward_files, projected_files
from node_agent.view import View
from node_agent.volumes import Volumes
from tests.agent.test_env import Held

TOKEN = types.VolumeProjection(
    service_account_token=types.ServiceAccountTokenProjection(path="token", expiration_seconds=3607)
)
AUTHORITY = types.VolumeProjection(
    config_map=types.ConfigMapProjection(name="ca", items=[types.KeyToPath(key="ca.crt", path="ca.crt")])
)


def shown(path: str, field: str) -> types.DownwardAPIVolumeFile:
    return types.DownwardAPIVolumeFile(path=path, field_ref=types.ObjectFieldSelector(field_path=field))


NAMESPACE = types.VolumeProjection(
    downward_api=types.DownwardAPIProjection(items=[shown("namespace", "metadata.namespace")])
)


def pod(*sources: types.VolumeProjection, uid: str = "u1") -> types.Pod:
    projected = types.ProjectedVolumeSource(sources=list(sources), default_mode=0o644)
    limits = types.ResourceRequirements(limits={"memory": "64Mi"})
    return types.Pod(
        metadata=types.ObjectMeta(
            name="web", namespace="default", uid=uid, labels={"b": 'say "no"', "a": "1"}
        ),
        spec=types.PodSpec(
            containers=[types.Container(name="app", resources=limits)],
            volumes=[types.Volume(name="access", projected=projected)],
            service_account_name="reader",
        ),
    )


def given(token: str, uid: str = "u1") -> Changed:
    meta = types.ObjectMeta(name="web", namespace="default", uid=uid)
    tokens = PodTokens(metadata=meta, items=[PodToken(token=token, expires_at=types.now(), seconds=3607)])
    return Changed(number=0, type="ADDED", kind=TOKENS, object=raw(tokens))


@pytest.fixture
def volumes(tmp_path: Path) -> Iterator[Volumes]:
    made = Volumes(tmp_path, LocalVolumes(tmp_path / "volumes"))
    yield made
    disk.unmount_below(tmp_path)


def test_all_sources_are_side_by_side_in_memory(volumes: Volumes) -> None:
    held = Held(config_maps={"ca": {"ca.crt": "PEM", "other": "x"}})
    root = volumes.prepare(pod(TOKEN, AUTHORITY, NAMESPACE), held)["access"]
    found = {each.name: each.read_text() for each in root.iterdir() if not each.name.startswith("..")}
    assert found == {"token": "reader for  for 3607", "ca.crt": "PEM", "namespace": "default"}
    assert root.is_mount(), "a token never reaches the disk"
    assert stat.S_IMODE((root / "token").stat().st_mode) == 0o644


def test_a_new_token_replaces_the_file_as_one(volumes: Volumes) -> None:
    view = View(None)
    wanted = pod(TOKEN)
    with pytest.raises(ConfigTrouble, match='not yet sent a token of service account "reader"'):
        volumes.prepare(wanted, view)
    view.changed(given("first"))
    root = volumes.prepare(wanted, view)["access"]
    assert (root / "token").read_text() == "first"
    before = (root / "..data").readlink()
    view.changed(given("second"))
    assert view.synced(1).tokens == {"u1"}
    volumes.prepare(wanted, view)
    assert (root / "token").read_text() == "second"
    assert (root / "..data").readlink() != before and not (root / before).exists()


def test_another_pod_of_the_name_is_not_given_its_token() -> None:
    view = View(None)
    view.changed(given("first", uid="u0"))
    assert view.token(pod(TOKEN), "", 3607) == ""
    view.changed(given("second"))
    assert view.token(pod(TOKEN), "", 3607) == "second"
    assert view.token(pod(TOKEN), "vault", 3607) == ""


def test_the_view_keeps_tokens_over_a_restart(tmp_path: Path) -> None:
    view = View(tmp_path)
    view.changed(given("first"))
    again = View(tmp_path)
    again.load()
    assert again.token(pod(TOKEN), "", 3607) == "first"
    (file,) = (tmp_path / TOKENS).iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_fields_and_amounts_become_files() -> None:
    memory = types.ResourceFieldSelector(container_name="app", resource="limits.memory", divisor="1Mi")
    files = downward_files(
        pod(),
        [
            shown("labels", "metadata.labels"),
            shown("a", "metadata.labels['a']"),
            types.DownwardAPIVolumeFile(path="memory", resource_field_ref=memory, mode=0o400),
        ],
        None,
        NOWHERE,
    )
    assert files == {
        "labels": (b'a="1"\nb="say \\"no\\""', 0o644),
        "a": (b"1", 0o644),
        "memory": (b"64", 0o400),
    }


def test_a_missing_source_is_named_unless_it_is_optional() -> None:
    with pytest.raises(ConfigTrouble, match='configmap "ca" not found'):
        projected_files(pod(), types.ProjectedVolumeSource(sources=[AUTHORITY]), Held(), NOWHERE)
    secret = types.VolumeProjection(secret=types.SecretProjection(name="none", optional=True))
    assert projected_files(pod(), types.ProjectedVolumeSource(sources=[secret]), Held(), NOWHERE) == {}
