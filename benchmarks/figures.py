"""One measured number and the bound it is held against."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """``at_most`` is in the figure's own unit; None where nothing was promised."""

    name: str
    value: float
    unit: str
    at_most: float | None = None
    detail: str = ""

    @property
    def verdict(self) -> str:
        told = (
            ""
            if self.at_most is None
            else f"{'ok' if self.value <= self.at_most else 'MISSED'} (<= {self.at_most:g})"
        )
        return f"{told} {self.detail}".strip()

    def as_data(self) -> dict[str, Any]:
        return asdict(self)
