"""Addresses: never twice, never soon again, never lost."""

from __future__ import annotations

import stat
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_agent.network import NetworkError
from node_agent.network.ipam import AddressInUse, Pool, PoolExhausted
from node_agent.network.leases import Leases

SMALL = IPv4Network("10.64.7.0/28")
STEPS = st.lists(st.tuples(st.sampled_from(["take", "give"]), st.integers(0, 20).map(str)), max_size=80)


def walk(steps: list[tuple[str, str]]) -> list[Pool]:
    pools = [Pool(SMALL)]
    for what, uid in steps:
        if what == "give":
            pools.append(pools[-1].give(uid))
        elif uid in pools[-1].taken or len(pools[-1].taken) < pools[-1].size:
            pools.append(pools[-1].take(uid)[0])
    return pools


@given(STEPS)
def test_no_two_pods_ever_share_an_address(steps: list[tuple[str, str]]) -> None:
    for pool in walk(steps):
        assert len(set(pool.taken.values())) == len(pool.taken)


@given(STEPS)
def test_only_addresses_for_pods_are_given_out(steps: list[tuple[str, str]]) -> None:
    special = {SMALL.network_address, SMALL.broadcast_address, IPv4Address(Pool(SMALL).gateway)}
    for pool in walk(steps):
        addresses = {IPv4Address(address) for address in pool.taken.values()}
        assert all(address in SMALL for address in addresses)
        assert not addresses & special


@given(STEPS, st.text(min_size=1))
def test_asking_twice_gives_the_same_address(steps: list[tuple[str, str]], uid: str) -> None:
    pool = walk(steps)[-1]
    if len(pool.taken) == pool.size and uid not in pool.taken:
        return
    once, first = pool.take(uid)
    twice, second = once.take(uid)
    assert (first, once) == (second, twice)


@given(STEPS)
def test_a_freed_address_rests_until_every_other_free_one_was_used(steps: list[tuple[str, str]]) -> None:
    pool = walk(steps)[-1]
    if len(pool.taken) == pool.size:
        return
    pool, address = pool.take("mortal")
    pool = pool.give("mortal")
    free = pool.size - len(pool.taken)
    for turn in range(free - 1):
        pool, other = pool.take(f"next-{turn}")
        assert other != address
    assert pool.take("last")[1] == address


def test_a_full_pool_says_so() -> None:
    pool = Pool(SMALL)
    for number in range(pool.size):
        pool, _ = pool.take(str(number))
    with pytest.raises(PoolExhausted, match="all 13 addresses of 10.64.7.0/28"):
        pool.take("one more")


def test_an_adopted_address_is_not_given_to_another() -> None:
    pool = Pool(SMALL).hold("old", "10.64.7.2")
    assert pool.take("new")[1] == "10.64.7.3"
    with pytest.raises(AddressInUse):
        pool.hold("third", "10.64.7.2")


@pytest.mark.parametrize("address", ["10.64.7.0", "10.64.7.1", "10.64.7.15", "10.65.0.4"])
def test_what_is_no_pod_address_is_not_adopted(address: str) -> None:
    with pytest.raises(NetworkError):
        Pool(SMALL).hold("pod", address)


def test_leases_outlive_the_agent(tmp_path: Path) -> None:
    file = tmp_path / "addresses.json"
    first = Leases(file, SMALL)
    kept, freed = first.take("kept"), first.take("freed")
    first.give("freed")
    again = Leases(file, SMALL)
    assert again.held() == {"kept": kept}
    assert again.take("next") not in {kept, freed}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", '{"network": "10.64.7.0/28"}'])
def test_a_torn_file_is_an_empty_pool(tmp_path: Path, text: str) -> None:
    file = tmp_path / "addresses.json"
    file.write_text(text)
    assert Leases(file, SMALL).held() == {}


def test_another_range_starts_afresh(tmp_path: Path) -> None:
    file = tmp_path / "addresses.json"
    Leases(file, SMALL).take("pod")
    assert Leases(file, IPv4Network("10.65.0.0/24")).held() == {}
