"""C3.8-no-safepoint-in-get: map reads have no safe point and run over 10 ms."""

from __future__ import annotations

from collections.abc import Mapping

from gomap.claims.claim import UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.real import controls, decided_or_read, designs
from gomap.claims.registry import claim
from gomap.claims.scenes import FAST, beside_hog, numbers, preempted, reading
from gomap.claims.turns import Turns, turns, waits_in_a_sample
from gomap.claims.verdict import Finding, Number, decide_pairs, median_interval
from gomap.lab.scheduler import SCHEDULER_KNOBS, Scheduler


@claim
def no_safepoint_in_get() -> Claim:
    return Claim(
        id="C3.8-no-safepoint-in-get",
        title="Map reads have no safe point and run over 10 ms",
        section="3.3",
        statement=(
            "mapaccess1 and its like are inlined, contain no call and no safe point. If reading takes over 10 ms (a "
            "huge map, conflicts, 10^8 iterations), preemption is put off until sysmon forces it."
        ),
        article_number="> 10 ms",
        go_words="false",
        real_go=(
            "mapaccess is never inlined. Every m[k] is a call whose prologue checks the stack guard that preemption "
            "poisons (runtime/proc.go: preemptone; runtime/stack.go: newstack), and it calls the hash function. So "
            "a hot loop of reads yields at the next get. A single get cannot last 10 ms unless it is taken off its "
            "P."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence=(
                "The article's own hotMapRead gives up its P after 20.3 ms with asynchronous preemption on and off; "
                "only a loop without any call ran on for 285 ms with it off (G8)."
            ),
        ),
        prediction=(
            "The delay is the same with and without asynchronous preemption; without a safe point in get and "
            "without signals it is the loop's whole length."
        ),
        knob="get.safepoint; sched.preempt (sync + async, sync, async, none)",
        settings=(Setting("on", go=True), Setting("off", article=True)),
        workload="hotMapRead on one P beside a goroutine that waits, all combinations.",
        measured=(Quantity("delay from request to yield", "ns"), Quantity("requests missed", "")),
        criterion=Criterion(
            text=(
                "Refuted if the delay is equal with sync only and in full; with no safe point and no signals it has "
                "to equal the loop's length."
            ),
        ),
        needs=frozenset({"map", "scheduler"}),
    )


_MOST = 0.9  # of its length, that a loop runs if nobody stops it: it may be timed a little short


_UNCHECKED = "gets without safe point"
_LOOP_S = 0.15


@no_safepoint_in_get.model
def stopped_with_and_without_safe_points(ctx: Context, hog: str = "gets") -> Finding:
    """The same on the model's scheduler, where gets can be had without safe points too. No signal stops a goroutine inside a
    get, so that without safe points nothing does."""
    read = numbers(10_000)
    waits = ctx.scale.pick(test=1, quick=3, full=12)

    def measure(preempt: str, seed: int) -> float:
        r = beside_hog(Scheduler(procs=1, preempt=preempt, seed=seed), read, hog, waits=waits, seconds=_LOOP_S)
        return reading(r.response if r.response else r.waits)["max" if r.response is None else "p50"]

    gets = decide_pairs(
        ctx.pairs("sync+async", "sync", measure, names=("with signals", "without")),
        "wait beside a loop of gets",
        two_valued=True,
        unit="ns",
    )
    length_s, stops = ctx.scale.pick(test=0.02, quick=0.05, full=0.5), {}
    for preempt in SCHEDULER_KNOBS["preempt"].choices:
        for kind in (hog, _UNCHECKED):
            stops[preempt, kind] = preempted(
                beside_hog(Scheduler(procs=1, preempt=preempt, **FAST), read, kind, seconds=length_s)
            )
    r = beside_hog(Scheduler(procs=1, preempt="sync"), read, _UNCHECKED, seconds=_LOOP_S)
    return _with_whole(gets, Turns((reading(r.waits)["max"],), (1e9 * _LOOP_S,), None), hog, stops)


def _with_whole(gets: Finding, callless: Turns, hog: str, stops: Mapping[tuple[str, str], int]) -> Finding:
    """As the criterion asks: without safe point and signals the wait has to be the loop's length, or equal waits say
    nothing. stops: with slices of a tenth."""
    shown = min(callless.waits) > _MOST * min(callless.lengths)
    often = stops["sync", hog]
    return gets.with_(
        verdict=gets.verdict if shown and often else UNDECIDED,
        reason=f"{gets.reason} Without safe points in gets and without signals it is {callless.median / 1e6:.3g} ms, "
        f"{'the whole loop' if shown else 'which is not the whole loop: such loops do not show'}. With slices of a tenth, and "
        f"without signals, the first was stopped {often} times.",
        numbers=(
            *gets.numbers,
            Number("wait beside gets without safe points, without signals", callless.median, "ns"),
            *(Number(f"stops of {kind}, preempt = {preempt}", n) for (preempt, kind), n in stops.items()),
        ),
    )


@no_safepoint_in_get.go
def stopped_with_and_without_signals(ctx: Context) -> Finding:
    """How long a goroutine waits beside a loop of gets, with Go's signals and without; and without them beside a loop that
    calls nothing, which then nobody can stop."""
    go, waits = controls(designs()[0]), waits_in_a_sample(ctx)
    pairs = ctx.pairs(
        True,
        False,
        lambda signals, seed: turns(go, "get", waits, signals=signals).median,
        names=("with signals", "without"),
    )
    gets = decide_pairs(pairs, "wait beside a loop of gets", two_valued=True, unit="ns")
    wait = Number.of_ratio(
        "wait beside a loop of gets, without signals", median_interval(pairs.samples(1)), "ns", headline=True
    )
    found = _judged(gets.with_(numbers=(wait, *gets.numbers)), turns(go, "arithmetic", 1, signals=False))
    return decided_or_read(no_safepoint_in_get.claim, found)


def _judged(gets: Finding, callless: Turns) -> Finding:
    """The same wait says something only if a loop that cannot be stopped shows as one."""
    shares = [wait / length for wait, length in zip(callless.waits, callless.lengths, strict=True)]
    shown = min(shares) > _MOST and callless.median > 100e6
    return gets.with_(
        verdict=gets.verdict if shown else UNDECIDED,
        reason=f"{gets.reason} Beside a loop without calls, and without signals, it is {callless.median / 1e6:.3g} ms, "
        f"{'the whole loop' if shown else 'which is not the whole loop: such loops do not show'}.",
        numbers=(*gets.numbers, Number("wait beside a loop without calls, without signals", callless.median, "ns")),
    )
