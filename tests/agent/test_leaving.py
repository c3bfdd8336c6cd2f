"""When a pod that is to end is sent no new requests any more, as its node knows it."""

from __future__ import annotations

import pytest

from apps.cluster import types
from node_agent.leaving import Farewell, Offers, Programmed

SLICE, OTHER = ("default", "web-1"), ("default", "web-2")


def endpoint(uid: str, *, ready: bool = True, ending: bool = False) -> types.Endpoint:
    conditions = types.EndpointConditions(ready=ready, serving=True, terminating=ending)
    pod = types.ObjectReference(kind="Pod", name=uid, uid=uid)
    return types.Endpoint(addresses=["10.64.0.2"], conditions=conditions, target_ref=pod)


def slice_of(*endpoints: types.Endpoint) -> types.EndpointSlice:
    return types.EndpointSlice(address_type="IPv4", endpoints=list(endpoints))


@pytest.fixture
def offers() -> Offers:
    made = Offers()
    made.begin("mine")
    made.note(SLICE, slice_of(endpoint("mine"), endpoint("other")), 3)
    return made


def test_a_pod_is_offered_until_its_last_slice_takes_it_out(offers: Offers) -> None:
    offers.note(OTHER, slice_of(endpoint("mine")), 4)
    offers.note(SLICE, slice_of(endpoint("mine", ready=False, ending=True)), 7)
    assert offers.left("mine") is None
    offers.note(OTHER, None, 9)
    assert offers.left("mine") == 9


def test_a_pod_that_no_slice_ever_held_has_nothing_to_wait_for(offers: Offers) -> None:
    asked: list[int] = []
    offers.begin("plain")
    assert offers.left("plain") == 0
    assert Farewell(offers, asked.append).said("plain")
    assert not asked


def test_a_pod_published_to_its_end_has_nothing_to_wait_for(offers: Offers) -> None:
    offers.note(SLICE, slice_of(endpoint("mine", ending=True)), 5)
    assert offers.left("mine") == 5


def test_only_the_nodes_own_pods_are_remembered(offers: Offers) -> None:
    offers.note(SLICE, slice_of(), 5)
    assert (offers.left("mine"), offers.left("other")) == (5, 0)
    offers.forget("mine")
    assert offers.left("mine") == 0


def test_the_server_is_asked_once_the_pod_is_out_and_answers_for_every_node(offers: Offers) -> None:
    asked: list[int] = []
    farewell = Farewell(offers, asked.append)
    assert not farewell.said("mine") and asked == []
    offers.note(SLICE, slice_of(), 7)
    assert not farewell.said("mine") and asked == [7]
    farewell.everywhere(6)
    assert not farewell.said("mine")
    farewell.everywhere(7)
    assert farewell.said("mine")


def test_what_is_programmed_is_told_when_it_moves_and_not_before_it_is_in_the_kernel() -> None:
    told: list[int] = []
    programmed = Programmed(told.append)
    programmed.ordered(1, 10)
    programmed.ordered(2, 12)
    assert told == []
    programmed.applied(1)
    programmed.applied(2)
    programmed.applied(2)
    assert told == [10, 12]
    programmed.ordered(2, 15)  # nothing that rules are made of has changed
    assert told == [10, 12, 15]
    assert programmed.follow(15) and not programmed.follow(16)


def test_rules_that_were_never_made_follow_nothing_and_an_answer_that_is_late_takes_nothing_back() -> None:
    programmed = Programmed(lambda number: None)
    assert not programmed.follow(1)
    programmed.ordered(2, 12)
    programmed.applied(2)
    programmed.applied(1)
    programmed.ordered(2, 15)
    assert programmed.follow(15)
