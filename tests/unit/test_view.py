"""What a node knows, on a disk that takes nothing."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from apps.cluster import types
from apps.cluster.types import agent as protocol
from node_agent.view import View


def changed(view: View, name: str, number: int) -> None:
    meta = types.ObjectMeta(name=name, namespace="default", uid=name)
    pod = types.Pod(metadata=meta, spec=types.PodSpec(containers=[]))
    told = protocol.raw(types.encode(pod))
    view.changed(protocol.Changed(number=number, type="ADDED", kind="pods", object=told))


def test_what_a_full_disk_does_not_take_is_known_all_the_same_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = tmp_path / "view"
    kept.mkdir()
    (kept / "pods").touch()  # no directory, so that nothing can be written there
    view = View(kept)
    with caplog.at_level(logging.ERROR):
        changed(view, "web", 1)
        changed(view, "db", 2)
    assert view.synced(2).pods == {"web", "db"}
    assert set(view.pods()) == {"web", "db"}
    assert len(caplog.records) == 1 and "is not kept" in caplog.text
    (kept / "pods").unlink()
    changed(view, "web", 3)
    later = View(kept)
    later.load()
    assert set(later.pods()) == {"web"} and later.number == 2
