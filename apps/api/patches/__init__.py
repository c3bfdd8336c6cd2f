"""The three ways to say a change to an object. Pure: data in, new data out, the input is never touched."""

from apps.api.patches.json_patch import apply_json_patch
from apps.api.patches.merge_patch import apply_merge_patch
from apps.api.patches.refusals import MalformedPatch, PatchDoesNotApply
from apps.api.patches.strategic import apply_strategic_patch

__all__ = [
    "MalformedPatch",
    "PatchDoesNotApply",
    "apply_json_patch",
    "apply_merge_patch",
    "apply_strategic_patch",
]
