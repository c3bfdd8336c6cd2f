"""Point 4 as a user meets it: the set-up link, then a page on which a killed container shows within a second."""

from __future__ import annotations

import re
import subprocess

import pytest
from playwright.sync_api import Page, expect

from tests.browser.site import browser
from tests.calm import Stopwatch
from tests.platform import Platform, eventually

pytestmark = [pytest.mark.docker, pytest.mark.kubectl, pytest.mark.browser, pytest.mark.timeout(300)]
MANIFEST = """
apiVersion: v1
kind: Pod
metadata: {name: watched}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - {name: speaker, image: busybox, imagePullPolicy: IfNotPresent,
     command: [sh, -c, 'n=0; while true; do n=$((n+1)); echo "line $n"; sleep 0.2; done']}
"""


def test_from_the_set_up_link_to_a_live_page(platform: Platform) -> None:
    platform.kubectl("create", "-f", "-", input=MANIFEST)
    eventually(lambda: platform.kubectl("get", "pod", "watched").count("Running"), within=60)
    with browser() as chromium:
        page = chromium.new_page()
        first_admin(page, platform)
        page.goto(f"http://127.0.0.1:{platform.port}/kinds/pods")
        expect(page.locator("#live")).to_have_attribute("data-state", "live")
        row = page.locator("tr", has_text="watched")
        expect(row).to_contain_text("Running")
        page.evaluate("window.untouched = true")
        seconds = killed_until_seen(page, platform)
        assert seconds < 1.0
        expect(row.locator("td[data-label=Restarts]")).to_contain_text("1", timeout=20000)
        expect(row).to_contain_text("Running", timeout=20000)
        assert page.evaluate("window.untouched") is True
        page.goto(f"http://127.0.0.1:{platform.port}/kinds/pods/default/watched?tab=logs")
        expect(page.locator(".log-lines")).to_contain_text("line 3")
    platform.kubectl("delete", "pod", "watched")


def first_admin(page: Page, platform: Platform) -> None:
    """Opens the one-time link that `up` printed, when this platform still has it."""
    link = re.search(r"http://\S+/setup/\S+", platform.output.read_text())
    assert link is not None, "`up` prints a set-up link as long as no administrator exists"
    page.goto(link[0])
    page.get_by_label("Password", exact=True).or_(page.locator("[name=password1]")).first.fill(
        "correct-horse-7"
    )
    page.locator("[name=password2]").fill("correct-horse-7")
    page.get_by_role("button", name="Create administrator").click()
    page.wait_for_url(f"http://127.0.0.1:{platform.port}/")


def killed_until_seen(page: Page, platform: Platform) -> float:
    """Calm seconds from the death of the container to the first change of its row."""
    (pod,) = [pod for pod in platform.pods() if pod["metadata"]["name"] == "watched"]
    container = pod["status"]["containerStatuses"][0]["containerID"].removeprefix("docker://")
    row = page.locator("tr", has_text="watched")
    before = row.inner_text()
    subprocess.run(["docker", "rm", "-f", container], check=True, capture_output=True)
    since = Stopwatch()
    while status(row.inner_text()) == status(before):
        assert since.calm < 10, "nothing changed on the page"
        page.wait_for_timeout(20)
    return since.calm


def status(text: str) -> str:
    """A row without its ages, which change by themselves."""
    return re.sub(r"\d+[smhd]\S*", "", text)
