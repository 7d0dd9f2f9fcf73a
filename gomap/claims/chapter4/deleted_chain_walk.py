"""C4.13-deleted-chain-walk: gets walk the chains that deletes have left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context, Measure
from gomap.claims.parts import Runner, all_of, missed_after, on_go, on_model, ranged_after
from gomap.claims.registry import claim
from gomap.claims.verdict import Finding, Number, Pairs, decide_pairs, median_interval
from gomap.lab.workload import Workload


@claim
def deleted_chain_walk() -> Claim:
    return Claim(
        id="C4.13-deleted-chain-walk",
        title="Gets walk the chains that deletes have left",
        section="4.4, implied",
        statement="After deletes a get still has to walk the overflow chain that was left behind.",
        article_number=None,
        go_words="true for some paths",
        real_go=(
            "The generic mapaccess1 stops at emptyRest (runtime/map_noswiss.go); mapaccess1_fast64 and "
            "mapaccess1_faststr do not and walk every linked bucket. The big effect is on range. Swiss has no "
            "chains: what remains there is cache."
        ),
        go_by_source=SourceVerdict(
            "confirmed",
            evidence=(
                "2^20 int keys deleted to 1,000: an absent key takes 69 ns, against 11.5 in a fresh map and 21.6 in "
                "an equally large array; range 2,966 µs against 11 (1,902 in the large array) (G7)."
            ),
            limits=(
                "The generic path stops at emptyRest, and Swiss maps have no chains (37 ns against 9.5 fresh and 54 "
                "in an equally large table). And the large empty array of G7 had never been written: all its pages are "
                "the system's one page of zeros, which stays in the nearest cache. Beside an array that has been "
                "written, most of the difference is gone."
            ),
        ),
        prediction=(
            "Misses cost no more than in an equally large array that has been written and was never full: it is the "
            "array's size. A range costs at least 100 times that of a fresh map."
        ),
        knob="delete; emptyrest (on, off); map.impl",
        settings=(Setting("go", go=True), Setting("unlink empty overflow buckets"), Setting("shrink at 1/8 load")),
        workload=(
            "As C4.11, against four maps: fresh; as large and never written; as large, written and never full; deleted "
            "down. Array size (cache) apart from leftover chains."
        ),
        measured=(Quantity("get, hit and miss", "ns"), Quantity("range", "ns")),
        criterion=Criterion(
            text=(
                "Confirmed if misses after deletion cost at least 1.5 times those of a map with an equally large array "
                "that has no chains, and a range at least 100 times that of a fresh one. The array has been written: one "
                "that has not is the system's page of zeros many times over, and any map that was used is slower."
            ),
            threshold=1.5,
        ),
        remedy=("rebuild after mass deletion",),
    )


_LEFT = 10  # one of 2^10 entries is left, as 1,000 of 2^20 in G7
_MISS, _RANGE = 1.5, 100.0
_GO_FAST_PATH = {"emptyrest": "walk on"}
"""Go's searches for 8-byte and string keys go on to the end of the chain; gomap's own stop where nothing follows."""
_UNLINKED = {**_GO_FAST_PATH, "delete": "unlink"}
_STOPPING = {"paths": "knobs"}  # the same machine code, stopping at emptyRest as Go's generic search


def _sizes(ctx: Context) -> tuple[int, int]:
    """Entries of the full map, and gets. At 6.5 a bucket the chains are as many as they get: 20.8 % of the buckets have one."""
    return ctx.scale.pick(test=(13 * 2**10, 20_000), quick=(13 * 2**12, 50_000), full=(13 * 2**15, 300_000))


def _maps(make: Any, full: int, n: int, **options: Any) -> dict[str, Workload]:
    """The same few entries in a fresh map, and in three with the array of a full one. An eighth of the entries writes all pages
    of it, and next to no bucket overflows."""
    left, some = full >> _LEFT, full // 8
    return {
        "fresh": make(left, 0, n, **options),
        "large, never written": make(left, 0, n, hint=full, **options),
        "large, never full": make(some, some - left, n, hint=full, **options),
        "emptied": make(full, full - left, n, **options),
    }


def _miss_ns(run: Runner) -> Callable[[Workload, int], float]:
    return lambda w, seed: 1e9 / run(w, seed).throughput


def _pairs(ctx: Context, maps: Mapping[str, Workload], a: str, b: str, measure: Measure[Workload]) -> Pairs:
    return ctx.pairs(maps[a], maps[b], measure, names=(a, b))


def _measured(ctx: Context, run: Runner, **options: Any) -> Finding:
    """The claim's two parts, and beside them what an array costs that was never written."""
    full, gets = _sizes(ctx)
    missed, ranged = _maps(missed_after, full, gets, **options), _maps(ranged_after, full, 20, **options)
    misses = _pairs(ctx, missed, "large, never full", "emptied", _miss_ns(run))
    ranges = _pairs(ctx, ranged, "fresh", "emptied", lambda w, seed: run(w, seed).latency["iterate"].value_at(50))
    found = all_of(
        [
            decide_pairs(misses, "miss", threshold=_MISS, two_valued=True, unit="ns"),
            decide_pairs(ranges, "range", threshold=_RANGE, two_valued=True, unit="ns"),
        ]
    )
    unwritten = median_interval([_miss_ns(run)(missed["large, never written"], seed) for seed in ctx.seeds(3)])
    return found.with_(
        numbers=(*found.numbers, Number.of_ratio("miss, large, never written", unwritten, "ns")), workload=ranged["emptied"]
    )


@deleted_chain_walk.model
def emptied_beside_empty(ctx: Context, knobs: Mapping[str, Any] = _GO_FAST_PATH) -> Finding:
    """Misses and ranges in an emptied map, searched as Go's fast paths search; and without the chains, to tell whether it is
    they."""
    full, gets = _sizes(ctx)
    claimed = _measured(ctx, on_model(ctx), knobs=knobs)
    walked, unlinked, stopping = (_maps(missed_after, full, gets, knobs=k)["emptied"] for k in (knobs, _UNLINKED, _STOPPING))
    names = ("emptied, chains unlinked", "emptied, chains walked")
    back = ctx.pairs(unlinked, walked, _miss_ns(on_model(ctx)), ctx.scale.pick(test=3, quick=3, full=10), names=names)
    chains = decide_pairs(back, "miss by the chains alone", two_valued=True, unit="ns")
    generic = [1e9 / ctx.run(stopping, seed).throughput for seed in ctx.seeds(3)]
    found = all_of([claimed, chains])
    return found.with_(numbers=(*found.numbers, Number.of_ratio("miss, generic search", median_interval(generic), "ns")))


@deleted_chain_walk.go
def emptied_beside_empty_in_go(ctx: Context) -> Finding:
    """The same in real Go's classic map, whose chains cannot be taken away."""
    return _measured(ctx, on_go(ctx))
