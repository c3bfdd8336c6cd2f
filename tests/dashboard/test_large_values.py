"""Values and objects too large for a page: their beginning, how large they are, and the whole on request."""

from __future__ import annotations

import base64
import html
import re

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as some

from apps.cluster import types
from apps.cluster.kinds import CONFIG_MAP
from apps.dashboard.excerpts import excerpt, excerpts
from tests.browser import sample

HERE = "/kinds/configmaps/shop/big"
LONG = "".join(f"line {number}\n" for number in range(60_000))
PICTURE = bytes(range(256)) * 8


@pytest.fixture
def big(sampled: None) -> None:  # noqa: ARG001
    make({"small": "mode: quiet\n", "words": LONG}, {"picture": base64.b64encode(PICTURE).decode()})


def make(data: dict[str, str], binary: dict[str, str]) -> None:
    meta = types.ObjectMeta(name="big", namespace="shop")
    sample.make(CONFIG_MAP, types.ConfigMap(metadata=meta, data=data, binary_data=binary))


def test_a_large_value_is_shown_by_its_beginning_with_its_size_and_a_way_to_the_whole(
    admin: Client, big: None
) -> None:
    page = admin.get(HERE).content.decode()
    assert len(page) < 100_000
    assert "mode: quiet" in page and "line 100\n" in page and "line 59999" not in page
    assert f"{len(LONG) / 1024:.0f} KiB" in page and "binary, 2 KiB" in page
    for href in re.findall(r'href="([^"]+entry=words)"', page):
        whole = admin.get(html.unescape(href))
        assert (whole.content.decode(), whole["Content-Type"]) == (LONG, "text/plain; charset=utf-8")
    picture = admin.get(f"{HERE}?entry=picture")
    assert (picture.content, picture["Content-Type"]) == (PICTURE, "application/octet-stream")


def test_many_values_share_the_room_of_one_page(admin: Client, sampled: None) -> None:
    make({f"key-{number:03}": f"value {number} " * 100 for number in range(500)}, {})
    page = admin.get(HERE).content.decode()
    assert len(page) < 600_000
    assert "value 1 " in page and "value 499 " not in page and "entry=key-499" in page


def test_a_large_object_is_shown_by_its_beginning_and_downloaded_whole(admin: Client, big: None) -> None:
    page = admin.get(f"{HERE}?tab=yaml").content.decode()
    assert len(page) < 300_000
    assert "Download all" in page and 'data-copy-from="yaml"' not in page
    whole = admin.get(f"{HERE}?tab=yaml&whole=1")
    assert whole["Content-Type"] == "application/yaml"
    assert "line 59999" in whole.content.decode()
    small = admin.get("/kinds/pods/shop/worker-5tq9v?tab=yaml").content.decode()
    assert 'data-copy-from="yaml"' in small and "Download all" not in small


def test_the_whole_of_a_secret_stays_masked_and_its_values_have_no_address(admin: Client) -> None:
    text = admin.get("/kinds/secrets/shop/login?tab=yaml&whole=1").content.decode()
    assert "(masked)" in text and "sentinel" not in text and "c2VudGluZWw" not in text
    assert "sentinel" not in admin.get("/kinds/secrets/shop/login?entry=password").content.decode()


def test_a_value_that_is_not_there_or_not_theirs_is_not_found(
    admin: Client, tenant: Client, big: None
) -> None:
    assert admin.get(f"{HERE}?entry=nothing").status_code == 404
    assert tenant.get(f"{HERE}?entry=small").status_code == 200
    sample.make(
        CONFIG_MAP,
        types.ConfigMap(metadata=types.ObjectMeta(name="theirs", namespace="default"), data={"a": "b"}),
    )
    assert tenant.get("/kinds/configmaps/default/theirs?entry=a").status_code == 404


@given(some.text(some.sampled_from("ab\né"), max_size=60), some.integers(0, 20), some.integers(1, 8))
def test_an_excerpt_is_the_beginning_and_says_when_more_follows(text: str, most: int, lines: int) -> None:
    shown = excerpt(text, most, lines)
    assert text.startswith(shown.text)
    assert len(shown.text) <= most and shown.text.count("\n") <= lines
    assert shown.cut == (shown.text.rstrip("\n") != text.rstrip("\n"))


def test_excerpts_fill_one_page() -> None:
    shown = [one for _, one in excerpts((str(number), "x" * 10_000) for number in range(20))]
    assert sum(len(one.text) for one in shown) == 65_536
    assert [one.cut for one in shown] == [False] * 6 + [True] * 14
    assert shown[-1].text == "" and shown[-1].size == "10 KiB"
