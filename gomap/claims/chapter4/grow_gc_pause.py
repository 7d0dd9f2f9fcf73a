"""C4.7-grow-gc-pause: growth makes the GC pause 100 to 500 µs and gets 3 to 8 times slower."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gomap.claims.claim import CONFIRMED, REFUTED, UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.heaps import READER, play
from gomap.claims.real import controls, decided_or_read, designs
from gomap.claims.registry import claim
from gomap.claims.tails import COLLECTING, sample_ms, tail
from gomap.claims.verdict import PAIRS_ASKED, SAME_HIGH, Finding, Number, Sweep, bars, median_interval
from gomap.lab.heap_scene import HeapActor, HeapScene
from gomap.realgo.controls import Controls


@claim
def grow_gc_pause() -> Claim:
    return Claim(
        id="C4.7-grow-gc-pause",
        title="Growth makes the GC pause 100 to 500 µs and gets 3 to 8 times slower",
        section="4.2, table",
        statement=(
            "So the pause of the mark phase takes 100 to 500 µs, and map reads spike to 3 to 8 times their base at that moment."
        ),
        article_number="100 to 500 µs; 3 to 8 times",
        go_words="false as a map effect",
        real_go=(
            "Marking is concurrent and has no pause of its own; the two stop-the-world phases (runtime/mgc.go: "
            "gcStart, gcMarkTermination) took 50 µs a cycle together. The tail of gets above 1 ms comes from GC "
            "workers and the kernel taking the processor. A factor of that size exists in the inserting goroutine "
            "(assists, barriers and evacuation together), and whoever holds a lock meanwhile passes it on to "
            "readers."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="Gets during marking: p50 x 1.4, p99 x 1.08, p99.9 x 1.06, 50 µs of pause a cycle over 99 cycles (G10).",
            holds=(
                "growing a map[string]*T while marking, against presized without GC, costs the inserter x 3.9 in "
                "the mean, x 4.8 at p99, x 4.4 at p99.9 (G16)."
            ),
        ),
        prediction="Growth and marking together cost gets no more than the sum of both.",
        knob="gc.wbbuf_flush as in C4.5; map (growing, steady)",
        settings=(Setting("own P when full", go=True), Setting("all Ps on every growWork", article=True)),
        workload="Growth and marking on one clock; gets in windows with growth only, marking only, both, neither.",
        measured=(Quantity("get mean in each window", "ns"), Quantity("pause", "ns")),
        criterion=Criterion(
            text=(
                "Confirmed if both together exceed each alone by 3 times in mean get latency; refuted if they are "
                "no more than the sum."
            ),
            threshold=3.0,
        ),
        remedy=("R1",),
        needs=frozenset({"map", "heap"}),
    )


_WINDOWS = {
    "neither": {"updating": 1},
    "growth": {"growing": 1},
    "marking": {"updating": 1, **COLLECTING},
    "both": {"growing": 1, **COLLECTING},
}
"""What goes on beside the reads. The other goroutine writes to a map of its own all the while: growth is the difference, and
not that somebody writes."""
_INSERTS = {
    "presized, no collection": (True, False),
    "growing, no collection": (False, False),
    "presized, marking": (True, True),
    "growing, marking": (False, True),
}
_MUCH = 3.0


@grow_gc_pause.go
def windows_and_inserts(ctx: Context) -> Finding:
    """Mean get latency beside growth, marking, both and neither; and what an insert costs whoever makes it."""
    go, ms = controls(designs()[0]), sample_ms(ctx)

    def mean(beside: Mapping[str, int], seed: int) -> dict[str, float]:
        found = tail(go, beside, ms // 2)
        return {name: found[name] for name in ("mean", "cycles")}

    gets = ctx.sweep([*_WINDOWS.values()], mean, ctx.scale.pairs, names=[*_WINDOWS])
    found = _judged(gets, ctx.scale.reduced)
    inserts = _inserts(ctx, go)
    dear = median_interval(list(np.array(inserts.of(3)) / np.array(inserts.of(0))))
    return decided_or_read(
        grow_gc_pause.claim,
        found.with_(
            reason=f"{found.reason} An insert while both go on takes {dear} times one without either.",
            numbers=(
                Number.of_ratio("an insert, growing and marking, by presized and no collection", dear, headline=True),
                *found.numbers,
                *(
                    Number.of_ratio(f"an insert, {n}", median_interval(inserts.of(i)), "ns")
                    for i, n in enumerate(inserts.settings)
                ),
            ),
            series=(*found.series, bars("An insert", "ns", {n: inserts.of(i) for i, n in enumerate(inserts.settings)})),
        ),
    )


def _judged(gets: Sweep, reduced: str) -> Finding:
    """Confirmed if both together exceed each alone three times, refuted if they are no more than the sum: of what each adds to
    neither. The rounds' own ratios, since a round has one weather. A window of marking without a collection is none."""
    neither, growth, marking, both = (np.array(gets.of(i)) for i in range(4))
    by_one = median_interval(list(both / np.maximum(growth, marking)))
    by_sum = median_interval(list(both / np.maximum(growth + marking - neither, neither)))
    rounds = len(both)
    unfit = (rounds < PAIRS_ASKED and not reduced) or not all(gets.of(2, "cycles") + gets.of(3, "cycles"))
    verdict = UNDECIDED if unfit else CONFIRMED if by_one.low > _MUCH else REFUTED if by_sum.high <= SAME_HIGH else UNDECIDED
    return Finding(
        verdict,
        f"Mean get latency beside growth and marking together is {by_one} times that beside the worse of the two alone, and "
        f"{by_sum} times their sum{f' ({rounds} rounds instead of {PAIRS_ASKED}: {reduced})' if reduced else ''}.",
        numbers=(
            Number.of_ratio("mean get, both by the worse alone", by_one),
            Number.of_ratio("mean get, both by the sum", by_sum),
            *(Number.of_ratio(f"mean get beside {n}", median_interval(gets.of(i)), "ns") for i, n in enumerate(gets.settings)),
        ),
        series=(bars("Mean get", "ns", {n: gets.of(i) for i, n in enumerate(gets.settings)}),),
        settings=gets.settings,
    )


def _inserts(ctx: Context, go: Controls) -> Sweep:
    n = ctx.scale.pick(test=1 << 13, quick=1 << 16, full=1 << 17)

    def mean(setting: tuple[bool, bool], seed: int) -> float:
        presized, marking = setting
        return float(go.run("inserts", n=n, presized=presized, marking=marking)["times"]["mean"])

    return ctx.sweep([*_INSERTS.values()], mean, ctx.scale.pairs, names=[*_INSERTS])


@grow_gc_pause.model
def windows_on_the_heap(ctx: Context, **knobs: Any) -> Finding:
    """The same in the model: gets from a map of its own beside growth, marking, both and neither; and growth x marking on the
    writer itself."""
    gets = ctx.sweep(
        [("updates", False), ("inserts", False), ("updates", True), ("inserts", True)],
        lambda window, seed: _mean_get(ctx, *window, knobs),
        ctx.scale.pairs,
        names=[*_WINDOWS],
    )
    found = _judged(gets, ctx.scale.reduced)
    inserts = ctx.sweep(
        [*_INSERTS.values()],
        lambda setting, seed: _mean_insert(ctx, *setting, knobs),
        ctx.scale.pick(test=2, quick=2, full=10),
        names=[*_INSERTS],
    )
    dear = median_interval(list(np.array(inserts.of(3)) / np.array(inserts.of(0))))
    pause = median_interval([stop for i in (2, 3) for stop in gets.of(i, "stop")])
    return found.with_(
        reason=f"{found.reason} An insert while both go on takes {dear} times one without either; a collection stops the world "
        f"for {pause.ratio / 1e3:.3g} µs.",
        numbers=(
            Number.of_ratio("an insert, growing and marking, by presized and no collection", dear, headline=True),
            *found.numbers,
            Number.of_ratio("both stops of a collection", pause, "ns"),
            *(Number.of_ratio(f"an insert, {n}", median_interval(inserts.of(i)), "ns") for i, n in enumerate(inserts.settings)),
        ),
        series=(*found.series, bars("An insert", "ns", {n: inserts.of(i) for i, n in enumerate(inserts.settings)})),
    )


def _mean_get(ctx: Context, does: str, collecting: bool, knobs: Mapping[str, Any]) -> dict[str, float]:
    entries, ops = ctx.scale.pick(test=(2_000, 20_000), quick=(10_000, 40_000), full=(100_000, 1_500_000))
    reader = HeapActor(**{**vars(READER), "entries": entries, "ops": ops})
    writer = HeapActor(does=does, key="str", elem="ready", entries=1 << 15)
    scene = HeapScene(actors=(reader, writer), live=100_000, collecting=collecting, duration_s=10)
    r = play(scene, gogc=100 if collecting else None, **knobs)
    return {"mean": r.actors[0].ns / r.actors[0].ops, "cycles": r.cycles, "stop": r.stopped_ns / max(r.cycles, 1)}


def _mean_insert(ctx: Context, presized: bool, collecting: bool, knobs: Mapping[str, Any]) -> float:
    n = ctx.scale.pick(test=1 << 12, quick=1 << 14, full=1 << 18)
    writer = HeapActor(does="inserts", key="str", elem="new", entries=n, ops=n, presized=presized)
    scene = HeapScene(actors=(writer,), live=100_000, collecting=collecting, duration_s=60)
    r = play(scene, gogc=100 if collecting else None, **knobs)
    return r.actors[0].ns / r.actors[0].ops
