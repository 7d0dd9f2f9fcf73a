"""C4.9-get-touches-markbits: A get races the collector on mark bits."""

from __future__ import annotations

from typing import Any

from gomap.claims.claim import CONFIRMED, REFUTED, UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.heaps import MARKBITS, gathered_in_phase, play
from gomap.claims.registry import claim
from gomap.claims.verdict import Finding, Number, Pairs, bars, median_interval, reduced_note, too_few
from gomap.lab.heap_scene import HeapActor, HeapScene, HeapSceneResult
from gomap.lab.histogram import TooFewSamples


@claim
def get_touches_markbits() -> Claim:
    return Claim(
        id="C4.9-get-touches-markbits",
        title="A get races the collector on mark bits",
        section="4.3",
        statement=(
            "While runtime.scanobject marks a map's values, a user goroutine's mapaccess1 of the same values "
            "touches the same mark bits and competes with it."
        ),
        article_number=None,
        go_words="false",
        real_go=(
            "Go has a write barrier and no read barrier: a get reads the value and nothing else "
            "(runtime/map_noswiss.go: mapaccess1). scanobject reads the bucket array in pieces of 128 KB and marks "
            "what it points to (runtime/mgcmark.go); both share lines only for reading. gcmarknewobject marks fresh "
            "allocations, not scanned values."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence=(
                "A get writes no mark bit (source); with collections back to back p99 of get goes from 484 to 523 ns (G10)."
            ),
        ),
        prediction="No write of a mark bit by a get, and p99 within 10 to 15 % of that without GC.",
        knob="gc.get_marks",
        settings=(Setting("off", go=True), Setting("every get marks its value while marking", article=True)),
        workload="Gets during marking under both settings, with each gc.markbits.",
        measured=(Quantity("mark-bit writes by gets", ""), Quantity("get p99", "ns"), Quantity("lost bits", "")),
        criterion=Criterion(
            text="Refuted if Go's setting shows no mark-bit write from gets and get p99 within 10 to 15 % of no GC.",
        ),
        needs=frozenset({"map", "heap"}),
    )


_MOST = 1.15
"""Of p99 with collections by p99 without, at the most."""


@get_touches_markbits.model
def marks_by_gets(ctx: Context, get_marks: str = "off") -> Finding:
    """Mark bits that gets set, counted, and their p99 with collections back to back by that without; then gets that do mark, by
    each rule of setting a bit."""
    scenes: list[HeapSceneResult] = []

    def p99(collecting: bool, seed: int) -> float:
        def run() -> HeapSceneResult:
            r = _gets(ctx, collecting, get_marks=get_marks)
            scenes.extend([r] if collecting else [])
            return r

        return float(gathered_in_phase(ctx, run, None, 99).percentile(99))

    try:
        pairs = ctx.pairs(False, True, p99, names=("no collection", "collections back to back"))
    except TooFewSamples as few:
        return Finding(UNDECIDED, f"Too few gets were made: {few}.")
    marks, marking = (sum(n) for n in zip(*((r.counts["get_marks"], _marking_gets(r)) for r in scenes), strict=True))
    each = ctx.scale.pick(test=1, quick=1, full=3)
    article = {name: [_gets(ctx, True, get_marks="on", markbits=code) for _ in range(each)] for name, code in MARKBITS.items()}
    times = {name: [float(r.actors[0].latency.value_at(50)) for r in rs] for name, rs in article.items()}
    found = _judged(marks, marking, pairs)
    return found.with_(
        numbers=(
            *found.numbers,
            *(Number.of_ratio(f"get that marks, {n}", median_interval(ns), "ns") for n, ns in times.items()),
            *(Number(f"lost bits beside gets that mark, {n}", _lost(rs)) for n, rs in article.items()),
        ),
        series=(*found.series, bars("p50 of get that marks, by the rule for bits", "ns", times)),
    )


def _gets(ctx: Context, collecting: bool, **knobs: Any) -> HeapSceneResult:
    """Of ready pointers, which the collector marks too."""
    entries, live, ops = ctx.scale.pick(
        test=(2_000, 2_000, 20_000), quick=(10_000, 50_000, 40_000), full=(100_000, 200_000, 500_000)
    )
    reader = HeapActor(key="str", elem="ready", entries=entries, ops=ops)
    scene = HeapScene(actors=(reader,), live=live, collecting=collecting, duration_s=10)
    return play(scene, gogc=100 if collecting else None, **knobs)


def _marking_gets(r: HeapSceneResult) -> int:
    return r.actors[0].phases["marking"].ops


def _lost(results: list[HeapSceneResult]) -> int:
    return sum(r.counts["lost_objects"] for r in results)


def _judged(marks: int, gets: int, pairs: Pairs) -> Finding:
    """Refuted if gets set no bit while the collector marked, and their p99 is no more than 15 % over that without it."""
    effect, few = pairs.effect(), too_few(pairs)
    if few or gets == 0:
        verdict, why = UNDECIDED, few or "the collector never marked beside them"
    elif marks:
        verdict, why = CONFIRMED, "gets set mark bits"
    else:
        verdict = REFUTED if effect.high <= _MOST else UNDECIDED
        why = "none, and no longer" if verdict == REFUTED else f"none; but the interval would have to lie below {_MOST:g}"
    return Finding(
        verdict,
        f"Of {gets:,} gets while the collector marked {marks:,} touched a mark bit, and p99 is {effect} times that without "
        f"collections: {why}{reduced_note(pairs)}.",
        numbers=(
            Number("mark bits touched by gets", marks),
            Number("gets while the collector marked", gets),
            Number.of_ratio("p99 of get, with collections by without", effect),
            Number.of_ratio("p99 of get, the same setting twice", pairs.noise()),
        ),
        series=(bars("p99 of get", "ns", {name: pairs.samples(i) for i, name in enumerate(pairs.settings)}),),
        settings=pairs.settings,
    )
