"""C1.8-iter-gopark: preempted iterators hang in gopark."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def iter_gopark() -> Claim:
    return Claim(
        id="C1.8-iter-gopark",
        title="Preempted iterators hang in gopark",
        section="1, preemption points and map iteration; monitoring table, row 3",
        statement=(
            "When the OS preempts the M, goroutines pile up on the P's queue and the map iterator is stuck in "
            "gopark: it looks lock-free and yet stands still."
        ),
        article_number="'goroutine count surges'",
        go_words="partly true",
        real_go=(
            "A preempted goroutine is not parked: gopreempt_m and goschedImpl make it runnable at the tail of the "
            "global queue, under sched.lock (runtime/proc.go: goschedImpl). Then it waits for every runnable "
            "goroutine ahead of it, each with a time slice. If the kernel takes the M away the P stays with it; "
            "other Ps can steal its queue, but the goroutine that ran stays frozen. Nothing of this is special to "
            "maps."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="A preempted goroutine is runnable, not in gopark (source).",
            holds="the wait is real and long: beside 8 CPU-bound goroutines on 2 Ps the worst get took 84 to 101 ms (G9).",
        ),
        prediction=(
            "The delay until it runs again is about slice times goroutines ahead by Ps; its state is only ever "
            "runnable or running."
        ),
        knob="sched.preempt_target; sched.steal (half, off); workers against cores; a frozen-M injector",
        settings=(Setting("global queue tail", go=True), Setting("parked until woken", article=True)),
        workload=(
            "0 to 64 CPU-bound goroutines beside one that iterates or gets; again with one worker held for 5 ms by "
            "the injector, stealing on and off."
        ),
        measured=(
            Quantity("delay until running again", "ns"),
            Quantity("run-queue length at preemption", ""),
            Quantity("states seen", ""),
        ),
        criterion=Criterion(
            text=(
                "Confirmed as an effect of scheduling if the delay is about slice x k / P within 25 %. Refuted as "
                "gopark if only runnable and running are seen."
            ),
        ),
        remedy=("R4", "fewer CPU-bound goroutines than Ps"),
        needs=frozenset({"scheduler"}),
    )
