"""C3.10-preempt-cache-damage: preempted reads lose their caches, and schedtrace shows it."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def preempt_cache_damage() -> Claim:
    return Claim(
        id="C3.10-preempt-cache-damage",
        title="Preempted reads lose their caches, and schedtrace shows it",
        section="3.3, evidence and table",
        statement=(
            "schedtrace=1000 prints 'g 123 [running] m 5 preempted by sysmon'; a read that is preempted loses cache "
            "lines and TLB entries."
        ),
        article_number=None,
        go_words="partly true (log line invented)",
        real_go=(
            "schedtrace prints one summary line a period: idle Ps, threads, queue lengths (runtime/proc.go: "
            "schedtrace). No line names a goroutine's preemption. The effect on caches exists, as in any context "
            "switch: what the other goroutine touched. A switch of goroutines within a process flushes no TLB."
        ),
        go_by_source=SourceVerdict(
            "undecided",
            evidence="The log line does not exist (source); how much the caches lose was not measured on real Go.",
            holds="caches go cold by what the other goroutine touches.",
        ),
        prediction=(
            "The first 100 gets after resuming are at least 1.5 times slower if the neighbour used more than L2, "
            "and not slower if it used nothing."
        ),
        knob="neighbour_footprint",
        settings=(Setting("0", go=True), Setting("L1"), Setting("L2"), Setting("L3")),
        workload=(
            "After each resumption the next 1,000 gets are timed one by one, against the steady state, by the "
            "neighbour's footprint."
        ),
        measured=(Quantity("first 100 gets by later ones", "x"), Quantity("time lost a preemption", "ns")),
        criterion=Criterion(
            text=(
                "Confirmed if the first 100 gets are at least 1.5 times slower for a footprint over L2 and not for "
                "zero; told as total µs a preemption."
            ),
            threshold=1.5,
        ),
        needs=frozenset({"map", "scheduler"}),
    )
