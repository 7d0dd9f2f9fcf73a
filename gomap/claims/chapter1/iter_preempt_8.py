"""C1.7-iter-preempt-8: mapiternext checks for preemption every 8 buckets."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gomap.claims.claim import CONFIRMED, REFUTED, UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.real import controls, decided_or_read, designs
from gomap.claims.registry import claim
from gomap.claims.scenes import beside_hog, numbers
from gomap.claims.turns import turns, waits_in_a_sample
from gomap.claims.verdict import Finding, Number, Series, Sweep, bars, median_interval
from gomap.claims.walk import full
from gomap.lab.scheduler import Scheduler


@claim
def iter_preempt_8() -> Claim:
    return Claim(
        id="C1.7-iter-preempt-8",
        title="mapiternext checks for preemption every 8 buckets",
        section="1, preemption points and map iteration",
        statement=(
            "In a range over a map, the runtime.mapiternext call that the compiler inserts checks the preemption "
            "signal every 8 buckets."
        ),
        article_number="8 buckets",
        go_words="false",
        real_go=(
            "range calls mapiternext once an element (Swiss: mapIterNext), and it counts no buckets. Every call has "
            "the usual stack check in its prologue, a synchronous safe point at each element; since Go 1.14 the "
            "loop body can also be stopped by SIGURG at most instructions. Inside runtime code an asynchronous stop "
            "is refused (runtime/preempt.go: isAsyncSafePoint)."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="With asynchronous preemption off, a range loop still yields on time; a loop without calls does not (G8).",
        ),
        prediction=(
            "The delay from request to yield is at most one element's body; under the article's rule it is about 52 "
            "bodies (8 buckets of 6.5)."
        ),
        knob="iter.preempt_check; sched.preempt (sync + async, sync, none)",
        settings=(Setting("every call", go=True), Setting("every 8 buckets", article=True), Setting("never")),
        workload="Iterate 2^20 entries with bodies of 0, 1 and 100 µs; another goroutine asks for preemption at random times.",
        measured=(Quantity("request to yield p50, p99, max", "ns"), Quantity("checks", "")),
        criterion=Criterion(
            text=(
                "Refuted if the delay is at most one body at every length. Under the article's setting it has to "
                "grow to about 8 x 6.5 bodies, or the instrument is no good."
            ),
        ),
        remedy=("R4",),
        needs=frozenset({"scheduler"}),
    )


_BODIES_NS = (0, 100_000, 1_000_000)
_ARTICLE = 52  # bodies: 8 buckets of 6.5 entries


_STEPS = {"nothing": 0, "1 µs": 2, "100 µs": 200}
"""Bodies of the model's ranges: thousands of steps of arithmetic, and how long they take about."""
_LEAST_STOPS = 5


@iter_preempt_8.model
def elements_until_a_range_stops(ctx: Context, check: str = "every call") -> Finding:
    """How many elements a range visits from the request to stop until it does, by its body, with a safe point at every element
    and at every eighth bucket; without signals, as on real Go."""
    read, stops = numbers(full(12)), ctx.scale.pick(test=12, quick=40, full=600)
    s = Scheduler(procs=1, preempt="sync", slice_ms=0.5, sysmon_sleep_us=250)
    found = {
        (name, body): beside_hog(s, read, "range", waits=stops, iter_check=name, body=steps).counts
        for name in (check, "every 8 buckets")
        for body, steps in _STEPS.items()
    }
    never = beside_hog(s, read, "range", seconds=0.02, iter_check="never").counts
    return _counted(check, found).with_(
        numbers=(
            *(Number(f"elements until the range stops, {c}, a body of {b}, most", n["latest"]) for (c, b), n in found.items()),
            *(Number(f"stops, {c}, a body of {b}", n["stops"]) for (c, b), n in found.items()),
            Number("stops without safe points and signals", never["stops"]),
        )
    )


def _counted(check: str, found: Mapping[tuple[str, str], Mapping[str, int]]) -> Finding:
    """Refuted if a range stops within one body at every length, and the article's setting is seen to do otherwise: within a
    factor of 2 of its 52."""
    latest = {body: found[check, body]["latest"] for body in _STEPS}
    article = {body: found["every 8 buckets", body]["latest"] for body in _STEPS}
    enough = min(n["stops"] for n in found.values()) >= _LEAST_STOPS
    good = enough and all(_ARTICLE / 2 <= n <= 2 * _ARTICLE for n in article.values())
    verdict = UNDECIDED
    if good:
        verdict = REFUTED if max(latest.values()) <= 1 else CONFIRMED if min(latest.values()) >= _ARTICLE / 2 else UNDECIDED
    told = ", ".join(f"a body of {body}: {n}" for body, n in latest.items())
    shown = ", ".join(str(n) for n in article.values())
    rows = tuple(
        {"name": f"{c}, {b}", "value": n["late"] / max(n["stops"], 1), "low": 0, "high": n["latest"]}
        for (c, b), n in found.items()
    )
    return Finding(
        verdict,
        f"Elements from the request to the stop, at most, with a safe point at {check}: {told}. Every 8 buckets they are "
        f"{shown}, where {_ARTICLE} are expected{'' if good else ': this does not show what it should'}.",
        series=(Series("bars", "Elements until the range stops, mean and most", "", rows),),
        settings=(check, "every 8 buckets"),
    )


@iter_preempt_8.go
def range_with_bodies(ctx: Context) -> Finding:
    """How much longer a goroutine waits beside a range whose body is longer, in bodies. Without Go's signals, so that only
    what the range itself does can stop it."""
    go, waits = controls(designs()[0]), waits_in_a_sample(ctx)
    sweep = ctx.sweep(
        _BODIES_NS,
        lambda body, seed: turns(go, "range", waits, signals=False, body_ns=body).median,
        ctx.scale.pairs,
        names=[f"{ns / 1e3:g} µs" for ns in _BODIES_NS],
    )
    found = _judged(sweep)
    return found if _contrary(found) else decided_or_read(iter_preempt_8.claim, found)


def _contrary(f: Finding) -> bool:
    """Whether the range certainly ran on for more than a body: then what was read does not stand unmeasured."""
    return any(n.low is not None and n.low > 1 for n in f.numbers if n.unit == "")


def _judged(sweep: Sweep) -> Finding:
    """The wait beside an empty body is the time slice. What comes on top is from the request to the yield; it may be below
    nothing by the slice's own spread."""
    empty = np.array(sweep.of(0))
    more = {
        name: median_interval(list((np.array(sweep.of(i)) - empty) / body))
        for i, (name, body) in enumerate(zip(sweep.settings, _BODIES_NS, strict=True))
        if body
    }
    told = "; ".join(f"a body of {name}: {excess} bodies" for name, excess in more.items())
    return Finding(
        REFUTED if all(excess.high <= 1 for excess in more.values()) else UNDECIDED,
        f"Beyond the wait beside an empty body, {told}; checks every 8 buckets would make it {_ARTICLE}.",
        numbers=(
            *(Number.of_ratio(f"bodies until the range yields, of {name}", excess, "") for name, excess in more.items()),
            *(
                Number.of_ratio(f"wait beside a range with a body of {name}", median_interval(sweep.of(i)), "ns")
                for i, name in enumerate(sweep.settings)
            ),
        ),
        series=(bars("Wait beside a range, by its body", "ns", {n: sweep.of(i) for i, n in enumerate(sweep.settings)}),),
        settings=sweep.settings,
    )
