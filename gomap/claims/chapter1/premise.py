"""C1.0-premise: three hidden locks make map reads slow in production."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from gomap.claims.claim import CONFIRMED, REFUTED, UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.heaps import play
from gomap.claims.real import controls, decided_or_read, designs
from gomap.claims.registry import claim
from gomap.claims.tails import COLLECTING, STORM, sample_ms, tail
from gomap.claims.verdict import Finding, Number, Sweep, bars, median_interval, percentiles
from gomap.lab.heap_scene import HeapActor, HeapScene
from gomap.lab.histogram import Histogram
from gomap.lab.scheduler import Scheduler
from gomap.map import Map


@claim
def premise() -> Claim:
    return Claim(
        id="C1.0-premise",
        title="Three hidden locks make map reads slow in production",
        section="1, opening",
        statement=(
            "A Get takes nanoseconds in a microbenchmark, yet in production P99 jumps, goroutines block and even GC "
            "pauses grow. The cause is not the map itself but three implicit lock contention points that the "
            "scheduler and the runtime add to it under load."
        ),
        article_number=None,
        go_words="partly true",
        real_go=(
            "No map read takes a lock. mapaccess1_fast64, mapaccess1_faststr, mapassign_*, growWork, evacuate "
            "(runtime/map_noswiss.go, map_fast64_noswiss.go, map_faststr_noswiss.go) and mapiternext hold no "
            "LOCK-prefixed and no XCHG instruction in Go 1.19.8, 1.25.5 classic and 1.25.5 Swiss; the one exception "
            "in the family is an atomic OR of two iterator flags in mapiterinit. What a read in production pays "
            "beside its own time: the lock the program puts round the map, other goroutines' turns of 10 to 20 ms, "
            "GC workers that take a P, cache misses of a large table, the kernel."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence=(
                "The compiled code of all read paths was searched for locked instructions: none in three builds "
                "(G11). Control runs find slow reads only behind the program's own lock, other goroutines, the "
                "collector and the kernel (G2, G9, G10)."
            ),
            holds="the symptom: a read of 50 ns can take 100 ms.",
        ),
        prediction="Reads have a long tail under every disturbance, and none of it is a lock inside the map.",
        knob="guard, against every other knob at Go's setting",
        settings=(Setting("none", go=True), Setting("rwmutex"), Setting("mutex"), Setting("sharded"), Setting("syncmap")),
        workload=(
            "One fixed open-loop read load on 10^5 int keys, with each suspect alone: nothing, a writer behind a "
            "lock, growth, a marking collector, CPU-bound neighbours, traffic on the global run queue. Every read "
            "is tagged with what overlapped it."
        ),
        measured=(
            Quantity("get p50, p99, p99.9, p99.99, max", "ns"),
            Quantity("share of reads over 100 µs under each tag", "%"),
        ),
        criterion=Criterion(
            text=(
                "The symptom is confirmed if p99.99 / p50 is over 100 under load. The three locks are refuted if "
                "less than 1 % of the slow reads are due to locks inside the map."
            ),
            threshold=100.0,
        ),
        remedy=("R1", "R2", "R3", "R4", "R5"),
        needs=frozenset({"map", "scheduler", "heap"}),
    )


_SUSPECTS = {
    "nothing": {},
    "a growing map": {"growing": 1},
    "collections": COLLECTING,
    "eight busy goroutines": {"hogs": 8},
    "a thousand yielding": STORM,
}
"""What goes on beside a reader of a map that nobody writes to: no lock could be waited for, in the map or round it."""


@premise.go
def reads_beside_each_suspect(ctx: Context) -> Finding:
    """Reads of a map beside each suspect alone. Whether the symptom is there can be told; that no lock in the map is behind it
    cannot be told of single reads of real Go, and stays with its source."""
    go, ms = controls(designs()[0]), sample_ms(ctx)
    sweep = ctx.sweep(
        [*_SUSPECTS.values()],
        lambda beside, seed: _ratios(tail(go, beside, ms)),
        ctx.scale.pick(test=2, quick=3, full=10),
        names=[*_SUSPECTS],
    )
    return decided_or_read(premise.claim, _told(sweep))


def _ratios(t: dict[str, float]) -> dict[str, float]:
    return {"p99.99": t["p99.99"] / t["p50"], "max": t["max"] / t["p50"], **{f"{name} ns": t[name] for name in ("p50", "max")}}


def _told(sweep: Sweep) -> Finding:
    longest = {name: max(sweep.of(i, "max ns")) for i, name in enumerate(sweep.settings)}
    worst = max(longest, key=lambda name: longest[name])
    typical = median_interval(sweep.of(0, "p50 ns"))
    return Finding(
        UNDECIDED,
        f"A read of {typical.ratio:.3g} ns took up to {longest[worst] / 1e6:.3g} ms beside {worst}, of a map that nobody "
        "writes to and that has no lock round it.",
        numbers=(
            Number(f"longest get beside {worst}", longest[worst], "ns"),
            Number.of_ratio("p50 of get, alone", typical, "ns"),
            *(
                Number.of_ratio(f"p99.99 by p50 of get beside {name}", median_interval(sweep.of(i)), "x")
                for i, name in enumerate(sweep.settings)
            ),
            *(Number(f"longest get beside {name}", ns, "ns") for name, ns in longest.items() if name != worst),
        ),
        series=(bars("Longest get by p50", "x", {name: sweep.of(i, "max") for i, name in enumerate(sweep.settings)}),),
        settings=sweep.settings,
    )


_SLOW_US = 100.0
_SYMPTOM = 100.0
_BY_LOCKS = 0.01


class _Reads(NamedTuple):
    """Reads beside a suspect: all of them; how many took over 100 µs; how often one waited for a lock inside the map, of which
    the model has one only where a knob puts it there; and, where it was counted, in how many slow ones the world stopped."""

    latency: Histogram
    slow: int
    lock_waits: int
    stopped: int


_ON_THE_HEAP: dict[str, tuple[tuple[HeapActor, ...], bool]] = {
    "nothing": ((), False),
    "a growing map": ((HeapActor(does="inserts", key="str", elem="ready", entries=1 << 15),), False),
    "collections": ((), True),
    "growth and collections": ((HeapActor(does="inserts", key="str", elem="ready", entries=1 << 15),), True),
}
_ON_THE_SCHEDULER = {"eight busy goroutines": {"hogs": 8}, "a thousand yielding": {"yielders": 1000}}


@premise.model
def reads_beside_each_suspect_in_the_model(ctx: Context, **knobs: Any) -> Finding:
    """Reads of a map that nobody writes to, beside each suspect alone: growth and the collector on the heap, goroutines on the
    scheduler. Locks inside the map would be waited for by reads, and each wait is counted."""
    percent = ctx.scale.pick(test=99.0, quick=99.9, full=99.99)
    suspects = [*_ON_THE_HEAP, *_ON_THE_SCHEDULER]
    found: dict[str, _Reads] = {}
    for i, name in enumerate(suspects):
        ctx.say(f"reads beside {name}", i / len(suspects))
        found[name] = _on_the_heap(ctx, name, knobs) if name in _ON_THE_HEAP else _on_the_scheduler(ctx, name)
    return _judged(found, percent)


def _on_the_heap(ctx: Context, suspect: str, knobs: Mapping[str, Any]) -> _Reads:
    """With knobs another reader is on the same map: a lock that one has alone is not waited for."""
    beside, collecting = _ON_THE_HEAP[suspect]
    reader = HeapActor(entries=ctx.scale.pick(test=1_000, quick=20_000, full=100_000))
    other = (HeapActor(**{**vars(reader), "shares": True}),) if knobs else ()
    seconds = ctx.scale.pick(test=0.03, quick=0.15, full=2.0)
    actors = (reader, *other, *beside)
    scene = HeapScene(actors=actors, live=100_000, collecting=collecting, duration_s=seconds, slow_us=_SLOW_US)
    r = play(scene, gogc=100 if collecting else None, **knobs)
    reads = r.actors[0]
    return _Reads(reads.latency, reads.slow, r.counts["get_lock_waits"], reads.slow_by["stopped"])


def _on_the_scheduler(ctx: Context, suspect: str) -> _Reads:
    n = ctx.scale.pick(test=1_000, quick=20_000, full=100_000)
    m = Map(seed=1, hint=n)
    m.assign_many(np.arange(n), np.arange(n))
    keys = np.random.default_rng(1).integers(0, n, 1 << 16)
    seconds = ctx.scale.pick(test=0.3, quick=0.3, full=3.0)  # a turn of all eight takes a tenth
    r = Scheduler(procs=2, measure=False, seed=1).gets(m, keys, duration_s=seconds, **_ON_THE_SCHEDULER[suspect])
    if r.interrupted:
        raise KeyboardInterrupt
    assert r.response is not None
    return _Reads(r.response, sum(n for ns, n in r.response.counts if ns > 1e3 * _SLOW_US), 0, 0)


def _judged(found: Mapping[str, _Reads], percent: float) -> Finding:
    """The cause is refuted if less than 1 % of the slow reads can have waited for a lock inside the map, confirmed if more; the
    symptom is there if some suspect's tail is over 100 times the median."""
    told = {n: r.latency.percentile_or_none(percent) for n, r in found.items()}
    ratios = {n: ns / found[n].latency.percentile(50) for n, ns in told.items() if ns is not None}
    slow, waits = sum(r.slow for r in found.values()), sum(r.lock_waits for r in found.values())
    share = min(waits, slow) / max(slow, 1)
    worst = max(found, key=lambda n: found[n].latency.max_ns)
    largest = max(ratios.values(), default=0.0)
    symptom = "there" if largest > _SYMPTOM else "not in that percentile"
    verdict = UNDECIDED if slow == 0 else REFUTED if share < _BY_LOCKS else CONFIRMED
    return Finding(
        verdict,
        f"p{percent:g} of reads is up to {largest:.3g} times p50: the symptom is {symptom}; one of {_typical(found)} ns took "
        f"{found[worst].latency.max_ns / 1e6:.3g} ms beside {worst}. Of {slow:,} reads over 100 µs at most {share:.2%} waited "
        f"for a lock inside the map; {_BY_LOCKS:.0%} are asked for.",
        numbers=(
            Number("slow reads that may have waited for a lock inside the map", 100 * share, "%"),
            Number("reads over 100 µs", slow),
            Number("waits of reads for a lock inside the map", waits),
            Number("reads over 100 µs in which the world stopped", sum(r.stopped for r in found.values())),
            *(Number(f"p{percent:g} by p50 of get beside {n}", ratio, "x") for n, ratio in ratios.items()),
            *(Number(f"longest get beside {n}", r.latency.max_ns, "ns") for n, r in found.items()),
        ),
        series=(percentiles("Get, by what goes on beside", {n: r.latency for n, r in found.items()}),),
        settings=tuple(found),
    )


def _typical(found: Mapping[str, _Reads]) -> int:
    return next(iter(found.values())).latency.percentile(50)
