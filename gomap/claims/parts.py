"""What several experiments need: verdicts made of parts, runs on real Go, and maps that have been deleted from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gomap.claims.claim import CONFIRMED, NOT_MEASURABLE, REFUTED, UNDECIDED
from gomap.claims.context import Context
from gomap.claims.verdict import (
    SAME_HIGH,
    SAME_LOW,
    Finding,
    Number,
    Pairs,
    Series,
    bars,
    median_interval,
    reduced_note,
    too_few,
)
from gomap.errors import BadValue, GoFailed, GoUnavailable, MissingTool
from gomap.lab.histogram import Histogram, TooFewSamples, samples_needed
from gomap.lab.keystreams import KeyStream, Sequential, Uniform
from gomap.lab.machine import allowed_cpus
from gomap.lab.result import DONE, Result
from gomap.lab.traces import OPS, TraceData
from gomap.lab.workload import Group, Trace, Workload
from gomap.realgo.harness import run_go

__all__ = [
    "GOROUTINES_RATE",
    "THREADS_RATE",
    "Runner",
    "all_of",
    "apart",
    "beside_writer",
    "gathered",
    "missed_after",
    "no_dearer",
    "on_go",
    "on_model",
    "ranged_after",
    "slower_than",
    "too_slow",
    "unchanged",
]

Runner = Callable[[Workload, int], Result]
"""Runs a workload with a seed: on the model, or on real Go."""

THREADS_RATE, GOROUTINES_RATE = 20_000, 200_000
"""Writes a second beside readers. The second is that of control run G2. The first was chosen after a trial on a busy machine:
at 200,000 a reader thread behind one lock did too few gets for its p99.9. The writer may fall behind at 20,000 too."""
_MOST_RUNS = 16
_WORST = (REFUTED, NOT_MEASURABLE, UNDECIDED, CONFIRMED)


def all_of(parts: Sequence[Finding]) -> Finding:
    """One verdict on a criterion that says "this and that": confirmed if each part is, refuted if one is; else the first of
    not measurable and undecided that a part is. Reasons, numbers, series and settings are put together."""
    worst = min((p.verdict for p in parts), key=_WORST.index)
    return parts[0].with_(
        verdict=worst,
        reason=" ".join(p.reason for p in parts),
        numbers=tuple(n for p in parts for n in p.numbers),
        series=tuple(s for p in parts for s in p.series),
        settings=tuple(dict.fromkeys(s for p in parts for s in p.settings)),
    )


def unchanged(pairs: Pairs, what: str, *, metric: str | None = None, unit: str = "") -> Finding:
    """A verdict on "it stays as it is": confirmed where an effect would be refuted (V4), refuted if the interval of the effect
    lies wholly below that."""
    effect, asked = pairs.effect(metric), f"{SAME_LOW:g} to {SAME_HIGH:g}"
    few = too_few(pairs)
    if few:
        verdict, why = UNDECIDED, few
    elif effect.low >= SAME_LOW and effect.high <= SAME_HIGH:
        verdict, why = CONFIRMED, f"within {asked}"
    elif effect.high < SAME_LOW:
        verdict, why = REFUTED, f"below {asked}"
    else:
        verdict, why = UNDECIDED, f"for a verdict it would have to lie within {asked}, or below"
    a, b = pairs.settings
    samples = {a: pairs.samples(0, metric), b: pairs.samples(1, metric)}
    return Finding(
        verdict,
        f"{what[0].upper()}{what[1:]}, {b} by {a}: {effect}; {why}{reduced_note(pairs)}.",
        numbers=(
            Number.of_ratio(f"{what}, {b} by {a}", effect),
            *(Number.of_ratio(f"{what}, {name}", median_interval(values), unit) for name, values in samples.items()),
        ),
        series=(bars(f"{what[0].upper()}{what[1:]}", unit, samples),),
        settings=pairs.settings,
    )


def no_dearer(pairs: Pairs, what: str, most: float) -> Finding:
    """A verdict on "it does not rise over so much": confirmed if the interval of the effect lies wholly up to `most`, a ratio
    over 1, refuted if wholly above."""
    effect, noise = pairs.effect(), pairs.noise()
    few = too_few(pairs)
    if few:
        verdict, why = UNDECIDED, few
    elif noise.high > noise.low * most * most:
        verdict, why = NOT_MEASURABLE, f"the same setting twice already spreads over {noise.low:.3g} to {noise.high:.3g}"
    elif effect.high <= most:
        verdict, why = CONFIRMED, f"no more than {most:g}"
    elif effect.low > most:
        verdict, why = REFUTED, f"more than {most:g}"
    else:
        verdict, why = UNDECIDED, f"for a verdict it would have to lie on one side of {most:g}"
    a, b = pairs.settings
    return Finding(
        verdict,
        f"{what[0].upper()}{what[1:]}: {b} is {effect} times {a}; {why}{reduced_note(pairs)}.",
        numbers=(Number.of_ratio(f"{what}, effect", effect),),
        settings=pairs.settings,
    )


def on_model(ctx: Context) -> Runner:
    """Runs on the model."""
    return lambda w, seed: ctx.run(w, seed)


def on_go(ctx: Context, design: str = "classic") -> Runner:
    """Runs on real Go's map, with goroutines that Go places: pinned to threads, each hand-over of a lock would be one of the
    system's. Raises `MissingTool` where there is no toolchain, `GoFailed` if misuse ended the program."""

    def go(w: Workload, seed: int) -> Result:
        free = tuple(replace(g, cpus=None) for g in w.groups)
        try:
            r = run_go(w.with_(seed=seed, groups=free), design)
        except GoUnavailable as missing:
            raise MissingTool(str(missing)) from None
        if r.interrupted:
            raise KeyboardInterrupt
        if r.outcome != DONE:
            raise GoFailed(f"the Go program ended with: {r.outcome}")
        return r

    return go


def gathered(run: Runner, w: Workload, seed: int, kind: str, percent: float) -> tuple[Histogram, Result]:
    """Latencies of one kind from as many runs as it takes to give that percentile, and the last run. Raises `TooFewSamples` if
    16 are not enough."""
    found: list[Histogram] = []
    for i in range(_MOST_RUNS):
        r = run(w, seed ^ i)
        found.append(r.latency[kind])
        if sum(h.count for h in found) >= samples_needed(percent):
            break
    whole = Histogram.merged(found)
    whole.percentile(percent)
    return whole, r


def too_slow(w: Workload, few: TooFewSamples, settings: tuple[str, ...]) -> Finding:
    """The finding where operations took so long that there were too few of them for the percentile that decides."""
    rows = tuple({"name": n, "value": v, "low": v, "high": v} for n, v in (("made", few.count), ("needed", few.needed)))
    return Finding(
        UNDECIDED,
        f"Gets took so long that {_MOST_RUNS} runs in a row did not give enough: {few}.",
        numbers=(Number("gets made", few.count), Number("gets needed", few.needed)),
        series=(Series("bars", "Gets", "", rows),),
        settings=settings,
    ).with_(workload=w)


def slower_than(r: Result, kind: str, ns: int) -> int:
    """How many operations of a kind took longer."""
    h = r.latency.get(kind)
    return sum(n for value, n in h.counts if value > ns) if h else 0


def apart(one: Group, other: Group) -> tuple[Group, Group]:
    """Two groups of one thread, each pinned to a CPU of its own. `BadValue` where there is one only."""
    cpus = allowed_cpus()
    if len(cpus) < 2:
        raise BadValue("two threads at once need two CPUs, and this process has one")
    return replace(one, cpus=(cpus[0],)), replace(other, cpus=(cpus[1],))


def beside_writer(seconds: float, rate: float, *, keys: KeyStream | None = None, **options: Any) -> Workload:
    """One reader of 1,000 hot keys as fast as it can, beside one writer of new keys at a rate; each has a CPU of its own: on
    one they would take turns, and never meet."""
    reader = Group(mix={"get": 100}, keys=keys or Uniform())
    writer = Group(mix={"assign_new": 100}, rate=rate)
    return Workload(groups=apart(reader, writer), size=1_000, duration_s=seconds, **options)


# ------------------------------------------------------------------ after mass deletion


def _trace(name: str, parts: Mapping[str, np.ndarray[Any, np.dtype[np.int64]]]) -> Trace:
    """Operations one kind after the other, each on the keys given for it."""
    keys = np.concatenate(list(parts.values()))
    ops = np.concatenate([np.full(len(k), OPS[kind], np.uint8) for kind, k in parts.items()])
    return Trace(TraceData(name, "csv", keys, ops, None, False))


def missed_after(size: int, deleted: int, gets: int, **options: Any) -> Workload:
    """Gets of absent keys in a map of `size` entries of which so many have been deleted. Neither the deletes are measured nor a
    first round of the gets, which brings the pages of a large empty array in. No get is timed alone: the throughput tells."""
    absent = np.random.default_rng(size).permutation(np.arange(2 * size, 2 * size + gets))
    trace = _trace("deletes, then misses", {"delete": np.arange(deleted), "get": np.tile(absent, 2)})
    rest: dict[str, Any] = {"sample": 0, "attribution": False, **options}
    return Workload(groups=(Group(keys=trace),), size=size, ops=gets, warmup=deleted + gets, **rest)


def ranged_after(size: int, deleted: int, ranges: int, **options: Any) -> Workload:
    """Whole ranges over a map of `size` entries of which so many have been deleted. The deletes come round a second time and
    find nothing, with the ranges among them."""
    if deleted == 0:
        only = Group(mix={"iterate": 100}, scan=0)
        return Workload(groups=(only,), size=size, ops=ranges, warmup=2, attribution=False, **options)
    share = 100 * ranges / deleted
    group = Group(mix={"delete": 100 - share, "iterate": share}, keys=Sequential(), scan=0)
    rest: dict[str, Any] = {"attribution": False, **options}
    return Workload(groups=(group,), size=size, keyspace=deleted, ops=deleted, warmup=int(1.1 * deleted), **rest)
