"""The sealed file: what was written comes back, and nothing else ever does."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paas.backup import vault
from paas.backup.vault import CLUSTER, PASSPHRASE, Secret
from paas.state import Refused

TAKEN = datetime(2026, 1, 2, tzinfo=UTC)
OURS = Secret(CLUSTER, b"k" * 32)
RECORDS = [b"first" * 100, b"", b"last"]


def sealed(records: Sequence[bytes] = RECORDS, secret: Secret = OURS) -> bytes:
    file = io.BytesIO()
    vault.write(file, secret, TAKEN, records)
    return file.getvalue()


def opened(content: bytes, secret: Secret = OURS) -> list[bytes]:
    return [*vault.read(io.BytesIO(content), secret)]


@given(st.lists(st.binary(max_size=2000), min_size=1, max_size=6))
def test_what_was_sealed_comes_back(records: list[bytes]) -> None:
    assert opened(sealed(records)) == records


@settings(max_examples=60)
@given(st.data())
def test_a_file_with_any_bit_changed_is_refused(data: st.DataObject) -> None:
    content = bytearray(sealed())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(Refused):
        opened(bytes(content))


@settings(max_examples=60)
@given(st.data())
def test_a_file_that_was_cut_anywhere_is_refused(data: st.DataObject) -> None:
    content = sealed()
    with pytest.raises(Refused):
        opened(content[: data.draw(st.integers(0, len(content) - 1))])


def test_records_can_be_neither_moved_nor_left_away_nor_taken_from_another_file() -> None:
    first, second = sealed([b"a", b"b", b"c"]), sealed([b"a", b"b", b"c"])
    lines, parts = split(first)
    size, _ = vault.PREFIX.unpack(parts[0][: vault.PREFIX.size])
    called_last = vault.PREFIX.pack(size, True) + parts[0][vault.PREFIX.size :]
    for spoilt in (
        [parts[1], parts[0], parts[2]],
        parts[1:],
        [parts[0], parts[2]],
        [split(second)[1][0], *parts[1:]],
        [called_last],
    ):
        with pytest.raises(Refused):
            opened(lines + b"".join(spoilt))


def split(content: bytes) -> tuple[bytes, list[bytes]]:
    """The two lines, and the records as they stand in the file."""
    file = io.BytesIO(content)
    lines = file.readline() + file.readline()
    parts = []
    while prefix := file.read(vault.PREFIX.size):
        parts.append(prefix + file.read(vault.PREFIX.unpack(prefix)[0]))
    return lines, parts


@pytest.mark.parametrize(
    ("content", "secret", "words"),
    [
        (sealed(), Secret(CLUSTER, b"other" * 8), "made with another key: set DROVER_KEY"),
        (sealed(secret=Secret(PASSPHRASE, b"good")), Secret(PASSPHRASE, b"bad"), "The passphrase is not the one"),
        (b"SQLite format 3\n", OURS, "This is no backup of Drover."),
        (b"", OURS, "This is no backup of Drover."),
        (sealed().replace(b"backup 1\n", b"backup 2\n", 1), OURS, "a newer Drover (format 2; this one reads 1)"),
        (sealed()[:-1], OURS, "This backup is not whole: its end is missing."),
        (sealed() + b"x", OURS, "something stands behind its end"),
    ],
    ids=["other key", "other passphrase", "no backup", "empty", "newer", "cut", "longer"],
)  # fmt: skip
def test_a_refusal_says_what_is_wrong(content: bytes, secret: Secret, words: str) -> None:
    with pytest.raises(Refused) as refused:
        opened(content, secret)
    assert words in str(refused.value)


def test_nothing_of_the_content_can_be_read_in_the_file() -> None:
    assert b"first" not in sealed()
    assert b"first" not in sealed([b"first"])
