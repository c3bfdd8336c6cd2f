"""Every template of the catalog on three nodes, all of them at once: checked, restarted, checked again. What a card's
stamp says is earned here, with the stand-ins of ``scripts/images``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from apps.catalog import bundled
from tests.platform import Platform, eventually, is_ready

pytestmark = [pytest.mark.docker, pytest.mark.kubectl, pytest.mark.timeout(600)]
NAMES = [template.metadata.name for template in bundled.templates()]
OURS = "app.kubernetes.io/managed-by=drover"
WRONG = [
    {"name": "a page that is not there", "http": "${endpoints.web.internalUrl}nowhere"},
    {"name": "a bad end", "exec": {"component": "web", "command": ["sh", "-c", "echo oh; exit 3"]}},
    {
        "name": "words that nobody says",
        "exec": {"component": "web", "command": ["hostname"]},
        "contains": "x y",
    },
]

every_template = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def checked(platform: Platform) -> Mapping[str, str]:
    """What each application's checks say once all of them run. The platform takes them all down."""
    wanted = {"apiVersion": "v1", "kind": "List", "items": [application(name) for name in NAMES]}
    platform.kubectl("create", "-f", "-", input=json.dumps(wanted))
    eventually(lambda: running(platform), within=300, what="every application runs")
    return told(platform, "check")


def application(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "drover.dev/v1", "kind": "Application", "metadata": {"name": name},
        "spec": {"template": {"name": name}},
    }  # fmt: skip


def told(platform: Platform, *words: str) -> Mapping[str, str]:
    """What ``manage.py app`` says of each application, asked of several at a time."""
    verb, *more = words
    with ThreadPoolExecutor(3) as pool:
        answers = pool.map(lambda name: platform.app(verb, name, *more, check=False), NAMES)
        return dict(zip(NAMES, answers, strict=True))


@pytest.fixture(scope="module")
def restarted(platform: Platform, checked: Mapping[str, str]) -> Mapping[str, str]:  # noqa: ARG001
    """What the reading checks say when no pod is there any more that was there when they wrote."""
    before = {pod["metadata"]["uid"] for pod in alive(platform)}
    platform.kubectl(
        "delete", "pods", "-l", OURS, "--field-selector=status.phase=Running", "--wait", within=240
    )
    eventually(
        lambda: len(after := alive(platform)) == len(before) and all(is_ready(pod) for pod in after),
        within=240, what="as many pods as before",
    )  # fmt: skip
    assert before.isdisjoint(pod["metadata"]["uid"] for pod in alive(platform))
    return told(platform, "check", "--reading")


def running(platform: Platform) -> bool:
    phases = {app["metadata"]["name"]: app["status"].get("phase") for app in platform.objects("apps")}
    assert phases == dict.fromkeys(NAMES, "Running"), platform.kubectl("get", "apps", "-o", "wide")
    return True


def alive(platform: Platform) -> list[dict[str, Any]]:
    return [pod for pod in platform.pods(OURS) if pod["status"]["phase"] != "Succeeded"]


@every_template
def test_its_checks_hold(checked: Mapping[str, str], name: str) -> None:
    assert "ok " in checked[name]
    assert "FAILED" not in checked[name], checked[name]


@every_template
def test_what_they_wrote_is_there_after_everything_was_restarted(
    restarted: Mapping[str, str], name: str
) -> None:
    assert "ok " in restarted[name]
    assert "FAILED" not in restarted[name], restarted[name]


def test_a_check_that_does_not_hold_says_why(platform: Platform, checked: Mapping[str, str]) -> None:  # noqa: ARG001
    patch = json.dumps({"spec": {"definition": {"checks": WRONG}}})
    platform.kubectl("patch", "app", "nginx", "--type=merge", "-p", patch)
    said = platform.app("check", "nginx", "--timeout", "1", check=False)
    assert "FAILED  a page that is not there: answered 404" in said
    assert "FAILED  a bad end: ended with 3: oh" in said
    assert "FAILED  words that nobody says: did not say 'x y'" in said
