"""C4.6-markroot-lock: A markroot lock makes the draining serial."""

from __future__ import annotations

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context, Measure
from gomap.claims.heaps import play
from gomap.claims.parts import all_of, no_dearer
from gomap.claims.registry import claim
from gomap.claims.verdict import Finding, Number, bars, decide_pairs, median_interval
from gomap.lab.heap_scene import HeapActor, HeapScene, HeapSceneResult


@claim
def markroot_lock() -> Claim:
    return Claim(
        id="C4.6-markroot-lock",
        title="A markroot lock makes the draining serial",
        section="4.2",
        statement=(
            "Draining is a critical section that cannot be preempted, under the global lock work.markroot; Ps have "
            "to drain one after the other."
        ),
        article_number=None,
        go_words="false",
        real_go=(
            "There is no such lock. Root jobs are handed out by an atomic counter (markrootNext, "
            "runtime/mgcmark.go); grey objects travel in work buffers of each P and lock-free lists "
            "(runtime/mgcwork.go). Flushing cannot be preempted indeed, for the 512 entries of one P at most."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="No lock of that name or kind exists (source).",
            holds="a flush of one P's buffer cannot be preempted.",
        ),
        prediction="With one global lock the time of a flush grows with the Ps that flush at once; with Go's it does not.",
        knob="gc.flush_lock",
        settings=(Setting("per P", go=True), Setting("one global", article=True)),
        workload="Flushes of 0 to 512 entries by 1 to N Ps at once, with each lock.",
        measured=(Quantity("flush", "ns"),),
        criterion=Criterion(
            text="Refuted by source; the knob shows how the hypothetical lock would scale.",
        ),
        needs=frozenset({"heap"}),
    )


_LOCKS = {"per P": "per P", "one global": "global"}
_ENTRIES = (2, 128, 510)


@markroot_lock.model
def flushes_at_once(ctx: Context) -> Finding:
    """The time of a flush of a full buffer, by one P and by two at once, under one lock for all and as in Go; and by its
    entries, by one P alone."""
    names = ("one P", "two Ps at once")

    def measure(lock: str) -> Measure[int]:
        return lambda ps, seed: _flush_ns(ctx, lock, ps, _ENTRIES[-1])

    by_lock = {name: ctx.pairs(1, 2, measure(lock), names=names) for name, lock in _LOCKS.items()}
    found = all_of(
        [
            decide_pairs(by_lock["one global"], "a flush under one lock for all", two_valued=True, unit="ns"),
            no_dearer(by_lock["per P"], "a flush as in Go", 1.1),
        ]
    )
    alone = {f"{n} entries": [_flush_ns(ctx, "per P", 1, n) for _ in ctx.seeds(3)] for n in _ENTRIES}
    waits = {name: _scene(ctx, lock, 2, _ENTRIES[-1]).counts for name, lock in _LOCKS.items()}
    return found.with_(
        numbers=(
            *found.numbers,
            *(Number.of_ratio(f"a flush of {n}, one P", median_interval(ns), "ns") for n, ns in alone.items()),
            *(Number(f"flushes that waited for the lock, {n}", c["flush_lock_waits"]) for n, c in waits.items()),
        ),
        series=(*found.series, bars("A flush by one P", "ns", alone)),
        settings=tuple(_LOCKS),
    )


def _scene(ctx: Context, lock: str, ps: int, entries: int) -> HeapSceneResult:
    """What is flushed has been marked before, but for the first time in a cycle."""
    flusher = HeapActor(does="flushes", size=entries, ops=ctx.scale.pick(test=200, quick=1_000, full=5_000))
    scene = HeapScene(actors=(flusher,) * ps, live=100_000, collecting=True, duration_s=20)
    return play(scene, gogc=None, flush_lock=lock)


def _flush_ns(ctx: Context, lock: str, ps: int, entries: int) -> float:
    return float(_scene(ctx, lock, ps, entries).actors[0].latency.value_at(50))
