"""What runs first on a new machine: finds the right Python, unpacks the program, and hands over to it.

The pasted line runs this by ``exec`` and then calls ``main``, for an agent; `up-nodes` sends it over ssh and calls
``land``, for a control plane. Nothing but the standard library is there, and under any Python from 3.6 on it must at
least say what is wrong.
"""

import gzip
import hashlib
import http.client
import json
import os
import platform
import shlex
import shutil
import ssl
import subprocess
import sys
import tarfile
from typing import BinaryIO, Dict  # noqa: UP035  an old Python has no others

ROOT = "/var/lib/drover"
LAUNCHER = """\
#!/bin/sh
# manage.py of the control plane on this machine, with its settings.
set -a
. {settings}
set +a
export PYTHONPATH={packages}
cd {program} && exec {python} manage.py "$@"
"""
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
    program = unpack(door.open("/join/agent"), os.path.join(root, "program"))
    kept = os.path.join(root, "authority.crt")
    with open(kept, "w") as file:
        file.write(ssl.DER_cert_to_PEM_cert(authority))
    environment = dict(os.environ, PYTHONPATH=program, DROVER_JOIN_TOKEN=token)
    command = [python, "-m", "node_agent", "join", "--server", server, "--authority", kept]
    os.execve(python, command + given, environment)  # noqa: RUF005


def land(given: BinaryIO) -> None:
    """Be sent a control plane: a line of JSON (needs, folder, packages, settings), then the program's archive.

    The platform's own ``service install`` goes on in this process, or the reason is said. Without settings those that
    are there stay, and nothing is run: who sent it does that next.
    """
    told = json.loads(given.readline().decode())
    folder = told["folder"]
    if os.geteuid() != 0:
        refuse("a control plane becomes a service of the machine: log in as root, or as an account that may sudo")
    os.umask(0o022)  # another account than root serves, from this program
    python = find_python(told["needs"]) or install_python(told["needs"])
    say("receiving the platform")
    program = unpack(given, os.path.join(folder, "program"))
    os.chmod(os.path.dirname(folder), 0o711)  # an agent that was here first let nobody else through
    settings, launcher = os.path.join(folder, "settings"), os.path.join(folder, "manage")
    packages = os.path.join(program, told["packages"])
    places = {"settings": settings, "program": program, "python": python, "packages": packages}
    text = LAUNCHER.format(**{name: shlex.quote(place) for name, place in places.items()})
    # Beside those that are there: by them what runs is started again, until `service install` finds no fault.
    put(launcher + told["sent"], text, 0o700)
    if told["settings"] is None:
        if os.path.exists(settings + told["sent"]):
            os.unlink(settings + told["sent"])  # of an attempt before: nobody waits for them any more
        return
    lines = [name + "=" + shlex.quote(text) for name, text in sorted(told["settings"].items())]
    put(settings + told["sent"], "\n".join(lines) + "\n", 0o600)
    environment = dict(os.environ, PYTHONPATH=packages)
    environment.update(told["settings"])
    os.chdir(program)
    os.execve(python, [python, "manage.py", "service", "install", "--sent"], environment)


def put(path: str, text: str, mode: int) -> None:
    """A file that is whole or not there, and never readable for more than it should be."""
    beside = path + ".new"
    if os.path.exists(beside):
        os.unlink(beside)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
    os.rename(beside, path)


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
            f"this machine is {here}, but the cluster's program was made for {needs['machine']}: its machines need the "
            "same processor as the server's"
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
            f"the cluster's program needs Python {needs['python']} ({needs['soabi']}) and this machine has {here}: "
            f"install {name}, then try again"
        )
    return found


def unpack(source: "BinaryIO | http.client.HTTPResponse", folder: str) -> str:
    """The program in a folder named after its content."""
    os.makedirs(folder, exist_ok=True)
    packed = os.path.join(folder, ".new.tar.gz")
    with open(packed, "wb") as file:
        shutil.copyfileobj(source, file)
    digest = hashlib.sha256()
    with gzip.open(packed) as plain:
        for chunk in iter(lambda: plain.read(65536), b""):
            digest.update(chunk)
    program = os.path.join(folder, digest.hexdigest()[:16])
    if not os.path.isdir(program):
        beside = program + ".new"
        shutil.rmtree(beside, ignore_errors=True)
        with tarfile.open(packed) as archive:
            archive.extractall(beside)
        os.rename(beside, program)
    os.unlink(packed)
    return program
