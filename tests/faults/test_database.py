"""PostgreSQL stopped and started again under a write load: refusals are honest, nothing acknowledged is lost."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

import pytest

from tests.faults.load import MAPS, Client, under_load
from tests.faults.test_kills import controller, judge, scale
from tests.platform import Platform, containers, eventually, running
from tests.services import Postgres

pytestmark = [pytest.mark.docker, pytest.mark.kubectl, pytest.mark.timeout(300)]

SETTLED_SECONDS = 15


@pytest.fixture(scope="module")
def database() -> Postgres:
    return Postgres("synchronous_commit=on")


@pytest.fixture(scope="module")
def platform(database: Postgres) -> Iterator[Platform]:
    with running(DATABASE_URL=database.url) as platform:
        for name, replicas in (("steady", 2), ("scaled", 1)):
            platform.kubectl("create", "-f", "-", input=controller(name, replicas))
        platform.ready_pods("app=steady", 2)
        platform.ready_pods("app=scaled", 1)
        yield platform


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["stopped", "killed"])
def test_a_restarted_database_has_lost_nothing(platform: Platform, database: Postgres, how: signal.Signals) -> None:
    untouched = containers(platform.ready_pods("app=steady", 2))
    processes = platform.processes()
    session = f"drover-sessionid-{platform.port}"
    wanted = 3 if how is signal.SIGINT else 2
    with under_load(platform, seed=how) as load:
        scale(platform, wanted)
        database.stop(how)
        with closing(Client(platform)) as client:
            for method, path, body in (("GET", MAPS, None), ("POST", MAPS, {"metadata": {"name": "never"}})):
                assert_away(*client.ask(method, path, body))
        for stranger in ({"Authorization": "Bearer drv_nobody"}, {"Cookie": f"{session}=of-nobody-who-is-known"}):
            assert_away(*asked(platform, stranger))
        database.start()
        load.goes_on(20, within=SETTLED_SECONDS)
        platform.ready_pods("app=scaled", wanted, within=SETTLED_SECONDS)
        judge(platform, load, wanted, untouched)
    assert platform.processes() == processes, "a process ended instead of connecting anew"
    eventually(lambda: " Ready " in platform.kubectl("get", "nodes"), within=SETTLED_SECONDS)


def asked(platform: Platform, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """What they are answered whom the server has not seen yet."""
    with closing(HTTPConnection("127.0.0.1", platform.port, timeout=30)) as connection:
        connection.request("GET", MAPS, headers=headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def assert_away(status: int, told: dict[str, Any]) -> None:
    assert (status, told["kind"], told["reason"]) == (503, "Status", "ServiceUnavailable"), told
