"""Images: references, pull policies, one pull at a time, the mirror, and failures in words."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from node_agent import credentials
from node_agent.images import Images, InvalidImageName, Mirror, Present, Pulling, Reference, Trouble, Wish
from node_agent.runtime.base import ImageFacts, NoSuchImage, RuntimeTrouble
from tests.agent.machine import wait_for
from tests.calm import PATIENCE

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ONE, OTHER = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"


class Registry:
    """An engine whose pulls the test holds back, and may let fail."""

    def __init__(self, *here: str) -> None:
        self.here: dict[str, tuple[str, ...]] = dict.fromkeys(here, ())  # and the digests by which each is known
        self.there: set[str] = set()
        self.pulled: list[str] = []
        self.credentials: list[dict[str, str] | None] = []
        self.failure: RuntimeTrouble | None = None
        self.go = threading.Event()
        self.go.set()

    def image(self, reference: str) -> ImageFacts:
        if reference not in self.here:
            raise NoSuchImage(reference)
        return ImageFacts(id="sha256:1", user="", digests=self.here[reference])

    def digest(self, reference: str) -> str:
        if self.there and reference not in self.there:
            raise NoSuchImage(f"manifest for {reference} not found")
        return f"{reference.rpartition(':')[0]}@{ONE}"

    def pull(self, reference: str, auth: dict[str, str] | None = None) -> None:
        self.pulled.append(reference)
        self.credentials.append(auth)
        assert self.go.wait(PATIENCE)
        if self.failure is not None:
            raise self.failure
        self.here[reference] = (reference if "@" in reference else self.digest(reference),)

    def tag(self, source: str, reference: str) -> None:
        self.here[reference] = self.here[source]


class Asker:
    """A container that wants an image; remembers what it was told and whether it was woken."""

    def __init__(self, images: Images, image: str, policy: str, key: str = "uid/app/0") -> None:
        self.images, self.wish = images, Wish(key, image, policy)
        self.told: list[str] = []
        self.woken = threading.Event()

    def ask(self, seconds: float = 0) -> Present | Pulling | Trouble:
        def tell(reason: str, message: str, /, *, warning: bool = False) -> None:
            self.told.append(reason)

        now = NOW + timedelta(seconds=seconds)
        return self.images.want(self.wish, now=now, wake=self.woken.set, tell=tell)

    def wait(self) -> None:
        assert self.woken.wait(PATIENCE)
        self.woken.clear()


@pytest.mark.parametrize(
    ("text", "reference", "mirrored"),
    [
        ("redis", "redis:latest", "m:5000/redis:latest"),
        ("redis:7", "redis:7", "m:5000/redis:7"),
        ("library/redis:7", "redis:7", "m:5000/redis:7"),
        ("docker.io/library/redis", "redis:latest", "m:5000/redis:latest"),
        ("kubernetes/redis-slave:v2", "kubernetes/redis-slave:v2", "m:5000/kubernetes/redis-slave:v2"),
        ("quay.io/a/b", "quay.io/a/b:latest", None),
        ("localhost/a", "localhost/a:latest", None),
        ("localhost:5000/a:1", "localhost:5000/a:1", None),
        ("127.0.0.1:5000/redis", "127.0.0.1:5000/redis:latest", None),
        (f"redis@sha256:{'a' * 64}", f"redis@sha256:{'a' * 64}", f"m:5000/redis@sha256:{'a' * 64}"),
        (f"redis:7@sha256:{'a' * 64}", f"redis@sha256:{'a' * 64}", None),
    ],
)
def test_references_are_read_as_docker_reads_them(text: str, reference: str, mirrored: str | None) -> None:
    found = Reference.parse(text)
    assert str(found) == reference
    if mirrored is not None:
        assert str(found.on("m:5000")) == mirrored


@pytest.mark.parametrize(
    "text", ["", "Redis", "redis:", "redis::7", "a b", "redis@sha256:12", "../x", "-a", "a//b"]
)
def test_what_can_be_no_reference_is_refused(text: str) -> None:
    with pytest.raises(InvalidImageName):
        Reference.parse(text)
    answer = Asker(Images(Registry()), text, "Always").ask()  # type: ignore[arg-type]
    assert isinstance(answer, Trouble) and answer.reason == "InvalidImageName"


def test_an_image_that_is_here_is_not_pulled_unless_always() -> None:
    registry = Registry("redis:7")
    asker = Asker(Images(registry), "redis:7", "IfNotPresent")  # type: ignore[arg-type]
    assert isinstance(asker.ask(), Present)
    assert isinstance(asker.ask(), Present)
    assert asker.told == ["Pulled"] and registry.pulled == []
    always = Asker(Images(registry), "redis:7", "Always")  # type: ignore[arg-type]
    assert isinstance(always.ask(), Pulling)
    always.wait()
    assert isinstance(always.ask(), Present), "one pull is enough for one start"
    assert registry.pulled == ["redis:7"]


M = "127.0.0.1:5000"


@pytest.mark.parametrize(
    ("image", "known", "digest"),
    [
        ("redis:7", [], ""),
        ("redis:7", [f"redis@{ONE}"], f"redis@{ONE}"),
        ("redis:7", [f"{M}/redis@{ONE}"], f"redis@{ONE}"),
        ("quay.io/a/b:1", [f"{M}/quay.io/a/b@{ONE}"], f"quay.io/a/b@{ONE}"),
        ("mine:1", [f"quay.io/a/b@{ONE}"], f"quay.io/a/b@{ONE}"),
        ("redis:7", [f"aside/redis@{OTHER}", f"redis@{ONE}"], f"redis@{ONE}"),
        (f"redis:7@{ONE}", [f"redis@{OTHER}", f"aside/redis@{ONE}"], f"redis@{ONE}"),
    ],
)
def test_an_images_digest_is_told_under_its_own_name(image: str, known: list[str], digest: str) -> None:
    assert Reference.parse(image).digest(known, M) == digest


def test_never_means_never() -> None:
    registry = Registry()
    answer = Asker(Images(registry), "redis:7", "Never").ask()  # type: ignore[arg-type]
    assert isinstance(answer, Trouble) and answer.reason == "ErrImageNeverPull"
    assert registry.pulled == []


def test_many_containers_share_one_pull() -> None:
    registry = Registry()
    registry.go.clear()
    images = Images(registry)  # type: ignore[arg-type]
    askers = [Asker(images, "redis:7", "IfNotPresent", key=f"uid-{n}/app/0") for n in range(5)]
    assert all(isinstance(each.ask(), Pulling) for each in askers)
    registry.go.set()
    for each in askers:
        each.wait()
        assert isinstance(each.ask(), Present)
    assert registry.pulled == ["redis:7"]


def test_a_failed_pull_is_an_error_then_a_back_off_then_tried_again() -> None:
    registry = Registry()
    registry.failure = RuntimeTrouble("the registry is on fire")
    asker = Asker(Images(registry), "redis:7", "IfNotPresent")  # type: ignore[arg-type]
    asker.ask()
    asker.wait()
    first, second = asker.ask(0), asker.ask(2)
    assert isinstance(first, Trouble) and first.reason == "ErrImagePull"
    assert first.message == 'Failed to pull image "redis:7": the registry is on fire'
    assert isinstance(second, Trouble) and second.reason == "ImagePullBackOff"
    assert second.message == 'Back-off pulling image "redis:7": the registry is on fire'
    assert second.retry_at == NOW + timedelta(seconds=10)
    assert isinstance(asker.ask(10), Pulling)
    asker.wait()
    asker.ask(10)
    third = asker.ask(12)
    assert isinstance(third, Trouble) and third.retry_at == NOW + timedelta(seconds=30), "it doubles"
    registry.failure = None
    assert isinstance(asker.ask(31), Pulling)
    asker.wait()
    assert isinstance(asker.ask(31), Present)


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/v2/" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def mirror() -> Iterator[str]:
    """A registry that answers, and that is all it can."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_hub_images_come_from_the_mirror_under_their_own_name(mirror: str) -> None:
    registry = Registry()
    images = Images(registry, f"http://{mirror}")  # type: ignore[arg-type]
    asker = Asker(images, "redis", "Always")
    asker.ask()
    asker.wait()
    assert asker.ask() == Present(registry.image("redis:latest"), digest=f"redis@{ONE}")
    assert registry.pulled == [f"{mirror}/redis@{ONE}"]
    assert set(registry.here) == {"redis:latest", f"{mirror}/redis@{ONE}"}


def test_what_the_mirror_lacks_comes_from_its_own_registry(mirror: str) -> None:
    registry = Registry()
    registry.there = {"redis:latest", "quay.io/a/b:1"}
    images = Images(registry, f"http://{mirror}")  # type: ignore[arg-type]
    for image in ("redis", "quay.io/a/b:1"):
        asker = Asker(images, image, "IfNotPresent", key=image)
        asker.ask()
        asker.wait()
        assert isinstance(asker.ask(), Present)
    assert registry.pulled == ["redis:latest", "quay.io/a/b:1"]


def test_a_mirror_that_is_away_is_passed_over() -> None:
    assert not Mirror("http://127.0.0.1:9").answers()


def test_credentials_go_to_their_registry() -> None:
    config = b'{"auths": {"quay.io": {"auth": "YW5uOmh1c2g="}, "https://index.docker.io/v1/": {"username": "bob"}}}'
    found = credentials.parse(config)
    assert found == {
        "quay.io": {"username": "ann", "password": "hush"},
        "docker.io": {"username": "bob", "password": ""},
    }
    registry = Registry()
    images = Images(registry)  # type: ignore[arg-type]
    wish = Wish("k", "quay.io/a/b:1", "Always", found)

    def tell(reason: str, message: str, /, *, warning: bool = False) -> None:
        pass

    images.want(wish, now=NOW, wake=lambda: None, tell=tell)
    wait_for(lambda: registry.credentials, "pull")
    assert registry.credentials == [{"username": "ann", "password": "hush"}]


def test_an_older_secret_lacks_the_outer_part() -> None:
    assert credentials.parse(
        b'{"https://quay.io/v1/": {"username": "ann", "password": "hush"}}', bare=True
    ) == {"quay.io": {"username": "ann", "password": "hush"}}


@pytest.mark.parametrize(
    ("domain", "path", "user"),
    [
        ("quay.io", "a/b", "all"),
        ("quay.io", "team/b", "team"),
        ("quay.io", "teams/b", "all"),
        ("eu.example.com", "a", "star"),
        ("x.eu.example.com", "a", None),
        ("docker.io", "library/redis", None),
    ],
)
def test_the_closest_place_counts(domain: str, path: str, user: str | None) -> None:
    places = {"quay.io": "all", "quay.io/team": "team", "*.example.com": "star"}
    held = {place: {"username": name, "password": ""} for place, name in places.items()}
    found = credentials.for_image(held, domain, path)
    assert (found or {}).get("username") == user


def test_nobody_shares_the_refusal_of_another_ones_credentials() -> None:
    registry = Registry()
    images = Images(registry)  # type: ignore[arg-type]

    def tell(reason: str, message: str, /, *, warning: bool = False) -> None:
        pass

    good = {"quay.io": {"username": "ann", "password": "hush"}}
    for key, held in (("a", {}), ("b", good)):
        images.want(Wish(key, "quay.io/a/b:1", "Always", held), now=NOW, wake=lambda: None, tell=tell)
    wait_for(lambda: len(registry.credentials) == 2, "both pulls")
    assert sorted(registry.credentials, key=bool) == [None, good["quay.io"]]
