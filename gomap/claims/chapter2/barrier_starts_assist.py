"""C2.16-barrier-starts-assist: the write barrier starts assists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gomap.claims.claim import CONFIRMED, REFUTED, UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.heaps import play
from gomap.claims.real import controls, decided_or_read, designs
from gomap.claims.registry import claim
from gomap.claims.verdict import Finding, Number, bars
from gomap.lab.heap_scene import HeapActor, HeapScene


@claim
def barrier_starts_assist() -> Claim:
    return Claim(
        id="C2.16-barrier-starts-assist",
        title="The write barrier starts assists",
        section="2.4, graph",
        statement=(
            "Storing a heap pointer runs the write barrier, which checks the GC's work against a threshold and "
            "starts assist marking; the new object is shaded grey."
        ),
        article_number=None,
        go_words="false",
        real_go=(
            "Assists start in the allocator: mallocgc, deductAssistCredit, gcAssistAlloc (runtime/malloc.go, "
            "mgcmark.go), when gcBlackenEnabled is set and the goroutine's credit is negative. The barrier only "
            "buffers pointers. An object allocated while marking is born black (gcmarknewobject). In a trace of the "
            "article's loop every assist came from deductAssistCredit, below convT64, slicebytetostring and "
            "makeBucketArray: a growth that allocates a large array while marking owes assist work for all of it."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="Updates with ready pointers under back-to-back collections: 0 ms of assist CPU (G5).",
            holds="a growing insert can owe a large assist, for the array it allocates (G16).",
        ),
        prediction="Stores alone start no assist, allocation alone does.",
        knob="gc.assist_site",
        settings=(Setting("malloc", go=True), Setting("barrier", article=True)),
        workload=(
            "Stores of ready pointers without allocation while the collector marks; then allocation without stores. "
            "Assists counted by site."
        ),
        measured=(Quantity("assists by site", ""),),
        criterion=Criterion(
            text="Refuted if stores alone cause no assist and allocation alone causes some.",
        ),
        needs=frozenset({"heap"}),
    )


@barrier_starts_assist.go
def stores_and_allocation(ctx: Context) -> Finding:
    """The time that goes to assists: while ready pointers are stored into a map and the collector marks all the time; and while
    bytes are allocated and no pointer is stored, with the collector at its normal pace."""
    go, rounds = controls(designs()[0]), ctx.scale.pick(test=1, quick=3, full=10)
    n, live = (
        ctx.scale.pick(test=50_000, quick=300_000, full=1_000_000),
        ctx.scale.pick(test=50_000, quick=100_000, full=300_000),
    )
    stored = [go.run("assigns", writer="update pointer", collector="marking", n=4 * n, live=live) for _ in range(rounds)]
    allocated = [go.run("assigns", writer="allocate", collector="normal", n=n, live=live) for _ in range(rounds)]
    found = _judged(stored, allocated)
    return found if found.verdict == UNDECIDED and _assists(stored) else decided_or_read(barrier_starts_assist.claim, found)


def _assists(runs: Sequence[Mapping[str, Any]]) -> float:
    """Nanoseconds of all processors."""
    return 1e9 * sum(float(r["assist_s"]) for r in runs)


def _judged(stored: Sequence[Mapping[str, Any]], allocated: Sequence[Mapping[str, Any]]) -> Finding:
    """By the criterion: stores alone cause none, allocation alone causes some. Confirmed by the reverse. Where stores and
    allocation both have some, something else may be at work, and there is no verdict."""
    by_stores, by_allocation = _assists(stored), _assists(allocated)
    marked = sum(r["cycles"] for r in stored)
    told = f"{by_stores / 1e6:.3g} ms while pointers were stored, over {marked} collections; {by_allocation / 1e6:.3g} ms"
    refuted, confirmed = marked and not by_stores and by_allocation > 0, by_stores > 0 and not by_allocation
    return Finding(
        REFUTED if refuted else CONFIRMED if confirmed else UNDECIDED,
        f"Assists took {told} while bytes were allocated and no pointer was stored.",
        numbers=(
            Number("time in assists, stores alone", by_stores, "ns"),
            Number("time in assists, allocation alone", by_allocation, "ns"),
            Number("collections while pointers were stored", marked),
        ),
    )


@barrier_starts_assist.model
def assists_by_site(ctx: Context, **knobs: Any) -> Finding:
    """Assists, counted by where they began: while ready pointers are stored and the collector marks all the time; and while
    objects are allocated and no pointer is stored."""
    n = ctx.scale.pick(test=100_000, quick=500_000, full=5_000_000)
    stores = HeapActor(does="updates", key="str", elem="ready", ops=n)
    allocates = HeapActor(does="allocates", size=256, ops=n)
    found = [
        play(HeapScene(actors=(actor,), live=200_000, collecting=True, duration_s=60), **knobs) for actor in (stores, allocates)
    ]
    counts = [(r.counts["assists_in_malloc"], r.counts["assists_in_barrier"]) for r in found]
    return _judged_model(counts[0], counts[1], found[0].actors[0].phases["marking"].ops)


def _judged_model(stored: tuple[int, int], allocated: tuple[int, int], stores: int) -> Finding:
    """As `_judged`, on counts: (in the allocator, in the barrier). stores: while marking."""
    by_stores, by_allocation = sum(stored), sum(allocated)
    refuted, confirmed = stores and not by_stores and by_allocation > 0, by_stores > 0 and not by_allocation
    return Finding(
        REFUTED if refuted else CONFIRMED if confirmed else UNDECIDED,
        f"{stores:,} stores of ready pointers while the collector marked started {by_stores:,} assists; allocation without any "
        f"store started {by_allocation:,}, {allocated[0]:,} of them in the allocator.",
        numbers=(
            Number("assists, stores alone", by_stores),
            Number("assists, allocation alone", by_allocation),
            Number("stores while marking", stores),
        ),
        series=(bars("Assists", "", {"stores alone": [by_stores], "allocation alone": [by_allocation]}),),
        settings=("malloc", "barrier"),
    )
