"""C3.10-preempt-cache-damage: preempted reads lose their caches, and schedtrace shows it."""

from __future__ import annotations

from gomap.claims.claim import CONFIRMED, REFUTED, UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.registry import claim
from gomap.claims.scenes import numbers, played
from gomap.claims.verdict import Finding, Number, Sweep, bars, median_interval
from gomap.lab.scheduler import Scheduler


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


_ENTRIES = 128
"""Few enough that the first 100 gets bring most of the map in."""
_FOOTPRINTS = {"nothing": 0, "16 KiB": 16 << 10, "512 KiB": 512 << 10, "32 MiB": 32 << 20}
"""Of the neighbour: within L1, within L2, and beyond it."""
_FIRST = 100
_MOST = 1.5


@preempt_cache_damage.model
def gets_after_resuming(ctx: Context) -> Finding:
    """The first 100 gets after each resumption by the 900 that follow, by what the neighbour on the same P has touched."""
    read = numbers(_ENTRIES)
    turns = ctx.scale.pick(test=4, quick=8, full=40)

    def measure(bytes_: int, seed: int) -> dict[str, float]:
        n = 1_000 * turns * (1 if bytes_ > 1 << 20 else 4)
        s = Scheduler(procs=1, seed=seed)
        r = played(s, read, observer="resumed gets", yielders=1, footprint=bytes_, observations=n, duration_s=5.0)
        first, later = (h.mean_ns if h else 0.0 for h in (r.first, r.service))
        return {"first by later": first / later, "lost": _FIRST * (first - later), "later": later}

    rounds = ctx.scale.pick(test=3, quick=6, full=12)
    return _judged(ctx.sweep([*_FOOTPRINTS.values()], measure, rounds, names=[*_FOOTPRINTS]))


def _judged(sweep: Sweep) -> Finding:
    """By the claim's own threshold, for the largest footprint and for none."""
    by = {name: median_interval(sweep.of(i)) for i, name in enumerate(sweep.settings)}
    none, most = by[sweep.settings[0]], by[sweep.settings[-1]]
    confirmed, refuted = most.low >= _MOST and none.high < _MOST, most.high < _MOST
    lost = median_interval(sweep.of(-1, "lost"))
    told = "; ".join(f"{name}: {r}" for name, r in by.items())
    return Finding(
        CONFIRMED if confirmed else REFUTED if refuted else UNDECIDED,
        f"The first {_FIRST} gets after resuming, by the later ones, where the neighbour has touched {told}. Beyond L2 a "
        f"preemption costs {lost.ratio / 1e3:.3g} µs that way.",
        numbers=(
            *(Number.of_ratio(f"first {_FIRST} gets by later ones, neighbour touches {name}", r) for name, r in by.items()),
            *(
                Number.of_ratio(f"time lost a preemption, neighbour touches {name}", median_interval(sweep.of(i, "lost")), "ns")
                for i, name in enumerate(sweep.settings)
            ),
        ),
        series=(bars(f"First {_FIRST} gets by later ones", "x", {name: sweep.of(i) for i, name in enumerate(sweep.settings)}),),
        settings=sweep.settings,
    )
