"""The ``ssh`` command: one program on one machine, its input given, its output taken line by line."""

from __future__ import annotations

import asyncio
import shlex
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

CONNECT_SECONDS = 10
SILENT_SECONDS, SILENT_TIMES = 15, 4
FAILED = 255
"""How ``ssh`` itself ends when it could not do its work."""


@dataclass(frozen=True)
class Remote:
    """A machine as ssh reaches it. What is empty is left to ssh's own configuration."""

    address: str
    user: str = ""
    port: int = 0
    key: str = ""
    known_hosts: str = ""
    accept_new: bool = False
    """Believe a host key that was never seen before; a changed one is refused in any case."""

    def command(self, program: Sequence[str]) -> list[str]:
        """The command line. ssh hands the remote shell one text, so each word of ``program`` is quoted for it."""
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": str(CONNECT_SECONDS),
            "ServerAliveInterval": str(SILENT_SECONDS),
            "ServerAliveCountMax": str(SILENT_TIMES),
            "StrictHostKeyChecking": "accept-new" if self.accept_new else "yes",
        }
        if self.key:
            options |= {"IdentitiesOnly": "yes", "IdentityFile": str(Path(self.key).expanduser())}
        if self.known_hosts:
            options["UserKnownHostsFile"] = str(Path(self.known_hosts).expanduser())
        words = ["ssh", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]
        words += ["-p", str(self.port)] if self.port else []
        words += ["-l", self.user] if self.user else []
        return [*words, "--", self.address, shlex.join(program)]

    async def run(self, program: Sequence[str], given: bytes, heard: Callable[[str], None]) -> int:
        """Run it; ``heard`` gets every line it says. Returns how it ended, or FAILED for a way that was not there."""
        process = await asyncio.create_subprocess_exec(
            *self.command(program), stdin=PIPE if given else DEVNULL, stdout=PIPE, stderr=STDOUT
        )
        try:
            assert process.stdout is not None
            if process.stdin is not None:
                process.stdin.write(given)
                process.stdin.close()
            async for line in process.stdout:
                heard(line.decode("utf-8", "replace").rstrip())
            return await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
