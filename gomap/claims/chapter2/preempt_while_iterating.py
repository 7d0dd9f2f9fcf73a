"""C2.19-preempt-while-iterating: iterators cause sysmon to preempt gets."""

from __future__ import annotations

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.real import controls, decided_or_read, designs
from gomap.claims.registry import claim
from gomap.claims.scenes import beside_hog, numbers, preempted, reading
from gomap.claims.turns import turns, waits_in_a_sample
from gomap.claims.verdict import Finding, Number, Pairs, decide_pairs, median_interval
from gomap.lab.scheduler import Scheduler


@claim
def preempt_while_iterating() -> Claim:
    return Claim(
        id="C2.19-preempt-while-iterating",
        title="Iterators cause sysmon to preempt gets",
        section="2.5, last sentence",
        statement=(
            "While a hiter holds a bucket pointer, sysmon preempts runtime.mapaccess1, and goroutines are switched frequently."
        ),
        article_number=None,
        go_words="false",
        real_go=(
            "sysmon asks for preemption when a goroutine has used its slice of 10 ms, whatever it does "
            "(runtime/proc.go: retake); the stop happens in user code or at a call, never in the middle of "
            "mapaccess1. With nothing else to run the goroutine goes straight on."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="About 50 switches a second with other work waiting, whatever the loop does (G8).",
        ),
        prediction="The rate of preemption is one a slice, whatever the map does.",
        knob="sched.slice",
        settings=(Setting("10 ms", go=True), Setting("1 ms"), Setting("100 µs")),
        workload="Iterate and get on one P beside a competitor.",
        measured=(Quantity("preemptions", "1/s"), Quantity("time lost to switches and cold caches", "ns")),
        criterion=Criterion(
            text="Refuted if the rate is one a slice regardless of the map's state.",
        ),
        needs=frozenset({"scheduler"}),
    )


_SLICES_MS = (10.0, 1.0, 0.1)


@preempt_while_iterating.model
def switches_beside_a_range_of_the_model(ctx: Context) -> Finding:
    """The same on the model's scheduler, with shorter slices besides: preemptions of a range, of gets and of a loop that
    touches no map, in the same time."""
    read, waits = numbers(10_000), ctx.scale.pick(test=1, quick=3, full=12)

    def rate(hog: str, seed: int) -> float:
        return 1e9 / reading(beside_hog(Scheduler(procs=1, seed=seed), read, hog, waits=waits).response)["p50"]

    found = _rates(ctx.pairs("loop", "range", rate))
    numbers_ = []
    for ms in _SLICES_MS[1:]:
        s = Scheduler(procs=1, slice_ms=ms, sysmon_sleep_us=1e3 * ms)
        for hog in ("calls", "range", "gets"):
            r = beside_hog(s, read, hog, waits=ctx.scale.pick(test=5, quick=20, full=200))
            numbers_.append(Number(f"preemptions with slices of {ms:g} ms, {hog}", preempted(r) / r.elapsed_s, "1/s"))
    return found.with_(numbers=(*found.numbers, *numbers_))


@preempt_while_iterating.go
def switches_beside_a_range(ctx: Context) -> Finding:
    """How often a goroutine loses the one P to another: while it ranges over a map, and while it reckons and touches none."""
    go, waits = controls(designs()[0]), waits_in_a_sample(ctx)
    pairs = ctx.pairs("arithmetic", "range", lambda loop, seed: 1e9 / turns(go, loop, waits).median)
    return decided_or_read(preempt_while_iterating.claim, _rates(pairs))


def _rates(pairs: Pairs) -> Finding:
    found = decide_pairs(pairs, "preemptions a second", two_valued=True, unit="1/s")
    rates = (
        Number.of_ratio(f"preemptions, {n}", median_interval(pairs.samples(i)), "1/s") for i, n in enumerate(pairs.settings)
    )
    return found.with_(numbers=(*found.numbers, *rates))
