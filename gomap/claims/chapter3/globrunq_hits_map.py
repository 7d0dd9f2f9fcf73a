"""C3.5-globrunq-hits-map: meanwhile P99 of get goes from 85 to 420 ns."""

from __future__ import annotations

from typing import Any

from gomap.claims.claim import CONFIRMED, REFUTED, UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.real import controls, decided_or_read, designs
from gomap.claims.registry import claim
from gomap.claims.scenes import numbers, played, reading
from gomap.claims.tails import STORM, medians, sample_ms, tail
from gomap.claims.verdict import Finding, Number, Pairs, bars, median_interval, reduced_note, too_few
from gomap.lab.scheduler import Scheduler


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


_LITTLE, _MUCH = 1.5, 4.0
_DUE_NS = 5_000


_YIELDING, _PAIRS = STORM["yielding"], 32


@globrunq_hits_map.model
def gets_in_a_storm_of_the_model(ctx: Context, globq: str = "mutex list") -> Finding:
    """The same on the model's scheduler; then the same storm through the article's ring, and ping-pong with inherited slices
    and without."""
    read = numbers(100_000)
    gets = ctx.scale.pick(test=5_000, quick=10_000, full=60_000)

    def measure(storm: bool, seed: int, globq: str = globq) -> dict[str, float]:
        s = Scheduler(globq=globq, seed=seed)
        due: dict[str, Any] = {"observer": "gets", "every_us": _DUE_NS / 1e3, "observations": gets, "duration_s": 5.0}
        r = played(s, read, yielders=_YIELDING if storm else 0, **due)
        inside, arrival = reading(r.service), reading(r.response)
        metrics = {f"inside {p}": inside[p] for p in ("p99", "max")} | {f"arrival {p}": arrival[p] for p in ("p99", "max")}
        return {**metrics, "yields": r.counts["yields"] / r.elapsed_s}

    found = _judged(ctx.pairs(False, True, measure, names=("alone", "in a storm")))
    ring = median_interval([measure(True, seed, "ring one line")["inside p99"] for seed in ctx.seeds(3)])
    in_ring = Number.of_ratio("p99 inside the get, in a storm through a ring in one line", ring, "ns")
    return found.with_(numbers=(*found.numbers, in_ring, *_beside_ping_pong(ctx)))


def _beside_ping_pong(ctx: Context) -> tuple[Number, ...]:
    read, seconds = numbers(100_000), ctx.scale.pick(test=0.05, quick=0.35, full=4.0)
    longest = {
        inherit: reading(
            played(Scheduler(runnext_inherit=inherit), read, observer="gets", pairs=_PAIRS, duration_s=seconds).response
        )["max"]
        for inherit in ("on", "off")
    }
    return (
        Number("longest get beside channel ping-pong", longest["on"], "ns", headline=True),
        Number("longest get beside channel ping-pong without inherited slices", longest["off"], "ns"),
    )


@globrunq_hits_map.go
def gets_in_a_storm(ctx: Context) -> Finding:
    """Gets that are due every 5 µs, alone and beside 1,024 goroutines that only yield: time inside the get, and time since it
    was due. Then the longest get beside channel ping-pong, where the maximum is what is long."""
    go, ms = controls(designs()[0]), sample_ms(ctx)

    def measure(storm: bool, seed: int) -> dict[str, float]:
        found = go.run("reads", keys="int", size=100_000, ms=ms, every_ns=_DUE_NS, beside=STORM if storm else {})
        metrics = {f"{where} {p}": float(found[where][p]) for where in ("inside", "arrival") for p in ("p99", "max")}
        return {**metrics, "yields": 1e9 * found["yields"] / found["took_ns"]}

    found = _judged(ctx.pairs(False, True, measure, names=("alone", "in a storm")))
    pingpong = max(tail(go, {"pingpong": 64}, 2 * ms)["max"] for _ in range(3))
    longest = Number("longest get beside channel ping-pong", pingpong, "ns", headline=True)
    return decided_or_read(globrunq_hits_map.claim, found.with_(numbers=(*found.numbers, longest)))


def _judged(pairs: Pairs) -> Finding:
    """By the claim's own two thresholds. That the storm was one shows in the time since a get was due."""
    inside, arrival = pairs.effect("inside p99"), pairs.effect("arrival p99")
    few, moves = too_few(pairs), arrival.low > _LITTLE
    refuted, confirmed = inside.high < _LITTLE and moves, inside.low > _MUCH
    verdict = UNDECIDED if few else REFUTED if refuted else CONFIRMED if confirmed else UNDECIDED
    why = few or ("since it was due it moves" if moves else "since it was due it does not certainly move either")
    return Finding(
        verdict,
        f"p99 inside the get, in a storm by alone: {inside}; since it was due: {arrival}; {why}{reduced_note(pairs)}.",
        numbers=(
            Number.of_ratio("p99 inside the get, in a storm by alone", inside),
            Number.of_ratio("p99 since the get was due, in a storm by alone", arrival),
            *medians(pairs, "inside p99", "p99 inside the get"),
            *medians(pairs, "arrival p99", "p99 since the get was due"),
            *medians(pairs, "inside max", "longest get")[1:],
            *medians(pairs, "yields", "yields", "1/s")[1:],
        ),
        series=(
            bars("p99 inside the get", "ns", {n: pairs.samples(i, "inside p99") for i, n in enumerate(pairs.settings)}),
            bars("p99 since the get was due", "ns", {n: pairs.samples(i, "arrival p99") for i, n in enumerate(pairs.settings)}),
        ),
        settings=pairs.settings,
    )
