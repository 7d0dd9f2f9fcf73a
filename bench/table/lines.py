"""A line of the table: what gomap and one peer took for one row, and whether the ratio is what it should be."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gomap.lab.compare import Ratio, bootstrap_ratio

__all__ = ["MEASURES", "Line", "Measure"]


@dataclass(frozen=True)
class Measure:
    """A unit, by what a sample is divided to be shown in it, and whether more is better."""

    unit: str
    scale: float
    more: bool


MEASURES = {
    "ns": Measure("ns", 1, False),
    "rate": Measure("M/s", 1e6, True),
    "us": Measure("us", 1e3, False),
    "ms": Measure("ms", 1e6, False),
}


@dataclass(frozen=True)
class Line:
    """One row beside one peer. ours, theirs: a sample a repeat, nanoseconds or operations a second as `measure` says, taken in
    turn. `ratio` is how many times better gomap is. least, aim: what it should be; None where nothing is asked. best: the
    best one of several peers. faults: gomap's and the peer's page faults per operation, medians, where they were counted."""

    group: str
    row: str
    n: int
    peer: str
    measure: str
    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    least: float | None = None
    aim: float | None = None
    best: bool = False
    faults: tuple[float, float] | None = None

    @cached_property
    def ratio(self) -> Ratio:
        """With its 95 % bootstrap interval."""
        better, other = (self.ours, self.theirs) if MEASURES[self.measure].more else (self.theirs, self.ours)
        return bootstrap_ratio(better, other)

    @property
    def verdict(self) -> str:
        """By the median: "aim" or "least" if that is reached; "short" of the least that is asked; "below" an aim where no least
        is asked; "" if nothing is."""
        if self.aim is not None and self.ratio.ratio >= self.aim:
            return "aim"
        if self.least is not None:
            return "least" if self.ratio.ratio >= self.least else "short"
        return "" if self.aim is None else "below"

    def shown(self, samples: Sequence[float]) -> float:
        """The median in the measure's unit."""
        return statistics.median(samples) / MEASURES[self.measure].scale

    def to_dict(self) -> dict[str, Any]:
        return {
            "group": self.group,
            "row": self.row,
            "n": self.n,
            "peer": self.peer,
            "best": self.best,
            "unit": "operations/s" if MEASURES[self.measure].more else "ns",
            "ours": list(self.ours),
            "theirs": list(self.theirs),
            "ratio": self.ratio.ratio,
            "interval": [self.ratio.low, self.ratio.high],
            "least": self.least,
            "aim": self.aim,
            "verdict": self.verdict,
            **({} if self.faults is None else {"page_faults_per_operation": list(self.faults)}),
        }
