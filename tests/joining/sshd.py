"""A real sshd in a machine, with keys of its own: what a provider's fresh machine offers."""

from __future__ import annotations

import subprocess
from pathlib import Path

from node_agent.joining.service import DEFAULT_ROOT
from tests.joining.machines import Newcomer
from tests.platform import eventually

CONFIGURATION = """\
Port 22
HostKey {host_key}
AuthorizedKeysFile {authorized}
PasswordAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
PidFile {folder}/sshd.pid
"""


def key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


def serve(machine: Newcomer, own: Path) -> None:
    """Let in whoever holds the private key at ``own``."""
    machine.root.mkdir()
    machine.run("mkdir", "-p", str(DEFAULT_ROOT))
    machine.run("mount", "--bind", str(machine.root), str(DEFAULT_ROOT))  # these machines share their files
    folder = machine.root.parent / "ssh"
    folder.mkdir(mode=0o700)
    authorized = folder / "authorized_keys"
    authorized.write_text(own.with_suffix(".pub").read_text())
    configuration = folder / "sshd_config"
    host_key = key(folder / "host")
    configuration.write_text(CONFIGURATION.format(host_key=host_key, authorized=authorized, folder=folder))
    machine.run("mkdir", "-p", "/run/sshd")
    machine.run("/usr/sbin/sshd", "-f", str(configuration))
    eventually(lambda: ":22 " in machine.run("ss", "-ltn"), what="sshd listens")
