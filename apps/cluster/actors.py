"""Who acts: a user, a node, a token's owner, or a part of the system itself."""

from dataclasses import dataclass

NODE_PREFIX = "system:node:"
SIGNATURE_LIMIT = 253


@dataclass(frozen=True)
class Actor:
    """An identity as policy sees it."""

    name: str
    groups: frozenset[str] = frozenset()
    uid: str = ""
    behind: str = ""
    """Who acts as this one, where that is somebody else."""

    @property
    def signature(self) -> str:
        """What the change log records."""
        return f"{self.name} (by {self.behind})"[:SIGNATURE_LIMIT] if self.behind else self.name

    @property
    def node(self) -> str:
        """The node this actor is, or "" when it is no node."""
        return self.name.removeprefix(NODE_PREFIX) if "system:nodes" in self.groups else ""


ANONYMOUS = Actor("system:anonymous", frozenset({"system:unauthenticated"}))


def system(part: str) -> Actor:
    """A part of Drover acting on its own account: ``system("controller:replication")``."""
    return Actor(f"system:{part}", frozenset({"system:controllers", "system:authenticated"}))


def node(name: str) -> Actor:
    return Actor(f"{NODE_PREFIX}{name}", frozenset({"system:nodes", "system:authenticated"}))
