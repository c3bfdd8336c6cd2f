"""The ``ssh`` command: one program on one machine, its input given, its output taken line by line."""

from __future__ import annotations

import asyncio
import shlex
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
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

    def as_root(self, program: Sequence[str]) -> tuple[str, ...]:
        """The program, run by root whoever logs in."""
        return tuple(program) if self.user in ("", "root") else ("sudo", "-n", *program)

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

    async def run(self, program: Sequence[str], given: Iterable[bytes], heard: Callable[[str], None]) -> int:
        """Run it; ``heard`` gets every line it says. Returns how it ended, or FAILED for a way that was not there."""
        process = await asyncio.create_subprocess_exec(
            *self.command(program), stdin=PIPE, stdout=PIPE, stderr=STDOUT
        )
        assert process.stdin is not None
        assert process.stdout is not None
        feeding = asyncio.create_task(_feed(process.stdin, given))
        try:
            async for line in process.stdout:
                heard(line.decode("utf-8", "replace").rstrip())
            return await process.wait()
        finally:
            feeding.cancel()
            if process.returncode is None:
                process.kill()
                await process.wait()


    async def ask(self, program: Sequence[str]) -> tuple[int, str, str]:
        """Run it without input; how it ended, what it answered, what it said beside."""
        process = await asyncio.create_subprocess_exec(
            *self.command(program), stdin=DEVNULL, stdout=PIPE, stderr=PIPE
        )
        answered, said = await process.communicate()
        return process.returncode or 0, answered.decode("utf-8", "replace"), said.decode("utf-8", "replace")


async def _feed(into: asyncio.StreamWriter, given: Iterable[bytes]) -> None:
    """All of it, as fast as it is taken; a program that ends before has no use for the rest."""
    with suppress(ConnectionError):
        for chunk in given:
            into.write(chunk)
            await into.drain()
        into.close()
