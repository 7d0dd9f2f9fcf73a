"""Reads on real Go, one by one, beside what else a program may do: what claims on scheduler and collector measure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gomap.claims.context import Context
from gomap.claims.verdict import Number, Pairs, median_interval
from gomap.realgo.controls import Controls

__all__ = ["COLLECTING", "STORM", "medians", "sample_ms", "tail"]

STORM = {"yielding": 1024}
"""Goroutines that do nothing but yield: all their turns go through the one global run queue."""
COLLECTING = {"collections": 1}
"""Collections back to back."""
_LIVE = 100_000
"""Objects for the collector to mark, besides the map."""


def tail(go: Controls, beside: Mapping[str, int], ms: int, **settings: Any) -> dict[str, float]:
    """Latencies in nanoseconds ("mean", "p50" to "p99.99", "max") of gets for so long, of 10^5 ints unless settings say
    otherwise; how many took long ("over_100us", "over_1ms"), of a million gets; and "cycles" of the collector."""
    live = _LIVE if "collections" in beside else 0
    given = {"keys": "int", "size": 100_000, "live": live, **settings}
    found = go.run("reads", ms=ms, beside=dict(beside), **given)
    figures = found["inside"]
    times = {name: float(figures[name]) for name in ("mean", "p50", "p99", "p99.9", "p99.99", "max")}
    slow = {name: 1e6 * figures[name] / figures["count"] for name in ("over_100us", "over_1ms")}
    return {**times, **slow, "cycles": float(found["cycles"])}


def sample_ms(ctx: Context) -> int:
    """How long one sample reads, in milliseconds, where an experiment makes pairs of them."""
    return ctx.scale.pick(test=10, quick=60, full=450)


def medians(pairs: Pairs, metric: str, what: str, unit: str = "ns") -> tuple[Number, ...]:
    """The median of a metric in each of two settings."""
    return tuple(
        Number.of_ratio(f"{what}, {name}", median_interval(pairs.samples(i, metric)), unit)
        for i, name in enumerate(pairs.settings)
    )
