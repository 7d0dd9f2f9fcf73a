"""C1.8-iter-gopark: preempted iterators hang in gopark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from gomap.claims.claim import CONFIRMED, REFUTED, UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.real import controls, decided_or_read, designs
from gomap.claims.registry import claim
from gomap.claims.scenes import FAST, Read, beside_hog, numbers, played, preempted, reading
from gomap.claims.turns import turns
from gomap.claims.verdict import Finding, Number, Series, bars, median_interval
from gomap.lab.compare import Ratio
from gomap.lab.scheduler import SceneResult, Scheduler


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


_HOGS, _PS = 8, 2
_UNPARKED = ("runnable", "running")


_WITHIN = 0.25
_MANY = (4, 8, 16)
_LONG_NS = 1e6


@iter_gopark.model
def resumed_beside_hogs(ctx: Context, target: str = "global queue") -> Finding:
    """How long a reader that has been stopped waits beside busy goroutines on two Ps, against the slice that each has; and how
    many of those that were stopped were in no queue. Slices are a tenth of Go's. Then the article's setting."""
    read, rounds = numbers(10_000), ctx.scale.pick(test=2, quick=3, full=12)
    waits_alone = ctx.scale.pick(test=9, quick=30, full=200)
    alone = reading(beside_hog(Scheduler(procs=1, **FAST), read, "loop", waits=waits_alone).response)
    waits: dict[int, list[float]] = {k: [] for k in _MANY}
    runs = []
    for i, seed in enumerate(ctx.seeds(rounds)):
        for k in _MANY:
            ctx.say(f"a reader beside {k} busy goroutines, round {i + 1} of {rounds}", i / rounds)
            r = _stopped(k, target, seed, read)
            runs.append(r)
            waits[k] += _long_waits(r)
    parked = [_stopped(_MANY[0], "parked", seed, read) for seed in ctx.seeds(2)]
    return _resumed(alone["p50"], waits, runs).with_(
        numbers=(
            *_told(alone["p50"], waits),
            Number("goroutines stopped", sum(map(preempted, runs))),
            Number("goroutines stopped that were in no queue", sum(r.scheduler["put_aside"] for r in runs)),
            Number("goroutines stopped that were in no queue, parked", sum(r.scheduler["put_aside"] for r in parked)),
            Number(f"longest wait beside {_MANY[0]}, parked", max(reading(r.waits)["max"] for r in parked), "ns"),
            *_held_back(ctx, read),
        )
    )


def _held_back(ctx: Context, read: Read) -> tuple[Number, ...]:
    """Beside four that yield, while one of the two Ps is held for 5 ms again and again: what lies in its queue can be stolen,
    or lies there as long."""
    numbers_ = []
    for steal in ("half", "off"):
        s = Scheduler(procs=_PS, steal=steal, **FAST)
        held = {"disturbance": "worker", "disturb_us": 5_000.0, "disturb_every_us": 5_000.0}
        r = played(s, read, observer="gets", yielders=4, duration_s=ctx.scale.pick(test=0.03, quick=0.1, full=1.0), **held)
        numbers_.append(Number(f"longest wait while a P is held for 5 ms, steal = {steal}", reading(r.waits)["max"], "ns"))
    return tuple(numbers_)


def _stopped(hogs: int, target: str, seed: int, read: Read) -> SceneResult:
    s = Scheduler(procs=_PS, preempt_target=target, seed=seed, **FAST)
    return played(s, read, observer="gets", hogs=hogs, duration_s=0.01 + 0.005 * hogs)


def _long_waits(r: SceneResult) -> list[float]:
    return [float(ns) for ns, n in (r.response.counts if r.response else ()) if ns > _LONG_NS for _ in range(n)]


def _by_slices(slice_ns: float, waits: Mapping[int, Sequence[float]]) -> dict[int, Ratio]:
    """Waits by what slice times goroutines ahead by Ps makes."""
    return {k: median_interval([ns / (slice_ns * k / _PS) for ns in found]) for k, found in waits.items() if found}


def _told(slice_ns: float, waits: Mapping[int, Sequence[float]]) -> tuple[Number, ...]:
    shares = _by_slices(slice_ns, waits)
    return (
        Number("slice", slice_ns, "ns"),
        *(Number.of_ratio(f"wait beside {k}, by slice times goroutines by Ps", r) for k, r in shares.items()),
    )


def _resumed(slice_ns: float, waits: Mapping[int, Sequence[float]], runs: Sequence[SceneResult]) -> Finding:
    """Refuted as gopark if none that was stopped was out of the queues; the delay is told beside."""
    shares = _by_slices(slice_ns, waits)
    aside, stopped = sum(r.scheduler["put_aside"] for r in runs), sum(map(preempted, runs))
    near = len(shares) == len(waits) and all(abs(r.ratio - 1) <= _WITHIN for r in shares.values())
    told = ", ".join(f"{r} of it beside {k}" for k, r in shares.items()) or "no wait was seen"
    return Finding(
        UNDECIDED if not stopped else REFUTED if not aside else CONFIRMED,
        f"Of {stopped:,} goroutines that were stopped {aside:,} were in no queue; the others were runnable. A slice of "
        f"{slice_ns / 1e6:.3g} ms times goroutines by Ps foretells the wait: {told}; "
        f"{'within' if near else 'not within'} 25 %.",
        series=(bars("Wait beside busy goroutines", "ns", {str(k): found for k, found in waits.items() if found}),),
        settings=tuple(f"{k} busy goroutines" for k in waits),
    )


@iter_gopark.go
def state_of_a_reader_beside_hogs(ctx: Context) -> Finding:
    """The state of a goroutine that reads a map on two Ps beside eight busy ones, looked at again and again; how long it was
    kept off, and the slice that the others have."""
    go, ms = controls(designs()[0]), ctx.scale.pick(test=150, quick=450, full=4_000)
    runs = []
    for i in range(ctx.scale.pick(test=2, quick=4, full=5)):
        ctx.say(f"a reader beside {_HOGS} busy goroutines, run {i + 1}")
        runs.append(go.run("reads", keys="int", size=100_000, ms=ms, beside={"hogs": _HOGS}, watch=True))
    slice_ns = turns(go, "arithmetic", ctx.scale.pick(test=2, quick=9, full=25)).median
    return decided_or_read(iter_gopark.claim, _judged(runs, slice_ns))


def _judged(runs: Sequence[Mapping[str, Any]], slice_ns: float) -> Finding:
    """Refuted if it was seen waiting, and never parked."""
    states = Counter[str]()
    for r in runs:
        states.update(r["states"])
    parked = sum(n for state, n in states.items() if state not in _UNPARKED)
    delays = [ns for r in runs for ns in r["inside"]["longest"] if ns > slice_ns / 2]
    predicted = slice_ns * _HOGS / _PS
    told = ", ".join(f"{state} {n} times" for state, n in states.items()) or "not seen"
    delay = median_interval(delays) if delays else Ratio(0.0, 0.0, 0.0)
    longest = max(r["inside"]["max"] for r in runs)
    rows = tuple({"name": state, "value": n, "low": n, "high": n} for state, n in states.items())
    return Finding(
        REFUTED if states["runnable"] and not parked else UNDECIDED,
        f"A reader beside {_HOGS} busy goroutines on {_PS} Ps was {told}. It was kept off for {delay.ratio / 1e6:.3g} ms in "
        f"the median of {len(delays)} times; a slice of {slice_ns / 1e6:.3g} ms for each of the others makes "
        f"{predicted / 1e6:.3g}.",
        numbers=(
            Number("longest get beside 8 busy goroutines", longest, "ns", headline=True),
            Number("times the reader was seen runnable or running", states.total() - parked),
            Number("times the reader was seen parked", parked),
            Number.of_ratio("time kept off, of those over half a slice", delay, "ns"),
            Number("slice times goroutines ahead by Ps", predicted, "ns"),
        ),
        series=(Series("bars", "States of the reader", "", rows),) if rows else (),
        settings=(f"{_HOGS} busy goroutines",),
    )
