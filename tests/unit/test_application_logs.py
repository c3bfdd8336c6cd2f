"""An application's logs in a terminal: several into one, by time, whoever wrote."""

from __future__ import annotations

from apps.nodes.following import Line
from paas.application_logs import in_order, shown

T = "2026-05-01T12:00:0"


def line(at: str, pod: str, text: str) -> Line:
    return Line.read(f"{T}{at}Z {text}".encode(), pod, gone=pod == "old")


def test_lines_of_all_pods_stand_in_the_order_of_time() -> None:
    old = [line("0.100000000", "old", "first"), line("0.300000000", "old", "third")]
    web = [line("0.200000000", "web", "second"), line("1.000000000", "web", "fifth")]
    other = [line("0.300000001", "other", "fourth")]
    assert [shown(one) for one in in_order([old, [], web, other])] == [
        "old (gone): first", "web: second", "old (gone): third", "other: fourth", "web: fifth",
    ]  # fmt: skip


def test_a_line_keeps_its_blanks_and_what_no_text_is() -> None:
    assert line("0.1", "web", "  two  words ").text == "  two  words "
    assert Line.read(b"2026-05-01T12:00:00Z \xff", "web").text == "�"
    assert Line.read(b"2026-05-01T12:00:00Z", "web").text == ""
