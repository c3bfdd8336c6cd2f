"""Who acts: a user, a node, a token's owner, or a part of the system itself."""

from dataclasses import dataclass

NODE_PREFIX = "system:node:"


@dataclass(frozen=True)
class Actor:
    """An identity as policy sees it; ``name`` is what the change log records."""

    name: str
    groups: frozenset[str] = frozenset()
    uid: str = ""

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
