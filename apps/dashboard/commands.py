"""The same in a terminal: the kubectl commands that belong to an object. Pure."""

from __future__ import annotations

from apps.cluster.registry import Kind


def of(kind: Kind, namespace: str, name: str) -> list[tuple[str, str]]:
    """What it does and the command; complete, so that it can be pasted as it is."""
    place = f" -n {namespace}" if namespace else ""
    what = kind.singular if not kind.group else f"{kind.singular}.{kind.group}"
    found = [
        ("Show it", f"kubectl get {what} {name}{place} -o yaml"),
        ("Describe it", f"kubectl describe {what} {name}{place}"),
    ]
    if "log" in kind.subresources:
        found.append(("Follow its log", f"kubectl logs -f {name}{place}"))
    if "scale" in kind.subresources:
        found.append(("Scale it", f"kubectl scale {what} {name}{place} --replicas=3"))
    if kind.key == "nodes":
        found.append(("Drain it", f"kubectl drain {name} --ignore-daemonsets --delete-emptydir-data --force"))
        found.append(("Let pods come to it again", f"kubectl uncordon {name}"))
    found.append(("Change it", f"kubectl edit {what} {name}{place}"))
    found.append(("Delete it", f"kubectl delete {what} {name}{place}"))
    return found
