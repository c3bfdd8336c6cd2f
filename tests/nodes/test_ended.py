"""Logs of pods that are gone: asked of every node's door at once, read from one, and told which did not answer."""

from __future__ import annotations

import pytest

from apps.accounts import policy
from apps.catalog.render.metadata import INSTANCE
from apps.cluster.errors import Unavailable
from apps.nodes import ended
from tests.browser import sample
from tests.browser.doors import GONE, open_door


@pytest.fixture
def doors(database: None) -> None:
    """Three nodes, of which one has a door."""
    policy.forget()
    sample.empty()
    sample.guestbook()
    open_door("drover-1")


async def test_every_node_is_asked_and_who_does_not_answer_is_told(doors: None) -> None:
    found, unheard = await ended.found("default", {INSTANCE: "book"})
    assert [(one.node, one.log) for one in found] == [("drover-1", GONE)]
    assert len(unheard) == 2 and all("drover-" in words for words in unheard)


async def test_one_is_read_from_its_node(doors: None) -> None:
    text = await ended.read("drover-1", "default", GONE.id)
    assert text.endswith(b" its last words\n")
    with pytest.raises(Unavailable):
        await ended.read("nowhere", "default", GONE.id)


@pytest.mark.parametrize(("count", "told"), [(0, 0), (1, 1), (5, 5), (6, 5), (900, 5)])
async def test_a_thousand_silent_nodes_are_a_few_lines(database: None, count: int, told: int) -> None:
    found, unheard = await ended.found("default", {}, [f"n{number}" for number in range(count)])
    assert (found, len(unheard)) == ([], told)
