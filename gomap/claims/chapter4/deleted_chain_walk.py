"""C4.13-deleted-chain-walk: gets walk the chains that deletes have left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context, Measure
from gomap.claims.parts import Runner, all_of, missed_after, on_go, on_model, ranged_after
from gomap.claims.registry import claim
from gomap.claims.verdict import Finding, Number, decide_pairs, median_interval
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
                "in an equally large table)."
            ),
        ),
        prediction=(
            "Misses cost at least 1.5 times those of an equally large empty map, and a range at least 100 times "
            "that of a fresh one."
        ),
        knob="delete; emptyrest (on, off); map.impl",
        settings=(Setting("go", go=True), Setting("unlink empty overflow buckets"), Setting("shrink at 1/8 load")),
        workload=(
            "As C4.11, against three maps: fresh, presized and empty, deleted down. Array size (cache) apart from "
            "leftover chains."
        ),
        measured=(Quantity("get, hit and miss", "ns"), Quantity("range", "ns")),
        criterion=Criterion(
            text=(
                "Confirmed if misses after deletion cost at least 1.5 times those of a presized empty map, and a "
                "range at least 100 times that of a fresh one."
            ),
            threshold=1.5,
        ),
        remedy=("rebuild after mass deletion",),
    )


_LEFT = 10  # one of 2^10 entries is left, as 1,000 of 2^20
_MISS, _RANGE = 1.5, 100.0
_GO_FAST_PATH = {"emptyrest": "walk on"}
"""Go's searches for 8-byte and string keys go on to the end of the chain; gomap's own stop where nothing follows."""
_UNLINKED = {**_GO_FAST_PATH, "delete": "unlink"}
_STOPPING = {"paths": "knobs"}  # the same machine code, stopping at emptyRest as Go's generic search


def _sizes(ctx: Context) -> tuple[int, int]:
    """Entries of the full map, and gets."""
    return ctx.scale.pick(test=(2**14, 20_000), quick=(2**16, 50_000), full=(2**19, 300_000))


def _maps(make: Any, full: int, n: int, **options: Any) -> tuple[Workload, Workload, Workload]:
    """The same few entries in a fresh map, in one made for all, and in one that was full."""
    left = full >> _LEFT
    return make(left, 0, n, **options), make(left, 0, n, hint=full, **options), make(full, full - left, n, **options)


def _miss_ns(run: Runner) -> Measure[Workload]:
    return lambda w, seed: 1e9 / run(w, seed).throughput


def _measured(ctx: Context, run: Runner, **options: Any) -> list[Finding]:
    """The claim's two parts."""
    full, gets = _sizes(ctx)
    fresh, empty, emptied = "fresh", "large and empty", "emptied"
    _, large, deleted = _maps(missed_after, full, gets, **options)
    misses = ctx.pairs(large, deleted, _miss_ns(run), names=(empty, emptied))
    few, _, ranged = _maps(ranged_after, full, 20, **options)
    ranges = ctx.pairs(few, ranged, lambda w, seed: run(w, seed).latency["iterate"].value_at(50), names=(fresh, emptied))
    return [
        decide_pairs(misses, "miss", threshold=_MISS, two_valued=True, unit="ns").with_(workload=ranged),
        decide_pairs(ranges, "range", threshold=_RANGE, two_valued=True, unit="ns"),
    ]


@deleted_chain_walk.model
def emptied_beside_empty(ctx: Context, knobs: Mapping[str, Any] = _GO_FAST_PATH) -> Finding:
    """Misses and ranges in an emptied map, searched as Go's fast paths search; and without the chains, to tell whether it is
    they. What else differs: an emptied array has been written, and an empty one never (not told apart here)."""
    full, gets = _sizes(ctx)
    parts = _measured(ctx, on_model(ctx), knobs=knobs)
    walked, unlinked, stopping = (_maps(missed_after, full, gets, knobs=k)[2] for k in (knobs, _UNLINKED, _STOPPING))
    names = ("emptied, chains unlinked", "emptied, chains walked")
    back = ctx.pairs(unlinked, walked, _miss_ns(on_model(ctx)), ctx.scale.pick(test=3, quick=3, full=10), names=names)
    chains = decide_pairs(back, "miss by the chains alone", two_valued=True, unit="ns")
    generic = [1e9 / ctx.run(stopping, seed).throughput for seed in ctx.seeds(3)]
    found = all_of([*parts, chains])
    return found.with_(numbers=(*found.numbers, Number.of_ratio("miss, generic search", median_interval(generic), "ns")))


@deleted_chain_walk.go
def emptied_beside_empty_in_go(ctx: Context) -> Finding:
    """The same in real Go's classic map, whose chains cannot be taken away."""
    return all_of(_measured(ctx, on_go(ctx)))
