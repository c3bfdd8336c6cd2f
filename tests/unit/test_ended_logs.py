"""What is kept of containers that are gone: the end of it, for a while, within limits, and nothing of anybody else."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.cluster import types
from apps.cluster.types.agent import EndedLog
from node_agent import ended
from node_agent.ended import EndedLogs, surplus, tail_of
from node_agent.refused import Refused
from node_agent.runtime.base import Seen, State

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
WEB = {"app": "web", "tier": "front"}


def keep(
    logs: EndedLogs, name: str, written: bytes, *, namespace: str = "default", at: datetime = NOW
) -> None:
    meta = types.ObjectMeta(name=name, namespace=namespace, uid=f"uid-{name}", labels=WEB)
    pod = types.Pod(metadata=meta, spec=types.PodSpec(containers=[]))
    gone = Seen(id="c1", uid=f"uid-{name}", name="app", attempt=0, state=State.EXITED, finished_at=at)
    logs.keep(pod, gone, written, NOW)


def test_what_was_kept_is_found_by_its_labels_also_after_a_restart(tmp_path: Path) -> None:
    logs = EndedLogs(tmp_path / "ended")
    keep(logs, "one", b"t1 hello\nt2 bye\n")
    for each in (logs, EndedLogs(tmp_path / "ended")):
        assert [(one.pod, one.container, one.labels) for one in each.find("default", {"app": "web"})] == [
            ("one", "app", WEB)
        ]
        assert each.read("default", "uid-one_app_0") == b"t1 hello\nt2 bye\n"
        assert each.find("default", {"app": "db"}) == each.find("other", {}) == []


def test_keeping_twice_keeps_it_once_and_what_is_empty_is_not_kept(tmp_path: Path) -> None:
    logs = EndedLogs(tmp_path / "ended")
    keep(logs, "one", b"t1 a\n")
    keep(logs, "one", b"t1 a\nt2 b\n")
    keep(logs, "silent", b"")
    assert [one.id for one in logs.find("default", {})] == ["uid-one_app_0"]
    assert logs.read("default", "uid-one_app_0") == b"t1 a\nt2 b\n"


@pytest.mark.parametrize("id", ["../token", "uid-one_app_1", "", "uid-one_app_0/../x"])
def test_only_what_is_kept_can_be_read(tmp_path: Path, id: str) -> None:
    (tmp_path / "token").write_text("secret")
    logs = EndedLogs(tmp_path / "ended")
    keep(logs, "one", b"t1 a\n")
    with pytest.raises(Refused):
        logs.read("default", id)


def test_another_namespaces_log_cannot_be_read(tmp_path: Path) -> None:
    logs = EndedLogs(tmp_path / "ended")
    keep(logs, "one", b"t1 a\n", namespace="shop")
    with pytest.raises(Refused):
        logs.read("default", "uid-one_app_0")


def test_only_root_reads_the_files(tmp_path: Path) -> None:
    keep(EndedLogs(tmp_path / "ended"), "one", b"t1 a\n")
    modes = [
        stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "ended", *(tmp_path / "ended").iterdir())
    ]
    assert modes == [0o700, 0o600]


def test_what_is_too_old_goes(tmp_path: Path) -> None:
    logs = EndedLogs(tmp_path / "ended")
    keep(logs, "old", b"t1 a\n", at=NOW - ended.KEPT_FOR - timedelta(seconds=1))
    keep(logs, "new", b"t1 a\n")
    assert [one.pod for one in logs.find("default", {})] == ["new"]
    assert len([*(tmp_path / "ended").iterdir()]) == 1


def test_a_broken_file_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "ended").mkdir()
    (tmp_path / "ended" / "x").write_bytes(b"no gzip")
    assert EndedLogs(tmp_path / "ended").find("default", {}) == []


@given(st.binary(max_size=40).map(lambda part: part * 20_000))
def test_the_end_is_kept_in_whole_lines(written: bytes) -> None:
    kept = tail_of(written)
    assert len(kept) <= ended.MOST_BYTES and written.endswith(kept)
    if kept != written and kept:
        assert written[: -len(kept)].endswith(b"\n")


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, ended.MOST_KEPT)), max_size=12))
def test_the_newest_stay_within_the_limit(found: list[tuple[int, int]]) -> None:
    known = [
        (
            EndedLog(id=str(n), namespace="x", pod="p", container="c", ended_at=NOW - timedelta(hours=age)),
            size,
        )
        for n, (age, size) in enumerate(found)
    ]
    gone = {*surplus(known, NOW)}
    kept = [each for each in known if each[0].id not in gone]
    assert sum(size for _, size in kept) <= ended.MOST_KEPT
    assert all(NOW - entry.ended_at <= ended.KEPT_FOR for entry, _ in kept)
    if kept:
        oldest = min(entry.ended_at for entry, _ in kept)
        assert all(entry.ended_at <= oldest for entry, _ in known if entry.id in gone)
