"""What runs first in a machine of these tests: gives it a root of its own over this one's, and becomes systemd there.

Its disk is what it writes, over this machine's own files: the same packages, and nothing of Drover.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

SYSTEMD = Path("/lib/systemd/systemd")
CGROUPS = Path("/sys/fs/cgroup")
UNIFIED = "unified"
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
MASKED = (
    "caddy.service", "postgresql.service", "redis-server.service", "systemd-sysctl.service",
    "systemd-timesyncd.service", "apt-daily.timer", "apt-daily-upgrade.timer", "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
)  # fmt: skip
"""Nobody's business here, or the whole kernel's."""
STARTED = ("docker.service", "ssh.service")
PUBLIC_KEY = "key.pub"
INSIDE = "--inside"


def main(name: str, configuration: Path) -> None:
    (configuration.parent / "name").write_text(f"{name}\n")
    _enter_group(json.loads(configuration.read_text())["cgroup-parent"].strip("/"))
    command = [sys.executable, "-m", "tests.systemd.first", INSIDE, str(configuration.parent)]
    os.execvp("unshare", ["unshare", "--cgroup", *command])


def _enter_group(name: str) -> None:
    """One of its own in each hierarchy, which is the whole tree for whoever is inside."""
    for hierarchy in _hierarchies().values():
        group = hierarchy / name
        group.mkdir(exist_ok=True)
        for inherited in ("cpuset.cpus", "cpuset.mems"):
            if (hierarchy / inherited).exists():
                (group / inherited).write_text((hierarchy / inherited).read_text())
        (group / "cgroup.procs").write_text(str(os.getpid()))


def _hierarchies() -> dict[str, Path]:
    """Where each is mounted, by its controllers; the second version's is ""."""
    found = [line.split(":")[1] for line in Path("/proc/self/cgroup").read_text().splitlines()]
    if found == [""]:
        return {"": CGROUPS}
    return {each: CGROUPS / (each.removeprefix("name=") or UNIFIED) for each in found}


def inside(folder: Path) -> None:
    """The rest, in a control group that is the root for itself."""
    root = folder / "root"
    for each in ("root", "written", "work", "docker"):
        (folder / each).mkdir(exist_ok=True)
    layers = f"lowerdir=/,upperdir={folder / 'written'},workdir={folder / 'work'}"
    _mount("-t", "overlay", "-o", layers, "overlay", root)
    if not (folder / "installed").exists():
        _install(root, folder)
        (folder / "installed").touch()
    _mount("-t", "proc", "proc", root / "proc")
    _mount("-t", "sysfs", "sysfs", root / "sys")
    _mount_groups(root)
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", root / "dev")
    for device in DEVICES:
        (root / "dev" / device).touch()
        _mount("--bind", f"/dev/{device}", root / "dev" / device)
    for folder_of_its_own in ("pts", "shm"):
        (root / "dev" / folder_of_its_own).mkdir()
    _mount("-t", "devpts", "-o", "newinstance,ptmxmode=0666,mode=620", "devpts", root / "dev" / "pts")
    (root / "dev" / "ptmx").symlink_to("pts/ptmx")
    (root / "dev" / "fd").symlink_to("/proc/self/fd")
    for each in ("run", "tmp"):
        _mount("-t", "tmpfs", "-o", f"mode={'755' if each == 'run' else '1777'}", "tmpfs", root / each)
    (root / "var/lib/docker").mkdir(parents=True, exist_ok=True)
    _mount("--bind", folder / "docker", root / "var/lib/docker")
    os.chdir(root)
    subprocess.run(["pivot_root", ".", "mnt"], check=True)
    subprocess.run(["umount", "-l", "/mnt"], check=True)
    environment = {"PATH": os.environ["PATH"], "container": "drover-test"}
    os.execve(SYSTEMD, [str(SYSTEMD), "--show-status=false", "--unit=multi-user.target"], environment)


def _mount_groups(root: Path) -> None:
    hierarchies = _hierarchies()
    if hierarchies.keys() == {""}:
        _mount("-t", "cgroup2", "cgroup2", root / "sys/fs/cgroup")
        return
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", root / "sys/fs/cgroup")
    for controllers, place in hierarchies.items():
        at = root / place.relative_to("/")
        at.mkdir()
        _mount(*(["-t", "cgroup", "-o", controllers] if controllers else ["-t", "cgroup2"]), "cgroup", at)


def _install(root: Path, folder: Path) -> None:
    """What its disk holds when it is new: who may log in, and nothing of a Drover that this machine runs."""
    for each in (root / "var/lib/drover", root / "etc/docker"):
        shutil.rmtree(each, ignore_errors=True)
    units = root / "etc/systemd/system"
    for ours in units.rglob("drover*"):
        ours.unlink()
    for unit in MASKED:
        (units / unit).unlink(missing_ok=True)
        (units / unit).symlink_to("/dev/null")
    (root / "etc/hostname").unlink(missing_ok=True)
    shutil.copy(folder / "name", root / "etc/hostname")
    for unit in STARTED:
        wanted = units / "multi-user.target.wants" / unit
        wanted.unlink(missing_ok=True)
        wanted.symlink_to(f"/lib/systemd/system/{unit}")
    (root / "etc/ssh/sshd_config").write_text("PermitRootLogin prohibit-password\nUsePAM no\n")
    subprocess.run(["ssh-keygen", "-A", "-f", str(root)], check=True)
    keys = root / "root/.ssh"
    shutil.rmtree(keys, ignore_errors=True)
    keys.mkdir(mode=0o700)
    shutil.copy(folder / PUBLIC_KEY, keys / "authorized_keys")


def _mount(*words: object) -> None:
    subprocess.run(["mount", *map(str, words)], check=True)


if __name__ == "__main__":
    word, place = sys.argv[1], Path(sys.argv[2])
    inside(place) if word == INSIDE else main(word, place)
