"""The table on a terminal, 120 columns wide at most."""

from __future__ import annotations

import statistics
import textwrap
from collections import Counter
from collections.abc import Sequence

from bench.table.concurrent import RoundTrip
from bench.table.lines import MEASURES, Line
from bench.table.single import Memory

__all__ = ["WIDTH", "heading", "is_shown", "line_text", "memory_text", "summary_text", "trips_text", "versions_text"]

WIDTH = 120

TITLES = {
    "single": "One map, one thread: the peer's time by gomap's",
    "concurrent": "One map, two threads: gomap's throughput by the peer's; of tails, the peer's time by gomap's",
    "growth": "A reader beside a writer that grows the map",
    "python": "From Python, many keys a call: the peer's time by gomap's",
    "per-key": "From Python, one key a call: the peer's time by gomap's",
    "sizes": "By number of entries",
    "threads": "By number of threads, 95 % gets and 5 % assigns, million operations a second",
}

_HEAD = f"{'':<32}{'n':>6} {'peer':<21}{'gomap':>8}{'peer':>9} {'':<4}{'ratio':>5}  {'95 % interval':<13}{'least':>6}{'aim':>6}"


def power(n: int) -> str:
    """A number of entries: 10^k where it is one."""
    if n < 1:
        return "-"
    exponent = len(str(n)) - 1
    if n == 10**exponent and n >= 1000:
        return f"10^{exponent}"
    return f"{n / 1e6:g}M" if n >= 1_000_000 else f"{n}"


def short(value: float) -> str:
    """Three digits."""
    if value >= 10_000:
        return f"{value / 1000:,.0f}k"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _wanted(value: float | None) -> str:
    return "" if value is None else short(value).rstrip("0").rstrip(".") if "." in short(value) else short(value)


def is_shown(line: Line) -> bool:
    """Of tails in a mix only the best peer's: all are in the JSON."""
    return line.best or line.group != "concurrent" or MEASURES[line.measure].more


def line_text(line: Line) -> str:
    ratio = line.ratio
    interval = f"{short(ratio.low)}-{short(ratio.high)}"
    return (
        f"{line.row:<32}{power(line.n):>6} {line.peer + ('*' if line.best else ''):<21}"
        f"{short(line.shown(line.ours)):>8}{short(line.shown(line.theirs)):>9} {MEASURES[line.measure].unit:<4}"
        f"{short(ratio.ratio):>5}  {interval:<13}{_wanted(line.least):>6}{_wanted(line.aim):>6} {line.verdict}"
    ).rstrip()


def heading(group: str) -> str:
    return f"\n{TITLES[group]}\n{_HEAD}".rstrip()


def versions_text(found: dict[str, str]) -> str:
    """Names and versions, as many a row as there is room for."""
    return "\n" + textwrap.fill("Versions: " + ", ".join(f"{name} {version}" for name, version in found.items()), WIDTH)


def memory_text(memory: Memory) -> str:
    """Bytes per entry by program and number of entries."""
    if not memory:
        return ""
    sizes = sorted({n for by_size in memory.values() for n in by_size})
    head = f"{'':<34}" + "".join(f"{power(n):>9}" for n in sizes)
    rows = [
        f"{name:<34}" + "".join(f"{by_size[n]:>9.1f}" if n in by_size else f"{'':>9}" for n in sizes)
        for name, by_size in memory.items()
    ]
    return "\n".join(row.rstrip() for row in ["\nMemory, bytes per entry", head, *rows])


def trips_text(trips: Sequence[RoundTrip]) -> str:
    if not trips:
        return ""
    ns = [trip.ns for trip in trips]
    return (
        f"\nA cache line from one core to the other and back: {min(ns):.0f} to {max(ns):.0f} ns, "
        f"median {statistics.median(ns):.0f}, in {len(ns)} measurements between the rows"
    )


def summary_text(lines: Sequence[Line]) -> str:
    """One line: how many of the ratios are reached."""
    asked = [line for line in lines if line.verdict]
    reached = Counter(line.verdict for line in asked)
    return (
        f"{len(asked)} ratios asked for: {reached['aim']} reach the aim, {reached['least']} the least, "
        f"{reached['below']} are below an aim, {reached['short']} fall short of the least"
    )
