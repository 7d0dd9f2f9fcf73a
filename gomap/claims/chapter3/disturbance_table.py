"""C3.11-disturbance-table: STW and sysmon disturb reads, the network poller does not."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def disturbance_table() -> Claim:
    return Claim(
        id="C3.11-disturbance-table",
        title="STW and sysmon disturb reads, the network poller does not",
        section="3.3, table",
        statement=(
            "Stop-the-world disturbs map reads; preemption by sysmon does if there is no safe point; wake-ups by "
            "the network poller do not."
        ),
        article_number=None,
        go_words="mostly true",
        real_go=(
            "Stop-the-world stops every goroutine, with a map or without (runtime/proc.go: stopTheWorldWithSema). "
            "Missing from the list, and larger in practice: waiting behind other runnable goroutines, GC workers "
            "that take a P, the kernel. What the poller finds is put into run queues (injectglist) and so adds to "
            "the waiting."
        ),
        go_by_source=SourceVerdict(
            "confirmed",
            evidence="Pauses of 50 µs a cycle on average (G10), turns of 20 ms behind other goroutines (G8, G9).",
            limits="The largest disturbances are not in the table: other goroutines, GC workers, the kernel.",
        ),
        prediction="The tail follows probability of overlap times length, row by row.",
        knob="disturbance injector",
        settings=(
            Setting("none", go=True),
            Setting("STW of length s"),
            Setting("preemption"),
            Setting("a worker that takes a P"),
            Setting("kernel preemption"),
        ),
        workload="Each disturbance at the same rate and length.",
        measured=(Quantity("get p50 to max by disturbance", "ns"),),
        criterion=Criterion(
            text="Confirmed row by row if the tail follows (probability of overlap) x (length) within a factor of 2.",
        ),
        needs=frozenset({"map", "scheduler", "heap"}),
    )
