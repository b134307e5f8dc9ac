"""What is measured, and the table of it."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value. ``bound`` is what it must not exceed (None: told for information), ``note`` how it came about."""

    name: str
    value: float
    unit: str = ""
    bound: float | None = None
    note: str = ""

    @property
    def met(self) -> bool:
        """It is within its bound."""
        return self.bound is None or self.value <= self.bound

    def row(self) -> tuple[str, str, str, str, str]:
        """As the table shows it."""
        unit = f" {self.unit}" if self.unit else ""
        bound = "" if self.bound is None else f"<= {self.bound:g}{unit}"
        verdict = "" if self.bound is None else "met" if self.met else "MISSED"
        return self.name, f"{self.value:.4g}{unit}", bound, verdict, self.note


def table(figures: Sequence[Figure]) -> str:
    """Columns of text."""
    rows = [("figure", "value", "bound", "", "note"), *(figure.row() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def milliseconds(seconds: Sequence[float], share: float = 0.5) -> float:
    """The median, or another quantile, of times in seconds."""
    if share == 0.5:
        return statistics.median(seconds) * 1000
    return statistics.quantiles(seconds, n=100)[round(share * 100) - 1] * 1000
