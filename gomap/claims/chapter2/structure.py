"""C2.1-structure: open addressing, 8 pairs a bucket, overflow chains."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from gomap.claims.claim import CONFIRMED, REFUTED, UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.registry import claim
from gomap.claims.verdict import Finding, Number, Series
from gomap.claims.walk import Shape, full, shape
from gomap.lab.workload import Group, Workload
from gomap.map import Map


@claim
def structure() -> Claim:
    return Claim(
        id="C2.1-structure",
        title="Open addressing, 8 pairs a bucket, overflow chains",
        section="2.1",
        statement=(
            "The map is a hash table with open addressing and pointer jumps. Every bucket holds exactly 8 pairs, "
            "and overflow buckets hang off bmap.overflow."
        ),
        article_number="8 pairs a bucket",
        go_words="partly true",
        real_go=(
            "The classic map is separate chaining in units of 8-cell buckets: tophash[8], 8 keys, 8 elems, an "
            "overflow pointer (runtime/map_noswiss.go: bmap). Nothing probes linearly. The Swiss map, default since "
            "Go 1.24, does use open addressing: groups of 8 slots with an 8-byte control word, triangular probing, "
            "tables of at most 1,024 slots, extendible hashing above (internal/runtime/maps/map.go)."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="The classic map is chained, not open addressing (source).",
            holds=(
                "8 pairs a bucket and overflow buckets: at load 6.5, 20.8 % of the buckets have one and a hit looks "
                "at 4.25 cells (G4; Go's own table says 20.90 % and 4.25)."
            ),
        ),
        prediction=(
            "At load 6.5, 20.8 % (within 0.5) of the buckets have an overflow bucket and a hit looks at 4.25 "
            "(within 0.05) cells."
        ),
        knob="map.impl",
        settings=(Setting("classic", go=True), Setting("swiss")),
        workload=(
            "Build one key set and walk it: buckets, chains, cells compared a hit. This gate comes before every "
            "other experiment."
        ),
        measured=(
            Quantity("buckets with an overflow bucket", "%"),
            Quantity("cells compared a hit", ""),
            Quantity("chain lengths", ""),
        ),
        criterion=Criterion(
            text="The model is accepted only if both figures agree with real Go within sampling error.",
        ),
    )


_SHARE, _SHARE_WITHIN = 20.8, 0.5
_CELLS, _CELLS_WITHIN = 4.25, 0.05
_SURE = 1.96


def _walked(seed: int, B: int, load: float = 6.5) -> Shape:
    """A map of 2^B buckets with so many entries a bucket, its invariants checked: every entry is in the chain of its hash."""
    m = Map(seed=seed, hint=full(B))
    keys = range(int(load * 2**B))
    m.assign_many(keys, keys)
    m.check()
    return shape(m)


def _verdict(share: Number, cells: Number) -> str:
    """Both intervals within what real Go has: confirmed. One of them wholly outside: refuted."""
    wanted = ((share, _SHARE, _SHARE_WITHIN), (cells, _CELLS, _CELLS_WITHIN))
    bounds = [(n.low or 0.0, n.high or 0.0, at - within, at + within) for n, at, within in wanted]
    if any(high < least or low > most for low, high, least, most in bounds):
        return REFUTED
    return CONFIRMED if all(least <= low and high <= most for low, high, least, most in bounds) else UNDECIDED


def _judged(shapes: Sequence[Shape]) -> Finding:
    buckets = sum(s.buckets for s in shapes)
    p = sum(s.with_overflow for s in shapes) / buckets
    error = 100 * _SURE * math.sqrt(p * (1 - p) / buckets)
    mean = sum(s.hit_cells for s in shapes) / len(shapes)
    spread = math.sqrt(sum((s.hit_cells - mean) ** 2 for s in shapes) / max(len(shapes) - 1, 1) / len(shapes)) * _SURE
    share = Number("buckets with an overflow bucket", 100 * p, "%", 100 * p - error, 100 * p + error)
    cells = Number("cells compared a hit", mean, "", mean - spread, mean + spread)
    lengths: Counter[int] = Counter()
    for s in shapes:
        lengths.update(s.lengths)
    verdict = _verdict(share, cells)
    agree = {CONFIRMED: "both agree with", REFUTED: "they do not agree with", UNDECIDED: "too few buckets to tell it from"}
    return Finding(
        verdict,
        f"At load 6.5 {share.value:.2f} % ({share.low:.2f} to {share.high:.2f}) of {buckets:,} buckets have an overflow bucket "
        f"and a hit looks at {mean:.3f} cells; {agree[verdict]} real Go's {_SHARE} % and {_CELLS}. Every entry is in the chain "
        "of its hash: that is chaining by 8 cells, and nothing probes linearly.",
        numbers=(share, cells, Number("longest chain", max(lengths), "buckets")),
        series=(
            Series(
                "bars",
                "Chains by their number of buckets",
                "%",
                tuple(
                    {"name": str(n), "value": (v := 100 * k / buckets), "low": v, "high": v} for n, k in sorted(lengths.items())
                ),
            ),
        ),
        settings=("classic",),
    )


@structure.model
def walk_full_maps(ctx: Context) -> Finding:
    """Walks maps that are full to the limit, each with a hash of its own."""
    return _walk(ctx, 6.5)


def _walk(ctx: Context, load: float) -> Finding:
    B, maps = ctx.scale.pick(test=(11, 4), quick=(13, 12), full=(14, 40))
    shapes = []
    for i, seed in enumerate(ctx.seeds(maps)):
        ctx.say(f"walking a full map, {i + 1} of {maps}", i / maps)
        shapes.append(_walked(seed, B, load))
    fill = Workload(ops=full(B), hint=full(B), groups=(Group(mix={"assign_new": 100}),), sample=0, attribution=False)
    return _judged(shapes).with_(workload=fill)
