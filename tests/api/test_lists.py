"""What a list's parameters mean: which state is shown, and how pages follow each other."""

from apps.cluster.kinds import CONFIG_MAP
from tests.api.doors import Door
from tests.api.test_contract import created, place

MAPS = place(CONFIG_MAP)


def names(listed: dict[str, list[dict[str, dict[str, str]]]]) -> list[str]:
    return [item["metadata"]["name"] for item in listed["items"]]


async def test_pages_show_the_state_of_the_first_one(door: Door) -> None:
    for name in ("a", "b", "c"):
        await created(door, CONFIG_MAP, name)
    first = (await door.ask("GET", f"{MAPS}?limit=2")).data
    assert first["metadata"]["remainingItemCount"] == 1
    await door.ask("DELETE", f"{MAPS}/c")
    await created(door, CONFIG_MAP, "d")
    second = (await door.ask("GET", f"{MAPS}?limit=2&continue={first['metadata']['continue']}")).data
    assert names(first) + names(second) == ["a", "b", "c"]
    assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]
    assert "continue" not in second["metadata"]


async def test_the_number_decides_as_the_match_says(door: Door) -> None:
    number = (await created(door, CONFIG_MAP, "a"))["metadata"]["resourceVersion"]
    await created(door, CONFIG_MAP, "b")
    for query, expected in (
        ("resourceVersion=0", ["a", "b"]),
        (f"resourceVersion={number}", ["a", "b"]),
        (f"resourceVersion={number}&resourceVersionMatch=NotOlderThan", ["a", "b"]),
        (f"resourceVersion={number}&resourceVersionMatch=Exact", ["a"]),
        (f"resourceVersion={number}&limit=5", ["a"]),
        ("resourceVersion=0&limit=1", ["a"]),
    ):
        assert names((await door.ask("GET", f"{MAPS}?{query}")).data) == expected, query


async def test_what_is_still_to_come_is_a_timeout_as_kubernetes_says_it(door: Door) -> None:
    await created(door, CONFIG_MAP, "a")
    for path in (MAPS, f"{MAPS}/a"):
        refused = await door.ask("GET", f"{path}?resourceVersion=99999")
        assert (refused.code, refused.data["reason"]) == (504, "Timeout")
        assert refused.data["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


async def test_a_token_and_a_number_do_not_go_together(door: Door) -> None:
    for name in ("a", "b"):
        await created(door, CONFIG_MAP, name)
    token = (await door.ask("GET", f"{MAPS}?limit=1")).data["metadata"]["continue"]
    for extra, code in (("resourceVersion=1", 400), ("resourceVersion=1&resourceVersionMatch=Exact", 422)):
        assert (await door.ask("GET", f"{MAPS}?limit=1&continue={token}&{extra}")).code == code
