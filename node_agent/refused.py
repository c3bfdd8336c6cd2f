"""What the door refuses."""

from __future__ import annotations


class Refused(Exception):
    """It cannot be had; ``status`` is the HTTP status that says so, the words are for people."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status
