"""R1-presize: give make a size hint."""

from __future__ import annotations

import statistics

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context, Measure
from gomap.claims.parts import Runner, all_of, on_go, on_model, slower_than
from gomap.claims.registry import claim
from gomap.claims.verdict import Finding, Number, bars, decide_pairs
from gomap.lab.result import Result
from gomap.lab.workload import Group, Workload


@claim
def presize() -> Claim:
    return Claim(
        id="R1-presize",
        title="Give make a size hint",
        section="1, root cure",
        statement="Avoid frequent writes that trigger growth: tell make how many entries there will be.",
        article_number=None,
        go_words="helps",
        real_go=(
            "makemap allocates the bucket array for the hint at once (runtime/map_noswiss.go: makemap), and a map "
            "that never passes 6.5 x 2^B never grows. Behind an RWMutex p99.9 of reads stays: the lock's own sleep "
            "sets it."
        ),
        go_by_source=SourceVerdict(
            "confirmed",
            evidence=(
                "2^21 int inserts, classic: 593 to 431 ms in all, p99 3,664 to 550 ns, inserts over 10 µs 2,499 to "
                "441 (G3); evacuate 39 % to 0 (G6); reads over 10 µs behind an RWMutex 1,590-2,637 to 979-1,049 a "
                "second (G2)."
            ),
            limits=(
                "Ranging over 1,000 entries in a map presized for 2^20 takes 1,902 µs instead of 11 (G7). Swiss: "
                "inserts over 10 µs 4,344 to 544, total unchanged (507, 533 ms)."
            ),
        ),
        prediction="Inserts over 10 µs fall at least 3 times and throughput rises at least 20 %.",
        knob="hint",
        settings=(Setting("0", go=True), Setting("n/4"), Setting("n"), Setting("4n")),
        workload=(
            "The same stream of inserts with each hint; readers under a lock beside it. And the price: range and "
            "misses in a map presized far above its content."
        ),
        measured=(
            Quantity("insert p50, p99, p99.9, max", "ns"),
            Quantity("evacuations", ""),
            Quantity("time in evacuation", "%"),
            Quantity("bytes", "B"),
            Quantity("reader tail under a lock", "ns"),
            Quantity("range", "ns"),
        ),
        criterion=Criterion(
            text="Helps if inserts above 10 µs fall at least 3 times and throughput rises at least 20 %.",
            threshold=1.2,
        ),
    )


_SLOW_NS = 10_000
_FEWER, _FASTER = 3.0, 1.2
_HINTS = (0.0, 0.25, 1.0, 4.0)


def _inserts(ctx: Context) -> int:
    return ctx.scale.pick(test=2**13, quick=2**16, full=2**19)


def _filling(n: int, hint: float) -> Workload:
    return Workload(ops=n, hint=int(n * hint), groups=(Group(mix={"assign_new": 100}),), slow_us=5.0)


def _measure(run: Runner, runs: int) -> Measure[Workload]:
    """Inserts over 10 µs and throughput, in all of several runs; the latter from runs that time nothing."""

    def measured(w: Workload, seed: int) -> dict[str, float]:
        seeds = [seed ^ i for i in range(runs)]
        untimed = w.with_(sample=0, attribution=False)
        timed = [run(w, s) for s in seeds]
        return {
            "throughput": statistics.median(run(untimed, s).throughput for s in seeds),
            "slow": sum(slower_than(r, "assign_new", _SLOW_NS) for r in timed),
            "slow by the map": sum(map(_slow_by_the_map, timed)),
            "p99": statistics.median(r.latency["assign_new"].value_at(99) for r in timed),
            "growths": statistics.median(r.counters["growths"] for r in timed),
            "bytes": timed[0].counters["memory"],
        }

    return measured


def _slow_by_the_map(r: Result) -> int:
    """Inserts over 10 µs without the time when somebody else had the CPU; all of them where no causes are known."""
    if not r.cause_tables:
        return slower_than(r, "assign_new", _SLOW_NS)
    return sum(s.latency_ns - s.causes.get("preempted", 0) > _SLOW_NS for s in r.slowest)


def _filled(ctx: Context, run: Runner, which: str) -> Finding:
    """Fills with no hint and with the right one, pair by pair; and with each hint."""
    n, runs = _inserts(ctx), ctx.scale.pick(test=2, quick=1, full=1)
    measure = _measure(run, runs)
    pairs = ctx.pairs(_filling(n, 0), _filling(n, 1), measure, names=("hint 0", "hint n"))
    sweep = ctx.sweep([_filling(n, h) for h in _HINTS], measure, names=[f"hint {h:g} n" for h in _HINTS])
    parts = [
        decide_pairs(pairs, "inserts over 10 µs", threshold=_FEWER, rising=False, two_valued=True, metric=which),
        decide_pairs(pairs, "throughput", threshold=_FASTER, two_valued=True, metric="throughput", unit="1/s"),
    ]
    found = all_of(parts)
    medians = {
        what: [statistics.median(pairs.samples(i, what)) for i in (0, 1)] for what in ("slow", "p99", "growths", "bytes")
    }
    told = (
        f"Of {n:,} inserts {medians['slow'][0] / runs:,.0f} take over 10 µs, presized {medians['slow'][1] / runs:,.0f}; p99 "
        f"{medians['p99'][0]:,.0f} and {medians['p99'][1]:,.0f} ns; growths {medians['growths'][0]:.0f} and "
        f"{medians['growths'][1]:.0f}."
    )
    by_hint = {name: sweep.of(i, "throughput") for i, name in enumerate(sweep.settings)}
    return found.with_(
        reason=f"{found.reason} {told}",
        numbers=(
            *found.numbers,
            *(
                Number(f"{what}, {pairs.settings[i]}", v[i], _UNITS.get(what, ""))
                for what, v in medians.items()
                for i in (0, 1)
            ),
        ),
        series=(*found.series, bars("Throughput by hint", "1/s", by_hint)),
        settings=tuple(sweep.settings),
        workload=_filling(n, 1),
    )


_UNITS = {"p99": "ns", "bytes": "B"}


def _price(ctx: Context, run: Runner) -> Number:
    """What a range over few entries costs in a map made for a thousand times as many."""
    few, many = 64, 64 * ctx.scale.pick(test=64, quick=256, full=1024)
    group = Group(mix={"iterate": 100}, scan=0)
    fitting = Workload(size=few, ops=20, warmup=2, groups=(group,), attribution=False)
    large = fitting.with_(hint=many)
    median = [statistics.median(run(w, s).latency["iterate"].value_at(50) for s in ctx.seeds(3)) for w in (fitting, large)]
    return Number(f"range over {few} entries, presized for {many:,} by fitting", median[1] / median[0], "x")


def _priced(found: Finding, price: Number) -> Finding:
    told = f"The price: a {price.name} takes {price.value:.3g} times as long."
    return found.with_(reason=f"{found.reason} {told}", numbers=(*found.numbers, price))


@presize.model
def filled_with_hints(ctx: Context) -> Finding:
    """What is left of the slow inserts, and what throughput is won. An insert that lost the CPU is not slow by the map."""
    return _priced(_filled(ctx, on_model(ctx), "slow by the map"), _price(ctx, on_model(ctx)))


@presize.go
def filled_with_hints_in_go(ctx: Context) -> Finding:
    """The same in real Go, whose slow inserts include those that lost the CPU."""
    return _priced(_filled(ctx, on_go(ctx), "slow"), _price(ctx, on_go(ctx)))
