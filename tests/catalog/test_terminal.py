"""``manage.py app`` as it is typed: what it says, and how it ends."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.catalog import operations
from apps.catalog.kinds import APPLICATION, APPLICATION_REVISION
from apps.catalog.schema import schema
from apps.catalog.types import Application, ApplicationSpec, RevisionStatus
from apps.cluster import store, types
from tests.catalog.plans import shop
from tests.harness import TESTER, add_nodes, edit, install_roles, roll, settle

PIN = f"shop:1.2@sha256:{'1' * 64}"


@pytest.fixture
def acme(cluster: None) -> None:
    """An installation under way."""
    install_roles()
    add_nodes("node-1")
    meta = types.ObjectMeta(name="acme", namespace="default")
    plan = ApplicationSpec(definition=shop(components__db__volumes=None))
    operations.install(TESTER, Application(metadata=meta, spec=plan))
    settle()


def app(*words: str, **options: Any) -> str:
    told = StringIO()
    call_command("app", *words, stdout=told, **options)
    return told.getvalue()


def standing() -> Application:
    found: Application = store.get(APPLICATION, "default", "acme").object
    return found


def test_the_schema_is_printed_without_a_cluster() -> None:
    assert json.loads(app("schema")) == schema()


def test_a_cancelled_change_tells_where_it_goes_back_to_and_what_that_costs(acme: None) -> None:
    roll()
    app("update", "acme", "--set", "copies=4")
    assert app("cancel", "acme", "--dry-run").startswith(
        "revision 2 of acme would be cancelled: back to revision 1"
    )
    assert standing().spec.revision == 2
    told = app("cancel", "acme", "--why", "too many")
    assert (
        told
        == "revision 2 of acme is cancelled: back to revision 1, as revision 3\nweb goes from 4 to 2 pods\n"
    )
    roll()
    assert app("cancel", "acme") == "nothing is under way: revision 3 of acme is ready\n"


def test_a_cancelled_installation_tells_how_to_remove_what_stays(acme: None) -> None:
    told = app("cancel", "acme")
    assert told.startswith(
        "revision 1 of acme is cancelled; what was made of it stays: `manage.py app delete -n default acme`"
    )
    settle()
    assert app("cancel", "acme") == "nothing is under way: revision 1 of acme is cancelled already\n"
    with pytest.raises(SystemExit) as ended:
        app("status", "acme")
    assert ended.value.code == 1


def test_a_revision_tells_who_made_it_why_and_what_it_ran(acme: None) -> None:
    app("update", "acme", "--set", "copies=4", "--why", "a busy week")
    edit(
        APPLICATION_REVISION,
        "acme-2",
        lambda found: setattr(
            found, "status", RevisionStatus(phase="Ready", images={"web": PIN, "db": "docker://sha256:1"})
        ),
    )
    head, maker, _, *ran = app("revision", "acme").splitlines()
    assert (head, maker) == ("revision 2 of acme: Ready.", "by system:admin: a busy week")
    assert [line.split() for line in ran[:2]] == [["web", PIN], ["db", "docker://sha256:1"]]
    assert ran[2:] == ["db: no registry knows it by this name, so going back takes what the tag means then"]
    with pytest.raises(
        CommandError, match="acme has no revision 7: `manage.py app status -n default acme` lists them"
    ):
        app("revision", "acme", "7")


@pytest.mark.parametrize("option", ["-f", "--secret"])
def test_a_file_that_cannot_be_read_is_named(cluster: None, option: str) -> None:
    given = "/nonexistent/x" if option == "-f" else "password=/nonexistent/x"
    with pytest.raises(
        CommandError, match=f"{option} /nonexistent/x: cannot be read: No such file or directory"
    ):
        app("install", "shop", option, given)
