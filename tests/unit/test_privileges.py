"""Giving up root, seen from the kernel's side."""

import os
import pwd
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from paas.privileges import POWERLESS_ROOT, Identity, serving_identity

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up root")


def in_child(work: Callable[[], object]) -> str:
    """What ``work`` returns in a process of its own, as text."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            os.write(writer, str(work()).encode())
        except OSError as error:
            os.write(writer, type(error).__name__.encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.wait()
    with os.fdopen(reader) as answer:
        return answer.read()


def capabilities() -> set[str]:
    lines = Path("/proc/self/status").read_text().splitlines()
    return {line.split()[1] for line in lines if line.startswith("Cap")}


def test_an_account_keeps_no_capability_and_no_group() -> None:
    nobody = pwd.getpwnam("nobody")

    def work() -> str:
        Identity(nobody.pw_uid, nobody.pw_gid).become()
        return f"{os.getresuid()} {os.getresgid()} {os.getgroups()} {capabilities()}"

    uid, gid = nobody.pw_uid, nobody.pw_gid
    assert in_child(work) == f"{(uid, uid, uid)} {(gid, gid, gid)} [] {{'0000000000000000'}}"


def test_there_is_no_way_back() -> None:
    nobody = pwd.getpwnam("nobody")

    def work() -> None:
        Identity(nobody.pw_uid, nobody.pw_gid).become()
        os.setuid(0)

    assert in_child(work) == "PermissionError"


def test_root_without_capabilities_cannot_read_what_is_another_accounts(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    os.chown(secret, pwd.getpwnam("nobody").pw_uid, -1)

    def work() -> str:
        POWERLESS_ROOT.become()
        return secret.read_text()

    assert in_child(work) == "PermissionError"


def test_a_directory_that_the_account_cannot_enter_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paas.privileges.ACCOUNT", "nobody")
    (tmp_path / "closed").mkdir(mode=0o700)
    identity, reason = serving_identity(tmp_path / "closed" / "state")
    assert identity == POWERLESS_ROOT
    assert reason.startswith("user nobody cannot read ")


@pytest.mark.parametrize("command", ["up", "down", "machine"])
def test_without_root_it_says_what_to_do(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(sys, "argv", ["manage.py", command])
    with pytest.raises(SystemExit, match=r"need root: run this as root, for example with sudo\.$"):
        runpy.run_path(str(Path(__file__).parents[2] / "manage.py"), run_name="__main__")
