"""A Redis that went away is one line of the log, whoever tells it."""

from __future__ import annotations

import logging

from redis.exceptions import ConnectionError as LostRedis

from paas.bearable import RedisAway


def told(message: str, *words: object, error: Exception | None = None) -> logging.LogRecord:
    raised = (type(error), error, None) if error else None
    record = logging.LogRecord("a.library", logging.ERROR, "", 1, message, words, raised)
    assert RedisAway().filter(record)
    return record


def test_a_traceback_and_an_error_of_several_lines_become_a_warning_of_one() -> None:
    lost = LostRedis("Error 2 connecting to redis.sock.")
    record = told("Unexpected exception in receive task", error=lost)
    assert record.exc_info is None and record.levelname == "WARNING"
    assert record.getMessage() == "Unexpected exception in receive task: Error 2 connecting to redis.sock."
    record = told("Cannot connect to %s: %s.\n%s\n", "redis://", lost, "Trying again")
    assert record.levelno == logging.WARNING
    assert record.getMessage() == "Cannot connect to redis://: Error 2 connecting to redis.sock.. Trying again"


def test_any_other_error_keeps_its_level_and_its_traceback() -> None:
    record = told("Unexpected exception in %s", "a task", error=ValueError("a defect"))
    assert record.exc_info is not None and record.levelno == logging.ERROR
