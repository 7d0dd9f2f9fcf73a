"""The rules by which measurements become verdicts. They are fixed here, once, and no experiment has its own.

    round        A        B        A'       B'      one seed; then the next round, with the next seed
                 |        |        |        |
    effect       +--------+--------+--------+       B and B' to A and A': does the knob do anything?
    noise, back  +-----------------+                A' to A: the same setting twice (A/A), B between them

V1  An effect is a ratio of medians over interleaved runs with its 95 % bootstrap interval, never one number.
V2  Not measurable here: the interval of A' to A is wider than the threshold (its top by its bottom). Noise alone could then
    look like the effect. This comes first.
V3  Confirmed: the effect's interval lies wholly beyond the threshold on the side that was predicted; and switching back
    restores the base line (the interval of A' to A lies within 10 % of 1, or at least holds 1); and the response is monotone in
    the independent variable, where that has more than two values.
V4  Refuted: the effect's interval lies within 0.95 to 1.05; or an event is counted that never happened in 10^7 or more
    opportunities.
V5  Undecided: everything else, and the reason names what is missing.
V6  At least 10 rounds. Quick and test runs make fewer, say so in the reason, and are held to all other rules; a full run that
    was stopped before 10 is undecided. Fewer than 3 are never enough.

Rejected: p-values (a small effect that is certain is not the claim's effect); dropping outliers (they are the subject).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from gomap.claims.claim import CONFIRMED, NOT_MEASURABLE, REFUTED, UNDECIDED, VERDICTS
from gomap.errors import BadValue
from gomap.lab.compare import Ratio, bootstrap_ratio
from gomap.lab.histogram import Histogram
from gomap.lab.result import Result
from gomap.lab.workload import Workload

__all__ = [
    "Counted",
    "Finding",
    "Number",
    "Pairs",
    "Series",
    "Sweep",
    "bars",
    "decide_band",
    "decide_count",
    "decide_exact",
    "decide_pairs",
    "median_interval",
    "percentiles",
    "reduced_note",
    "time_line",
    "too_few",
]

PAIRS_ASKED = 10
"""Rounds that V6 asks for."""
PAIRS_LEAST = 3
OPPORTUNITIES_ASKED = 10_000_000
"""How often an event must have been possible before its absence refutes anything."""
SAME_LOW, SAME_HIGH = 0.95, 1.05
BACK_WITHIN = 1.10
_DRAWN_PERCENTILES = (0, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 99.999)


@dataclass(frozen=True)
class Number:
    """A measured figure, with its interval where it has one. unit: "ns", "%", "x", "" for a count. headline: the one to show
    where there is room for one; none flagged: the first."""

    name: str
    value: float
    unit: str = ""
    low: float | None = None
    high: float | None = None
    headline: bool = False

    @classmethod
    def of_ratio(cls, name: str, r: Ratio, unit: str = "x", *, headline: bool = False) -> Number:
        return cls(name, r.ratio, unit, r.low, r.high, headline)


@dataclass(frozen=True)
class Series:
    """Plain data for one chart. kind: "percentiles" (rows: name, percentile, ns), "timeline" (at_ms, max_ns, p99_ns, count,
    and rows with `event`), "bars" (name, value, low, high) or "lines" (name, x, y)."""

    kind: str
    title: str
    unit: str
    rows: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Finding:
    """What an experiment, or reading, found. reason: a sentence for people. by: "experiment", "source", "source and numbers"
    (the verdict by source, with what was measured here beside it), or "nothing" where none could be made. settings: that were
    contrasted. workload: to run it again with `gomap run`'s engine. seconds used."""

    verdict: str
    reason: str
    numbers: tuple[Number, ...] = ()
    series: tuple[Series, ...] = ()
    settings: tuple[str, ...] = ()
    workload: Mapping[str, Any] | None = None
    seconds: float = 0.0
    by: str = "experiment"

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise BadValue(f"unknown verdict {self.verdict!r}, allowed: {', '.join(VERDICTS)}")
        if not self.reason.strip():
            raise BadValue("a verdict needs a reason")

    def with_(self, **changes: Any) -> Finding:
        """The same finding, but for some fields; a `Workload` is stored as what its JSON holds."""
        if isinstance(changes.get("workload"), Workload):
            changes["workload"] = changes["workload"].to_dict()
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> Finding:
        """What `to_dict` gave, also after JSON. `BadValue` for anything else."""
        try:
            parts = {
                "numbers": tuple(Number(**n) for n in d["numbers"]),
                "series": tuple(Series(**{**s, "rows": tuple(s["rows"])}) for s in d["series"]),
                "settings": tuple(d["settings"]),
            }
            return cls(**{**d, **parts})
        except (KeyError, TypeError, AttributeError) as e:
            raise BadValue(f"not a finding: {e}") from None


# ------------------------------------------------------------------ series


def percentiles(title: str, latencies: Mapping[str, Histogram]) -> Series:
    """Latency by percentile, a line for each name."""
    rows = (
        {"name": name, "percentile": p, "ns": h.value_at(p)}
        for name, h in latencies.items()
        if h.count
        for p in _DRAWN_PERCENTILES
        if p == 0 or h.percentile_or_none(p) is not None
    )
    return Series("percentiles", title, "ns", tuple(rows))


def time_line(title: str, result: Result) -> Series:
    """A run over time, with the starts and ends of its growths."""
    t = result.timeline
    rows: list[Mapping[str, Any]] = [
        {"at_ms": i * t.interval_ns / 1e6, "max_ns": top, "p99_ns": p99, "count": n}
        for i, (n, top, p99) in enumerate(zip(t.count, t.max_ns, t.p99_ns, strict=True))
        if n
    ]
    rows += [{"at_ms": e.at_ns / 1e6, "event": e.kind, "to_B": e.to_B} for e in t.events if e.kind != "array_alloc"]
    return Series("timeline", title, "ns", tuple(rows))


def bars(title: str, unit: str, samples: Mapping[str, Sequence[float]]) -> Series:
    """A bar for each name: the median of its samples with the 95 % bootstrap interval."""
    rows = []
    for name, values in samples.items():
        m = median_interval(values)
        rows.append({"name": name, "value": m.ratio, "low": m.low, "high": m.high})
    return Series("bars", title, unit, tuple(rows))


def median_interval(samples: Sequence[float]) -> Ratio:
    """A median with its 95 % bootstrap interval."""
    return bootstrap_ratio(samples, [1.0])


# ------------------------------------------------------------------ what experiments measure

_NOTHING = 1e-6


def _ratio(a: Sequence[float], b: Sequence[float]) -> Ratio:
    """As `bootstrap_ratio`; where a metric is nothing in some run (no lock was waited for), nothing counts as a millionth of
    the largest, so that nothing by nothing is 1 and something by nothing is very much."""
    largest = max(*a, *b)
    if largest <= 0:
        return Ratio(1.0, 1.0, 1.0)
    least = _NOTHING * largest
    return bootstrap_ratio([max(x, least) for x in a], [max(x, least) for x in b])


@dataclass(frozen=True)
class Pairs:
    """Interleaved runs of two settings. Each sample is a mapping of metric to number; `a2` and `b2` are A' and B'.
    reduced: what kind of run makes fewer rounds than V6 asks for; empty for a full one."""

    settings: tuple[str, str]
    a: tuple[Mapping[str, float], ...]
    b: tuple[Mapping[str, float], ...]
    a2: tuple[Mapping[str, float], ...]
    b2: tuple[Mapping[str, float], ...]
    reduced: str = ""

    @property
    def rounds(self) -> int:
        return len(self.a)

    @property
    def metric(self) -> str:
        """The first metric measured."""
        return next(iter(self.a[0]))

    def samples(self, which: int, metric: str | None = None) -> list[float]:
        """All samples of setting 0 or 1."""
        m = metric or self.metric
        return [s[m] for s in (*((self.a, self.b)[which]), *((self.a2, self.b2)[which]))]

    def effect(self, metric: str | None = None) -> Ratio:
        """The second setting by the first (V1)."""
        return _ratio(self.samples(1, metric), self.samples(0, metric))

    def noise(self, metric: str | None = None) -> Ratio:
        """The first setting by itself, with the second in between: the noise floor, and whether switching back restores."""
        m = metric or self.metric
        return _ratio([s[m] for s in self.a2], [s[m] for s in self.a])


@dataclass(frozen=True)
class Sweep:
    """Runs of an independent variable's values in rising order, interleaved. `samples[i]` belongs to `settings[i]`."""

    settings: tuple[str, ...]
    samples: tuple[tuple[Mapping[str, float], ...], ...]

    def of(self, i: int, metric: str | None = None) -> list[float]:
        m = metric or next(iter(self.samples[0][0]))
        return [s[m] for s in self.samples[i]]

    def steps(self, metric: str | None = None) -> tuple[Ratio, ...]:
        """Each value by the one before it."""
        return tuple(_ratio(self.of(i + 1, metric), self.of(i, metric)) for i in range(len(self.settings) - 1))

    def monotone(self, rising: bool, metric: str | None = None) -> bool:
        """Whether the response goes one way: no step certainly goes the other way by more than 5 %, and the whole certainly
        goes the right way."""
        whole = _ratio(self.of(-1, metric), self.of(0, metric))
        if rising:
            return whole.low > 1 and all(step.high >= SAME_LOW for step in self.steps(metric))
        return whole.high < 1 and all(step.low <= SAME_HIGH for step in self.steps(metric))


@dataclass(frozen=True)
class Counted:
    """An event, how often it happened and how often it could have."""

    what: str
    events: int
    opportunities: int

    def __post_init__(self) -> None:
        if not 0 <= self.events <= self.opportunities:
            raise BadValue(f"{self.what}: {self.events:,} events in {self.opportunities:,} opportunities")

    @property
    def numbers(self) -> tuple[Number, Number]:
        return Number(self.what, self.events), Number(f"opportunities for: {self.what}", self.opportunities)


# ------------------------------------------------------------------ decisions


def _beyond(r: Ratio, threshold: float, rising: bool) -> bool:
    return r.low > threshold if rising else r.high < 1 / threshold


def _comes_back(noise: Ratio) -> bool:
    return noise.low <= 1 <= noise.high or (noise.low > 1 / BACK_WITHIN and noise.high < BACK_WITHIN)


def reduced_note(pairs: Pairs) -> str:
    """What a reason says of a run that makes fewer rounds by design; empty for a full one."""
    return f" ({pairs.rounds} pairs instead of {PAIRS_ASKED}: {pairs.reduced})" if pairs.reduced else ""


def too_few(pairs: Pairs) -> str | None:
    """What V6 says if there are too few rounds for a verdict."""
    least = PAIRS_LEAST if pairs.reduced else PAIRS_ASKED
    return None if pairs.rounds >= least else f"{least} pairs are needed and {pairs.rounds} were made"


def decide_pairs(
    pairs: Pairs,
    what: str,
    *,
    threshold: float = 1.10,
    rising: bool = True,
    sweep: Sweep | None = None,
    two_valued: bool = False,
    metric: str | None = None,
    unit: str = "",
) -> Finding:
    """A verdict on the effect of the second setting of `pairs` against the first, by V1 to V6.

    what: of the metric, in words ("p99.9 of get"). threshold: at least 1; rising: the claim says that it grows. sweep: the
    response to the independent variable; two_valued: the variable has no more values than the two, so there is none.
    metric: the first measured, if None; unit: of it, for the chart.
    """
    if threshold < 1:
        raise BadValue(f"a threshold is a ratio of at least 1: {threshold}")
    if pairs.rounds == 0:
        return Finding(UNDECIDED, f"No pair of {what} was measured.", settings=pairs.settings)
    effect, noise = pairs.effect(metric), pairs.noise(metric)
    verdict, why = _judge(pairs, effect, noise, threshold, rising, _missing_for_response(sweep, two_valued, rising, metric))
    return Finding(
        verdict,
        f"{what[0].upper()}{what[1:]}: {pairs.settings[1]} is {effect} times {pairs.settings[0]}; {why}{reduced_note(pairs)}.",
        numbers=(Number.of_ratio(f"{what}, effect", effect), Number.of_ratio(f"{what}, the same setting twice", noise)),
        series=(bars(what, unit, {name: pairs.samples(i, metric) for i, name in enumerate(pairs.settings)}),),
        settings=pairs.settings,
    )


def _missing_for_response(sweep: Sweep | None, two_valued: bool, rising: bool, metric: str | None) -> str | None:
    if two_valued:
        return None
    if sweep is None or len(sweep.settings) < 3 or not all(sweep.samples):
        return "a sweep of at least three values is missing"
    return None if sweep.monotone(rising, metric) else "the response is not monotone"


def _judge(pairs: Pairs, effect: Ratio, noise: Ratio, threshold: float, rising: bool, response: str | None) -> tuple[str, str]:
    asked = f"{threshold:g}" if rising else f"1/{threshold:g}"
    few = too_few(pairs)
    if few:
        return UNDECIDED, few
    if noise.high > noise.low * threshold:
        return NOT_MEASURABLE, f"the same setting twice already spreads over {noise.low:.3g} to {noise.high:.3g}"
    if effect.low >= SAME_LOW and effect.high <= SAME_HIGH:
        return REFUTED, f"that is no difference ({SAME_LOW} to {SAME_HIGH})"
    if not _beyond(effect, threshold, rising):
        return UNDECIDED, f"for a verdict it would have to lie beyond {asked}, or within {SAME_LOW} to {SAME_HIGH}"
    if not _comes_back(noise):
        return UNDECIDED, f"beyond {asked}, but switching back does not restore the base line ({noise})"
    if response:
        return UNDECIDED, f"beyond {asked}, but {response}"
    shape = "and it comes back when switched back"
    return CONFIRMED, f"wholly beyond {asked}, {shape}"


def decide_count(counted: Counted, *, confirmed_from: int | None = None) -> Finding:
    """A verdict on an event that the claim says happens (V4). confirmed_from: how many make it true; None: a count alone
    never confirms. Counts need no interval: what was counted happened."""
    told = f"{counted.what}: {counted.events:,} in {counted.opportunities:,} opportunities"
    if confirmed_from is not None and counted.events >= max(1, confirmed_from):
        verdict, why = CONFIRMED, f"{confirmed_from:,} or more decide it"
    elif counted.events:
        verdict, why = UNDECIDED, "it happens, but how often it has to is not met by that"
    elif counted.opportunities >= OPPORTUNITIES_ASKED:
        verdict, why = REFUTED, "it never happens"
    else:
        verdict, why = UNDECIDED, f"{OPPORTUNITIES_ASKED:,} without one would refute it"
    return Finding(verdict, f"{told[0].upper()}{told[1:]}; {why}.", numbers=counted.numbers)


def decide_exact(what: str, matches: int, total: int) -> Finding:
    """A verdict on a rule that says exactly what happens each time: one exception refutes it, none of at least one confirms."""
    if not 0 <= matches <= total:
        raise BadValue(f"{what}: {matches} of {total}")
    verdict = UNDECIDED if total == 0 else CONFIRMED if matches == total else REFUTED
    why = {UNDECIDED: "nothing was seen to compare", CONFIRMED: "no exception", REFUTED: "one exception is enough"}[verdict]
    return Finding(
        verdict,
        f"{what[0].upper()}{what[1:]}: {matches:,} of {total:,}; {why}.",
        numbers=(Number(what, matches), Number(f"compared: {what}", total)),
    )


def decide_band(
    pairs: Pairs, which: int, low: float, high: float, what: str, *, metric: str | None = None, unit: str = ""
) -> Finding:
    """A verdict on "in this setting it is from low to high": confirmed if the interval of the median over all runs of setting
    0 or 1 lies within, refuted if it lies outside (V1, V6)."""
    if pairs.rounds == 0:
        return Finding(UNDECIDED, f"No pair of {what} was measured.", settings=pairs.settings)
    m = median_interval(pairs.samples(which, metric))
    verdict, where = _in_band(m, low, high)
    after = unit and f" {unit}"
    told = f"{m.ratio:.3g}{after} ({m.low:.3g} to {m.high:.3g}), {where} {low:g} to {high:g}{after}"
    few = too_few(pairs)
    return Finding(
        UNDECIDED if few else verdict,
        f"{what[0].upper()}{what[1:]} is {told}{f', but {few}' if few else ''}{reduced_note(pairs)}.",
        numbers=(Number.of_ratio(what, m, unit),),
        settings=pairs.settings,
    )


def _in_band(m: Ratio, low: float, high: float) -> tuple[str, str]:
    if low <= m.low and m.high <= high:
        return CONFIRMED, "within"
    return (REFUTED, "outside") if m.high < low or m.low > high else (UNDECIDED, "across a border of")
