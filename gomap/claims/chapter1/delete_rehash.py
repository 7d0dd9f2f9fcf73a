"""C1.4-delete-rehash: deletes trigger a rehash."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gomap.claims.claim import CONFIRMED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.real import go_run
from gomap.claims.registry import claim
from gomap.claims.verdict import Finding, Number, Pairs, bars, decide_count, decide_pairs, percentiles
from gomap.claims.walk import full
from gomap.lab.keystreams import Sequential
from gomap.lab.result import Result
from gomap.lab.workload import Group, Workload
from gomap.map import Map


@claim
def delete_rehash() -> Claim:
    return Claim(
        id="C1.4-delete-rehash",
        title="Deletes trigger a rehash",
        section="1, monitoring table, row 1",
        statement="Growth or deletion of a map triggers a rehash under the global lock h.mutex, seen as p99 > 10 µs.",
        article_number="p99 > 10 µs",
        go_words="partly true",
        real_go=(
            "A delete never starts a growth. mapdelete calls growWork only while one is under way "
            "(runtime/map_noswiss.go: mapdelete), so it may pay for two evacuations. Emptying the map draws a new "
            "hash0 and moves nothing. Deletes leave overflow buckets that can later make an insert start a "
            "same-size growth (tooManyOverflowBuckets). Swiss: delete never rehashes; it may leave a tombstone, and "
            "an insert into a full table may prune tombstones or rehash."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="mapdelete has no call of hashGrow.",
            holds="a delete continues a growth that is under way, and pays for it.",
        ),
        prediction="No growth begins in a delete. Deletes during a growth take at least twice as long at p50 as after it.",
        knob="delete_grows",
        settings=(Setting("continue only", go=True), Setting("start", article=True)),
        workload=(
            "Delete-only phases on a map that (a) does not grow and (b) has just begun to; then churn at constant "
            "size until a same-size growth starts."
        ),
        measured=(
            Quantity("growths started inside a delete", ""),
            Quantity("delete p50 while evacuating, and not", "ns"),
            Quantity("operation that started the same-size growth", ""),
        ),
        criterion=Criterion(
            text=(
                "Refuted if no growth starts inside a delete; that deletes continue one is confirmed if those "
                "during growth are at least twice as slow at p50."
            ),
            threshold=2.0,
        ),
    )


_GO = {"delete_grows": "continue", "paths": "knobs"}
_DELETES = Group(mix={"delete": 100}, keys=Sequential())
_B = 16


def _emptying(B: int, knobs: Mapping[str, Any] | None = None) -> Workload:
    """Deletes every key of a map that may take no further one: an insert in place of the first would double it."""
    n = full(B)
    return Workload(size=n, ops=n, hint=n, groups=(_DELETES,), sample=0, attribution=False, knobs=knobs)


def _started(r: Result) -> int:
    return sum(e.kind == "grow_start" for e in r.timeline.events)


@delete_rehash.model
def delete_phases(ctx: Context) -> Finding:
    """Growths that begin in deletes; what deletes pay for one that runs; and which operation starts one to the same size."""
    return _phases(ctx, _GO)


def _phases(ctx: Context, knobs: Mapping[str, Any]) -> Finding:
    maps = ctx.scale.pick(test=2, quick=24, full=100)
    events = opportunities = 0
    for i, seed in enumerate(ctx.seeds(maps)):
        ctx.say(f"emptying full maps, {i + 1} of {maps}", i / maps / 2)
        r = ctx.run(_emptying(_B, knobs), seed)
        events += _started(r)
        opportunities += r.hits["delete"]
    counted = decide_count(ctx.counted("growths started inside a delete", events, opportunities), confirmed_from=1)
    pairs, last = _while_growing(ctx)
    slower = decide_pairs(pairs, "p50 of delete", threshold=2.0, two_valued=True, unit="ns")
    half = "they continue it" if slower.verdict == CONFIRMED else f"that they continue one is {slower.verdict}"
    starters = _same_size_starters(knobs, ctx.seed)
    return counted.with_(
        reason=f"{counted.reason} Deletes during a growth: {half}. {slower.reason} "
        f"In a churn {starters['insert']} growths to the same size began in an insert and {starters['delete']} in a delete.",
        numbers=(
            *counted.numbers,
            *slower.numbers,
            Number("same-size growths that an insert started", starters["insert"]),
            Number("same-size growths that a delete started", starters["delete"]),
        ),
        series=(*slower.series, percentiles("Delete", {name: r.latency["delete"] for name, r in last.items()})),
        settings=(str(knobs["delete_grows"]),),
        workload=_emptying(_B, knobs),
    )


def _while_growing(ctx: Context) -> tuple[Pairs, dict[str, Result]]:
    """Deletes in a map of 2^B buckets, and in one whose growth from there the last key of the filling has started. Two buckets
    move with each delete, so that the growth lasts until the end."""
    B = ctx.scale.pick(test=10, quick=14, full=16)
    ops = 9 * 2**B // 20
    quiet = Workload(size=full(B), ops=ops, hint=full(B), groups=(_DELETES,))
    last: dict[str, Result] = {}

    def p50(w: Workload, seed: int) -> float:
        r = last["growing" if w.size > full(B) else "not growing"] = ctx.run(w, seed)
        return r.latency["delete"].percentile(50)

    growing = quiet.with_(size=full(B) + 1)
    return ctx.pairs(quiet, growing, p50, names=("not growing", "growing")), last


def _same_size_starters(knobs: Mapping[str, Any], seed: int) -> dict[str, int]:
    """A small map at constant size, until three growths to the same size; which operation began each."""
    m = Map(seed=seed, hint=100, knobs=knobs)
    starters = {"insert": 0, "delete": 0}
    was = False
    for i in range(100_000):
        m[i] = i
        starters["insert"] += not was and m.header.same_size_grow
        was = m.header.same_size_grow
        m.pop(i - 90, None)
        starters["delete"] += not was and m.header.same_size_grow
        was = m.header.same_size_grow
        if sum(starters.values()) == 3:
            break
    return starters


@delete_rehash.go
def in_go(ctx: Context) -> Finding:
    """Growths that begin while real classic maps that are full are emptied."""
    maps = ctx.scale.pick(test=1, quick=24, full=50)
    events = opportunities = 0
    seen: dict[str, list[float]] = {"growths in deletes": []}
    for i, seed in enumerate(ctx.seeds(maps)):
        ctx.say(f"emptying full maps of classic Go, {i + 1} of {maps}", i / maps)
        r = go_run(_emptying(_B), "classic", seed)
        events += _started(r)
        opportunities += r.hits["delete"]
        seen["growths in deletes"].append(_started(r))
    found = decide_count(ctx.counted("growths started inside a delete", events, opportunities), confirmed_from=1)
    return found.with_(
        series=(bars("Growths while a full map is emptied", "", seen),), settings=("continue only",), workload=_emptying(_B)
    )
