"""C3.9-preempt-mechanism: preemption goes through preemptPark and morestack."""

from __future__ import annotations

from gomap.claims.claim import CONFIRMED, REFUTED, UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.registry import claim
from gomap.claims.scenes import OFTEN, numbers, played
from gomap.claims.verdict import Finding, Number, bars, median_interval
from gomap.lab.scheduler import SceneResult, Scheduler


@claim
def preempt_mechanism() -> Claim:
    return Claim(
        id="C3.9-preempt-mechanism",
        title="Preemption goes through preemptPark and morestack",
        section="3.3",
        statement=(
            "sysmon sets g.preempt; the goroutine stops at its next asynchronous safe point in preemptPark, or "
            "sysmon inserts morestack or asyncPreempt, which splits the stack."
        ),
        article_number=None,
        go_words="partly true",
        real_go=(
            "Two mechanisms are mixed up. preemptone (runtime/proc.go) sets gp.preempt and stackguard0: the next "
            "prologue enters newstack, which sees the poison and calls gopreempt_m, and no stack grows. It also "
            "sends SIGURG: the handler injects a call of asyncPreempt if the PC is safe (runtime/preempt.go). "
            "preemptPark is for a goroutine that has to stop for a stack scan. sysmon never edits code."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="preemptPark is not the way of a time slice and no stack is split (source).",
            holds="g.preempt, stackguard0, SIGURG and asyncPreempt are real.",
        ),
        prediction="Both paths exist, and what each costs the victim can be told; code of the map is never stopped by signal.",
        knob="sched.preempt as in C3.8; signal_cost, measured",
        settings=(Setting("sync + async", go=True), Setting("sync"), Setting("async"), Setting("none")),
        workload="One preemption of each kind with nobody waiting, from the last user instruction to the first one after.",
        measured=(Quantity("time lost in the victim", "ns"),),
        criterion=Criterion(
            text="Gate of the model: both paths exist, and the map's code is a region without signals.",
        ),
        needs=frozenset({"scheduler"}),
    )


@preempt_mechanism.model
def stops_by_flag_and_by_signal(ctx: Context) -> Finding:
    """What a stop costs the goroutine that is stopped while nobody waits, by flag and by signal; and whether one ever fell into
    a get, beside a goroutine that waits for the P."""
    stops, seconds = ctx.scale.pick(test=60, quick=200, full=5_000), ctx.scale.pick(test=0.1, quick=0.5, full=6.0)
    costs: dict[str, list[float]] = {}
    counts = {}
    for kind in ("sync", "async"):
        ctx.say(f"stopping by {kind}")
        r = played(Scheduler(procs=1, preempt=kind, **OFTEN), observer="stops", observations=stops, duration_s=5.0)
        counts[kind] = r.scheduler[f"preempted_{kind}"]
        costs[kind] = [float(ns) for ns, n in (r.response.counts if r.response else ()) for _ in range(n)]
    reads = played(Scheduler(procs=1, **OFTEN), numbers(10_000), observer="gets", hogs=1, duration_s=seconds)
    return _judged(counts, costs, reads)


def _judged(counts: dict[str, int], costs: dict[str, list[float]], reads: SceneResult) -> Finding:
    """The gate: both ways stop a goroutine, and none stops a get."""
    inside, gets, refused = reads.counts["inside"], reads.counts["observed"], reads.scheduler["refused"]
    both = all(counts.values()) and refused > 0
    told = " and ".join(f"{n:,} times by {'flag' if kind == 'sync' else 'signal'}" for kind, n in counts.items())
    kept = "both ways exist, and the code of the map is out of their reach"
    medians = {kind: median_interval(ns) for kind, ns in costs.items() if ns}
    return Finding(
        REFUTED if inside else CONFIRMED if both else UNDECIDED,
        f"A goroutine was stopped {told}. During {gets:,} gets, in which signals came and were refused {refused:,} times, "
        f"{inside:,} lost the P: {kept if both and not inside else 'the model does not do as Go does'}.",
        numbers=(
            *(Number.of_ratio(f"time lost by a stop, {kind}", r, "ns") for kind, r in medians.items()),
            *(Number(f"stops, {kind}", n) for kind, n in counts.items()),
            Number("gets that lost the P", inside),
            Number("gets", gets),
            Number("signals refused", refused),
        ),
        series=(bars("Time lost by a stop", "ns", {kind: ns for kind, ns in costs.items() if ns}),),
        settings=("sync", "async", "sync+async"),
    )
