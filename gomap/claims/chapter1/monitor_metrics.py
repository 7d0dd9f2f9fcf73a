"""C1.9-monitor-metrics: three metrics reveal the three locks."""

from gomap.claims.claim import Claim, Criterion, Quantity, SourceVerdict
from gomap.claims.registry import claim


@claim
def monitor_metrics() -> Claim:
    return Claim(
        id="C1.9-monitor-metrics",
        title="Three metrics reveal the three locks",
        section="1, monitoring table",
        statement=(
            "Watch go_map_buck_hash with p99 > 10 µs for h.mutex, 'sweep stall > 2 ms' in gctrace for mspan.lock, "
            "and a surge of runtime/sched/goroutines for gopark."
        ),
        article_number="10 µs; 2 ms",
        go_words="false (two of three do not exist)",
        real_go=(
            "No runtime metric mentions map buckets, and gctrace prints clock, CPU and heap figures only. "
            "/sched/goroutines:goroutines exists (runtime/metrics/description.go). What answers the questions: "
            "/sched/latencies:seconds, /sched/pauses/total/gc:seconds, /sync/mutex/wait/total:seconds, "
            "/cpu/classes/gc/mark/assist:cpu-seconds, mark-assist ranges of the execution trace, and the mutex "
            "profile."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="runtime/metrics.All() lists no metric of map buckets, and gctrace has no sweep stall.",
            holds="the number of goroutines is a metric.",
        ),
        prediction="Neither of the two names is in the list.",
        knob=None,
        settings=(),
        workload=(
            "Print the metric list of the Go under test and search it; for each real metric, tell which knob of the "
            "model moves it."
        ),
        measured=(Quantity("metrics that match", ""),),
        criterion=Criterion(
            text="Refuted by listing.",
        ),
        needs=frozenset({"go"}),
    )
