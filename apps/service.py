"""A program as a service of the machine: systemd's where it runs, else a script that keeps it running. No Django."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from apps.locks import taken

SYSTEMD = Path("/run/systemd/system")
UNITS = Path("/etc/systemd/system")

LARGEST = 8 * 1024 * 1024
"""Bytes of a log that a script keeps; then it becomes ``<name>.1``."""
LOOK_SECONDS = 600

PLAIN = re.compile(r"[\w@%+=:,./$-]+", re.ASCII)
"""What systemd reads as one word, as it stands."""

UNIT = """\
[Unit]
Description=Drover {what}
Wants={after}
After={after}
# Removed with its folder, or no node any more: there is nothing to start at boot.
ConditionPathExists={needs}
# However often it ends at once: what keeps it from running may be mended any time.
StartLimitIntervalSec=0

[Service]
{environment}
ExecStart={command}
Restart=always
RestartSec=1
RestartPreventExitStatus={final}
SuccessExitStatus={final}
KillMode={kill}
# Every watch and every socket is a file; systemd's own limit is 1024.
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
"""

SCRIPT = """\
#!/bin/sh
# Starts this machine's {what} and keeps it running. Where no service manager runs, call it at boot.
cd / || exit 1
umask 077
exec >>{log} 2>&1 9>>{lock}
umask 022
flock -n 9 || exit 0
echo $$ >{lock}
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
# Every watch and every socket is a file; a login's own limit is 1024.
ulimit -Sn "$(ulimit -Hn)"
# What is written goes on at a file's end, wherever that is.
bound() {{
    exec 9>&-
    while sleep {every} && kill -0 $$; do
        for each in {logs}; do
            [ -f "$each" ] && [ "$(wc -c <"$each")" -gt {largest} ] && {{ cp "$each" "$each.1"; : >"$each"; }}
        done
    done
}}
bound &
{before}
while [ -e {needs} ]; do
    env {environment} {command} 9>&-
    [ $? = {final} ] && exit
    sleep 1
done
"""


@dataclass(frozen=True, kw_only=True)
class Service:
    """What runs, and where its script and its words are. ``final``: the code after which it stays ended."""

    what: str
    unit: str
    folder: Path
    log: Path
    command: tuple[str, ...]
    needs: Path
    """Without this file there is nothing to run: it is not started, and not started again."""
    final: int
    environment: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ("network-online.target",)
    kill: str = "mixed"
    """systemd's KillMode."""
    before: str = ":"
    """A line of the script, for what systemd does by ``after``."""
    more_logs: tuple[Path, ...] = ()
    """What this line writes to."""

    @property
    def script(self) -> Path:
        return self.folder / "start"

    @property
    def lock(self) -> Path:
        """Held, with its process id inside, by the script while it runs."""
        return self.folder / "start.lock"

    def installed(self) -> str:
        """What was written for it, to ``install`` again; "" for nothing."""
        file = UNITS / self.unit if SYSTEMD.is_dir() else self.script
        return file.read_text() if file.exists() else ""

    def install(self, say: Callable[[str], None], *, text: str = "") -> None:
        """Run it from now on, after a reboot too. One that runs already is started anew."""
        if SYSTEMD.is_dir():
            _write(UNITS / self.unit, text or self.unit_text(), 0o644)
            for command in (["daemon-reload"], ["enable", self.unit], ["restart", self.unit]):
                _systemctl(*command)
            say(
                f"the {self.what} runs as the systemd service {self.unit}: journalctl -u {self.unit} shows its words"
            )
            return
        _write(self.script, text or self.script_text(), 0o700)
        self.stop()
        self.start()
        say(
            f"no service manager runs here: the {self.what} was started in the background, its words are in "
            f"{self.log}. To have it after a reboot, start {self.script} at boot"
        )

    def start(self) -> None:
        """What was installed runs again, where it was stopped."""
        if SYSTEMD.is_dir():
            _systemctl("start", self.unit)
        else:
            subprocess.Popen([str(self.script)], stdin=subprocess.DEVNULL, start_new_session=True)

    def remove(self) -> None:
        """It ends, and does not come back."""
        self.stop()
        if SYSTEMD.is_dir():
            subprocess.run(["systemctl", "disable", self.unit], check=False, capture_output=True)
            (UNITS / self.unit).unlink(missing_ok=True)
            for command in (["daemon-reload"], ["reset-failed", self.unit]):  # else it is remembered
                subprocess.run(["systemctl", *command], check=False, capture_output=True)
        self.script.unlink(missing_ok=True)

    def stop(self) -> None:
        """It ends. A script and what it keeps are a process group of their own."""
        if SYSTEMD.is_dir():
            subprocess.run(["systemctl", "stop", self.unit], check=False, capture_output=True)
            return
        try:
            with self.lock.open() as lock:
                while not taken(lock):
                    if group := lock.readline():  # empty for a moment: whoever holds it is about to write it
                        os.killpg(int(group), signal.SIGTERM)
                    lock.seek(0)
                    time.sleep(0.05)
        except (OSError, ValueError):
            return  # nothing runs

    def unit_text(self) -> str:
        environment = "\n".join(
            f"Environment={_word(f'{name}={value}')}" for name, value in self.environment.items()
        )
        command = " ".join(_word(each).replace("$", "$$") for each in self.command)
        return UNIT.format(
            what=self.what, after=" ".join(self.after), needs=_plain(str(self.needs)), environment=environment,
            command=command, final=self.final, kill=self.kill,
        )  # fmt: skip

    def script_text(self) -> str:
        environment = " ".join(f"{name}={shlex.quote(value)}" for name, value in self.environment.items())
        return SCRIPT.format(
            what=self.what, log=shlex.quote(str(self.log)), lock=shlex.quote(str(self.lock)), before=self.before,
            needs=shlex.quote(str(self.needs)), environment=environment, command=shlex.join(self.command),
            final=self.final, logs=shlex.join(map(str, (self.log, *self.more_logs))), largest=LARGEST,
            every=LOOK_SECONDS,
        )  # fmt: skip


def _systemctl(*words: str) -> None:
    subprocess.run(["systemctl", *words], check=True, capture_output=True, text=True)


def _word(text: str) -> str:
    """One word of a line of systemd's."""
    text = _plain(text)
    if PLAIN.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _plain(text: str) -> str:
    """Without the specifiers that systemd would see in it."""
    return text.replace("%", "%%")


def _write(path: Path, text: str, mode: int) -> None:
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text)
    beside.chmod(mode)
    beside.rename(path)
