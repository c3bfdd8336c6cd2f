"""Volumes on this machine: what they hold, updates that show at once, and paths that stay inside."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from apps.cluster import types
from apps.cluster.types.persistent import IN_USE, LOCAL, ON_NODE
from node_agent import disk
from node_agent.persistent import LocalVolumes
from node_agent.pods.env import ConfigTrouble
from node_agent.projected import chosen
from node_agent.volumes import Volumes, host_path, project
from tests.agent.test_env import Held


def pod(*volumes: types.Volume, mounts: list[types.VolumeMount] | None = None) -> types.Pod:
    container = types.Container(name="app", volume_mounts=mounts or [])
    return types.Pod(
        metadata=types.ObjectMeta(name="web", namespace="default", uid="u1"),
        spec=types.PodSpec(containers=[container], volumes=list(volumes)),
    )


def texts(root: Path) -> dict[str, str]:
    return {each.name: each.read_text() for each in root.iterdir() if not each.name.startswith("..")}


def claimed(tmp_path: Path, **spec: object) -> tuple[LocalVolumes, Held, types.PersistentVolume]:
    """A claim ``data`` that is bound to a volume of this node."""
    source = types.CSIPersistentVolumeSource(driver=LOCAL, volume_handle="pvc-1")
    volume = types.PersistentVolume(
        metadata=types.ObjectMeta(name="pvc-1", uid="v1"),
        spec=types.PersistentVolumeSpec(csi=source, persistent_volume_reclaim_policy="Delete", **spec),  # type: ignore[arg-type]
    )
    claim = types.PersistentVolumeClaim(
        spec=types.PersistentVolumeClaimSpec(volume_name="pvc-1"),
        status=types.PersistentVolumeClaimStatus(phase="Bound"),
    )
    known = Held(claims={"data": claim}, volumes={"pvc-1": volume})
    return LocalVolumes(tmp_path / "volumes"), known, volume


def test_a_claims_directory_outlives_the_pods_that_mount_it(tmp_path: Path) -> None:
    local, known, _ = claimed(tmp_path)
    source = types.PersistentVolumeClaimVolumeSource(claim_name="data")
    wanted = pod(types.Volume(name="data", persistent_volume_claim=source))
    volumes = Volumes(tmp_path / "pods", local)
    path = volumes.prepare(wanted, known)["data"]
    (path / "kept").write_text("1")
    volumes.remove("u1")
    assert volumes.prepare(wanted, known)["data"] == path
    assert (path / "kept").read_text() == "1"


def test_a_claim_that_is_not_there_or_not_bound_is_waited_for(tmp_path: Path) -> None:
    local, known, _ = claimed(tmp_path)
    with pytest.raises(ConfigTrouble, match='persistentvolumeclaim "other" not found'):
        local.claimed("default", "other", known, None)
    known.claims["data"].status.phase = "Pending"
    with pytest.raises(ConfigTrouble, match='persistentvolumeclaim "data" has no volume yet'):
        local.claimed("default", "data", known, None)
    known.claims["data"].status.phase = "Bound"
    known.volumes.clear()
    with pytest.raises(ConfigTrouble, match='"pvc-1" of persistentvolumeclaim "data" is not on this node'):
        local.claimed("default", "data", known, None)


def test_a_volume_belongs_to_the_pods_group(tmp_path: Path) -> None:
    local, known, _ = claimed(tmp_path)
    path = local.claimed("default", "data", known, None)
    (path / "old").write_text("1")
    local.claimed("default", "data", known, 2000)
    assert {path.stat().st_gid, (path / "old").stat().st_gid} == {2000}
    assert stat.S_IMODE(path.stat().st_mode) == 0o2777


def test_data_goes_only_when_the_volume_is_at_its_end(tmp_path: Path) -> None:
    local, known, volume = claimed(tmp_path)
    path = local.claimed("default", "data", known, None)
    assert local.reclaim([volume]) == []
    volume.metadata.deletion_timestamp = types.now()
    volume.metadata.finalizers = [IN_USE, ON_NODE]
    assert local.reclaim([volume]) == [] and path.exists(), "a claim still has it"
    volume.metadata.finalizers = [ON_NODE]
    volume.spec.persistent_volume_reclaim_policy = "Retain"
    assert local.reclaim([volume]) == [] and path.exists(), "it is to be kept"
    volume.spec.persistent_volume_reclaim_policy = "Delete"
    assert [each.name for each in local.reclaim([volume])] == ["pvc-1"]
    assert not path.exists()
    assert len(local.reclaim([volume])) == 1, "said again until the server has heard"


def test_data_that_cannot_be_removed_keeps_its_volume_and_says_why_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    local, known, volume = claimed(tmp_path)
    path = local.claimed("default", "data", known, None)
    elsewhere = path.rename(tmp_path / "elsewhere")
    (elsewhere / "file").write_text("1")
    path.symlink_to(elsewhere)  # somebody moved it to a larger disk
    volume.metadata.deletion_timestamp = types.now()
    volume.metadata.finalizers = [ON_NODE]
    assert local.reclaim([volume]) == local.reclaim([volume]) == []
    assert (elsewhere / "file").exists()
    (said,) = caplog.messages
    assert said.startswith("the data of the volume pvc-1 cannot be removed, so the volume stays: ")
    assert str(path) in said


def test_what_stays_of_a_pod_that_is_gone_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    volumes = Volumes(tmp_path / "pods", LocalVolumes(tmp_path / "volumes"))
    (tmp_path / "pods").mkdir()
    (tmp_path / "pods" / "u1").symlink_to(tmp_path)
    volumes.remove("u1")
    assert "files of a pod that is gone stay here" in caplog.text and str(tmp_path / "pods" / "u1") in caplog.text
    volumes.remove("u2")
    assert len(caplog.messages) == 1, "where nothing was, nothing stays"


def test_a_volume_never_leads_outside(tmp_path: Path) -> None:
    local, known, volume = claimed(tmp_path)
    volume.spec.csi.volume_handle = "../pods"  # type: ignore[union-attr]
    with pytest.raises(ConfigTrouble, match="none that this node can mount"):
        local.claimed("default", "data", known, None)


def test_files_are_the_keys_or_the_items_asked_for() -> None:
    data = {"a": b"1", "b": b"2"}
    assert chosen(data, [], None, what="configmap", optional=False) == {
        "a": (b"1", 0o644),
        "b": (b"2", 0o644),
    }
    items = [types.KeyToPath(key="b", path="x/y", mode=0o400)]
    assert chosen(data, items, 0o600, what="configmap", optional=False) == {"x/y": (b"2", 0o400)}
    with pytest.raises(ConfigTrouble, match="references non-existent key: c"):
        chosen(data, [types.KeyToPath(key="c", path="c")], None, what="configmap", optional=False)
    assert chosen(data, [types.KeyToPath(key="c", path="c")], None, what="configmap", optional=True) == {}


def test_an_update_shows_all_at_once_and_leaves_nothing_behind(tmp_path: Path) -> None:
    project(tmp_path, {"a": (b"1", 0o644), "dir/b": (b"2", 0o600)})
    assert (tmp_path / "a").read_text() == "1" and (tmp_path / "dir/b").read_text() == "2"
    assert stat.S_IMODE((tmp_path / "dir/b").stat().st_mode) == 0o600
    first = os.readlink(tmp_path / "..data")
    project(tmp_path, {"a": (b"1", 0o644), "dir/b": (b"2", 0o600)})
    assert os.readlink(tmp_path / "..data") == first, "equal content is left alone"
    project(tmp_path, {"a": (b"new", 0o644)})
    assert texts(tmp_path) == {"a": "new"}
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(
        ["..data", os.readlink(tmp_path / "..data"), "a"]
    )


def test_a_missing_config_map_is_named_with_its_volume(tmp_path: Path) -> None:
    wanted = pod(types.Volume(name="conf", config_map=types.ConfigMapVolumeSource(name="none")))
    with pytest.raises(ConfigTrouble) as trouble:
        Volumes(tmp_path, LocalVolumes(tmp_path / "volumes")).prepare(wanted, Held())
    assert str(trouble.value) == 'MountVolume.SetUp failed for volume "conf": configmap "none" not found'
    optional = pod(
        types.Volume(name="conf", config_map=types.ConfigMapVolumeSource(name="none", optional=True))
    )
    assert texts(Volumes(tmp_path, LocalVolumes(tmp_path / "volumes")).prepare(optional, Held())["conf"]) == {}


@pytest.mark.docker
def test_secrets_never_touch_the_disk_and_go_with_the_pod(tmp_path: Path) -> None:
    volumes = Volumes(tmp_path, LocalVolumes(tmp_path / "volumes"))
    held = Held(secrets={"keys": {"password": b"hush"}})
    wanted = pod(
        types.Volume(name="keys", secret=types.SecretVolumeSource(secret_name="keys", default_mode=0o400))
    )
    path = volumes.prepare(wanted, held)["keys"]
    assert path.is_mount() and texts(path) == {"password": "hush"}
    assert stat.S_IMODE((path / "password").stat().st_mode) == 0o400
    held.secrets["keys"]["password"] = b"other"
    volumes.prepare(wanted, held)
    assert texts(path) == {"password": "other"}
    volumes.remove("u1")
    assert not path.exists() and not (tmp_path / "u1").exists()


@pytest.mark.parametrize(
    ("kind", "exists", "fine"),
    [
        ("", "dir", True), ("", "nothing", True), ("Directory", "dir", True), ("Directory", "nothing", False),
        ("Directory", "file", False), ("DirectoryOrCreate", "nothing", True), ("File", "file", True),
        ("File", "nothing", False), ("FileOrCreate", "nothing", True), ("Socket", "file", False),
    ],
)  # fmt: skip
def test_a_path_of_the_machine_is_made_or_checked(tmp_path: Path, kind: str, exists: str, fine: bool) -> None:
    path = tmp_path / "it"
    if exists == "dir":
        path.mkdir()
    elif exists == "file":
        path.touch()
    source = types.HostPathVolumeSource(path=str(path), type=kind)
    if fine:
        assert host_path(source) == path and path.exists()
    else:
        with pytest.raises(ConfigTrouble, match="hostPath type check failed"):
            host_path(source)


@pytest.mark.docker
def test_a_sub_path_cannot_lead_out_of_its_volume(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of the machine")
    mount = types.VolumeMount(name="data", mount_path="/data", sub_path="way/out")
    wanted = pod(types.Volume(name="data", empty_dir=types.EmptyDirVolumeSource()), mounts=[mount])
    volumes = Volumes(tmp_path / "pods", LocalVolumes(tmp_path / "volumes"))
    paths = volumes.prepare(wanted, Held())
    (paths["data"] / "way").mkdir()
    (paths["data"] / "way" / "out").symlink_to(tmp_path)
    with pytest.raises(ConfigTrouble, match='subPath "way/out" cannot be used'):
        volumes.mounts(wanted, wanted.spec.containers[0], paths, 0)
    (paths["data"] / "way" / "out").unlink()
    found = volumes.mounts(wanted, wanted.spec.containers[0], paths, 0)
    held = Path(found[0].source)
    (paths["data"] / "way" / "out" / "file").write_text("inside")
    assert texts(held) == {"file": "inside"}
    (paths["data"] / "way" / "out").rename(paths["data"] / "away")
    (paths["data"] / "way" / "out").symlink_to(tmp_path)
    assert texts(held) == {"file": "inside"}, "what is mounted stays what was checked"
    volumes.remove("u1")
    assert (tmp_path / "secret").exists()


@pytest.mark.docker
def test_a_sub_path_may_be_one_key_of_a_config_map(tmp_path: Path) -> None:
    mount = types.VolumeMount(name="conf", mount_path="/etc/app.conf", sub_path="app.conf")
    source = types.ConfigMapVolumeSource(name="conf")
    wanted = pod(types.Volume(name="conf", config_map=source), mounts=[mount])
    volumes = Volumes(tmp_path, LocalVolumes(tmp_path / "volumes"))
    paths = volumes.prepare(wanted, Held(config_maps={"conf": {"app.conf": "x=1"}}))
    found = volumes.mounts(wanted, wanted.spec.containers[0], paths, 0)
    assert Path(found[0].source).read_text() == "x=1" and found[0].read_only
    volumes.remove("u1")


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    disk.write(tmp_path / "f", b"one")
    disk.write(tmp_path / "f", b"two", 0o644)
    assert (tmp_path / "f").read_bytes() == b"two"
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o644
    assert [each.name for each in tmp_path.iterdir()] == ["f"]
