"""The pure parts: looks, sorting, sentences, why, masking, regions."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.cluster import types, why
from apps.cluster.actors import system
from apps.cluster.kinds import (
    CRON_JOB,
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    JOB,
    PERSISTENT_VOLUME,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    REPLICATION_CONTROLLER,
    SECRET,
)
from apps.cluster.registry import Kind
from apps.cluster.revisions import HELD
from apps.dashboard import listing, look, manifest, sentences
from apps.dashboard.live import MOST_REGIONS, regions_of, scope_of
from tests.builders import build, defaulted

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("word", "tone"),
    [
        ("Running", "ok"), ("Ready", "ok"), ("Ready,SchedulingDisabled", "warn"), ("NotReady", "bad"),
        ("CrashLoopBackOff", "bad"), ("ErrImagePull", "bad"), ("CreateContainerConfigError", "bad"),
        ("ExitCode:3", "bad"), ("Signal:9", "bad"), ("ContainerCreating", "busy"), ("Terminating", "busy"),
        ("Pending", "warn"), ("Completed", "idle"), ("", "idle"), ("SomethingNew", "idle"),
    ],
)  # fmt: skip
def test_each_state_has_its_tone(word: str, tone: str) -> None:
    assert look.of_word(word).tone == tone


def test_lists_sort_as_people_expect() -> None:
    ages = ["3d", "45s", "2h5m", "9m", "<unknown>", "2m3s"]
    assert sorted(ages, key=listing.order_of) == ["45s", "2m3s", "9m", "2h5m", "3d", "<unknown>"]
    names = ["web-10", "web-9", "Web-1", "api"]
    assert sorted(names, key=listing.order_of) == ["api", "Web-1", "web-9", "web-10"]
    odd = ["²", "9" * 5000, f"{'9' * 18}y", "8"]
    assert sorted(odd, key=listing.order_of) == ["8", f"{'9' * 18}y", "9" * 5000, "²"]


def pod(**status: Any) -> types.Pod:
    made: types.Pod = build(POD)
    made.status = types.PodStatus(**status)
    made.spec.node_name = "n1"
    return made


PINNED = f"img:1@sha256:{'a' * 64}"


def waiting(reason: str, message: str = "", image: str = "img:1", **more: Any) -> types.Pod:
    state = types.ContainerState(waiting=types.ContainerStateWaiting(reason=reason, message=message))
    return pod(
        phase="Pending",
        container_statuses=[types.ContainerStatus(name="c", image=image, state=state, **more)],
    )


def test_a_running_pod_needs_no_reason() -> None:
    state = types.ContainerState(running=types.ContainerStateRunning())
    running = pod(
        phase="Running", container_statuses=[types.ContainerStatus(name="c", state=state, ready=True)]
    )
    assert why.of_pod(running, [], NOW) is None


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (waiting("ImagePullBackOff", "manifest unknown"), ("img:1", "cannot be had")),
        (
            waiting("ImagePullBackOff", "manifest for img@... not found", image=PINNED),
            ("no longer has what img:1 was with the digest sha256:aaaaaaaaaaaa:", "push that content again"),
        ),
        (waiting("ImagePullBackOff", "connection refused", image=PINNED), (PINNED, "cannot be had")),
        (waiting("CreateContainerConfigError", 'secret "x" not found'), ("not there",)),
        (waiting("ContainerCreating"), ("being made",)),
        (pod(phase="Failed", reason="Evicted", message="The node was low on memory."), ("low on memory",)),
    ],
)
def test_a_pod_that_does_not_run_says_why(found: types.Pod, words: tuple[str, ...]) -> None:
    told = why.of_pod(found, [], NOW)
    assert told is not None
    assert all(word in told.sentence for word in words)


@pytest.mark.parametrize(
    ("said", "owner", "words"),
    [
        ("manifest unknown", "ReplicaSet", ("no longer has", "(img:1, sha256:aaaaaaaaaaaa): Restart takes what")),
        ("connection refused", "ReplicaSet", ("cannot be had here: Restart takes what the tag means now",)),
        ("manifest unknown", "Job", ("once its Job is deleted",)),
    ],
)
def test_a_pod_held_to_what_its_version_ran_with_says_what_takes_another(
    said: str, owner: str, words: tuple[str, ...]
) -> None:
    found = waiting("ImagePullBackOff", said, image=PINNED)
    found.metadata.annotations = {HELD: PINNED}
    found.metadata.owner_references = [types.OwnerReference(kind=owner, name="x", uid="u", api_version="apps/v1")]
    told = why.of_pod(found, [], NOW)
    assert told is not None
    assert all(word in told.sentence for word in words), told.sentence
    assert told.evidence == (said,)


def test_out_of_memory_is_called_so() -> None:
    last = types.ContainerState(terminated=types.ContainerStateTerminated(exit_code=137, reason="OOMKilled"))
    told = why.of_pod(waiting("CrashLoopBackOff", restart_count=3, last_state=last), [], NOW)
    assert told is not None
    assert "restarted 3 times" in told.sentence
    assert "too much memory" in told.sentence
    assert "raise the limit" in told.advice


def test_the_schedulers_reasons_become_evidence() -> None:
    found = pod(phase="Pending")
    found.spec.node_name = ""
    message = "0/3 nodes are available: 2 short of memory, 1 cordoned."
    found.status.conditions = [types.Condition(type="PodScheduled", status="False", message=message)]
    told = why.of_pod(found, [], NOW)
    assert told is not None
    assert told.evidence == ("2 short of memory", "1 cordoned")


def test_a_pod_that_should_be_gone_says_who_holds_it() -> None:
    found = pod(phase="Running")
    found.metadata.deletion_timestamp = NOW - timedelta(minutes=2)
    told = why.of_pod(found, [], NOW)
    assert told is not None
    assert "should be gone" in told.sentence


def test_a_controller_tells_what_it_waits_for() -> None:
    controller = build(REPLICATION_CONTROLLER)
    controller.spec.replicas, controller.metadata.generation = 3, 2
    controller.status.observed_generation = 1
    told = sentences.of_object("replicationcontrollers", controller, NOW)
    assert told is not None
    assert "Scaling to 3" in told.text
    controller.status.observed_generation = 2
    controller.status.replicas = 3
    controller.status.ready_replicas = 1
    told = sentences.of_object("replicationcontrollers", controller, NOW)
    assert told is not None
    assert told.text == "1 of 3 pods ready."


def seen(kind: Kind, **changes: Any) -> Any:
    """An object whose controller has seen it."""
    made = defaulted(kind, **changes)
    if hasattr(made.status, "observed_generation"):
        made.status.observed_generation = made.metadata.generation = 2
    return made


LATE = types.Condition(type="Progressing", status="False", reason="ProgressDeadlineExceeded")
SAID: list[tuple[Kind, dict[str, Any], str, str]] = [
    (DEPLOYMENT, {"spec__replicas": 3, "status__replicas": 3, "status__updated_replicas": 1}, "Progressing",
     "Updating: 1 of 3 pods are of the newest version."),
    (DEPLOYMENT, {"spec__replicas": 3, "status__conditions": [LATE], "status__available_replicas": 2}, "Stuck",
     "The update does not get on: 0 of 3 pods updated, 2 available."),
    (DEPLOYMENT, {"spec__paused": True}, "Paused", "It is paused: changes wait until it is resumed. 0 of 1 available."),
    (DEPLOYMENT, {"status__replicas": 1, "status__updated_replicas": 1, "status__available_replicas": 1}, "Ready",
     "Its pod is available."),
    (JOB, {"spec__completions": 3, "status__succeeded": 1, "status__active": 2, "status__failed": 1}, "Running",
     "2 pods at work: 1 of 3 pods succeeded, 1 failed."),
    (JOB, {"status__conditions": [types.Condition(type="Complete", status="True")], "status__succeeded": 1}, "Complete",
     "It has done its work: 1 of 1 pod succeeded."),
    (CRON_JOB, {}, "Active", "It begins a job at */5 * * * *."),
    (PERSISTENT_VOLUME_CLAIM, {"status__conditions": [types.Condition(
        type="Provisioning", status="False", reason="WaitForFirstConsumer", message="waiting for first consumer")]},
     "Pending", "Waiting for first consumer."),
    (PERSISTENT_VOLUME, {}, "Pending", "Its data is on node node-1 and stays when its claim goes."),
    (HORIZONTAL_POD_AUTOSCALER, {"status__current_replicas": 2, "status__desired_replicas": 4}, "Scaling",
     "From 2 to 4 pods, between 1 and 5."),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "changes", "word", "text"), SAID, ids=[f"{k.name} {w}" for k, _, w, _ in SAID])
def test_how_a_workload_is_stands_in_a_sentence(kind: Kind, changes: dict[str, Any], word: str, text: str) -> None:
    told = sentences.of_object(kind.key, seen(kind, **changes), NOW)
    assert told is not None
    assert (told.word, told.text) == (word, text)


def test_a_secrets_yaml_has_keys_and_no_values_even_in_kubectls_copy() -> None:
    applied = json.dumps(
        {"kind": "Secret", "data": {"password": "c2VudGluZWw="}, "stringData": {"pin": "1234"}}
    )
    secret = types.Secret(
        metadata=types.ObjectMeta(name="s", namespace="d", annotations={manifest.APPLIED: applied}),
        data={"password": "c2VudGluZWw="},
    )
    text = manifest.as_yaml(manifest.of(SECRET, secret))
    assert "password: (masked)" in text
    assert "c2VudGluZWw" not in text
    assert "1234" not in text


def test_yaml_lines_keep_the_text() -> None:
    text = "a: 1\nb:\n  - name: x\n    note: |\n      two: lines\nurl: http://x:80\n"
    rebuilt = "".join(f"{line.lead}{line.key}{line.value}\n" for line in manifest.lines(text))
    assert rebuilt == text


@pytest.mark.parametrize(
    "text",
    ["", "[]", "7", '{"t":"other"}', '{"t":"show"}', '{"t":"show","regions":[7]}', 
     '{"t":"show","regions":[{"topics":"x"}]}', json.dumps({"t": "show", "regions": [{}] * (MOST_REGIONS + 1)})],
)  # fmt: skip
def test_a_socket_takes_only_what_it_knows(text: str) -> None:
    with pytest.raises(ValueError):
        regions_of(text)


def test_topics_name_what_a_page_shows() -> None:
    who = system("test")
    (region,) = regions_of(
        '{"t":"show","regions":[{"id":"rows","topics":["pods/shop","x"],"labels":"a=b","number":4}]}'
    )
    (scope,) = region.scopes(who)
    assert (scope.kind.key, scope.namespace, scope.name) == ("pods", "shop", "")
    assert scope.labels.matches({"a": "b"})
    node = scope_of("nodes/-/n1", region.labels, who)
    assert node is not None
    assert (node.namespace, node.name) == (None, "n1")
