"""Images on a real engine: their digests, through a mirror and without, and how one is found again by its digest."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from node_agent.images import Images, Present, Trouble, Wish
from node_agent.names import Names
from node_agent.runtime.base import NoSuchImage
from node_agent.runtime.docker import DockerRuntime
from node_agent.waiting import utcnow
from tests.registry import PROGRAM, Registry, docker, forget, serving

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(not PROGRAM.exists(), reason="the registry's program comes with `make images`"),
]
MIRRORED = "drover-test/page"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with serving(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.fixture
def runtime() -> Iterator[DockerRuntime]:
    made = DockerRuntime(Names("test"), "unix:///var/run/docker.sock")
    yield made
    made.close()
    forget(f"{MIRRORED}:1")


def got(images: Images, image: str) -> Present | Trouble:
    """The image, pulled if it must be."""
    woken = threading.Event()

    def tell(reason: str, message: str, /, *, warning: bool = False) -> None:
        pass

    wish = Wish(key=image, image=image, policy="IfNotPresent")
    answer = images.want(wish, now=utcnow(), wake=woken.set, tell=tell)
    if not isinstance(answer, Present):
        assert woken.wait(60)
        answer = images.want(wish, now=utcnow(), wake=woken.set, tell=tell)
    assert isinstance(answer, Present | Trouble)
    return answer


def test_a_mirrored_image_keeps_its_digest_under_its_own_name(
    registry: Registry, runtime: DockerRuntime
) -> None:
    digest = registry.push(MIRRORED, "1", "one")
    answer = got(Images(runtime, f"http://{registry.address}"), f"{MIRRORED}:1")
    assert isinstance(answer, Present)
    assert answer.digest == f"{MIRRORED}@{digest}"
    tags = docker("image", "inspect", answer.facts.id, "--format", "{{json .RepoTags}}")
    assert tags == f'["{MIRRORED}:1"]', "no tag of the mirror's stays"


def test_what_its_tag_was_is_had_by_its_digest(registry: Registry, runtime: DockerRuntime) -> None:
    first = registry.push(MIRRORED, "1", "one")
    registry.push(MIRRORED, "1", "two")
    images = Images(runtime, f"http://{registry.address}")
    now, then = got(images, f"{MIRRORED}:1"), got(images, f"{MIRRORED}:1@{first}")
    assert isinstance(now, Present) and isinstance(then, Present)
    assert now.digest != then.digest == f"{MIRRORED}@{first}"
    assert now.facts.id != then.facts.id


def test_what_is_here_under_any_repository_is_not_pulled_again(
    registry: Registry, runtime: DockerRuntime
) -> None:
    digest = registry.push(MIRRORED, "1", "one")
    assert isinstance(got(Images(runtime, f"http://{registry.address}"), f"{MIRRORED}:1"), Present)
    away = Images(runtime)  # no mirror: only what is here can be had
    answer = got(away, f"{MIRRORED}:1@{digest}")
    assert isinstance(answer, Present) and answer.digest == f"{MIRRORED}@{digest}"
    assert answer.facts.name == f"{registry.address}/{MIRRORED}@{digest}", (
        "what the engine makes containers of"
    )


def test_an_image_of_its_own_registry_tells_its_digest(registry: Registry, runtime: DockerRuntime) -> None:
    digest = registry.push("own", "1", "one")
    answer = got(Images(runtime), f"{registry.address}/own:1")
    assert isinstance(answer, Present) and answer.digest == f"{registry.address}/own@{digest}"


def test_a_digest_that_is_gone_is_told_as_such(registry: Registry, runtime: DockerRuntime) -> None:
    digest = registry.push("gone", "1", "one")
    registry.drop("gone", digest)
    answer = got(Images(runtime), f"{registry.address}/gone:1@{digest}")
    assert isinstance(answer, Trouble) and "not found" in answer.message


def test_with_its_last_tag_a_mirrored_image_goes(registry: Registry, runtime: DockerRuntime) -> None:
    registry.push(MIRRORED, "1", "one")
    answer = got(Images(runtime, f"http://{registry.address}"), f"{MIRRORED}:1")
    assert isinstance(answer, Present)
    runtime.untag(f"{MIRRORED}:1")
    with pytest.raises(NoSuchImage):
        runtime.image(answer.facts.id)
