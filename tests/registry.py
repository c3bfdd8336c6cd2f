"""A registry of a test's own, whose tags move and whose content goes, and small images that serve one word."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

from paas import registry
from tests.platform import eventually, free_port

PROGRAM = registry.FOLDER / "bin" / "docker-registry"
BASE = f"{registry.ADDRESS}/busybox:latest"
CONFIG = """
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}/images}}, delete: {{enabled: true}}}}
http: {{addr: "{address}"}}
"""


class Registry:
    """What is pushed is served; nothing of it stays on this machine's engine."""

    def __init__(self, address: str) -> None:
        self.address = address

    def push(self, repository: str, tag: str, word: str) -> str:
        """Have the tag mean an image that serves ``word`` on port 8080; returns its digest."""
        docker("pull", BASE)
        name, command = (
            f"{self.address}/{repository}:{tag}",
            f"echo {word} > /tmp/index.html; exec httpd -f -p 8080 -h /tmp",
        )
        container = docker("create", BASE)
        docker("commit", "--change", f"CMD {json.dumps(['sh', '-c', command])}", container, name)
        docker("rm", container)
        told = docker("push", name)
        forget(name)
        return next(word for word in told.split() if word.startswith("sha256:"))

    def drop(self, repository: str, digest: str) -> None:
        """Let the registry no longer have it."""
        assert self.answers("DELETE", f"/v2/{repository}/manifests/{digest}") == 202

    def answers(self, verb: str = "GET", path: str = "/v2/") -> int:
        connection = HTTPConnection(self.address, timeout=5)
        try:
            connection.request(verb, path)
            return connection.getresponse().status
        finally:
            connection.close()


@contextmanager
def serving(folder: Path) -> Iterator[Registry]:
    """A registry on loopback that keeps its images in the folder."""
    found = Registry(f"127.0.0.1:{free_port()}")
    (folder / "config.yml").write_text(CONFIG.format(folder=folder, address=found.address))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [PROGRAM, "serve", str(folder / "config.yml")], stdout=log, stderr=subprocess.STDOUT
        )
    try:
        eventually(lambda: found.answers() == 200, within=15, what="the registry answers")
        yield found
    finally:
        process.terminate()
        process.wait(timeout=10)
        for image in docker(
            "images",
            "--digests",
            "--format",
            "{{.Repository}} {{.Repository}}:{{.Tag}} {{.Repository}}@{{.Digest}}",
        ).splitlines():
            repository, *names = image.split()
            if repository.startswith(found.address):
                for name in names:
                    forget(name)


def forget(name: str) -> None:
    """Take a name from the engine's images, if it is there."""
    subprocess.run(["docker", "rmi", "-f", name], capture_output=True, check=False)


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()
