"""Versions, and words that mean some of them: ``<2.0``, ``>=1.0,<2.0``. Pure."""

from __future__ import annotations

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

RULE = "must say which versions, such as <2.0 or >=1.0,<2.0"


def read(text: str) -> Version | None:
    """A version; None for any other words."""
    try:
        return Version(text)
    except InvalidVersion:
        return None


def are_some(text: str) -> bool:
    """Whether these words mean some versions."""
    try:
        return bool(SpecifierSet(text))
    except InvalidSpecifier:
        return False


def is_among(text: str, some: str) -> bool:
    """Whether a version, which may be any words of a client's own, is one of those that are meant."""
    version = read(text)
    return version is not None and SpecifierSet(some).contains(version, prereleases=True)
