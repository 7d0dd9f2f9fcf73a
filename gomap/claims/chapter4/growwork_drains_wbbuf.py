"""C4.5-growwork-drains-wbbuf: growWork drains every P's barrier buffer."""

from __future__ import annotations

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


@claim
def growwork_drains_wbbuf() -> Claim:
    return Claim(
        id="C4.5-growwork-drains-wbbuf",
        title="growWork drains every P's barrier buffer",
        section="4.2",
        statement=(
            "A growth (hashGrow) calls growWork, which walks all Ps, drains each one's write-barrier buffer into "
            "the global mark queue and suspends the Ps meanwhile."
        ),
        article_number="all Ps",
        go_words="false",
        real_go=(
            "growWork is two calls of evacuate, nothing else; it knows no P (runtime/map_noswiss.go: growWork). "
            "Assign and delete call it while growing, hashGrow does not. A wbBuf is emptied by its own P when full, "
            "by the ragged barrier in gcMarkDone (forEachP), and when the world is stopped (runtime/mwbbuf.go, "
            "mgc.go). The true link: while marking, evacuating a bucket with pointers pushes dozens of entries into "
            "this P's buffer, so that growth flushes more often."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="growWork touches no P (source).",
            holds="growth during marking fills and flushes the growing P's own buffer more often.",
        ),
        prediction="Draining all Ps raises p99.9 of gets on uninvolved Ps at least 3 times; Go's rule does not move it.",
        knob="gc.wbbuf_flush",
        settings=(
            Setting("own P when full", go=True),
            Setting("all Ps on every growWork", article=True),
            Setting("all Ps on hashGrow", article=True),
        ),
        workload="Writers grow maps while the collector marks, readers on other Ps.",
        measured=(
            Quantity("flushes and entries", ""),
            Quantity("Ps stopped", ""),
            Quantity("stall a growth", "ns"),
            Quantity("get p50 to max on other Ps, growing and steady, marking and not", "ns"),
        ),
        criterion=Criterion(
            text=(
                "The mechanism is confirmed if draining all Ps raises get p99.9 on uninvolved Ps at least 3 times "
                "and Go's setting less than 1.1 times."
            ),
            threshold=3.0,
        ),
        remedy=("R1",),
        needs=frozenset({"map", "heap"}),
    )


@growwork_drains_wbbuf.go
def gets_beside_a_growing_map(ctx: Context) -> Finding:
    """Gets while the collector marks and another goroutine writes pointers to a map of its own: one that keeps its size, or one
    that grows. On two Ps the reader's is never uninvolved, as the criterion wants it: these are numbers, no verdict."""
    go, ms = controls(designs()[0]), sample_ms(ctx)

    def measure(writer: str, seed: int) -> dict[str, float]:
        return tail(go, {writer: 1, **COLLECTING}, ms)

    pairs = ctx.pairs("updating", "growing", measure, names=("beside a steady map", "beside a growing map"))
    effect = pairs.effect("p99.9")
    found = Finding(
        UNDECIDED,
        f"p99.9 of get while marking, beside a growing map by beside a steady one: {effect}; draining all Ps would "
        "raise it 3 times, by the prediction.",
        numbers=(
            Number.of_ratio("p99.9 of get while marking, growth by none", effect),
            *medians(pairs, "p99.9", "p99.9 of get"),
        ),
        series=(
            bars("p99.9 of get while marking", "ns", {n: pairs.samples(i, "p99.9") for i, n in enumerate(pairs.settings)}),
        ),
        settings=pairs.settings,
    )
    return decided_or_read(growwork_drains_wbbuf.claim, found)


_RULES = {"own P when full": "own", "all Ps on every growWork": "growwork", "all Ps on hashGrow": "hashgrow"}


@growwork_drains_wbbuf.model
def gets_of_the_uninvolved(ctx: Context) -> Finding:
    """p99.9 of gets from a map of its own, while the collector marks and another thread writes pointers to a growing map, by
    what a growth drains; and by Go's rule, beside a growing map and a steady one."""
    own, all_ps, _ = _RULES
    try:
        n = ctx.scale.pick(test=3, quick=3, full=12)
        rule = ctx.pairs("own", "growwork", lambda flush, seed: _tail(ctx, "inserts", flush), n, names=(own, all_ps))
        by_go = ctx.pairs(
            "updates", "inserts", lambda does, seed: _tail(ctx, does, "own"), n, names=("a steady map", "a growing map")
        )
    except TooFewSamples as few:
        return Finding(UNDECIDED, f"Too few gets began while the collector marked: {few}.")
    found = all_of(
        [
            decide_pairs(
                rule,
                f"p{_percent(ctx):g} of get beside a growing map, while marking",
                threshold=3.0,
                two_valued=True,
                unit="ns",
            ),
            no_dearer(by_go, f"p{_percent(ctx):g} of get by Go's rule", 1.1),
        ]
    )
    counted = {name: _scene(ctx, "inserts", flush) for name, flush in _RULES.items()}
    return found.with_(
        numbers=(
            *found.numbers,
            *(Number(f"drains of all Ps, {n}", r.counts["all_p_flushes"]) for n, r in counted.items()),
            *(Number(f"flushes, {n}", r.counts["barrier_flushes"]) for n, r in counted.items()),
            *(Number(f"growing insert while marking, {n}", _insert_ns(r), "ns") for n, r in counted.items()),
        ),
        settings=tuple(_RULES),
    )


def _scene(ctx: Context, does: str, flush: str) -> HeapSceneResult:
    """Until the reader has done its gets, or has been stopped so often that the time is over before."""
    entries, ops, most_s = ctx.scale.pick(
        test=(2_000, 10_000, 1.0), quick=(10_000, 30_000, 0.15), full=(50_000, 1_000_000, 0.6)
    )
    reader = HeapActor(**{**vars(READER), "entries": entries, "ops": ops})
    writer = HeapActor(does=does, key="str", elem="ready", entries=1 << 15)
    live = ctx.scale.pick(test=50_000, quick=100_000, full=200_000)
    scene = HeapScene(actors=(reader, writer), live=live, collecting=True, duration_s=most_s)
    return play(scene, wbbuf_flush=flush)


def _tail(ctx: Context, does: str, flush: str) -> float:
    found = gathered_in_phase(ctx, lambda: _scene(ctx, does, flush), "marking", _percent(ctx))
    return float(found.percentile(_percent(ctx)))


def _percent(ctx: Context) -> float:
    """Gets that are stopped again and again are few: short runs have too few for the percentile of the criterion."""
    return ctx.scale.pick(test=90.0, quick=99.0, full=99.9)


def _insert_ns(r: HeapSceneResult) -> float:
    marking = r.actors[1].phases["marking"]
    return marking.ns / max(marking.ops, 1)
