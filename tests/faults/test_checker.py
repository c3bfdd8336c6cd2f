"""The checker finds what it is there for."""

from tests.faults.checker import Attempt, History, Sighting, check


def wrote(name: str, value: int | None, number: int = 0) -> Attempt:
    return Attempt(name, value, True, number)


def unsure(name: str, value: int | None) -> Attempt:
    return Attempt(name, value, False)


def saw(*events: tuple[str, int, int]) -> History:
    return History([Sighting("MODIFIED", name, number, value) for name, number, value in events], listed=1)


def test_what_was_acknowledged_and_is_there_is_clean() -> None:
    verdict = check([wrote("a", 1, 5), wrote("a", 2, 6)], [saw(("a", 5, 1), ("a", 6, 2))], {"a": 2})
    assert verdict.clean


def test_an_acknowledged_write_that_is_not_there_is_lost() -> None:
    assert check([wrote("a", 1, 5), wrote("a", 2, 6)], [], {"a": 1}).lost
    assert check([wrote("a", 1, 5)], [], {}).lost


def test_a_deleted_object_that_is_back_is_lost() -> None:
    assert check([wrote("a", 1, 5), wrote("a", None)], [], {"a": 1}).lost


def test_a_write_without_an_answer_may_stand_or_not() -> None:
    attempts = [wrote("a", 1, 5), unsure("a", 2)]
    assert check(attempts, [], {"a": 1}).clean
    assert check(attempts, [], {"a": 2}).clean
    assert check(attempts, [], {"a": 3}).lost


def test_a_name_never_acknowledged_may_be_missing() -> None:
    assert check([unsure("a", 1)], [], {}).clean


def test_an_event_that_comes_late_is_out_of_order() -> None:
    assert check([], [saw(("a", 6, 2), ("b", 5, 1))], {}).out_of_order
    assert check([], [saw(("a", 6, 2), ("a", 6, 2))], {}).out_of_order


def test_an_event_that_never_comes_is_a_gap() -> None:
    attempts = [wrote("a", 1, 5), wrote("b", 1, 6), wrote("a", 2, 7)]
    assert check(attempts, [saw(("a", 5, 1), ("a", 7, 2))], {"a": 2, "b": 1}).gaps
