"""C1.5-bucket-from-mcache: since Go 1.21 buckets come from the P's mcache."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gomap.claims.claim import CONFIRMED, UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.parts import all_of
from gomap.claims.registry import claim
from gomap.claims.verdict import Finding, Number, Series, decide_exact
from gomap.claims.walk import full
from gomap.lab.heap import Heap
from gomap.map import Map


@claim
def bucket_from_mcache() -> Claim:
    return Claim(
        id="C1.5-bucket-from-mcache",
        title="Since Go 1.21 buckets come from the P's mcache",
        section="1, P-local cache and GC",
        statement="With the p.mcache optimisation of Go 1.21 and later, bucket memory is taken from the P's local cache first.",
        article_number="Go 1.21+",
        go_words="partly true (wrong date)",
        real_go=(
            "The per-P mcache is as old as Ps (Go 1.1) and of the same kind in 1.19 (runtime/runtime2.go: "
            "p.mcache). Single overflow buckets and arrays of up to 32 KB come from it; larger arrays go through "
            "mcache.allocLarge to the page heap under its lock (runtime/malloc.go: mallocgcLarge). With the "
            "144-byte buckets of map[int]int an array passes 32 KB at B = 8: every growth that hurts goes past the "
            "mcache. Swiss tables of up to 1,024 slots mostly do come from it."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence=(
                "The mcache is older than the article says, and large arrays, the ones that hurt, never come from it (source)."
            ),
            holds="small maps and single overflow buckets are served by the mcache.",
        ),
        prediction="Over 95 % of allocations below B = 8 are mcache hits, and no array from B = 8 on is.",
        knob="alloc.path; alloc.large_limit = 32 KB",
        settings=(Setting("mcache + heap", go=True), Setting("always heap"), Setting("always mcache", article=True)),
        workload="Insert 1 to 2^20 int and string keys; count allocations by path, growth by growth.",
        measured=(Quantity("mcache hits, refills, large allocations", ""), Quantity("time of each", "ns")),
        criterion=Criterion(
            text=(
                "Confirmed for small maps if over 95 % of the allocations below B = 8 are mcache hits; refuted for "
                "large ones if no array at B >= 8 is."
            ),
        ),
        remedy=("R1",),
        needs=frozenset({"heap"}),
    )


_SMALL_B = 8
"""From here on an array of map[int]int is larger than 32 KB."""
_HITS = 0.95


class _Taken(NamedTuple):
    """Blocks of a map by where they came from: the P's cache as it was; the cache, after a refill; pages of their own, by way
    of the page heap's lock; and such pages that the cache had kept (a setting)."""

    hits: int
    refills: int
    large: int
    large_hits: int

    @property
    def all(self) -> int:
        return self.hits + self.refills + self.large


@bucket_from_mcache.model
def blocks_by_path(ctx: Context, path: str = "go") -> Finding:
    """Many maps that stay below 2^8 buckets, and one that grows far beyond, growth by growth; blocks counted by their path."""
    maps, most_B = ctx.scale.pick(test=(100, 12), quick=(1000, 15), full=(10_000, 18))
    ctx.say("small maps", 0.0)
    small, strings = (_small_maps(kind, maps, path) for kind in ("int64", "str"))
    ctx.say("one that grows", 0.5)
    arrays = _growths(most_B, path)
    hits = sum(t.large_hits for t in arrays.values())
    large = decide_exact("arrays from B = 8 on that the P's cache had", hits, sum(t.large for t in arrays.values()))
    found = all_of([_few_refills(small), large])
    return found.with_(
        reason=f"{found.reason} With string keys, whose bytes are blocks too, {strings.hits / strings.all:.1%} are hits.",
        numbers=(*found.numbers, Number("hits of the cache, string keys", 100 * strings.hits / strings.all, "%")),
        series=(
            Series(
                "lines",
                "Arrays from pages of their own, by B",
                "",
                tuple({"name": "large", "x": B, "y": t.large - t.large_hits} for B, t in arrays.items()),
            ),
        ),
        settings=({"go": "mcache + heap", "heap": "always heap", "cache": "always mcache"}[path],),
    )


def _small_maps(kind: str, maps: int, path: str) -> _Taken:
    heap = Heap(path=path)
    numbers = np.arange(full(_SMALL_B - 1))
    keys = numbers if kind == "int64" else [str(i) for i in numbers]
    for seed in range(maps):
        Map(kind, seed=seed, heap=heap).assign_many(keys, numbers)
    return _taken(heap)


def _taken(heap: Heap) -> _Taken:
    c = heap.stats().counts
    refills = c["refills"] if heap.knobs["path"] != "heap" else c["small_allocations"]
    return _Taken(c["small_allocations"] - refills, refills, c["large_allocations"], c["large_from_cache"])


def _growths(most_B: int, path: str) -> dict[int, _Taken]:
    """What each growth from 2^8 buckets on took: the insert that is one too many for the array before."""
    heap = Heap(None, path=path)
    m = Map("int64", seed=1, heap=heap)
    taken = {}
    for B in range(_SMALL_B, most_B + 1):
        m.assign_many(np.arange(len(m), full(B - 1)), np.arange(len(m), full(B - 1)))
        before = _taken(heap)
        m[full(B - 1)] = 0
        taken[B] = _Taken(*(now - then for now, then in zip(_taken(heap), before, strict=True)))
    return taken


def _few_refills(t: _Taken) -> Finding:
    share = t.hits / max(t.all, 1)
    return Finding(
        CONFIRMED if share > _HITS else UNDECIDED,
        f"Of {t.all:,} blocks of maps below 2^8 buckets {share:.1%} were in the P's cache, {t.refills:,} took a refill and "
        f"{t.large:,} pages of their own; more than {_HITS:.0%} would confirm it for small maps.",
        numbers=(
            Number("hits of the cache below B = 8", 100 * share, "%"),
            Number("blocks below B = 8", t.all),
            Number("refills below B = 8", t.refills),
        ),
    )
