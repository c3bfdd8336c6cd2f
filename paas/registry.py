"""The loopback registry with the stand-in images: started where they were made, a mirror where it runs."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import time
from ipaddress import ip_address
from pathlib import Path

from paas.privileges import serving_identity
from paas.state import ProcessMark, read_mark, wait_gone

ADDRESS = os.environ.get("DROVER_REGISTRY") or "127.0.0.1:5000"
FOLDER = Path(os.environ.get("DROVER_IMAGES") or Path(__file__).resolve().parent.parent / "var" / "images")
START_SECONDS = 10.0

CONFIGURATION = """\
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {storage}}}
  maintenance: {{readonly: {{enabled: true}}}}
http: {{addr: {address}}}
"""


def place() -> tuple[str, int]:
    """Host and port of the address."""
    host, _, port = ADDRESS.rpartition(":")
    return host, int(port)


def on_loopback() -> bool:
    """Whether nobody but this machine can reach it."""
    try:
        return ip_address(socket.gethostbyname(place()[0])).is_loopback
    except OSError:
        return False


def answers() -> bool:
    """Whether a registry answers on the address."""
    connection = http.client.HTTPConnection(*place(), timeout=2)
    try:
        connection.request("GET", "/v2/")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def mirror() -> str:
    """The registry's address when it runs, else ""."""
    return ADDRESS if answers() else ""


def storage() -> Path:
    return FOLDER / "registry"


def ensure(state: Path) -> str:
    """Start the registry where images were made and none answers; returns what was done, in words.

    ``state`` is the installation whose `down` ends it.
    """
    if not storage().is_dir() or answers():
        return ""
    identity, _ = serving_identity(FOLDER)
    configuration = FOLDER / "registry.yml"
    configuration.write_text(CONFIGURATION.format(storage=storage(), address=ADDRESS))
    with (FOLDER / "registry.log").open("wb") as log:
        process = subprocess.Popen(
            [FOLDER / "bin" / "docker-registry", "serve", configuration],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
            preexec_fn=identity.become if os.geteuid() == 0 else None,  # noqa: PLW1509  no second thread here
        )
    mark = ProcessMark.of(process.pid)
    _record().write_text(json.dumps({"pid": mark.pid, "started": mark.started, "state": str(state)}))
    deadline = time.monotonic() + START_SECONDS
    while not answers():
        if process.poll() is not None or time.monotonic() > deadline:
            return f"the image registry does not answer on {ADDRESS}; see {FOLDER / 'registry.log'}"
        time.sleep(0.03)
    return f"the image registry was started on {ADDRESS}"


def stop(state: Path) -> str:
    """Stop the registry if it was started for this STATE; returns what was done, in words."""
    mark = read_mark(_record())
    if mark is None or not mark.alive() or json.loads(_record().read_text()).get("state") != str(state):
        return ""
    os.kill(mark.pid, 15)
    if not wait_gone(mark, 5):
        os.kill(mark.pid, 9)
    _record().unlink(missing_ok=True)
    return f"the image registry on {ADDRESS} was stopped"


def _record() -> Path:
    return FOLDER / "registry.json"
