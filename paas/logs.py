"""A process's output: on the terminal line by line after its name, and plain in a file of its own."""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

LARGEST = 8 * 1024 * 1024  # then the file becomes <name>.log.1
LONGEST_LINE = 16 * 1024
WIDTH = 7
COLOURS = {"up": 1, "redis": 31, "web": 36, "worker": 33, "beat": 35}
OTHER_COLOUR = 32


class Log:
    """Where one program's output goes; lines that match ``hidden`` go to the file alone."""

    def __init__(self, name: str, directory: Path, hidden: re.Pattern[str] | None = None) -> None:
        self.hidden = hidden
        self.path = directory / f"{name}.log"
        self.prefix = prefix(name)
        self.rest = b""
        self.file = self.path.open("ab", buffering=0)

    def feed(self, chunk: bytes) -> None:
        *lines, self.rest = (self.rest + chunk).split(b"\n")
        if len(self.rest) > LONGEST_LINE:
            lines.append(self.rest)
            self.rest = b""
        if lines:
            self._write(lines)

    def flush(self) -> None:
        """The process ended: its last line may lack an end."""
        if self.rest:
            self._write([self.rest])
            self.rest = b""

    def _write(self, lines: list[bytes]) -> None:
        with suppress(OSError):  # a full disk stops logs, not processes
            self.file.write(b"".join(line + b"\n" for line in lines))
            if self.file.tell() > LARGEST:
                os.replace(self.path, f"{self.path}.1")
                self.file.close()
                self.file = self.path.open("ab", buffering=0)
        texts = [line.decode(errors="replace") for line in lines]
        shown = [text for text in texts if self.hidden is None or not self.hidden.search(text)]
        show("".join(f"{self.prefix}{text}\n" for text in shown))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.file.close()


def prefix(name: str) -> str:
    text = f"{name:<{WIDTH}}| "
    return f"\033[{COLOURS.get(name, OTHER_COLOUR)}m{text}\033[0m" if sys.stdout.isatty() else text


def show(text: str) -> None:
    """To the terminal, if it is still there: a closed one must not end what runs."""
    with suppress(OSError, ValueError):
        sys.stdout.write(text)
        sys.stdout.flush()


def goes_to_journal() -> bool:
    """Whether what is said here is kept by the machine's journal, which others than root may read."""
    here = os.fstat(1)
    return os.environ.get("JOURNAL_STREAM") == f"{here.st_dev}:{here.st_ino}"
