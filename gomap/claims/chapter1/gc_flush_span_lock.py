"""C1.6-gc-flush-span-lock: marking flushes all mcaches, and readers spin on mspan.lock."""

from __future__ import annotations

from typing import Any

from gomap.claims.claim import UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.heaps import READER, gathered_in_phase, play
from gomap.claims.parts import all_of, no_dearer
from gomap.claims.real import controls, decided_or_read, designs
from gomap.claims.registry import claim
from gomap.claims.tails import COLLECTING, medians, sample_ms, tail
from gomap.claims.verdict import Finding, Number, bars, decide_pairs
from gomap.lab.heap_scene import HeapActor, HeapScene, HeapSceneResult
from gomap.lab.histogram import TooFewSamples
from gomap.lab.machine import allowed_cpus


@claim
def gc_flush_span_lock() -> Claim:
    return Claim(
        id="C1.6-gc-flush-span-lock",
        title="Marking flushes all mcaches, and readers spin on mspan.lock",
        section="1, P-local cache and GC; monitoring table, row 2",
        statement=(
            "When the GC starts to mark, runtime.gcMarkWorker flushes every P's mcache and sweeps. Goroutines that "
            "walk bucket chains in mapaccess meanwhile spin on mspan.lock."
        ),
        article_number="'sweep stall > 2 ms' in gctrace",
        go_words="false",
        real_go=(
            "The worker is gcBgMarkWorker and flushes nothing. Mcaches are flushed after mark termination, by each "
            "P for itself (runtime/mcache.go: prepareForSweep, from acquirep and one forEachP in "
            "gcMarkTermination). Sweeping comes after marking, in the background and before an allocation that "
            "refills an mcache (runtime/mcentral.go: cacheSpan, at most 100 spans). There is no mspan.lock (only "
            "speciallock), and a read allocates nothing and touches no span. gctrace has no 'sweep stall'. True "
            "nearby: an insert that allocates just after a cycle may sweep first."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence=(
                "A read touches no span structure (source). With collections back to back, get p50 goes from 137 to "
                "190 ns and p99.9 from 680 to 720 ns (G10)."
            ),
            holds="an insert may sweep spans before it allocates.",
        ),
        prediction="Get's tail hardly moves with the phase of the collector, and doubles once each get takes a span lock.",
        knob="alloc.read_span_lock; alloc.mcache_flush (per P at sweep start, all Ps at mark start); alloc.sweep_budget = 100",
        settings=(Setting("off", go=True), Setting("spin lock per span on every get", article=True)),
        workload=(
            "Two readers on 2*10^5 string keys, one allocating thread, collections back to back; every get and "
            "insert labelled with the phase. Control: the same memory traffic from a thread that is no collector."
        ),
        measured=(
            Quantity("get and insert p50 to max by phase", "ns"),
            Quantity("refills", ""),
            Quantity("spans swept in an allocation", ""),
            Quantity("lock waits of gets", ""),
        ),
        criterion=Criterion(
            text=(
                "The mechanism is confirmed if the span lock moves get p99.9 in the sweep phase by a factor of 2, "
                "and its absence by less than 10 %. Real Go is refuted by source and G10."
            ),
            threshold=2.0,
        ),
        remedy=("R1",),
        needs=frozenset({"heap"}),
    )


@gc_flush_span_lock.go
def gets_beside_collections(ctx: Context) -> Finding:
    """Gets of string keys alone, and with collections back to back. What a collector does to a reader has more causes than a
    lock, so that this is no verdict: it is how much there is to explain."""
    go, ms = controls(designs()[0]), sample_ms(ctx)
    size = ctx.scale.pick(test=10_000, quick=50_000, full=200_000)

    def measure(collecting: bool, seed: int) -> dict[str, float]:
        return tail(go, COLLECTING if collecting else {}, ms, keys="string", size=size)

    pairs = ctx.pairs(False, True, measure, names=("alone", "collections back to back"))
    effects = {p: pairs.effect(p) for p in ("p50", "p99", "p99.9")}
    told = ", ".join(f"{p} {effect}" for p, effect in effects.items())
    found = Finding(
        UNDECIDED,
        f"Gets with collections back to back by gets alone: {told}.",
        numbers=(
            *(Number.of_ratio(f"{p} of get, with collections by alone", effect) for p, effect in effects.items()),
            *(n for p in effects for n in medians(pairs, p, f"{p} of get")),
            *medians(pairs, "cycles", "collections", "")[1:],
        ),
        series=tuple(
            bars(f"{p} of get", "ns", {n: pairs.samples(i, p) for i, n in enumerate(pairs.settings)}) for p in effects
        ),
        settings=pairs.settings,
    )
    return decided_or_read(gc_flush_span_lock.claim, found)


_SWEPT = 8192
"""Bytes of the objects that live: a span each, so that sweeping takes about as long as marking."""


@gc_flush_span_lock.model
def gets_by_phase(ctx: Context) -> Finding:
    """Two readers of one map beside a thread that allocates, collections back to back: p99.9 of gets that begin while spans are
    swept, with a lock of the span and without; and without it, in that phase and while the collector does nothing."""
    try:
        n = ctx.scale.pick(test=3, quick=3, full=12)
        lock = ctx.pairs(
            "off", "on", lambda lock, seed: _tail(ctx, "sweeping", lock), n, names=("no lock", "a lock of the span")
        )
        phase = ctx.pairs(
            "off", "sweeping", lambda phase, seed: _tail(ctx, phase, "off"), n, names=("no collection", "sweeping")
        )
    except TooFewSamples as few:
        return Finding(UNDECIDED, f"Too few gets began in a phase: {few}.")
    found = all_of(
        [
            decide_pairs(lock, f"p{_percent(ctx):g} of get while spans are swept", threshold=2.0, two_valued=True, unit="ns"),
            no_dearer(phase, f"p{_percent(ctx):g} of get without the lock", 1.1),
        ]
    )
    waits = _scene(ctx, "on")
    return found.with_(
        numbers=(
            *found.numbers,
            Number("gets that waited for a span's lock", waits.counts["get_lock_waits"]),
            Number("gets that took one", waits.counts["get_locks"]),
            Number("spans swept in front of an allocation", waits.counts["swept_in_refills"]),
        )
    )


def _scene(ctx: Context, lock: str, collecting: bool = True) -> HeapSceneResult:
    """The second reader and the thread that allocates only where there are CPUs for them beside a reader and the collector:
    otherwise they would take turns, and hardly meet."""
    entries, live = ctx.scale.pick(test=(500, 5_000), quick=(20_000, 16_000), full=(200_000, 50_000))
    reader = HeapActor(**{**vars(READER), "entries": entries})
    more = (HeapActor(**{**vars(reader), "shares": True}), HeapActor(does="allocates", size=144))
    actors = (reader, *more[: max(0, len(allowed_cpus()) - 2)])
    length: dict[str, Any] = {"duration_s": ctx.scale.pick(test=0.01, quick=0.03, full=0.2)}
    if collecting:  # to the end of a sweep
        length = {"collecting": True, "cycles": ctx.scale.pick(test=4, quick=5, full=10), "duration_s": 10}
    scene = HeapScene(actors=actors, live=live, live_size=_SWEPT, **length)
    return play(scene, gogc=100 if collecting else None, read_span_lock=lock)


def _tail(ctx: Context, phase: str, lock: str) -> float:
    found = gathered_in_phase(ctx, lambda: _scene(ctx, lock, phase != "off"), phase, _percent(ctx))
    return float(found.percentile(_percent(ctx)))


def _percent(ctx: Context) -> float:
    """A sweep is short: only long runs have enough gets in it for the percentile of the criterion."""
    return ctx.scale.pick(test=90.0, quick=99.0, full=99.9)
