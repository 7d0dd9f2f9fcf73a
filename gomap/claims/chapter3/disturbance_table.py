"""C3.11-disturbance-table: STW and sysmon disturb reads, the network poller does not."""

from __future__ import annotations

from gomap.claims.claim import UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.real import controls, decided_or_read, designs
from gomap.claims.registry import claim
from gomap.claims.tails import COLLECTING, sample_ms, tail
from gomap.claims.verdict import Finding, Number, Sweep, bars, median_interval


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


_DISTURBANCES = {
    "nothing": {},
    "stops of the world": {"stops": 1},
    "eight busy goroutines": {"hogs": 8},
    "collections": COLLECTING,
}


@disturbance_table.go
def tails_by_disturbance(ctx: Context) -> Finding:
    """The tail of gets beside each disturbance that Go can be given. Their rates and lengths are not the same, as the criterion
    asks, and the kernel's cannot be had: these are numbers, no verdict."""
    go, ms = controls(designs()[0]), sample_ms(ctx)
    sweep = ctx.sweep(
        [*_DISTURBANCES.values()],
        lambda beside, seed: tail(go, beside, ms),
        ctx.scale.pairs,
        names=[*_DISTURBANCES],
    )
    return decided_or_read(disturbance_table.claim, _told(sweep))


def _told(sweep: Sweep) -> Finding:
    longest = {name: max(sweep.of(i, "max")) for i, name in enumerate(sweep.settings)}
    slow = {name: median_interval(sweep.of(i, "over_100us")) for i, name in enumerate(sweep.settings)}
    told = "; ".join(f"{name} {ns / 1e6:.3g} ms" for name, ns in longest.items())
    return Finding(
        UNDECIDED,
        f"The longest get beside {told}.",
        numbers=(
            *(Number(f"longest get beside {name}", ns, "ns") for name, ns in longest.items()),
            *(Number.of_ratio(f"gets over 100 µs beside {name}, of a million", n, "") for name, n in slow.items()),
        ),
        series=(
            bars("p99.9 of get, by what goes on beside", "ns", {n: sweep.of(i, "p99.9") for i, n in enumerate(sweep.settings)}),
        ),
        settings=sweep.settings,
    )
