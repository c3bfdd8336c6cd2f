"""Pictures of the dashboard, to look at and for the README: ``python -m scripts.screenshots <folder> [name ...]``.

Every screen at 1440 and 360 px, light and dark: with the guestbook, with nothing, with 50 pods, with what tries a page.
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import Browser

from tests.browser.server import LONG
from tests.browser.site import Site, browser, sign_in

WIDTHS = {"wide": (1440, 900), "narrow": (360, 780)}
SCREENS = {
    "home": "/",
    "catalog": "/catalog",
    "install": "/catalog/guestbook",
    "application": "/apps/default/book",
    "component": "/apps/default/book?component=frontend",
    "failing": "/apps/default/shop",
    "under-way": "/apps/default/fresh",
    "cancel": "/apps/default/fresh/cancel/1",
    "settings": "/apps/default/book?tab=settings",
    "revisions": "/apps/default/book?tab=revisions",
    "app-logs": "/apps/default/book?tab=logs",
    "scale": "/apps/default/book/scale/frontend?replicas=7",
    "image": "/apps/default/book/image/frontend",
    "rollback": "/apps/default/book/back/1",
    "app-check": "/apps/default/book/check",
    "app-delete": "/apps/default/book/delete",
    "compose-begin": "/compose",
    "compose-new": "/apps/shop/blank/compose",
    "compose": "/apps/default/book/compose?component=frontend",
    "compose-line": "/apps/default/book/compose?component=frontend&to=redis-leader",
    "compose-question": "/apps/default/book/compose?question=reach",
    "compose-plan": "/apps/default/book/compose?add=plan",
    "compose-list": "/apps/default/book/compose?view=list",
    "compose-drafted": "/apps/default/shop/compose?component=web",
    "compose-review": "/apps/default/fresh/compose/apply",
    "exposure": "/exposure",
    "cluster": "/cluster",
    "pods": "/kinds/pods",
    "nodes": "/kinds/nodes",
    "services": "/kinds/services",
    "events": "/kinds/events",
    "pod": "/kinds/pods/default/frontend-x7k2p",
    "crashing": "/kinds/pods/shop/worker-5tq9v",
    "pending": "/kinds/pods/shop/report-zz71m",
    "controller": "/kinds/replicationcontrollers/default/frontend",
    "ingresses": "/kinds/ingresses.networking.k8s.io",
    "ingress": "/kinds/ingresses.networking.k8s.io/default/guestbook",
    "service": "/kinds/services/default/frontend",
    "node": "/kinds/nodes/-/drover-1",
    "secret": "/kinds/secrets/shop/login",
    "yaml": "/kinds/pods/default/frontend-x7k2p?tab=yaml",
    "logs": "/kinds/pods/default/frontend-x7k2p?tab=logs",
    "terminal": "/kinds/pods/default/book-frontend-7d9fk?tab=terminal",
    "role": "/kinds/clusterroles.rbac.authorization.k8s.io",
    "create": "/create",
    "delete": "/actions/delete/replicationcontrollers/default/frontend",
    "missing": "/kinds/pods/default/nobody",
    "filtered": "/kinds/pods?q=nothing-like-this",
    "styleguide": "/styleguide",
}
STORIES = (
    "guestbook", "host_name", "applications", "app_pods", "drafts", "open_doors",
)  # fmt: skip
TROUBLES = (
    "guestbook", "applications", "long_names", "scripts", "large", "no_room", "drifted", "remove frontend-x7k2p",
)  # fmt: skip
EMPTY = {
    "empty-home": "/",
    "empty-catalog": "/catalog",
    "empty-cluster": "/cluster",
    "empty-pods": "/kinds/pods",
    "empty-nodes": "/kinds/nodes",
}
MANY = {
    "many-pods": "/kinds/pods",
    "many-cluster": "/cluster",
    "many-controller": "/kinds/replicationcontrollers/default/herd",
}
ODD = {
    "odd-home": "/",
    "odd-application": "/apps/{long}/{short}",
    "odd-component": "/apps/{long}/{short}?component=web",
    "odd-image": "/apps/{long}/{short}/image/web",
    "odd-compose": "/apps/{long}/{short}/compose?component=web",
    "odd-pods": "/kinds/pods",
    "odd-pod": "/kinds/pods/{long}/{long}-5tq9v",
    "odd-namespaces": "/kinds/namespaces",
    "odd-delete": "/actions/delete/pods/{long}/{long}-5tq9v",
    "scripts": "/kinds/configmaps/shop/words",
    "scripts-settings": "/apps/shop/sheep?tab=settings",
    "large": "/kinds/configmaps/shop/large",
    "large-yaml": "/kinds/configmaps/shop/large?tab=yaml",
    "no-room": "/catalog/wordpress",
    "drifted": "/apps/default/shop",
    "repair": "/apps/default/shop/repair",
    "rotate": "/apps/default/fresh/rotate/password",
    "not-rotated": "/apps/default/shop/rotate/password",
    "way-on-empty": "/apps/shop/blank/compose?add=way",
    "gone": "/kinds/pods/default/frontend-x7k2p",
}


def main(folder: str, *names: str) -> None:
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    with browser() as chromium:
        for stories, screens in (
            (STORIES, SCREENS),
            ((), EMPTY),
            (("guestbook", "many 50"), MANY),
            (TROUBLES, {name: path.format(long=LONG, short=LONG[:30]) for name, path in ODD.items()}),
        ):
            chosen = {name: path for name, path in screens.items() if not names or name in names}
            if chosen:
                site = Site(*stories)
                try:
                    shoot(chromium, site.url, chosen, target)
                finally:
                    site.remove()


def shoot(chromium: Browser, url: str, screens: dict[str, str], target: Path) -> None:
    for width, (across, down) in WIDTHS.items():
        for theme in ("light", "dark"):
            context = chromium.new_context(viewport={"width": across, "height": down}, color_scheme=theme)
            page = context.new_page()
            page.on(
                "console",
                lambda message: print("console:", message.text) if message.type == "error" else None,
            )
            page.on("pageerror", lambda error: print("error:", error))
            if "home" in screens:
                page.goto(f"{url}/login")
                page.screenshot(path=target / f"login-{width}-{theme}.png")
            sign_in(page, url)
            for name, path in screens.items():
                page.goto(f"{url}{path}")
                page.wait_for_timeout(350)
                page.screenshot(path=target / f"{name}-{width}-{theme}.png", full_page=width == "wide")
            context.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
