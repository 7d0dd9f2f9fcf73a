"""C3.9-preempt-mechanism: preemption goes through preemptPark and morestack."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


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
