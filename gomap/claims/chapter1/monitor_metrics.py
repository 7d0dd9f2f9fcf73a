"""C1.9-monitor-metrics: three metrics reveal the three locks."""

from __future__ import annotations

import re

from gomap.claims.claim import UNDECIDED, Claim, Criterion, Quantity, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.real import controls, decided_or_read, designs
from gomap.claims.registry import claim
from gomap.claims.verdict import Finding, Number, decide_exact


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


@monitor_metrics.go
def names_in_the_lists(ctx: Context) -> Finding:
    """Which of the article's three are in this Go's list of metrics, and in what it prints of its collections."""
    go = controls(designs()[0])
    names = go.run("metrics")["names"]
    n = ctx.scale.pick(test=50_000, quick=300_000, full=1_000_000)
    trace = go.run("assigns", writer="article", collector="normal", n=n, godebug={"gctrace": 1})["trace"]
    return decided_or_read(monitor_metrics.claim, _judged(names, trace))


def _judged(names: list[str], trace: list[str]) -> Finding:
    found = {
        "metrics that mention map buckets": sum(bool(re.search("go_map|map.*buck", name)) for name in names),
        "lines of gctrace with a sweep stall": sum("sweep stall" in line for line in trace),
        "metrics of the number of goroutines": sum(name.startswith("/sched/goroutines") for name in names),
    }
    exact = decide_exact("of the article's three metrics, those that exist", sum(n > 0 for n in found.values()), len(found))
    told = ", ".join(f"{what}: {n}" for what, n in found.items())
    return exact.with_(
        verdict=exact.verdict if names and trace else UNDECIDED,
        reason=f"{exact.reason} In {len(names)} metrics and {len(trace)} lines of gctrace: {told}.",
        numbers=(*exact.numbers, *(Number(what, n) for what, n in found.items()), Number("metrics in the list", len(names))),
    )
