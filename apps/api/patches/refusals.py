"""Why a patch is not carried out."""


class MalformedPatch(ValueError):
    """The patch itself is not one: whatever the object, it can never apply."""


class PatchDoesNotApply(ValueError):
    """The patch is well formed but does not fit this object."""
