"""What the pasted line runs on a new machine: finds the right Python, unpacks the agent, and hands over to it.

The line runs this by ``exec`` and then calls ``main``. Nothing but the standard library is there, and under any Python
from 3.6 on it must at least say what is wrong.
"""

import hashlib
import http.client
import json
import os
import platform
import shutil
import ssl
import subprocess
import sys
import tarfile
from typing import Dict  # noqa: UP035  an old Python has no others

ROOT = "/var/lib/drover"
ASK = "import platform,sysconfig;print(sysconfig.get_config_var('SOABI'),platform.machine())"


def main(server: str, token: str, authority: bytes) -> None:
    """Does not return: either the agent's own ``join`` goes on in this process, or the reason is said."""
    given = sys.argv[4:]
    root = given[given.index("--root") + 1] if "--root" in given[:-1] else ROOT
    if os.geteuid() != 0:
        refuse("a node makes networks and starts containers: paste the line as root (sudo -i)")
    os.umask(0o077)
    door = Door(server, token, authority)
    needs = json.loads(door.open("/join/needs").read().decode())
    python = find_python(needs) or install_python(needs)
    say("fetching the agent from " + server)
    program = unpack(door, os.path.join(root, "program"))
    kept = os.path.join(root, "authority.crt")
    with open(kept, "w") as file:
        file.write(ssl.DER_cert_to_PEM_cert(authority))
    environment = dict(os.environ, PYTHONPATH=program, DROVER_JOIN_TOKEN=token)
    command = [python, "-m", "node_agent", "join", "--server", server, "--authority", kept]
    os.execve(python, command + given, environment)  # noqa: RUF005


class Door:
    """The server, which has to prove itself each time."""

    def __init__(self, server: str, token: str, authority: bytes) -> None:
        self.server, self.token = server, token
        self.trusted = ssl.create_default_context(cadata=authority)

    def open(self, path: str) -> http.client.HTTPResponse:
        """An answer; what the server refuses ends this with its words."""
        connection = http.client.HTTPSConnection(self.server, timeout=120, context=self.trusted)
        connection.request("GET", path, headers={"Authorization": "Bearer " + self.token})
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            refuse(answer.read().decode("utf-8", "replace").strip())
        return answer


def say(text: str) -> None:
    print("join: " + text, flush=True)


def refuse(text: str) -> None:
    sys.exit("join: " + text)


def find_python(needs: Dict[str, str]) -> str:  # noqa: UP006
    """A Python that runs what was compiled for the server's; "" for none."""
    here = platform.machine()
    if here != needs["machine"]:
        refuse(
            f"this machine is {here}, but the cluster's agent was made for {needs['machine']}: nodes need the same "
            "processor as the server's machine"
        )
    name = "python" + needs["python"]
    for place in ("/usr/bin/" + name, "/usr/local/bin/" + name, shutil.which(name), sys.executable):
        if place and os.path.exists(place) and suits(place, needs):
            return place
    return ""


def suits(program: str, needs: Dict[str, str]) -> bool:  # noqa: UP006
    asked = subprocess.run([program, "-c", ASK], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return asked.stdout.decode().split() == [needs["soabi"], needs["machine"]]


def install_python(needs: Dict[str, str]) -> str:  # noqa: UP006
    """With the system's package manager, where that has it."""
    name = "python" + needs["python"]
    if shutil.which("apt-get"):
        say("installing with apt-get: " + name)
        install = ["apt-get", "-qq", "install", "-y", "--no-install-recommends", name]
        quiet = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
        subprocess.call(install, env=quiet, stdin=subprocess.DEVNULL)
    found = find_python(needs)
    if not found:
        here = "{}.{}".format(*sys.version_info[:2])
        refuse(
            f"the cluster's agent needs Python {needs['python']} ({needs['soabi']}) and this machine has {here}: "
            f"install {name}, then paste the line again"
        )
    return found


def unpack(door: Door, folder: str) -> str:
    """The agent in a folder named after its content."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    packed = os.path.join(folder, ".new.tar.gz")
    digest = hashlib.sha256()
    answer = door.open("/join/agent")
    with open(packed, "wb") as file:
        for chunk in iter(lambda: answer.read(65536), b""):
            digest.update(chunk)
            file.write(chunk)
    program = os.path.join(folder, digest.hexdigest()[:16])
    if not os.path.isdir(program):
        beside = program + ".new"
        shutil.rmtree(beside, ignore_errors=True)
        with tarfile.open(packed) as archive:
            archive.extractall(beside)
        os.rename(beside, program)
    os.unlink(packed)
    return program
