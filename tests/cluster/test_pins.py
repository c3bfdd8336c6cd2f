"""A tag that is moved between two revisions: going back runs what ran then, from the registry or from the node."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

import pytest

from tests.platform import Platform, eventually
from tests.registry import PROGRAM, Registry, forget, serving

pytestmark = [
    pytest.mark.docker,
    pytest.mark.kubectl,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not PROGRAM.exists(), reason="the registry's program comes with `make images`"),
]
PAGE = """
apiVersion: drover.dev/v1
kind: Application
metadata: {{name: page}}
spec:
  progressDeadlineSeconds: 20
  definition:
    parameters: {{title: {{type: string, default: none}}}}
    components:
      web:
        image: {image}
        env: {{TITLE: "${{params.title}}"}}
        ports: {{http: 8080}}
        probes: {{ready: {{http: /index.html, every: 1s}}}}
    endpoints: {{web: {{component: web, port: http, via: nodePort, primary: true}}}}
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with serving(tmp_path_factory.mktemp("registry")) as found:
        yield found


class Page:
    """The application ``page``, whose one component runs the tag ``1``."""

    def __init__(self, platform: Platform, image: str) -> None:
        self.platform, self.image = platform, image

    def word(self) -> str:
        """What it serves."""
        url = self.platform.kubectl("get", "app", "page", "-o", "jsonpath={.status.url}")
        with urlopen(f"{url}/index.html", timeout=5) as answer:
            text: str = answer.read().decode().strip()
            return text

    def retitled(self, title: str) -> None:
        """A change that exchanges the pods, on a node that has no longer what the tag meant."""
        forget(self.image)
        self.platform.app("update", "page", "--set", f"title={title}", "--wait", "--timeout", "90")

    def back_to(self, number: int) -> str:
        return self.platform.app("rollback", "page", str(number), "--wait", "--timeout", "90", check=False)

    def pod(self) -> dict[str, Any]:
        """The one that is there and does not leave."""
        (found,) = self.platform.pods("app.kubernetes.io/instance=page", ready=1)
        return found

    def revision(self, number: int) -> str:
        return self.platform.kubectl("get", "apprev", f"page-{number}", "-o", "jsonpath={.status.images.web}")


@pytest.fixture
def page(platform: Platform, registry: Registry) -> Iterator[Page]:
    image = f"{registry.address}/team/page:1"
    registry.push("team/page", "1", "one")
    platform.kubectl("apply", "-f", "-", input=PAGE.format(image=image))
    platform.kubectl("wait", "--for=condition=Ready", "app/page", "--timeout=90s", within=100)
    yield Page(platform, image)
    platform.app("delete", "page", "--yes", "--wait")


def test_going_back_runs_what_ran_then_though_the_tag_was_moved(page: Page, registry: Registry) -> None:
    one = page.revision(1).partition("@")[2]
    assert page.revision(1) == f"{page.image}@{one}" and one.startswith("sha256:")
    assert page.pod()["status"]["containerStatuses"][0]["imageID"] == f"{page.image[:-2]}@{one}"
    two = registry.push("team/page", "1", "two")
    page.retitled("moved")
    assert page.word() == "two" and page.revision(2) == f"{page.image}@{two}"

    page.back_to(1)
    assert page.word() == "one"
    assert page.pod()["spec"]["containers"][0]["image"] == f"{page.image}@{one}"
    assert not page.platform.kubectl("get", "app", "page", "-o", "jsonpath={.status.drift}")
    assert page.platform.app("diff", "page", "1", "3") == ""

    page.retitled("still")
    assert page.word() == "one", "a change of something else keeps what was gone back to"
    page.back_to(2)
    assert page.word() == "two"


def test_a_pod_that_is_made_later_runs_what_the_first_ran_until_a_restart(page: Page, registry: Registry) -> None:
    registry.push("team/page", "1", "two")
    forget(page.image)
    page.platform.kubectl("delete", "pod", page.pod()["metadata"]["name"])
    page.platform.ready_pods("app.kubernetes.io/instance=page", 1)
    assert page.pod()["spec"]["containers"][0]["image"] == page.revision(1)
    eventually(lambda: page.word() == "one", what="what the first pod served")
    tag = ("get", "deployment", "page-web", "-o", "jsonpath={.spec.template.spec.containers[0].image}")
    assert page.platform.kubectl(*tag) == page.image

    page.platform.kubectl("rollout", "restart", "deployment/page-web")
    page.platform.kubectl("rollout", "status", "deployment/page-web", "--timeout=90s", within=100)
    eventually(lambda: page.word() == "two", what="what the tag means now")


def test_a_digest_that_nobody_has_any_more_says_so_and_the_good_revision_stays(
    page: Page, registry: Registry
) -> None:
    lost = registry.push("team/page", "1", "lost")
    registry.drop("team/page", lost)
    registry.push("team/page", "1", "two")
    page.retitled("moved")
    # As if it had run on a node that went: this engine keeps the manifests of what it pulled.
    ran = json.dumps({"status": {"images": {"web": f"{page.image}@{lost}"}}})
    page.platform.kubectl("patch", "apprev", "page-1", "--subresource=status", "--type=merge", "-p", ran)
    told = page.back_to(1)
    assert f"The registry no longer has what {page.image} was with the digest {lost[:19]}" in told
    assert "push that content again, or choose another image" in told
    phase = ("get", "app", "page", "-o", "jsonpath={.status.phase} {.status.revision}")
    eventually(lambda: page.platform.kubectl(*phase) == "Running 4", within=60, what="back by itself")
    assert page.word() == "two"
