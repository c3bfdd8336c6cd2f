"""Sealing: what goes in comes out in its own place, and nowhere else."""

import base64
import os
from pathlib import Path

import pytest
from django.conf import settings
from django.db import transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from apps.cluster import files
from apps.cluster.models import SealedKey
from apps.cluster.seal import Keyring, SealBroken, derived, keyring, outer_key, seal, unseal

pytestmark = pytest.mark.usefixtures("cluster")


@given(plain=st.binary(max_size=500), context=st.text(max_size=40))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_what_was_sealed_opens_in_its_own_context(plain: bytes, context: str) -> None:
    assert unseal(seal(plain, context), context) == plain


def test_the_same_text_looks_different_each_time() -> None:
    assert seal(b"secret", "here") != seal(b"secret", "here")


def test_it_does_not_open_in_another_context() -> None:
    with pytest.raises(SealBroken):
        unseal(seal(b"secret", "secrets/a/data"), "secrets/b/data")


@pytest.mark.parametrize("spoilt", ["", "plain text", "1.1.!!!", "2.1.AAAA", "1.9.AAAA", "1.1.AAAA"])
def test_what_is_no_sealed_text_of_ours_is_refused(spoilt: str) -> None:
    seal(b"so that key 1 exists", "")
    with pytest.raises(SealBroken):
        unseal(spoilt, "")


def test_a_changed_byte_is_noticed() -> None:
    form, number, text = seal(b"secret", "here").split(".")
    raw = bytearray(base64.b64decode(text))
    raw[-1] ^= 1
    with pytest.raises(SealBroken):
        unseal(".".join((form, number, base64.b64encode(raw).decode())), "here")


def test_after_rotation_old_texts_open_and_new_ones_use_the_new_key() -> None:
    old = seal(b"old", "x")
    number = keyring.rotate()
    new = seal(b"new", "x")
    assert new.split(".")[1] == number != old.split(".")[1]
    assert (unseal(old, "x"), unseal(new, "x")) == (b"old", b"new")
    assert Keyring().unseal(old, "x") == b"old"


def test_a_key_of_a_write_that_was_rolled_back_seals_nothing_later() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        seal(b"lost", "x")
        raise ZeroDivisionError
    assert Keyring().unseal(seal(b"kept", "x"), "x") == b"kept"


def test_a_named_secret_is_made_once() -> None:
    first = keyring.get_secret("session")
    assert keyring.get_secret("session") == first == Keyring().get_secret("session")
    assert keyring.get_secret("another") != first


def test_nothing_readable_is_stored() -> None:
    keyring.get_secret("loud", lambda: b"do not read me")
    assert all(b"do not read me" not in bytes(row.wrapped) for row in SealedKey.objects.all())


def test_another_outer_key_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    text = seal(b"secret", "x")
    monkeypatch.setenv("DROVER_KEY", os.urandom(32).hex())
    with pytest.raises(SealBroken, match="restore STATE/key"):
        Keyring().unseal(text, "x")


def test_rewrapping_moves_everything_to_a_new_outer_key(monkeypatch: pytest.MonkeyPatch) -> None:
    text, new = seal(b"secret", "x"), os.urandom(32)
    assert keyring.rewrap(new) >= 1
    monkeypatch.setenv("DROVER_KEY", new.hex())
    assert Keyring().unseal(text, "x") == b"secret"


def test_the_outer_key_comes_as_hex_base64_or_a_long_passphrase(tmp_path: Path) -> None:
    raw = bytes(range(32))
    assert outer_key(tmp_path, raw.hex()) == raw
    assert outer_key(tmp_path, base64.b64encode(raw).decode()) == raw
    assert outer_key(tmp_path, base64.urlsafe_b64encode(raw).decode().rstrip("=")) == raw
    assert len(outer_key(tmp_path, "correct horse battery staple")) == 32
    with pytest.raises(SealBroken, match="too short"):
        outer_key(tmp_path, "hunter2")
    assert not (tmp_path / "key").exists()


def test_without_one_it_is_made_in_state_for_its_owner_only(tmp_path: Path) -> None:
    made = outer_key(tmp_path, "")
    assert outer_key(tmp_path, "") == made
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_derived_secrets_differ_by_purpose() -> None:
    assert derived("django") == derived("django") != derived("something else")
    assert derived("django").hex() == settings.SECRET_KEY


def test_a_file_is_put_whole_and_only_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "below" / "file"
    assert files.put(path, b"one", 0o640)
    assert not files.put(path, b"one", 0o640)
    assert files.put(path, b"one", 0o600)
    assert files.put(path, b"two", 0o600)
    assert path.read_bytes() == b"two"
    assert files.put_once(path, b"three") == b"two"
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]
