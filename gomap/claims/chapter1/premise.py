"""C1.0-premise: three hidden locks make map reads slow in production."""

from __future__ import annotations

from gomap.claims.claim import UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.real import controls, decided_or_read, designs
from gomap.claims.registry import claim
from gomap.claims.tails import COLLECTING, STORM, sample_ms, tail
from gomap.claims.verdict import Finding, Number, Sweep, bars, median_interval


@claim
def premise() -> Claim:
    return Claim(
        id="C1.0-premise",
        title="Three hidden locks make map reads slow in production",
        section="1, opening",
        statement=(
            "A Get takes nanoseconds in a microbenchmark, yet in production P99 jumps, goroutines block and even GC "
            "pauses grow. The cause is not the map itself but three implicit lock contention points that the "
            "scheduler and the runtime add to it under load."
        ),
        article_number=None,
        go_words="partly true",
        real_go=(
            "No map read takes a lock. mapaccess1_fast64, mapaccess1_faststr, mapassign_*, growWork, evacuate "
            "(runtime/map_noswiss.go, map_fast64_noswiss.go, map_faststr_noswiss.go) and mapiternext hold no "
            "LOCK-prefixed and no XCHG instruction in Go 1.19.8, 1.25.5 classic and 1.25.5 Swiss; the one exception "
            "in the family is an atomic OR of two iterator flags in mapiterinit. What a read in production pays "
            "beside its own time: the lock the program puts round the map, other goroutines' turns of 10 to 20 ms, "
            "GC workers that take a P, cache misses of a large table, the kernel."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence=(
                "The compiled code of all read paths was searched for locked instructions: none in three builds "
                "(G11). Control runs find slow reads only behind the program's own lock, other goroutines, the "
                "collector and the kernel (G2, G9, G10)."
            ),
            holds="the symptom: a read of 50 ns can take 100 ms.",
        ),
        prediction="Reads have a long tail under every disturbance, and none of it is a lock inside the map.",
        knob="guard, against every other knob at Go's setting",
        settings=(Setting("none", go=True), Setting("rwmutex"), Setting("mutex"), Setting("sharded"), Setting("syncmap")),
        workload=(
            "One fixed open-loop read load on 10^5 int keys, with each suspect alone: nothing, a writer behind a "
            "lock, growth, a marking collector, CPU-bound neighbours, traffic on the global run queue. Every read "
            "is tagged with what overlapped it."
        ),
        measured=(
            Quantity("get p50, p99, p99.9, p99.99, max", "ns"),
            Quantity("share of reads over 100 µs under each tag", "%"),
        ),
        criterion=Criterion(
            text=(
                "The symptom is confirmed if p99.99 / p50 is over 100 under load. The three locks are refuted if "
                "less than 1 % of the slow reads are due to locks inside the map."
            ),
            threshold=100.0,
        ),
        remedy=("R1", "R2", "R3", "R4", "R5"),
        needs=frozenset({"map", "scheduler", "heap"}),
    )


_SUSPECTS = {
    "nothing": {},
    "a growing map": {"growing": 1},
    "collections": COLLECTING,
    "eight busy goroutines": {"hogs": 8},
    "a thousand yielding": STORM,
}
"""What goes on beside a reader of a map that nobody writes to: no lock could be waited for, in the map or round it."""


@premise.go
def reads_beside_each_suspect(ctx: Context) -> Finding:
    """Reads of a map beside each suspect alone. Whether the symptom is there can be told; that no lock in the map is behind it
    cannot be told of single reads of real Go, and stays with its source."""
    go, ms = controls(designs()[0]), sample_ms(ctx)
    sweep = ctx.sweep(
        [*_SUSPECTS.values()],
        lambda beside, seed: _ratios(tail(go, beside, ms)),
        ctx.scale.pick(test=2, quick=3, full=10),
        names=[*_SUSPECTS],
    )
    return decided_or_read(premise.claim, _told(sweep))


def _ratios(t: dict[str, float]) -> dict[str, float]:
    return {"p99.99": t["p99.99"] / t["p50"], "max": t["max"] / t["p50"], **{f"{name} ns": t[name] for name in ("p50", "max")}}


def _told(sweep: Sweep) -> Finding:
    longest = {name: max(sweep.of(i, "max ns")) for i, name in enumerate(sweep.settings)}
    worst = max(longest, key=lambda name: longest[name])
    typical = median_interval(sweep.of(0, "p50 ns"))
    return Finding(
        UNDECIDED,
        f"A read of {typical.ratio:.3g} ns took up to {longest[worst] / 1e6:.3g} ms beside {worst}, of a map that nobody "
        "writes to and that has no lock round it.",
        numbers=(
            Number(f"longest get beside {worst}", longest[worst], "ns"),
            Number.of_ratio("p50 of get, alone", typical, "ns"),
            *(
                Number.of_ratio(f"p99.99 by p50 of get beside {name}", median_interval(sweep.of(i)), "x")
                for i, name in enumerate(sweep.settings)
            ),
            *(Number(f"longest get beside {name}", ns, "ns") for name, ns in longest.items() if name != worst),
        ),
        series=(bars("Longest get by p50", "x", {name: sweep.of(i, "max") for i, name in enumerate(sweep.settings)}),),
        settings=sweep.settings,
    )
