"""C2.11-bucket-lines: lookups often cross cache lines."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

import numpy as np

from gomap.claims.claim import CONFIRMED, REFUTED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context, Measure
from gomap.claims.parts import all_of
from gomap.claims.registry import claim
from gomap.claims.timing import gets, ns_each
from gomap.claims.verdict import Finding, Number, Pairs, Series, Sweep, bars, decide_pairs, median_interval
from gomap.claims.walk import HEADER_LINES, full, shape
from gomap.map import Map


@claim
def bucket_lines() -> Claim:
    return Claim(
        id="C2.11-bucket-lines",
        title="Lookups often cross cache lines",
        section="2.3",
        statement=(
            "A bmap is usually aligned to 64 bytes; bucket shift and tophash lookup often cause accesses across cache lines."
        ),
        article_number="64 B",
        go_words="partly true",
        real_go=(
            "Buckets are not aligned to lines: one of map[int]int has 144 bytes (runtime/map_noswiss.go: bmap, "
            "add), so that buckets begin at every multiple of 16 within a line. tophash is 8 bytes at a multiple of "
            "8 and never straddles. A get touches the header's line, the tophash's, mostly a second for the key and "
            "a third for the elem. The bucket shift is arithmetic and touches nothing."
        ),
        go_by_source=SourceVerdict(
            "undecided",
            evidence="Real Go gives only times here; lines touched would need hardware counters.",
            holds="buckets do span lines: 144 bytes are at least two and mostly three.",
        ),
        prediction=(
            "A hit touches more than 2.5 lines at the natural stride; padding to 192 bytes changes time beyond L2 "
            "by more than 5 %, either way, for it makes the table larger."
        ),
        knob="bucket_stride; layout (keys then elems, pairs)",
        settings=(Setting("natural (144)", go=True), Setting("padded to 192"), Setting("aligned to 64", article=True)),
        workload=(
            "Distinct lines a get touches, counted exactly from addresses, and hit times over table sizes for each "
            "stride and layout. Independent check: the same program under a cache simulator."
        ),
        measured=(Quantity("lines touched a hit", ""), Quantity("hit", "ns"), Quantity("bytes", "B")),
        criterion=Criterion(
            text=(
                "Confirmed if the mean of lines a hit is over 2.5 at the natural stride and padding changes time by "
                "more than 5 % beyond L2."
            ),
            threshold=1.05,
        ),
        remedy=("R5",),
    )


_NATURAL, _PADDED = "natural (144)", "padded to 192"
_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    _NATURAL: {"paths": "knobs"},
    _PADDED: {"bucket_stride": "192"},
    "aligned to 64": {"bucket_stride": "aligned 64"},
    "pairs": {"cells": "pairs"},
    "pairs, aligned to 64": {"cells": "pairs", "bucket_stride": "aligned 64"},
}
"""All by the same machine code."""
_MANY = 2.5
_IN_L1 = 5


def _metric(B: int) -> str:
    return f"get, 2^{B} buckets"


@bucket_lines.model
def lines_and_times(ctx: Context) -> Finding:
    """Lines that a hit touches, counted from where a map's buckets lie, for every stride and layout; and what a hit takes, by
    the size of the table. The largest decides: it is beyond a second-level cache of 512 KiB or 1 MiB."""
    ops = ctx.scale.pick(test=20_000, quick=100_000, full=1_000_000)
    sizes = ctx.scale.pick(test=(12, _IN_L1), quick=(14, 11, 8, _IN_L1), full=(15, 13, 11, 8, _IN_L1))

    def measure(knobs: Mapping[str, Any], seed: int) -> dict[str, float]:
        runs = {B: ctx.run(gets(full(B), ops, knobs=knobs), seed) for B in sizes}
        return {**{_metric(B): ns_each(r) for B, r in runs.items()}, "bytes": float(runs[sizes[0]].counters["memory"])}

    return _compared(ctx, sizes, measure, {name: _lines(ctx, knobs) for name, knobs in _SETTINGS.items()}).with_(
        workload=gets(full(sizes[0]), ops, knobs=_SETTINGS[_NATURAL])
    )


def _lines(ctx: Context, knobs: Mapping[str, Any]) -> float:
    """Lines touched a hit, the header's with them, on the mean of some full maps. Buckets of 144 bytes begin everywhere in a
    line; those of 192 all begin where the first one does, which the allocator decides, unless they are aligned."""
    found = []
    for seed in ctx.seeds(ctx.scale.pick(test=1, quick=2, full=8)):
        keys = np.arange(full(10))
        m = Map(seed=seed % 2**63, hint=full(10), knobs=knobs)
        m.assign_many(keys, keys)
        found.append(shape(m).hit_lines + HEADER_LINES)
    return statistics.mean(found)


def _compared(ctx: Context, sizes: tuple[int, ...], measure: Measure[Mapping[str, Any]], lines: Mapping[str, float]) -> Finding:
    pairs = ctx.pairs(_SETTINGS[_NATURAL], _SETTINGS[_PADDED], measure, names=(_NATURAL, _PADDED))
    by_setting = ctx.sweep([*_SETTINGS.values()], measure, names=[*_SETTINGS])
    found = all_of([_many_lines(lines), _changed(pairs, sizes[0])])
    largest = {name: by_setting.of(i) for i, name in enumerate(_SETTINGS)}
    return found.with_(
        numbers=(
            *found.numbers,
            Number.of_ratio(f"bytes, {_PADDED} by {_NATURAL}", pairs.effect("bytes")),
            *(Number(f"lines touched a hit, {name}", n) for name, n in lines.items()),
            *(Number.of_ratio(f"{_metric(sizes[0])}, {name}", median_interval(ns), "ns") for name, ns in largest.items()),
        ),
        series=(
            *found.series,
            bars("Lines touched a hit", "lines", {name: [n] for name, n in lines.items()}),
            _by_size(by_setting, sizes),
        ),
        settings=tuple(_SETTINGS),
    )


def _many_lines(lines: Mapping[str, float]) -> Finding:
    """The first half of the criterion, which is counted; with the header's line, and without it in the reason."""
    natural = lines[_NATURAL]
    return Finding(
        CONFIRMED if natural > _MANY else REFUTED,
        f"A hit touches {natural:.2f} lines at the natural stride, {natural - HEADER_LINES:.2f} of them in buckets; over "
        f"{_MANY:g} are many.",
        settings=tuple(lines),
    )


def _changed(pairs: Pairs, B: int) -> Finding:
    """The second half, either way."""
    slower = pairs.effect().ratio > 1
    threshold = bucket_lines.claim.criterion.threshold
    return decide_pairs(pairs, _metric(B), threshold=threshold, rising=slower, two_valued=True, unit="ns")


def _by_size(by_setting: Sweep, sizes: tuple[int, ...]) -> Series:
    rows = (
        {"name": name, "x": full(B), "y": statistics.median(by_setting.of(i, _metric(B)))}
        for i, name in enumerate(by_setting.settings)
        for B in reversed(sizes)
    )
    return Series("lines", "Hit by the entries of a full table", "ns", tuple(rows))
