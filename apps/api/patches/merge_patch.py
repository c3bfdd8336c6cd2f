"""JSON merge patch (RFC 7386): objects are merged, null removes, everything else replaces."""

from typing import Any


def apply_merge_patch(target: Any, patch: Any) -> Any:
    """``target`` as ``patch`` wants it."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, wanted in patch.items():
        if wanted is None:
            merged.pop(name, None)
        else:
            merged[name] = apply_merge_patch(merged.get(name), wanted)
    return merged
