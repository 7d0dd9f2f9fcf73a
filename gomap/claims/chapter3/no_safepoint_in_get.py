"""C3.8-no-safepoint-in-get: map reads have no safe point and run over 10 ms."""

from __future__ import annotations

from gomap.claims.claim import UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.real import controls, decided_or_read, designs
from gomap.claims.registry import claim
from gomap.claims.turns import Turns, turns, waits_in_a_sample
from gomap.claims.verdict import Finding, Number, decide_pairs, median_interval


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
