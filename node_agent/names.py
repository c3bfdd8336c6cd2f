"""What this agent's things on the machine are called; everything derives from the state directory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

LABEL_PREFIX = "drover.dev/"
INSTANCE_LABEL = LABEL_PREFIX + "instance"


@dataclass(frozen=True)
class Names:
    """Two agents with different state directories never share a name."""

    instance: str

    @classmethod
    def of(cls, state_dir: Path) -> Names:
        digest = hashlib.sha256(str(state_dir.resolve()).encode()).hexdigest()
        return cls(instance=digest[:6])

    @property
    def bridge(self) -> str:
        """The bridge of the node's pods (links have at most 15 characters)."""
        return f"drv{self.instance}"

    def link(self, uid: str) -> str:
        """The machine's end of a pod's cable."""
        return f"dv{self.instance}{hashlib.sha256(uid.encode()).hexdigest()[:7]}"

    @property
    def link_prefix(self) -> str:
        """All cables of this agent begin so."""
        return f"dv{self.instance}"

    @property
    def tunnel(self) -> str:
        """The link to nodes behind a router."""
        return f"dx{self.instance}"

    @property
    def balancers(self) -> str:
        """The link that holds the addresses of load balancers which this node answers for."""
        return f"dl{self.instance}"

    @property
    def metric(self) -> int:
        """Routes have no names: this number tells the agent's own from all others."""
        return int(self.instance, 16) + 1

    def chain(self, part: str) -> str:
        """A packet filter chain or table (at most 28 characters)."""
        return f"DROVER-{self.instance}-{part}"[:28]

    @property
    def labels(self) -> dict[str, str]:
        """On every container this agent makes; nothing without them is ever touched."""
        return {INSTANCE_LABEL: self.instance}

    @property
    def pause_image(self) -> str:
        return f"drover/pause:{self.instance}"
