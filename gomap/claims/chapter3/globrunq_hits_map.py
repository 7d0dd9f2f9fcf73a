"""C3.5-globrunq-hits-map: meanwhile P99 of get goes from 85 to 420 ns."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def globrunq_hits_map() -> Claim:
    return Claim(
        id="C3.5-globrunq-hits-map",
        title="Meanwhile P99 of get goes from 85 to 420 ns",
        section="3.2",
        statement="Whenever the global run queue is contended, P99 of mapaccess jumps from 85 to 420 ns.",
        article_number="85 ns to 420 ns",
        go_words="false",
        real_go=(
            "A map read never enters the scheduler. What can change is the maximum, when the reading goroutine "
            "itself is taken off its P. The worst case found is not the article's: beside 64 goroutines in channel "
            "ping-pong a reader was kept off for 0.9 to 1.06 s in every run, because hand-offs through runnext "
            "share a slice and do not advance the schedtick that leads to the global queue (runtime/proc.go: "
            "runqput, schedule)."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence=(
                "Get of 10^5 int keys alone: p50 50, p99 100, p99.9 268 ns; beside 1,024 goroutines in Gosched "
                "loops, 11 million yields a second: 50, 90, 137 ns (G9)."
            ),
            holds="the maximum can be a second, beside channel ping-pong.",
        ),
        prediction="Time inside the get does not move with the storm; time from arrival does.",
        knob="sched.globq as in C3.4; runnext_inherit",
        settings=(Setting("on", go=True), Setting("off")),
        workload=(
            "Readers beside storms on the queue, from none to the most. Time in the get and time from the scheduled "
            "arrival are kept apart."
        ),
        measured=(Quantity("get p99, inside", "ns"), Quantity("get p99, from arrival", "ns")),
        criterion=Criterion(
            text=(
                "Refuted if p99 inside the get moves by less than 1.5 times while p99 from arrival moves; confirmed "
                "if p99 inside is over 4 times."
            ),
            threshold=4.0,
        ),
        remedy=("fewer yields", "worker pools"),
        needs=frozenset({"map", "scheduler"}),
    )
