"""The web process alone, on a fresh STATE with a sample cluster. Reads stories to play from standard input.

``python -m tests.browser.server <state> <port> [story ...]``: plays the stories, serves, then plays what each line of
standard input names (``kill frontend-x7k2p``) and answers ``done``.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

NAME, PASSWORD = "admin", "correct-horse-battery"
LONG = "averyveryverylongnamewithoutanyplacewhereitcouldbebrokenxxxxxxx"
"""As long as a name can be."""


def main(state: str, port: str, *stories: str) -> None:
    os.environ.update(
        STATE=state, PORT=port, DJANGO_SETTINGS_MODULE="paas.settings", DROVER_LOG_LEVEL="WARNING"
    )
    os.environ.pop("DATABASE_URL", None)
    Path(state).mkdir(parents=True, exist_ok=True)

    import django  # noqa: PLC0415

    django.setup()

    import uvicorn  # noqa: PLC0415
    from django.contrib.auth.models import User  # noqa: PLC0415
    from django.core.management import call_command  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    from tests.browser import sample  # noqa: PLC0415

    if stories != ("resume",):
        User.objects.create_superuser(NAME, password=PASSWORD)
        User.objects.create_user("bo", password=PASSWORD)
        sample.empty()
    for story in stories if stories != ("resume",) else ():
        play(sample, story)
    print("seeded", flush=True)

    from paas.asgi import application  # noqa: PLC0415

    config = uvicorn.Config(
        application,
        host="127.0.0.1",
        port=int(port),
        log_level="warning",
        ws="wsproto",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    threading.Thread(target=listen, args=(sample, server), daemon=True).start()
    server.run()


def play(sample: object, line: str) -> None:
    name, *words = line.split()
    from tests.browser import doors, odd, sample_apps  # noqa: PLC0415

    place = next(each for each in (doors, odd, sample_apps, sample) if hasattr(each, name))
    getattr(place, name)(
        *(int(word) if word.isdigit() else word for word in words)
    )


def listen(sample: object, server: object) -> None:
    for line in sys.stdin:
        try:
            play(sample, line)
            print("done", flush=True)
        except Exception as error:
            print(f"failed {error!r}", flush=True)
    server.should_exit = True  # type: ignore[attr-defined]


if __name__ == "__main__":
    main(*sys.argv[1:])
