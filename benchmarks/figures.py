"""One measured number and the bound it is held against."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """``at_most`` and ``at_least`` are in the figure's own unit; None where nothing was promised."""

    name: str
    value: float
    unit: str
    at_most: float | None = None
    detail: str = ""
    at_least: float | None = None

    @property
    def kept(self) -> bool:
        """Whether the bound, if there is one, is kept."""
        above = self.at_most is not None and self.value > self.at_most
        below = self.at_least is not None and self.value < self.at_least
        return not (above or below)

    @property
    def verdict(self) -> str:
        bounds = [
            f"{sign} {bound:g}"
            for sign, bound in (("<=", self.at_most), (">=", self.at_least))
            if bound is not None
        ]
        told = f"{'ok' if self.kept else 'MISSED'} ({', '.join(bounds)})" if bounds else ""
        return f"{told} {self.detail}".strip()

    def as_data(self) -> dict[str, Any]:
        return asdict(self)


def percentile(values: Sequence[float], part: float) -> float:
    """The value below which ``part`` of them lie; 0 for none."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)] if ordered else 0.0
