"""C2.7-grow-shape: growth makes a new hmap of twice the size and rehashes both ways."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gomap.claims.claim import CONFIRMED, UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.real import controls, decided_or_read
from gomap.claims.registry import claim
from gomap.claims.timing import batch_ns
from gomap.claims.verdict import Finding, Number, Pairs, Sweep, bars, decide_exact, decide_pairs, median_interval
from gomap.claims.walk import full
from gomap.lab.compare import bootstrap_ratio
from gomap.lab.result import Result
from gomap.lab.workload import Group, Workload
from gomap.map import Map


@claim
def grow_shape() -> Claim:
    return Claim(
        id="C2.7-grow-shape",
        title="Growth makes a new hmap of twice the size and rehashes both ways",
        section="2.1, graph",
        statement=(
            "If growth is needed, a new hmap of twice the size is made and evacuate rehashes two ways; otherwise "
            "insertion probes linearly."
        ),
        article_number="2x",
        go_words="partly true",
        real_go=(
            "The hmap stays; only a new bucket array is made, twice as large or the same size, and nothing moves at "
            "that moment (runtime/map_noswiss.go: hashGrow). Each later assign or delete first evacuates the bucket "
            "it needs and then one more (growWork); evacuate sends each entry to X or Y by one hash bit, so 'two "
            "ways' is right. A map that is not written to any more stays half moved for ever, and every read goes "
            "on checking both arrays. Swiss: a table of up to 512 slots is copied whole into one twice as large; a "
            "full 1,024-slot table splits in two; the directory doubles when needed."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="No new hmap is made and nothing probes linearly (source).",
            holds="the doubling and the two ways. A half-moved map is 20 to 40 % slower to read (G13).",
        ),
        prediction=(
            "Incremental evacuation shows as a plateau of slow inserts after the growth, all at once as one spike "
            "in proportion to the table. X and Y get about half of the entries each."
        ),
        knob="evacuate; grow_factor (2, 4)",
        settings=(Setting("2 buckets a write", go=True), Setting("k buckets a write"), Setting("all at once")),
        workload=(
            "Insert latency by position relative to the point of growth; writes until evacuation ends; gets when "
            "not growing, just started, half moved, finished."
        ),
        measured=(
            Quantity("insert by position", "ns"),
            Quantity("writes until the end of evacuation", ""),
            Quantity("entries moved to X and Y", ""),
            Quantity("get in each phase", "ns"),
        ),
        criterion=Criterion(
            text=(
                "The two ways are confirmed by counting X and Y. All at once has to show one spike in proportion to "
                "table size where incremental shows a plateau."
            ),
        ),
        remedy=("R1",),
    )


_GO: Mapping[str, Any] = {"paths": "knobs"}
_AT_ONCE: Mapping[str, Any] = {"evacuate": "all"}
_PHASES = ("not growing", "just started", "half moved", "finished")
_ASKED = 1 << 15
_SPIKE, _PLATEAU = 50.0, 10.0
"""Per cent of a growth that its longest insert does, at least and at most."""
_IN_PROPORTION = 2.0
"""How far the spike may be from in proportion to the table; a factor, either way."""


# ------------------------------------------------------------------ two ways


class _Ways(NamedTuple):
    """Entries of a growth by where they went: the bucket of their old number, the one 2^B above, any other."""

    x: int
    y: int
    elsewhere: int


def _buckets(m: Map) -> dict[int, int]:
    """In which bucket each key is."""
    return {key: i for i in range(2**m.header.B) for b in m.chain(i) for key in b.keys if key is not None}


def _two_ways(B: int, seed: int, knobs: Mapping[str, Any]) -> tuple[_Ways, int]:
    """A full map of 2^B buckets, and where its entries are after one growth; and the writes that the growth took."""
    m = Map(seed=seed, hint=full(B), knobs=knobs)
    keys = range(full(B))
    m.assign_many(keys, keys)
    before = _buckets(m)
    m[len(m)] = 0
    writes = 1
    while m.header.growing:
        m[0] = 0
        writes += 1
    after = _buckets(m)
    went = [after[key] - i for key, i in before.items()]
    x, y = went.count(0), went.count(2**B)
    return _Ways(x, y, len(went) - x - y), writes


# ------------------------------------------------------------------ spike and plateau


def _over_the_limit(B: int, knobs: Mapping[str, Any]) -> Workload:
    """Inserts into a map of 2^B buckets that is full, until its growth is over."""
    grow = Group(mix={"assign_new": 100})
    return Workload(size=full(B), hint=full(B), ops=2**B, groups=(grow,), knobs=knobs, slowest=50)


def _evacuating(results: Sequence[Result]) -> dict[str, float]:
    """The longest that one insert spent moving entries, and its share of what all inserts did; preemption and page faults have
    causes of their own. The middle of some runs: an interrupt in a short span would be all that is seen."""
    longest = [max(_moving(s.causes) for s in r.slowest) for r in results]
    shares = [100 * top / _moving(r.time_by_cause("assign_new")) for top, r in zip(longest, results, strict=True)]
    return {"share": statistics.median(shares), "longest": statistics.median(longest)}


def _moving(causes: Mapping[str, float]) -> float:
    return causes.get("evacuation", 0) + causes.get("second_evacuation", 0)


def _spikes(ctx: Context, sizes: tuple[int, ...]) -> tuple[Pairs, dict[str, Sweep]]:
    def measure(w: Workload, seed: int) -> dict[str, float]:
        return _evacuating([ctx.run(w, seed ^ i) for i in range(runs)])

    largest, runs = sizes[-1], ctx.scale.pick(test=1, quick=3, full=5)
    settings = {"2 buckets a write": _GO, "all at once": _AT_ONCE}
    pairs = ctx.pairs(
        _over_the_limit(largest, _AT_ONCE), _over_the_limit(largest, _GO), measure, names=("all at once", "2 buckets a write")
    )
    sweeps = {
        name: ctx.sweep([_over_the_limit(B, knobs) for B in sizes], measure, names=[f"2^{B} buckets" for B in sizes])
        for name, knobs in settings.items()
    }
    return pairs, sweeps


# ------------------------------------------------------------------ reads of a map that is half moved


def _phases(B: int, seed: int) -> dict[str, Map]:
    """A map before its growth, at its start, in its middle and after it. The three that grow hold one entry more."""
    maps = {name: Map(seed=seed, hint=full(B)) for name in _PHASES}
    keys = range(full(B))
    for name, m in maps.items():
        m.assign_many(keys, keys)
        if name != "not growing":
            m.freeze_growth()
            m[full(B)] = 0
    maps["half moved"].evacuate(2 ** (B - 1))
    maps["finished"].evacuate(2**B)
    return maps


def _gets_by_phase(ctx: Context, B: int) -> dict[str, list[float]]:
    """Nanoseconds a get in each phase, interleaved."""
    found: dict[str, list[float]] = {name: [] for name in _PHASES}
    for seed in ctx.seeds(ctx.scale.pick(test=2, quick=5, full=20)):
        asked = np.random.default_rng(seed).integers(0, full(B), _ASKED)
        for name, m in _phases(B, seed).items():
            found[name].append(batch_ns(m, asked, repeats=3))
    return found


# ------------------------------------------------------------------ verdict


@grow_shape.model
def ways_and_spikes(ctx: Context) -> Finding:
    """Where the entries of a growth go, and how its cost is spread over the inserts."""
    B = ctx.scale.pick(test=8, quick=11, full=13)
    ctx.say(f"following the entries of a map of 2^{B} buckets", 0.0)
    ways, writes = _two_ways(B, ctx.seed, _GO)
    _, writes_at_once = _two_ways(B, ctx.seed, _AT_ONCE)
    exact = decide_exact("entries moved to X or to Y", ways.x + ways.y, sum(ways))
    sizes = ctx.scale.pick(test=(8, 10, 12), quick=(9, 11, 13), full=(9, 11, 13, 15))
    pairs, sweeps = _spikes(ctx, sizes)
    spike = decide_pairs(
        pairs, "what the longest insert moves of it all", threshold=2.0, rising=False, two_valued=True, unit="%"
    )
    phases = _gets_by_phase(ctx, ctx.scale.pick(test=8, quick=12, full=14))
    found = _judged(exact, spike, sweeps, sizes, ways, (writes, writes_at_once))
    by_phase = (Number(f"get, {name}", statistics.median(ns), "ns") for name, ns in phases.items())
    return found.with_(
        numbers=(*found.numbers, *by_phase),
        series=(
            bars("Moving entries, the most in one insert", "ns", _bars_of(sweeps)),
            bars("Get by phase of a growth", "ns", phases),
            *spike.series,
        ),
        settings=pairs.settings,
        workload=_over_the_limit(sizes[-1], _GO),
    )


def _bars_of(sweeps: Mapping[str, Sweep]) -> dict[str, list[float]]:
    return {f"{name}, {size}": s.of(i, "longest") for name, s in sweeps.items() for i, size in enumerate(s.settings)}


def _growth_of(sweep: Sweep) -> float:
    """How much more the largest map costs than the smallest."""
    return statistics.median(sweep.of(-1, "longest")) / max(statistics.median(sweep.of(0, "longest")), 1.0)


def _judged(
    exact: Finding, spike: Finding, sweeps: Mapping[str, Sweep], sizes: tuple[int, ...], ways: _Ways, writes: tuple[int, int]
) -> Finding:
    """The two ways decide; that a growth at once is a spike in proportion to the table has to show as well."""
    tables = 2.0 ** (sizes[-1] - sizes[0])
    at_once, steady = _growth_of(sweeps["all at once"]), _growth_of(sweeps["2 buckets a write"])
    in_proportion = tables / _IN_PROPORTION <= at_once <= tables * _IN_PROPORTION
    share = {name: statistics.median(s.of(-1, "share")) for name, s in sweeps.items()}
    spiked, level = share["all at once"] > _SPIKE, share["2 buckets a write"] < _PLATEAU
    shown = in_proportion and spiked and level and spike.verdict == CONFIRMED
    return exact.with_(
        verdict=exact.verdict if shown or exact.verdict != CONFIRMED else UNDECIDED,
        reason=(
            f"{exact.reason} X got {ways.x:,} and Y {ways.y:,}; the header stays and nothing probes linearly. A growth took "
            f"{writes[0]:,} writes, all at once {writes[1]:,}. That is a spike{'' if in_proportion else ' not'} in proportion "
            f"to the table: tables {tables:g} times as large make it {at_once:.3g} times as long, two buckets a write "
            f"{steady:.3g} times. The longest insert does {share['all at once']:.3g} % of the moving all at once and "
            f"{share['2 buckets a write']:.2g} % otherwise. {spike.reason}"
        ),
        numbers=(
            *exact.numbers,
            Number("entries moved to X", ways.x),
            Number("entries moved to Y", ways.y),
            *(Number(f"writes until the end of evacuation, {name}", n) for name, n in zip(sweeps, writes, strict=True)),
            *(Number(f"moved by the longest insert, {name}", part, "%") for name, part in share.items()),
            Number("growth of the spike, all at once", at_once, "x"),
            Number("growth of the spike, 2 buckets a write", steady, "x"),
            *spike.numbers,
        ),
    )


_PHASES = ("full", "just begun", "half moved", "finished")


@grow_shape.go
def header_and_gets_in_go(ctx: Context) -> Finding:
    """Whether a growth makes a new header, and what a hit costs before, in and after it, in real Go's classic map."""
    B = ctx.scale.pick(test=8, quick=12, full=14)
    r = controls("classic").run("phases", b=B, rounds=ctx.scale.pick(test=3, quick=8, full=25))
    return decided_or_read(grow_shape.claim, _judged_in_go(r))


def _judged_in_go(r: Mapping[str, Any]) -> Finding:
    times: dict[str, list[float]] = {phase: r["times"][phase] for phase in _PHASES}
    found = decide_exact("growths that made a new hmap", r["new_headers"], r["growths"])
    return found.with_(
        numbers=(
            Number.of_ratio("a hit, half moved by full", bootstrap_ratio(times["half moved"], times["full"])),
            *(Number.of_ratio(f"a hit, {phase}", median_interval(ns), "ns") for phase, ns in times.items()),
            *found.numbers,
        ),
        series=(bars("A hit, by the phase of a growth", "ns", times),),
        settings=tuple(times),
    )
