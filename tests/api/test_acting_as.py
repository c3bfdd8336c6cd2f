"""``--as`` through both doors: who is asked about, who is judged, and who the log names."""

from __future__ import annotations

from apps.cluster import models, types
from apps.cluster.kinds import CONFIG_MAP
from tests.api.doors import Door
from tests.builders import build


async def test_a_request_is_judged_as_the_other_ones_and_logged_with_both(door: Door) -> None:
    review = {"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1"}
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    other = {"impersonate-user": "bob", "impersonate-group": "dev"}
    told = (await door.ask("POST", path, review, other)).data["status"]["userInfo"]
    assert told == {"username": "bob", "groups": ["dev", "system:authenticated"]}
    maps = "/api/v1/namespaces/default/configmaps"
    made = types.to_data(build(CONFIG_MAP, name="made"))
    assert (await door.ask("POST", maps, made, other)).code == 403
    masters = {"impersonate-user": "bob", "impersonate-group": "system:masters"}
    reply = await door.ask("POST", maps, made, masters)
    assert reply.code == 201
    number = int(reply.data["metadata"]["resourceVersion"])
    change = await models.Change.objects.aget(number=number)
    assert change.actor.startswith("bob (by ")
