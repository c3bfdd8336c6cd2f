"""A Redis that is away is news and no error, for readers poll meanwhile: one line, where libraries write tracebacks."""

from __future__ import annotations

import logging

from redis.exceptions import RedisError


class RedisAway(logging.Filter):
    """Makes a warning of one line of what a lost connection has a library say."""

    def filter(self, record: logging.LogRecord) -> bool:
        raised = record.exc_info[1] if record.exc_info else None
        told = record.args if isinstance(record.args, tuple) else ()
        error = next((one for one in (raised, *told) if isinstance(one, RedisError | OSError)), None)
        if error is not None:
            words = " ".join(record.getMessage().split())
            record.msg, record.args = (f"{words}: {error}" if error is raised else words), ()
            record.exc_info = record.exc_text = None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True
