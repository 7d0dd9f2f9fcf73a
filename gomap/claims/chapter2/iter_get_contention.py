"""C2.17-iter-get-contention: iterator and get contend under a shared lock."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Mapping, Sequence

from gomap.claims.claim import CONFIRMED, REFUTED, UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.registry import claim
from gomap.claims.verdict import Finding, Number, decide_pairs
from gomap.errors import MissingTool
from gomap.lab.machine import allowed_cpus
from gomap.lab.result import Result
from gomap.lab.workload import Group, Workload


@claim
def iter_get_contention() -> Claim:
    return Claim(
        id="C2.17-iter-get-contention",
        title="Iterator and get contend under a shared lock",
        section="2.5",
        statement=(
            "Iterator and get compete for the same bucket memory. Hot spots lie where GC pauses and mutex waits "
            "overlap; pprof -mutexes finds a lock that hiter.next and mapaccess1 share."
        ),
        article_number=None,
        go_words="false",
        real_go=(
            "Both only read (runtime/map_noswiss.go: mapiternext, mapaccess1), and reading one line from several "
            "cores costs nothing. pprof has no flag -mutexes. A get never grows or writes. One true drop of "
            "contention: the first range after a growth sets two flag bits in the header by an atomic OR "
            "(mapiterinit), which dirties the line once."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="With one goroutine ranging and three getting, no mutex-profile record had a map function in it (G14).",
            holds="the first range after a growth writes to the header's line, once.",
        ),
        prediction="Get p50 and p99 with iterators beside are within 5 % of those without.",
        knob="iter.flag_or; readers 1 to N",
        settings=(Setting("once", go=True), Setting("on every next", article=True), Setting("off")),
        workload=(
            "Gets with 0 to N iterators beside and no writer; then one iterator and one writer behind a lock. "
            "Control: threads that stream through memory that is no map."
        ),
        measured=(Quantity("get p50, p99", "ns"), Quantity("throughput", "1/s")),
        criterion=Criterion(
            text=(
                "Refuted if get p50 and p99 with iterators are within 5 % of those without, memory bandwidth "
                "accounted for by the control."
            ),
        ),
        remedy=("R4",),
    )


_CPUS = allowed_cpus()  # one each, so that the two are not put on the same
_READER = Group(mix={"get": 100}, cpus=_CPUS[:1])
_ITERATOR = Group(mix={"iterate": 100}, scan=0, cpus=_CPUS[-1:])
_AT_ONCE = 50.0
_METRICS = {"get": "get on the mean", "p50": "p50 of get", "p99": "p99 of get"}
"""The mean, by the time of the CPU, because a clock may step by more than 5 % of a get."""


def _map_of(seconds: float, *groups: Group, knobs: Mapping[str, str] | None = None, variant: str = "plain") -> Workload:
    return Workload(variant, groups, size=1_000, hint=1_000, duration_s=seconds, knobs=knobs, attribution=False, sample=4)


@iter_get_contention.model
def beside_iterators(ctx: Context) -> Finding:
    """Gets beside a thread that iterates over the same map, and beside one that does so over a map of its own: the same work
    and the same traffic to memory, nothing shared."""
    return _compare(ctx, {"iter_flag_or": "once", "paths": "knobs"})


def _compare(ctx: Context, knobs: Mapping[str, str]) -> Finding:
    if len(allowed_cpus()) < 2:
        raise MissingTool("a get and an iteration at the same time take two CPUs")
    seconds = ctx.scale.pick(test=0.03, quick=0.15, full=0.5)

    def measure(shared: bool, seed: int) -> dict[str, float]:
        r = _shared(ctx, seconds, knobs, seed) if shared else _apart(ctx, seconds, knobs, seed)
        reader = next(t for t in r.threads if t.group == 0)
        mean = reader.cpu_ns / reader.operations
        tails = {f"p{p}": r.latency["get"].percentile(p) for p in (50, 99)}
        return {"get": mean, **tails, "at once": _at_once(r)}

    pairs = ctx.pairs(False, True, measure, names=("iterator on another map", "iterator on this map"))
    found = [decide_pairs(pairs, what, two_valued=True, metric=m, unit="ns") for m, what in _METRICS.items()]
    locked = _behind_a_lock(ctx, seconds)
    at_once = statistics.median(pairs.samples(1, "at once"))
    verdict = _together([f.verdict for f in found])
    return Finding(
        UNDECIDED if verdict == REFUTED and at_once < _AT_ONCE else verdict,
        f"{' '.join(f.reason for f in found)} With a lock around the map and a writer there, {locked.value:,.0f} reads waited "
        f"for it. Get and iteration were at work at the same time for {at_once:.0f} % of the time"
        f"{'' if at_once >= _AT_ONCE else ', which is too little to refute anything'}.",
        numbers=(*(n for f in found for n in f.numbers), locked, Number("both at work at the same time", at_once, "%")),
        series=tuple(s for f in found for s in f.series),
        settings=pairs.settings,
    ).with_(workload=_map_of(seconds, _READER, _ITERATOR, knobs=knobs))


def _at_once(r: Result) -> float:
    """Per cent of a run in which its two threads had a CPU at the same time, at least: where they take turns nothing can
    contend. Of one thread alone it is 0."""
    return max(0.0, 100 * (sum(t.cpu_ns for t in r.threads) / 1e9 / r.elapsed_s - 1))


def _together(verdicts: Sequence[str]) -> str:
    """Refuted only if nothing differs; confirmed if something certainly does; else what the first that is neither is."""
    if CONFIRMED in verdicts:
        return CONFIRMED
    return next((v for v in verdicts if v != REFUTED), REFUTED)


def _shared(ctx: Context, seconds: float, knobs: Mapping[str, str], seed: int) -> Result:
    return ctx.run(_map_of(seconds, _READER, _ITERATOR, knobs=knobs), seed)


def _apart(ctx: Context, seconds: float, knobs: Mapping[str, str], seed: int) -> Result:
    """The iterator has a map and a run of its own, which lasts longer than that of the reader."""
    beside = _map_of(seconds * 1.5, _ITERATOR, knobs=knobs)
    neighbour = threading.Thread(target=ctx.run, args=(beside, seed), name="gomap-neighbour")
    neighbour.start()
    try:
        return ctx.run(_map_of(seconds, _READER, knobs=knobs), seed)
    finally:
        neighbour.join()


def _behind_a_lock(ctx: Context, seconds: float) -> Number:
    """Reads that waited because an iterator and a writer share a lock with them: there is the contention."""
    readers = Group(mix={"get": 50, "iterate": 50}, scan=0)
    writer = Group(mix={"assign": 100})
    r = ctx.run(_map_of(seconds, readers, writer, variant="rwmutex"), ctx.seed)
    return Number("reads that waited for the lock, beside a writer", r.counters["read_waits"]["total"])
