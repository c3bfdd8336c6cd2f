"""What becomes of the objects that a deleted one owns: the finalizer that holds it until that is done."""

from apps.cluster import types
from apps.cluster.errors import BadRequest


def add_finalizer(meta: types.ObjectMeta, options: types.DeleteOptions) -> None:
    """As a deletion's options ask. Raises BadRequest for a policy that there is not."""
    policy = options.propagation_policy
    if options.orphan_dependents is not None:
        policy = "Orphan" if options.orphan_dependents else "Background"
    if policy not in {None, "", "Background", "Foreground", "Orphan"}:
        raise BadRequest(
            f'propagationPolicy: Unsupported value: "{policy}": supported values: "Background", "Foreground", "Orphan"'
        )
    finalizer = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(policy or "")
    if finalizer and finalizer not in meta.finalizers:
        meta.finalizers = [*meta.finalizers, finalizer]
