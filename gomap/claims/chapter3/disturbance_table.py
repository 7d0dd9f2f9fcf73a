"""C3.11-disturbance-table: STW and sysmon disturb reads, the network poller does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gomap.claims.claim import CONFIRMED, NOT_MEASURABLE, UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.real import controls, decided_or_read, designs
from gomap.claims.registry import claim
from gomap.claims.scenes import FAST, OFTEN, Read, numbers, played, reading
from gomap.claims.tails import COLLECTING, sample_ms, tail
from gomap.claims.verdict import Finding, Number, Series, Sweep, bars, median_interval
from gomap.lab.compare import Ratio
from gomap.lab.scheduler import SceneResult, Scheduler


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
        needs=frozenset({"map", "scheduler"}),
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


_LENGTH_US, _EVERY_US = 2_000.0, 6_000.0
_FACTOR = 2.0
_ROWS: dict[str, tuple[int, dict[str, Any]]] = {
    "a stopped world": (2, {"disturbance": "stop the world"}),
    "a worker on the only P": (1, {"disturbance": "worker"}),
    "the kernel": (2, {"disturbance": "kernel"}),
}
"""How many Ps there are, and what disturbs, always for 2 ms and 6 ms later again: every get that is under way, or the next one,
is overlapped by it, so that the probability is 1 for each disturbance."""


@disturbance_table.model
def tails_by_overlap(ctx: Context) -> Finding:
    """The time that reads lose in gets of half the disturbance's length or more, by what number times length foretells; for
    turns beside another goroutine, by half of all the time."""
    read, rounds = numbers(10_000), ctx.scale.pick(test=2, quick=4, full=12)
    seconds = ctx.scale.pick(test=0.05, quick=0.08, full=0.4)
    shares: dict[str, list[float]] = {name: [] for name in (*_ROWS, "turns of another goroutine")}
    longest = dict.fromkeys(shares, 0.0)
    quiet: list[float] = []
    for i, seed in enumerate(ctx.seeds(rounds)):
        ctx.say(f"disturbing reads, round {i + 1} of {rounds}", i / rounds)
        for name, (procs, what) in _ROWS.items():
            r = _disturbed(procs, seconds, seed, read, what)
            shares[name].append(_lost_ns(r) / max(1e3 * _LENGTH_US * r.counts["disturbances"], 1))
            longest[name] = max(longest[name], reading(r.response)["max"])
        r = played(Scheduler(procs=1, seed=seed, **FAST), read, observer="gets", hogs=1, hog="calls", duration_s=seconds)
        shares["turns of another goroutine"].append(_lost_ns(r) / (1e9 * r.elapsed_s / 2))
        longest["turns of another goroutine"] = max(longest["turns of another goroutine"], reading(r.response)["max"])
        alone = _disturbed(2, seconds, seed, read, {})
        quiet.append(_lost_ns(alone) / (1e9 * alone.elapsed_s * _LENGTH_US / (_LENGTH_US + _EVERY_US)))
    idle = _disturbed(2, seconds, ctx.seed, read, {"disturbance": "worker"})
    more = Number(
        "of it lost where the worker finds an idle P", _lost_ns(idle) / max(1e3 * _LENGTH_US * idle.counts["disturbances"], 1)
    )
    found = _by_row({name: median_interval(v) for name, v in shares.items()}, median_interval(quiet), longest)
    return found.with_(numbers=(*found.numbers, more))


def _disturbed(procs: int, seconds: float, seed: int, read: Read, what: Mapping[str, Any]) -> SceneResult:
    lengths = {"disturb_us": _LENGTH_US, "disturb_every_us": _EVERY_US}
    return played(Scheduler(procs=procs, seed=seed, **OFTEN), read, observer="gets", duration_s=seconds, **lengths, **what)


def _lost_ns(r: SceneResult) -> float:
    """In gets of half the disturbance's length or more."""
    return float(sum(ns * n for ns, n in (r.response.counts if r.response else ()) if ns > 500 * _LENGTH_US))


def _by_row(rows: Mapping[str, Ratio], quiet: Ratio, longest: Mapping[str, float]) -> Finding:
    """Confirmed if every row lies within the criterion's factor. Where nothing is injected and as much is lost all the same,
    the rows say nothing."""
    follow = {name: r.low >= 1 / _FACTOR and r.high <= _FACTOR for name, r in rows.items()}
    noisy = quiet.high > 1 / _FACTOR
    told = "; ".join(f"{name} {r}" for name, r in rows.items())
    return Finding(
        NOT_MEASURABLE if noisy else CONFIRMED if all(follow.values()) else UNDECIDED,
        f"Time lost in long gets by what probability of overlap times length foretells: {told}; nothing injected, by what the "
        f"others foretell: {quiet}. {sum(follow.values())} of {len(follow)} rows lie within a factor of {_FACTOR:g}.",
        numbers=(
            *(Number.of_ratio(f"time lost by what is foretold, {name}", r) for name, r in rows.items()),
            Number.of_ratio("time lost with nothing injected, by what the others foretell", quiet),
            *(Number(f"longest get, {name}", ns, "ns") for name, ns in longest.items()),
        ),
        series=(
            Series(
                "bars",
                "Time lost by what is foretold",
                "x",
                tuple({"name": name, "value": r.ratio, "low": r.low, "high": r.high} for name, r in rows.items()),
            ),
        ),
        settings=tuple(rows),
    )
