"""C2.5-load-latency: high load makes a get go from 12 to 87 ns."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

from gomap.claims.claim import CONFIRMED, REFUTED, UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.registry import claim
from gomap.claims.timing import gets, ns_each
from gomap.claims.verdict import PAIRS_ASKED, Finding, Number, Pairs, Series, Sweep, bars
from gomap.claims.walk import CELLS, Shape, full, shape
from gomap.lab.workload import Group, Workload
from gomap.map import Map


@claim
def load_latency() -> Claim:
    return Claim(
        id="C2.5-load-latency",
        title="High load makes a get go from 12 to 87 ns",
        section="2.1, table",
        statement=(
            "An average lookup takes 12 ns at low load with no overflow buckets, and 87 ns at high load before "
            "splitting, with 34 % overflow buckets; the flame graph then shows mapaccess1 -> evacuate."
        ),
        article_number="12 ns to 87 ns; 0 % to 34 %",
        go_words="false as a cause",
        real_go=(
            "At Go's limit of 6.5 the share is 20.8 %, never 34 %; 34.03 % is the row for load 7.50 in the comment "
            "at the head of Go's map source, and 41.10 % that for 8.00. mapaccess1 never calls evacuate: only "
            "mapassign and mapdelete do (runtime/map_noswiss.go: growWork). The way from about 20 to 70-80 ns is "
            "table size, that is cache misses. One load effect is large, but in Swiss maps and for absent keys: 8 "
            "to 27 ns in cache."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence=(
                "Load 3.25 to 6.5 costs 1 to 4 ns on a hit. At the same load of 6.5, 416 entries take 21.3 ns and "
                "851,968 take 67 ns (G4)."
            ),
            holds="gets do go from about 20 to 70-80 ns: by table size.",
        ),
        prediction=(
            "At fixed size, load moves the mean by less than a fifth of the way from 12 to 87 ns; size moves it "
            "over most of it."
        ),
        knob="load limit; hash (good, skewed to chains of 1 to 16); table size",
        settings=(Setting("6.5", go=True), Setting("3.25"), Setting("5"), Setting("7.5"), Setting("8"), Setting("unlimited")),
        workload=(
            "Load (3.25, 5, 6.5, 7.5) x size (in L1, L2, L3, beyond) x chain length. Hits and misses apart; "
            "independent and dependent key streams. Fit: ns = base + a x lines touched + b x cells compared."
        ),
        measured=(
            Quantity("get, hit and miss", "ns"),
            Quantity("buckets with an overflow bucket", "%"),
            Quantity("lines touched", ""),
            Quantity("cells compared", ""),
        ),
        criterion=Criterion(
            text=(
                "Confirmed if load alone, at fixed size and a good hash, moves the mean by more than 5 times; "
                "refuted if load explains less than 20 % of the range from 12 to 87 ns while size explains most."
            ),
            threshold=5.0,
        ),
        remedy=("R1", "smaller entries"),
    )


_RANGE_NS = 87.0 - 12.0
_ARTICLE_NS = 87.0
_TIMES, _BY_LOAD, _BY_SIZE = 5.0, 0.2, 0.5
_LOW, _HIGH = 3.25, 7.5
_LOADS = (3.25, 5.0, 6.5, 7.5)
_LARGE_B = 16
_CHAIN_B = 9  # in the second cache, however long the chains
_CHAINS = (1, 2, 4, 8, 16)


def _loaded(B: int, load: float, ops: int, kind: str = "get", chain: int = 1) -> Workload:
    """Gets of a map of 2^B buckets with so many entries a bucket. A limit of 8 keeps every load at one size."""
    knobs: dict[str, Any] = {"load_limit": 8.0, "overflow_limit": "off"}
    if chain > 1:
        knobs |= {"hash": "skewed", "chain": chain}
    return gets(int(load * 2**B), ops, hint=CELLS * 2**B, groups=(Group(mix={kind: 100}),), knobs=knobs)


def _walked(w: Workload, seed: int) -> Shape:
    """The shape of the map that a workload reads."""
    m = Map(seed=seed, hint=w.hint, knobs=w.knobs)
    m.assign_many(range(w.size), range(w.size))
    return shape(m)


@load_latency.model
def load_size_and_chains(ctx: Context) -> Finding:
    """Load at fixed sizes, size at fixed load, and chain length in cache, each interleaved."""
    sizes = ctx.scale.pick(test=(5, 8, 10), quick=(6, 12, 17), full=(6, 11, 14, 17))
    ops = ctx.scale.pick(test=30_000, quick=150_000, full=500_000)

    def ns(w: Workload, seed: int) -> float:
        return ns_each(ctx.run(w, seed))

    def at_all_sizes(load: float, seed: int) -> dict[str, float]:
        runs = {_metric(B, kind): _loaded(B, load, ops, kind) for B in sizes for kind in _kinds(B)}
        return {name: ns(w, seed) for name, w in runs.items()}

    pairs = ctx.pairs(_LOW, _HIGH, at_all_sizes, names=(f"load {_LOW:g}", f"load {_HIGH:g}"))
    by_size = ctx.sweep([_loaded(B, 6.5, ops) for B in sizes], ns, names=[f"{full(B):,} entries" for B in sizes])
    chained = [_loaded(_CHAIN_B, 6.5, ops, chain=c) for c in _CHAINS]
    by_chain = ctx.sweep(chained, ns, names=[f"chains x {c}" for c in _CHAINS])
    by_load = ctx.sweep([_loaded(sizes[0], load, ops) for load in _LOADS], ns, names=[f"load {load:g}" for load in _LOADS])
    found = _judged(pairs, sizes, by_size)
    chains = _chains(by_chain, [_walked(w, ctx.seed) for w in chained])
    return found.with_(
        reason=f"{found.reason} {_needed(by_chain)}",
        numbers=(*found.numbers, *chains, *_shares(ctx, ops)),
        series=(
            _bars(f"Hit by load, {2 ** sizes[0]:,} buckets", by_load),
            _bars("Hit by size, load 6.5", by_size),
            _bars("Hit by chain length, in cache", by_chain),
        ),
        settings=pairs.settings,
        workload=_loaded(sizes[-1], _HIGH, ops),
    )


def _kinds(B: int) -> tuple[str, ...]:
    """Misses too where a map is quickly made."""
    return ("get", "get_miss") if B < _LARGE_B else ("get",)


def _metric(B: int, kind: str) -> str:
    return f"{'hit' if kind == 'get' else 'miss'}, {2**B:,} buckets"


def _bars(title: str, sweep: Sweep) -> Series:
    return bars(title, "ns", {name: sweep.of(i) for i, name in enumerate(sweep.settings)})


def _judged(pairs: Pairs, sizes: Sequence[int], by_size: Sweep) -> Finding:
    """Load at each fixed size, against the article's range of 75 ns; and size at a fixed load."""
    effects = {B: pairs.effect(_metric(B, "get")) for B in sizes}
    base = {B: statistics.median(pairs.samples(0, _metric(B, "get"))) for B in sizes}
    most = {B: (e.high - 1) * base[B] for B, e in effects.items()}
    middle = {B: (e.ratio - 1) * base[B] for B, e in effects.items()}
    size_ns = statistics.median(by_size.of(-1)) - statistics.median(by_size.of(0))
    if pairs.rounds < PAIRS_ASKED and not pairs.reduced:
        verdict = UNDECIDED
    elif any(e.low > _TIMES for e in effects.values()):
        verdict = CONFIRMED
    elif max(most.values()) < _BY_LOAD * _RANGE_NS and size_ns > _BY_SIZE * _RANGE_NS:
        verdict = REFUTED
    else:
        verdict = UNDECIDED
    by_load = max(middle.values())
    few = f" ({pairs.rounds} pairs: {pairs.reduced})" if pairs.reduced else ""
    return Finding(
        verdict,
        f"At fixed size, load {_HIGH:g} instead of {_LOW:g} adds at most {by_load:.2g} ns to a hit ({by_load / _RANGE_NS:.0%} "
        f"of the way from 12 to 87 ns; with the intervals at most {max(most.values()) / _RANGE_NS:.0%}), size adds "
        f"{size_ns:.3g} ns ({size_ns / _RANGE_NS:.0%}){few}.",
        numbers=(
            *(Number.of_ratio(f"load {_HIGH:g} by {_LOW:g}, hit, {2**B:,} buckets", e) for B, e in effects.items()),
            *(
                Number.of_ratio(f"load {_HIGH:g} by {_LOW:g}, miss, {2**B:,} buckets", pairs.effect(_metric(B, "get_miss")))
                for B in sizes
                if "get_miss" in _kinds(B)
            ),
            Number("added to a hit by load, most of all sizes", by_load, "ns"),
            Number("added to a hit by size", size_ns, "ns"),
            *(Number(f"hit, {name}", statistics.median(by_size.of(i)), "ns") for i, name in enumerate(by_size.settings)),
        ),
    )


def _chains(by_chain: Sweep, shapes: Sequence[Shape]) -> list[Number]:
    """In cache: ns = base + b x cells compared, by least squares. Lines touched rise with the cells there, so that their share
    cannot be told apart; what lines cost is what the sizes show."""
    ns = [statistics.median(by_chain.of(i)) for i in range(len(by_chain.settings))]
    cell, base = np.polyfit([s.hit_cells for s in shapes], ns, 1)
    return [
        *(Number(f"hit in cache, {name}", x, "ns") for name, x in zip(by_chain.settings, ns, strict=True)),
        *(Number(f"lines touched a hit, {name}", s.hit_lines) for name, s in zip(by_chain.settings, shapes, strict=True)),
        *(Number(f"cells compared a hit, {name}", s.hit_cells) for name, s in zip(by_chain.settings, shapes, strict=True)),
        Number("fit in cache: base", float(base), "ns"),
        Number("fit in cache: a cell compared", float(cell), "ns"),
    ]


def _needed(by_chain: Sweep) -> str:
    """How much longer chains would have to be for 87 ns in cache."""
    ns = [statistics.median(by_chain.of(i)) for i in range(len(_CHAINS))]
    if max(ns) < _ARTICLE_NS:
        return f"In cache even chains {_CHAINS[-1]} times as long take {max(ns):.3g} ns."
    return f"In cache 87 ns take chains {np.interp(_ARTICLE_NS, ns, _CHAINS):.2g} times as long."


def _shares(ctx: Context, ops: int) -> list[Number]:
    shapes = {load: _walked(_loaded(_CHAIN_B, load, ops), ctx.seed) for load in _LOADS}
    return [
        Number(f"buckets with an overflow bucket, load {load:g}", 100 * s.with_overflow / s.buckets, "%")
        for load, s in shapes.items()
    ]
