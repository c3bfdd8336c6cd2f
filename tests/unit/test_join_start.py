"""What the pasted line runs, where the machine does not fit: said in words, before anything is installed."""

from __future__ import annotations

import ast
import platform
import shlex
import sys
from pathlib import Path

import pytest

from apps.nodes import invitations, program
from node_agent.joining import start
from paas.remote import parcel


def test_another_processor_is_named() -> None:
    with pytest.raises(SystemExit, match=r"made for riscv128: its machines need the same processor"):
        start.find_python(program.needs() | {"machine": "riscv128"})


def test_another_python_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")  # no apt-get here
    needs = {"python": "3.99", "soabi": "cpython-399-x86_64-linux-gnu", "machine": platform.machine()}
    assert start.find_python(needs) == ""
    with pytest.raises(SystemExit, match=r"needs Python 3.99 .* install python3.99, then try again"):
        start.install_python(needs)


def test_the_pythons_that_fit_are_told_by_what_was_compiled() -> None:
    assert start.suits(sys.executable, program.needs())
    assert not start.suits(sys.executable, program.needs() | {"soabi": "cpython-36m"})


def test_the_line_is_one_line_that_any_shell_reads() -> None:
    words = ["python3", "-c", invitations.BOOTSTRAP, "host:8443", "drj_x", "0" * 64]
    assert shlex.split(shlex.join(words)) == words
    assert "\n" not in invitations.BOOTSTRAP
    assert "'" not in invitations.BOOTSTRAP, "else quoting makes it unreadable"


@pytest.mark.parametrize("source", [invitations.BOOTSTRAP, Path(start.__file__).read_text()])
def test_an_old_python_can_at_least_read_it(source: str) -> None:
    ast.parse(source, feature_version=(3, 6))


def test_the_archive_holds_what_the_agent_imports_and_nothing_of_the_servers() -> None:
    packages = program.packages()
    assert {"python-iptables", "pyroute2", "docker", "wsproto", "cryptography", "cffi"} <= set(packages)
    assert not {"django", "celery", "redis"} & set(packages)
    names = {name for _, name in program.own_files()}
    assert {"node_agent/__main__.py", "apps/cluster/types/agent.py", "apps/cluster/quantities.py"} <= names
    assert not {name for name in names if name.startswith(("apps/accounts", "apps/api", "paas"))}


def test_the_platforms_archive_holds_all_that_it_runs_on_apart_from_its_code() -> None:
    names = {name for _, name in parcel.contents()}
    assert {"manage.py", "paas/remote/landed.py", "apps/catalog/bundle/redis.yaml"} <= names
    assert "packages/psycopg_binary/__init__.py" in names, "what an extra brings is there too"
    assert "packages/django_htmx/__init__.py" in names, "so is what only the settings name"
    assert not {name for name in names if name.startswith(("var/", "tests/")) or "__pycache__" in name}
