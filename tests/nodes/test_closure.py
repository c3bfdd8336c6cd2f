"""What a node is told, and in which order. Batches of the hub go in, frames come out."""

import json
from datetime import timedelta
from typing import Any

import pytest

from apps.accounts import pod_tokens, service_tokens
from apps.cluster import log, store, types
from apps.cluster.actors import system
from apps.cluster.hub import Batch
from apps.cluster.kinds import CONFIG_MAP, NODE, POD, SECRET, SERVICE, SERVICE_ACCOUNT
from apps.cluster.registry import Kind
from apps.cluster.types import agent
from apps.cluster.watching import Event
from apps.nodes import closure
from apps.nodes.closure import Closure, fetch
from tests.builders import build

pytestmark = pytest.mark.usefixtures("cluster")
TEST = system("test")


def create(kind: Kind, **changes: Any) -> Any:
    return store.write(TEST, lambda tx: tx.create(kind, build(kind, **changes)))


def pod_using(name: str, secret: str) -> types.Pod:
    def write(tx: Any) -> types.Pod:
        given = types.EnvVarSource(secret_key_ref=types.SecretKeySelector(name=secret, key="k"))
        tx.create(
            POD, build(POD, name=name, spec__containers__0__env=[types.EnvVar(name="K", value_from=given)])
        )
        pod: types.Pod = tx.bind("default", name, "n1")
        return pod

    return store.write(TEST, write)


def remove(pod: str) -> None:
    options = types.DeleteOptions(grace_period_seconds=0)
    store.write(TEST, lambda tx: tx.delete(POD, "default", pod, options))


def relabel(service: str, label: str) -> None:
    obj = store.get(SERVICE, "default", service).object
    obj.metadata.labels = {"app": label}
    store.write(TEST, lambda tx: tx.update(SERVICE, obj))


def present(*kinds: Kind) -> Batch:
    rows = [row for kind in kinds for row in store.list(kind).rows]
    return Batch(store.clock(), [Event("ADDED", row.kind, row) for row in rows])


def since(number: int) -> Batch:
    changes = log.after(number)
    return Batch(changes[-1].number, [Event(change.type, change.kind, change) for change in changes])


def said(stream: Closure, batch: Batch) -> list[str]:
    """The frames in short: ``pods+web``, ``secrets-key``, ``synced``."""
    words = []
    for frame in stream.frames(batch, fetch(stream.missing(batch))):
        if isinstance(frame, agent.Objects):
            names = [json.loads(bytes(item))["metadata"]["name"] for item in frame.items]
            words.append(f"{frame.kind}={','.join(names)}")
        elif isinstance(frame, agent.Changed):
            mark = {"ADDED": "+", "MODIFIED": "~", "DELETED": "-"}[frame.type]
            words.append(f"{frame.kind}{mark}{json.loads(bytes(frame.object))['metadata']['name']}")
        elif isinstance(frame, agent.Synced):
            assert frame.number == batch.number
            words.append("synced")
    return words


def signed(stream: Closure, batch: Batch) -> list[agent.PodTokens]:
    """The tokens that go out with a batch."""
    given = pod_tokens.issue_all(stream.unsigned(batch), types.now())
    frames = stream.frames(batch, fetch(stream.missing(batch)), given)
    return [
        types.decode(agent.PodTokens, bytes(frame.object))
        for frame in frames
        if isinstance(frame, agent.Changed) and (frame.kind, frame.type) == (agent.TOKENS, "ADDED")
    ]


def opened() -> Closure:
    stream = Closure("n1")
    said(stream, present(POD, CONFIG_MAP, NODE, SERVICE))
    return stream


def test_the_whole_state_comes_first_with_what_pods_need_before_the_pods() -> None:
    create(NODE, name="n1")
    create(SERVICE, name="front")
    create(SECRET, name="key")
    create(SECRET, name="foreign")
    pod_using("web", "key")
    stream = Closure("n1")
    assert said(stream, present(POD, NODE, SERVICE)) == [
        "nodes=n1", "peers=", "services=front", "endpointslices=", "configmaps=", "secrets=key",
        "persistentvolumeclaims=", "ingressclasses=", "ingresses=", "persistentvolumes=", "tokens=", "pods=web",
        "synced",
    ]  # fmt: skip


def test_a_new_pod_is_told_after_its_secret_and_before_synced() -> None:
    stream = opened()
    create(SECRET, name="key")
    number = store.clock()
    pod_using("web", "key")
    assert said(stream, since(number)) == ["secrets+key", "pods+web", "pods~web", "synced"]


def test_a_secret_that_is_missing_comes_when_it_is_made() -> None:
    stream = opened()
    number = store.clock()
    pod_using("web", "key")
    assert said(stream, since(number)) == ["pods+web", "pods~web", "synced"]
    number = store.clock()
    create(SECRET, name="key")
    assert said(stream, since(number)) == ["secrets+key", "synced"]


def test_configuration_that_no_pod_uses_any_more_is_taken_back() -> None:
    stream = opened()
    create(SECRET, name="key")
    for name in ("one", "two"):
        number = store.clock()
        pod_using(name, "key")
        said(stream, since(number))
    told = []
    for name in ("one", "two"):
        number = store.clock()
        remove(name)
        told.append(said(stream, since(number)))
    assert told == [
        ["pods-one", "synced"],
        ["pods-two", "configmaps-kube-root-ca.crt", "secrets-key", "synced"],
    ]
    sight = stream.scopes()[2].visible
    assert sight is not None
    assert not sight().holds("default", "key")


def test_what_a_list_already_held_does_not_go_back_in_time() -> None:
    create(SERVICE, name="front")
    start = store.clock()
    for label in ("one", "two"):
        relabel("front", label)
    stream = Closure("n1")
    listed = Batch(start, present(SERVICE).events)  # the pods' list was older than the services' list
    assert "services=front" in said(stream, listed)
    assert said(stream, since(start)) == [], "both changes are in the list"


def test_changes_that_concern_nobody_here_say_nothing() -> None:
    assert said(opened(), Batch(99)) == []


def test_a_large_state_comes_in_several_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        create(SERVICE, name=name)
    size = max(len(row.text) for row in store.list(SERVICE).rows)
    monkeypatch.setattr(closure, "LARGEST_FRAME", 2 * size)
    told = Closure("n1")
    batch = present(SERVICE)
    frames = [
        frame for frame in told.frames(batch, fetch(told.missing(batch))) if isinstance(frame, agent.Objects)
    ]
    assert [(frame.kind, len(frame.items), frame.replace) for frame in frames if frame.kind == "services"] == [
        ("services", 2, True), ("services", 1, False),
    ]  # fmt: skip
    assert all(frame.replace for frame in frames if frame.kind != "services")


def test_a_pod_comes_with_a_token_bound_to_it_and_gets_a_new_one_in_time() -> None:
    stream = opened()
    create(SERVICE_ACCOUNT, name="default")
    number = store.clock()
    uid = pod_using("web", "key").metadata.uid
    (tokens,) = signed(stream, since(number))
    assert tokens.metadata.uid == uid
    (item,) = tokens.items
    assert (item.audience, item.seconds) == ("", 3607)
    actor = service_tokens.check(item.token)
    assert actor is not None and actor.name == "system:serviceaccount:default:default"
    begin = types.now()
    assert stream.handed.due(begin + timedelta(seconds=2000)) == []
    late = begin + timedelta(seconds=3000)
    (pod,) = stream.handed.due(late)
    frames = stream.renewed([pod], pod_tokens.issue_all([pod], late), late)
    assert [type(frame) for frame in frames] == [agent.Changed, agent.Synced]
    assert stream.handed.due(late) == []


def test_a_pod_whose_account_comes_later_gets_its_token_later() -> None:
    stream = opened()
    number = store.clock()
    pod_using("web", "key")
    assert signed(stream, since(number)) == []
    assert stream.handed.lacking
    create(SERVICE_ACCOUNT, name="default")
    now = types.now()
    pods = stream.handed.due(now)
    assert stream.renewed(pods, pod_tokens.issue_all(pods, now), now)
    assert not stream.handed.lacking


def test_a_pod_that_is_gone_takes_its_token_along() -> None:
    stream = opened()
    create(SERVICE_ACCOUNT, name="default")
    number = store.clock()
    pod_using("web", "key")
    signed(stream, since(number))
    number = store.clock()
    remove("web")
    assert "tokens-web" in said(stream, since(number))
    assert stream.handed.due(types.now() + timedelta(days=1)) == []
