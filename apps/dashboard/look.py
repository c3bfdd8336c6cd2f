"""How a state word looks: its tone and its icon. Pure; the word itself is always shown beside them."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Look:
    """A tone (ok, busy, warn, bad, idle) and the icon that says the same without colour."""

    tone: str
    icon: str
    spins: bool = False


OK = Look("ok", "check")
BUSY = Look("busy", "turning", spins=True)
WARN = Look("warn", "alert")
BAD = Look("bad", "cross")
IDLE = Look("idle", "done")
WAITING = Look("warn", "clock")
INFO = Look("idle", "info")

_WORDS = {
    **dict.fromkeys(("Running", "Ready", "Active", "Available", "Bound", "Synced"), OK),
    **dict.fromkeys(("ContainerCreating", "PodInitializing", "Terminating", "Progressing", "Pulling"), BUSY),
    **dict.fromkeys(("Pending", "Unschedulable", "Waiting"), WAITING),
    **dict.fromkeys(("Warning", "Unknown", "SchedulingDisabled"), WARN),
    **dict.fromkeys(
        (
            "Failed",
            "NotReady",
            "OOMKilled",
            "Evicted",
            "InvalidImageName",
            "Lost",
            "NodeLost",
            "DeadlineExceeded",
            "Expired",
        ),
        BAD,
    ),
    **dict.fromkeys(("Succeeded", "Completed", "Complete", "Released"), IDLE),
    "Normal": INFO,
}
_BAD = re.compile(r"^Err[A-Z]|Error$|BackOff$|^Failed|^Unhealthy|^ExitCode:|^Signal:")
_BUSY = re.compile(r"ing$")
_FRACTION = re.compile(r"(\d+)/(\d+)")


def of_word(word: str) -> Look:
    """The look of a state such as ``Running``, ``CrashLoopBackOff`` or ``Ready,SchedulingDisabled``."""
    looks = [_of_one(part) for part in re.split(r"[,\s]+", word) if part]
    if not looks:
        return IDLE
    return max(looks, key=lambda look: ("idle", "ok", "busy", "warn", "bad").index(look.tone))


def _of_one(word: str) -> Look:
    if known := _WORDS.get(word):
        return known
    if _BAD.search(word):
        return BAD
    return BUSY if _BUSY.search(word) else IDLE


def of_fraction(text: str) -> Look | None:
    """The look of "1/2": warn while something is missing; None for what is no fraction."""
    found = _FRACTION.fullmatch(text)
    if found is None:
        return None
    return OK if int(found[1]) >= int(found[2]) else WAITING


GOOD_WHEN_FALSE = frozenset(
    {
        "MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable", "ReplicaFailure",
        "Failed", "FailureTarget", "Suspended", "ScalingLimited",
    }  # fmt: skip
)


def of_condition(type_: str, status: str) -> Look:
    """Conditions are good when True, except those that name a trouble."""
    if status == "Unknown":
        return WARN
    good = (status == "True") is not (type_ in GOOD_WHEN_FALSE)
    return OK if good else (BAD if type_ in GOOD_WHEN_FALSE else WAITING)
