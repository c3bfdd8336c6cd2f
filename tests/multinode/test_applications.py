"""The catalog on three nodes: installed, written to and read, broken, taken back, started anew, deleted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from tests.platform import Platform, eventually

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]
NAME = "book"
BROKEN = {
    "spec": {
        "progressDeadlineSeconds": 10,
        "definition": {"components": {"frontend": {"image": "127.0.0.1:1/redis:no-such-tag"}}},
    }
}


def url(platform: Platform) -> str:
    return platform.kubectl("get", "app", NAME, "-o", "jsonpath={.status.url}")


def read(address: str) -> bytes:
    with urlopen(address, timeout=5) as answer:
        content: bytes = answer.read()
        return content


def page(platform: Platform) -> str:
    return read(url(platform)).decode()


def signed(platform: Platform, message: str) -> bool:
    with urlopen(url(platform), data=urlencode({"message": message}).encode(), timeout=5) as answer:
        return bool(answer.status == 200)


@pytest.fixture(scope="module")
def book(platform: Platform) -> Iterator[Platform]:
    platform.app("install", "guestbook", "--name", NAME, "--wait", "--timeout", "150")
    eventually(lambda: signed(platform, "kept through it all"), what="the page takes a message")
    yield platform
    platform.app("delete", NAME, "--yes", "--wait")


def test_its_page_keeps_what_is_written(book: Platform) -> None:
    eventually(lambda: "kept through it all" in page(book))
    assert "Running" in book.kubectl("get", "app", NAME)


def test_a_revision_tells_the_digests_of_what_came_through_the_mirror(book: Platform) -> None:
    ran = json.loads(book.kubectl("get", "apprev", f"{NAME}-1", "-o", "jsonpath={.status.images}"))
    assert {name: image.partition("@sha256:")[0] for name, image in ran.items() if "@sha256:" in image} == {
        "frontend": "us-docker.pkg.dev/google-samples/containers/gke/gb-frontend:v5",
        "redis-follower": "us-docker.pkg.dev/google-samples/containers/gke/gb-redis-follower:v2",
        "redis-leader": "redis:7.2.5",
    }


def test_what_breaks_returns_by_itself_and_says_why(book: Platform) -> None:
    book.kubectl("patch", "app", NAME, "--type", "merge", "-p", json.dumps(BROKEN))
    eventually(lambda: "cannot be had" in app_message(book), within=60, what="the reason, in words")
    assert "kept through it all" in page(book)  # the old pods serve meanwhile
    eventually(lambda: "Failed" in revisions(book), within=60, what="the revision has failed")
    eventually(lambda: "revision 2 has failed" in revisions(book), what="the one that is gone back to says why")
    eventually(lambda: "Running" in book.kubectl("get", "app", NAME), within=60)
    eventually(lambda: "no-such-tag" not in book.kubectl("get", "pods", "-o", "yaml"), what="its pods are gone")


def test_what_is_under_way_is_cancelled_with_kubectl(book: Platform) -> None:
    broken = {"spec": {"definition": BROKEN["spec"]["definition"], "progressDeadlineSeconds": None}}
    book.kubectl("patch", "app", NAME, "--type", "merge", "-p", json.dumps(broken))
    eventually(lambda: "cannot be had" in app_message(book), within=60, what="the reason, in words")
    number = int(book.kubectl("get", "app", NAME, "-o", "jsonpath={.spec.revision}"))
    cancel = ("patch", "app", NAME, "--type", "merge", "-p", json.dumps({"spec": {"cancel": number}}))
    book.kubectl(*cancel)
    book.kubectl("wait", "--for=condition=Ready", f"app/{NAME}", "--timeout=60s")
    assert f"revision {number} was cancelled" in revisions(book)
    book.kubectl(*cancel)  # once more: nothing happens
    assert "nothing is under way" in book.app("cancel", NAME)
    assert "kept through it all" in page(book)


def app_message(platform: Platform) -> str:
    return platform.kubectl("get", "app", NAME, "-o", "jsonpath={.status.message}")


def revisions(platform: Platform) -> str:
    return platform.kubectl("get", "apprev")


def test_a_change_tells_its_cost_and_is_taken_back(book: Platform) -> None:
    told = book.app("update", NAME, "--set", "frontends=2", "--why", "a quiet week", "--wait", "--timeout", "90")
    assert "frontend goes from 3 to 2 pods" in told
    told = book.app("rollback", NAME, "--wait", "--timeout", "90")
    assert "frontend goes from 2 to 3 pods" in told
    assert "kept through it all" in page(book)


@pytest.fixture(scope="module")
def store(platform: Platform) -> Iterator[Platform]:
    platform.app("install", "redis", "--name", "store", "--wait", "--timeout", "120")
    yield platform
    platform.app("delete", "store", "--yes", "--volumes", "--wait")


def redis(platform: Platform, *words: str) -> str:
    return platform.kubectl("exec", "deploy/store-redis", "--", "redis-cli", *words).strip()


def test_data_and_its_password_outlive_all_pods_and_the_application(store: Platform) -> None:
    assert redis(store, "set", "colour", "heather") == "OK"
    store.kubectl("delete", "pod", "-l", "app.kubernetes.io/instance=store", "--wait")
    eventually(lambda: redis(store, "get", "colour") == "heather", within=60)
    told = store.app("delete", "store", "--yes", "--wait")
    assert "stays: PersistentVolumeClaim store-redis-data" in told
    assert "stays: Secret store-secrets" in told
    store.app("install", "redis", "--name", "store", "--wait", "--timeout", "120")
    eventually(lambda: redis(store, "get", "colour") == "heather", within=60)


def test_a_page_of_ones_own_is_served_in_every_copy(platform: Platform) -> None:
    platform.app("install", "nginx", "--name", "site", "--set", "page=<h1>Drover & friends</h1>", "--wait")
    try:
        address = platform.kubectl("get", "app", "site", "-o", "jsonpath={.status.url}")
        eventually(lambda: read(address) == b"<h1>Drover & friends</h1>", what="the page")
    finally:
        platform.app("delete", "site", "--yes", "--wait")
