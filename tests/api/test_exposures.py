"""exposure.drover.dev: what is reachable from outside, as kubectl and others read it."""

from __future__ import annotations

from apps.accounts import tokens
from apps.cluster.kinds import SERVICE
from apps.cluster.work import in_db
from tests.api.doors import Door
from tests.builders import build
from tests.harness import create

ALL = "/apis/exposure.drover.dev/v1/exposures"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


async def exposed() -> None:
    await in_db(create, SERVICE, build(SERVICE, name="web", spec__type="NodePort"))


async def test_a_node_port_is_listed_and_printed(door: Door) -> None:
    await exposed()
    listed = (await door.ask("GET", ALL)).data
    assert listed["kind"] == "ExposureList"
    (found,) = [one for one in listed["items"] if one["spec"]["name"] == "web"]
    assert (found["spec"]["via"], found["spec"]["target"]) == ("NodePort", "web:80")
    inside = ALL.replace("exposures", "namespaces/default/exposures")
    assert (await door.ask("GET", f"{inside}/{found['metadata']['name']}")).data == found
    assert (await door.ask("GET", f"{inside}/nobody")).code == 404
    elsewhere = ALL.replace("exposures", "namespaces/elsewhere/exposures")
    assert (await door.ask("GET", elsewhere)).data["items"] == []
    printed = (await door.ask("GET", ALL, headers={"accept": TABLE})).data
    assert [head["name"] for head in printed["columnDefinitions"]][:3] == ["Name", "Via", "Addresses"]
    assert printed["rows"][0]["cells"][:3] == ["service/web", "NodePort", "<none>"]


async def test_it_is_discovered_and_nothing_can_be_written(door: Door) -> None:
    (one,) = (await door.ask("GET", "/apis/exposure.drover.dev/v1")).data["resources"]
    assert (one["name"], one["verbs"]) == ("exposures", ["get", "list"])
    assert (await door.ask("POST", ALL, {})).code == 405
    assert (await door.ask("GET", f"{ALL}/web")).code == 404


async def test_who_has_no_rights_sees_nothing(door: Door) -> None:
    await exposed()
    door.token = await in_db(tokens.issue, "nobody", ["system:authenticated"])
    assert (await door.ask("GET", ALL)).code == 403
