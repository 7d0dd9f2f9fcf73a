"""A results.json with everything that can be in one: all verdicts, all kinds of series, parts that are missing."""

from __future__ import annotations

import math
from typing import Any

from gomap.claims import CONFIRMED, NOT_MEASURABLE, REFUTED, UNDECIDED, Finding, Number, Results, Series, entries
from gomap.claims.runner import ClaimResult, go_by_reading, model_unrun
from gomap.lab import Group, Workload

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(1)> & \"quotes\" 'here'"

PERCENTILES = Series(
    "percentiles",
    "Latency of get",
    "ns",
    tuple(
        {"name": name, "percentile": p, "ns": ns * factor}
        for name, factor in (("no lock", 1), ("RWMutex", 30))
        for p, ns in ((0, 12), (50, 21), (90, 40), (99, 320), (99.9, 4_100), (99.99, 61_000), (99.999, 410_000))
    ),
)
TIMELINE = Series(
    "timeline",
    "A run over time",
    "ns",
    (
        *(
            {"at_ms": i * 2.0, "max_ns": 900 + (90_000 if i % 40 == 0 else i * 7), "p99_ns": 300 + i, "count": 200}
            for i in range(150)
        ),
        {"at_ms": 80.0, "event": "grow_start", "to_B": 12},
        {"at_ms": 110.0, "event": "grow_end", "to_B": 12},
        {"at_ms": 160.0, "event": "grow_start", "to_B": 13},
    ),
)
BARS = Series(
    "bars",
    "Time in evacuation",
    "%",
    (
        {"name": "hint 0", "value": 41.0, "low": 39.0, "high": 44.0},
        {"name": "hint n, and a name that is too long for a phone", "value": 2.5, "low": 2.1, "high": 2.9},
    ),
)
WIDE_BARS = Series(
    "bars",
    "p99.9 of get",
    "ns",
    (
        {"name": "none", "value": 80.0, "low": 70.0, "high": 90.0},
        {"name": "global", "value": 91_000.0, "low": 5e4, "high": 2e5},
    ),
)
LINES = Series(
    "lines",
    "Get by size of the table",
    "ns",
    tuple({"name": name, "x": 2**k, "y": 12 + k * f} for name, f in (("hit", 3), ("miss", 4)) for k in range(6, 20, 2)),
)
POINTS = Series(
    "lines", "Growth points", "entries", tuple({"name": f"B = {b}", "x": b, "y": 13 * 2**b // 2 + 1} for b in range(1, 9))
)
UNKNOWN = Series("pie", "A kind of a later version", "", ({"slice": "a", "part": 0.5},))
EMPTY = Series("bars", "Nothing in it", "", ())
BROKEN = Series("bars", "Not a number", "", ({"name": "a", "value": math.nan}, {"name": "b", "value": 1.0, "low": math.inf}))
ALL_SERIES = (PERCENTILES, TIMELINE, BARS, WIDE_BARS, LINES, POINTS, UNKNOWN, EMPTY, BROKEN)
DRAWN = 7
"""Of these, how many have a picture."""

MACHINE: dict[str, Any] = {
    "cpu_model": "AMD EPYC <7763>",
    "architecture": "x86_64",
    "cores": 2,
    "cpus": [0, 1],
    "governor": "",
    "kernel": "Linux 6.18",
    "python": "3.11",
    "gomap": "0.1.0",
    "compiler": "gcc 12.2.0",
    "flags": "-O2",
    "commit": "0123abc+",
}


def findings() -> dict[str, Finding]:
    """By number of the claim."""
    effect = Number("throughput, effect", 1.62, "x", 1.55, 1.7)
    noise = Number("throughput, the same setting twice", 1.01, "x", 0.98, 1.03)
    share = Number("time in evacuation while a map only grows", 41.2, "%", 38.0, 44.0)
    w = Workload(ops=65_536, groups=(Group(mix={"assign_new": 100}),)).to_dict()
    return {
        "C2.6": Finding(
            CONFIRMED, "It is 41.2 %, within 30 to 55 %.", (share, effect, noise), (BARS, TIMELINE), ("hint 0", "n"), w, 12.5
        ),
        "C1.1": Finding(REFUTED, "No difference.", (Number("waits", 0),), (PERCENTILES, WIDE_BARS), seconds=3.0),
        "C2.5": Finding(
            UNDECIDED, "Beyond 1.1, but the response is not monotone.", (Number("get", 71.0, "ns", 65.0, 80.0),), (LINES,)
        ),
        "C4.2": Finding(NOT_MEASURABLE, "The same setting twice already spreads over 0.6 to 2.1.", (noise,)),
        "C4.13": Finding(UNDECIDED, f"The experiment failed: {EVIL}"),
        "C2.2": Finding(CONFIRMED, "No exception.", (Number("doublings", 12),), (POINTS, UNKNOWN, EMPTY, BROKEN)),
    }


def synthetic() -> Results:
    """Six claims with findings, one of them by a run on real Go, the others as they are before they are run; some not there."""
    found = findings()
    claims = []
    for e in entries():
        number = e.claim.number
        if number not in ("C3.1", "C3.2"):
            go = found["C2.6"] if number == "C1.3" else go_by_reading(e.claim)
            claims.append(ClaimResult(e.claim.id, found.get(number) or model_unrun(e), go))
    claims.append(ClaimResult("C9.9-of-a-later-version", found["C1.1"], found["C1.1"]))
    noise = {"ratio": 1.004, "low": 0.985, "high": 1.02, "pairs": 4, "workload": {}}
    return Results("quick", dict(MACHINE), noise, claims, begun="2026-11-24T17:20:00+00:00")
