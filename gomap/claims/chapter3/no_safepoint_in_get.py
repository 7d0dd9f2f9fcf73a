"""C3.8-no-safepoint-in-get: map reads have no safe point and run over 10 ms."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


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
