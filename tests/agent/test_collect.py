"""Which images go when the disk fills up, and which pods hold more than they may."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from apps.cluster import types
from apps.cluster.types.agent import EventReport
from node_agent.collect import YOUNGEST, Collector, Usage, candidates, references
from node_agent.runtime.base import Runtime, RuntimeTrouble
from node_agent.sizes import held, overfull
from tests.agent.machine import Machine, app, wait_for

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class Shelf:
    """A disk full of images, one tenth of it each."""

    def __init__(self, *names: str, stuck: str = "") -> None:
        self.names, self.stuck = list(names), stuck

    def untag(self, name: str) -> None:
        if name == self.stuck:
            raise RuntimeTrouble("a stopped container uses it")
        self.names.remove(name)

    def usage(self) -> Usage:
        return Usage(used=len(self.names), total=10)


def collector(
    shelf: Shelf, file: Path, in_use: set[str] | None = None, events: list[EventReport] | None = None
) -> Collector:
    return Collector(
        cast("Runtime", shelf),
        file,
        in_use=lambda: in_use or set(),
        usage=shelf.usage,
        tell=(events if events is not None else []).append,
    )


TEN = [f"image-{number}:1" for number in range(10)]


def test_the_longest_unused_go_until_there_is_room(tmp_path: Path) -> None:
    shelf = Shelf(*TEN)
    mine = collector(shelf, tmp_path / "images.json", in_use={TEN[0]})
    for number, name in enumerate(TEN):
        mine.pulled(name, NOW + timedelta(seconds=number))
    later = NOW + timedelta(hours=1)
    assert mine.sweep(later) == [TEN[1], TEN[2], TEN[3]]
    assert shelf.usage().part < 0.8
    assert mine.sweep(later) == [], "below the high mark nothing goes"


def test_what_others_brought_or_what_is_young_or_used_stays_and_is_told(tmp_path: Path) -> None:
    shelf, events = Shelf(*TEN, stuck=TEN[1]), list[EventReport]()
    mine = collector(shelf, tmp_path / "images.json", {TEN[0]}, events)
    mine.pulled(TEN[0], NOW)
    mine.pulled(TEN[1], NOW)
    mine.pulled(TEN[2], NOW + timedelta(hours=1))
    assert mine.sweep(NOW + timedelta(hours=1, seconds=1)) == []
    assert shelf.names == TEN
    assert [each.reason for each in events] == ["FreeDiskSpaceFailed"]


def test_what_was_pulled_is_remembered_over_a_restart(tmp_path: Path) -> None:
    shelf, file = Shelf(*TEN), tmp_path / "images.json"
    collector(shelf, file).pulled(TEN[4], NOW)
    assert collector(shelf, file).sweep(NOW + timedelta(hours=1)) == [TEN[4]]
    file.write_text("[1, 2")
    assert collector(shelf, file).sweep(NOW + timedelta(hours=2)) == []


def test_an_image_in_use_is_never_a_candidate() -> None:
    old = NOW - YOUNGEST
    assert candidates({"a:1": old, "b:1": NOW, "c:1": old - YOUNGEST}, {"x"}, NOW) == ["c:1", "a:1"]
    assert candidates({"a:1": old}, {"a:1"}, NOW) == []
    pod = types.Pod(
        metadata=types.ObjectMeta(name="web"),
        spec=types.PodSpec(containers=[types.Container(name="app", image="redis")],
                           init_containers=[types.Container(name="first", image="host.example/a:2")]),
    )  # fmt: skip
    assert references([pod]) == {"redis:latest", "host.example/a:2"}


def limited(size: str) -> types.Volume:
    return types.Volume(name="cache", empty_dir=types.EmptyDirVolumeSource(size_limit=size))


def test_a_volume_is_measured_by_what_it_takes_on_disk(tmp_path: Path) -> None:
    (tmp_path / "cache" / "deep").mkdir(parents=True)
    (tmp_path / "cache" / "deep" / "file").write_bytes(b"x" * 200_000)
    (tmp_path / "cache" / "link").symlink_to("/")
    assert 200_000 <= held(tmp_path / "cache", 1 << 30) < 300_000
    assert held(tmp_path / "nothing", 1) == 0
    pod = types.Pod(
        metadata=types.ObjectMeta(name="web"), spec=types.PodSpec(containers=[], volumes=[limited("100Ki")])
    )
    assert overfull(pod, tmp_path) == 'Usage of EmptyDir volume "cache" exceeds the limit "100Ki". '
    pod.spec.volumes = [limited("1Mi")]
    assert overfull(pod, tmp_path) == ""


@pytest.mark.docker
def test_a_pod_that_took_too_much_room_is_evicted_in_words(machine: Machine) -> None:
    pod = machine.run(
        app(volume_mounts=[types.VolumeMount(name="cache", mount_path="/cache")]), volumes=[limited("64Ki")]
    )
    machine.ready(pod)
    machine.shell(machine.container(pod), "dd if=/dev/zero of=/cache/big bs=1k count=200")
    words = overfull(pod, machine.state / "pods" / pod.metadata.uid / "volumes")
    for worker in machine.herd.workers():
        worker.evict(words)
    wait_for(lambda: machine.reported(pod).phase == "Failed", "failure")
    assert (machine.reported(pod).reason, machine.reported(pod).message) == ("Evicted", words)
    assert "Evicted" in machine.reasons(pod)
    wait_for(lambda: len(machine.containers(pod)) == 1, "the end of the sandbox")
    assert machine.containers(pod)[0]["State"] == "exited"
