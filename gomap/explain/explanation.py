"""From facts to an answer: findings ranked by their share of the tail, cures tried and ranked by what they did."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from gomap.errors import BadValue
from gomap.explain.cures import CURES, UNAVAILABLE, Cure, Run, timed
from gomap.explain.facts import Facts, Spent, Tail, gather, tail_level
from gomap.explain.pathologies import PATHOLOGIES, Pathology
from gomap.lab.compare import Comparison, Ratio, bootstrap_ratio
from gomap.lab.histogram import Histogram
from gomap.lab.result import DONE, Result
from gomap.lab.traces import TraceData
from gomap.lab.workload import Group, Trace, Workload
from gomap.variants import variant as variant_of

__all__ = ["METRICS", "Explanation", "Finding", "Noise", "Trial", "explain"]

SCHEMA = "gomap.explanation/1"
METRICS = ("tail", "throughput", "memory")
LEAST = 0.05
"""A pathology that makes up less of the tail, and of the whole time, is not worth a word."""

_REPEATS = {True: 5, False: 9}
_QUICK_S, _QUICK_OPS = 0.3, 300_000
_KEPT_SLOWEST = 100
_ORIGINAL, _CURED = "original", "cured"
Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Finding:
    """A pathology that was found. share_of_tail: of the operations of the tail; share_of_time: of the time of all. at_most: the
    shares are upper bounds (see gomap.explain.pathologies). evidence: what was counted, by what it is."""

    name: str
    maps: bool
    share_of_tail: float
    share_of_time: float
    at_most: bool
    evidence: dict[str, int | float | str]
    cures: tuple[str, ...]

    @property
    def pathology(self) -> Pathology:
        return PATHOLOGIES[self.name]


@dataclass(frozen=True)
class Noise:
    """What the original is by itself, by metric: a ratio closer to 1 than this shows nothing."""

    ratios: dict[str, Ratio]

    def told_apart(self, metric: str, r: Ratio) -> bool:
        """Whether a ratio is one that noise does not make: its interval holds neither 1 nor any of the original to
        itself."""
        floor = self.ratios.get(metric)
        low, high = (min(1.0, floor.low), max(1.0, floor.high)) if floor else (1.0, 1.0)
        return r.high < low or r.low > high


@dataclass(frozen=True)
class Trial:
    """A cure that was tried. ratios: cured by original, by metric: "tail" (latency at the percentile of the tail),
    "throughput", "memory" (bytes an entry; left out where there is none in the end). medians: original and cured. effects: 1
    better, -1 worse, 0 no effect that can be told from noise."""

    cure: str
    note: str
    repeats: int
    ratios: dict[str, Ratio]
    medians: dict[str, tuple[float, float]]
    effects: dict[str, int]


@dataclass(frozen=True)
class Explanation:
    """Why a map is slow under an input. findings: the largest share of the tail first. unexplained: the share of the tail that
    is the operations' own work. trials: the best first. skipped: cures that were not tried, and why. run: the replay that the
    findings are from; plain: on the plain map by one thread, as {percentile: ns} and throughput, or None."""

    source: str
    findings: tuple[Finding, ...]
    unexplained: float
    tail_percent: float
    tail_above_ns: int
    tail_operations: int
    trials: tuple[Trial, ...]
    skipped: dict[str, str]
    noise: Noise
    run: Result
    plain: dict[str, float] | None
    interrupted: bool = False
    schema: str = field(default=SCHEMA)

    @property
    def tail_name(self) -> str:
        """Such as p99.9; empty if there were too few operations for any percentile."""
        return f"p{self.tail_percent:g}" if self.tail_percent else ""

    def to_json(self) -> str:
        """All of it as JSON, with its `schema`; of the slowest operations the first hundred."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        fields["findings"] = [asdict(f) for f in self.findings]
        fields["trials"] = [asdict(t) for t in self.trials]
        fields["noise"] = {metric: asdict(r) for metric, r in self.noise.ratios.items()}
        fields["run"] = json.loads(self.run.to_json())
        return json.dumps(fields)

    @classmethod
    def from_json(cls, text: str) -> Explanation:
        """What `to_json` wrote. `BadValue` for anything else."""
        try:
            d = json.loads(text)
            if d["schema"] != SCHEMA:
                raise BadValue(f"schema {SCHEMA} expected, not {d['schema']}")
            d["findings"] = tuple(Finding(**{**f, "cures": tuple(f["cures"])}) for f in d["findings"])
            d["trials"] = tuple(_trial_of(t) for t in d["trials"])
            d["noise"] = Noise({metric: Ratio(**r) for metric, r in d["noise"].items()})
            d["run"] = Result.from_dict(d["run"])
            return cls(**d)
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as e:
            raise BadValue(f"not an explanation: {e}") from None


def _trial_of(t: dict[str, Any]) -> Trial:
    ratios = {metric: Ratio(**r) for metric, r in t["ratios"].items()}
    medians = {metric: (float(a), float(b)) for metric, (a, b) in t["medians"].items()}
    return Trial(**{**t, "ratios": ratios, "medians": medians})


# ------------------------------------------------------------------ what it is


def _claim(found: dict[str, Pathology], f: Facts, spent: Spent, shares: dict[str, float], unit: float) -> None:
    """Divides some time among the pathologies that were found: adds what each claims, by `unit`, to its share."""
    left = dict(spent.causes)
    for name, p in found.items():
        for cause, part in p.claims(f, spent).items():
            taken = left.get(cause, 0.0) * part
            if taken:
                left[cause] -= taken
                shares[name] += taken * unit


def _shares(f: Facts, found: dict[str, Pathology]) -> tuple[dict[str, float], dict[str, float]]:
    """Of the tail, and of the whole time."""
    tail, whole = dict.fromkeys(found, 0.0), dict.fromkeys(found, 0.0)
    for parts in f.tail.parts:
        latency = sum(sum(s.causes.values()) for s in parts)
        for s in parts if latency else ():
            _claim(found, f, s, tail, 1 / latency / len(f.tail.parts))
    kinds = {kind: f.guard.time_by_cause(kind) for kind in f.guard.cause_tables}
    total = sum(sum(causes.values()) for causes in kinds.values())
    for kind, causes in kinds.items():
        _claim(found, f, Spent(kind, causes), whole, 1 / total if total else 0.0)
    _claims_of_the_tail_only(f, found, whole, total)
    return tail, whole


def _claims_of_the_tail_only(f: Facts, found: dict[str, Pathology], whole: dict[str, float], total: float) -> None:
    """What is known of single operations only has at least the time that it takes in the tail."""
    for name, p in found.items():
        if not whole[name] and total:
            shares = {name: 0.0}
            for parts in f.tail.parts:
                for s in parts:
                    _claim({name: p}, f, s, shares, 1 / total)
            whole[name] = shares[name]


def diagnose(f: Facts) -> tuple[tuple[Finding, ...], float]:
    """The findings, the largest share of the tail first, and the share of the tail that none of them has."""
    evidence = {name: p.detect(f) for name, p in PATHOLOGIES.items()}
    found = {name: PATHOLOGIES[name] for name, e in evidence.items() if e is not None}
    tail, whole = _shares(f, found)
    findings = [
        Finding(name, p.maps, tail[name], whole[name], p.at_most, evidence[name] or {}, p.cures)
        for name, p in found.items()
        if max(tail[name], whole[name]) >= LEAST
    ]
    findings.sort(key=lambda one: (-one.share_of_tail, -one.share_of_time))
    return tuple(findings), max(0.0, 1 - sum(tail.values()))


# ------------------------------------------------------------------ what helps


def _alternated(runs: dict[str, Run], repeats: int, progress: Callable[[float], None]) -> Comparison:
    """original, cured, original, cured, ...; Ctrl-C ends it after the round before."""
    found: dict[str, list[Result]] = {name: [] for name in runs}
    for i in range(repeats):
        seed = int(np.random.SeedSequence(i).generate_state(1, np.uint64)[0])
        results = {}
        for j, (name, make) in enumerate(runs.items()):
            progress((i + j / len(runs)) / repeats)
            results[name] = make(seed)
            if results[name].interrupted:
                return Comparison({name: tuple(done) for name, done in found.items()}, True)
        for name, r in results.items():
            found[name].append(r)
    return Comparison({name: tuple(done) for name, done in found.items()}, False)


def _samples(runs: tuple[Result, ...], percent: float) -> dict[str, list[float]]:
    """One number for each run, by metric."""
    latencies: list[Histogram] = [r.all_latencies() for r in runs]
    percent = min([percent, *(tail_level(h.count) for h in latencies)])
    found = {
        "tail": [float(h.percentile(percent) if percent else h.max_ns) for h in latencies],
        "throughput": [r.throughput for r in runs],
    }
    if all(r.counters["count"] for r in runs):
        found["memory"] = [r.counters["memory"] / r.counters["count"] for r in runs]
    return found


def _ratios(c: Comparison, percent: float) -> tuple[dict[str, Ratio], dict[str, tuple[float, float]]]:
    original, cured = (_samples(c.runs[name], percent) for name in (_ORIGINAL, _CURED))
    both = [metric for metric in METRICS if metric in original and metric in cured and min(original[metric]) > 0]
    ratios = {metric: bootstrap_ratio(cured[metric], original[metric]) for metric in both}
    return ratios, {metric: (float(np.median(original[metric])), float(np.median(cured[metric]))) for metric in both}


def _effect(noise: Noise, metric: str, r: Ratio) -> int:
    if not noise.told_apart(metric, r):
        return 0
    return 1 if (r.ratio > 1) == (metric == "throughput") else -1


def _rank(t: Trial) -> tuple[float, ...]:
    """Less is better: the tail first, then throughput, then memory; what noise may have made counts as no effect."""
    gains = {metric: t.ratios[metric].ratio if t.effects.get(metric) else 1.0 for metric in METRICS}
    return (gains["tail"], -gains["throughput"], gains["memory"])


class _Trials:
    """Tries cures one after the other; what is over when Ctrl-C comes stays."""

    def __init__(self, f: Facts, repeats: int, progress: Progress) -> None:
        self.f, self.repeats, self.progress = f, repeats, progress
        self.trials: list[Trial] = []
        self.skipped: dict[str, str] = {}
        self.noise = Noise({})
        self.interrupted = False

    def all(self, cures: list[Cure]) -> None:
        usable = []
        for c in cures:
            why_not = c.why_not(self.f)
            if why_not:
                self.skipped[c.name] = why_not
            else:
                usable.append(c)
        if usable:
            self._noise(1 + len(usable))
        for i, c in enumerate(usable):
            if not self.interrupted:
                self._one(c, (1 + i, 1 + len(usable)))

    def _compare(self, runs: dict[str, Run], doing: str, place: tuple[int, int]) -> Comparison:
        i, n = place
        found = _alternated(runs, self.repeats, lambda part: self.progress((i + part) / n, doing))
        self.interrupted = found.interrupted
        return found

    def _noise(self, n: int) -> None:
        runs = {_ORIGINAL: timed(self.f.workload), _CURED: timed(self.f.workload)}
        c = self._compare(runs, "the original against itself", (0, n))
        if c.runs[_ORIGINAL]:
            self.noise = Noise(_ratios(c, self.f.tail.percent)[0])

    def _one(self, cure: Cure, place: tuple[int, int]) -> None:
        try:
            pair = cure.pair(self.f, lambda line: self.progress(place[0] / place[1], line))
            c = self._compare({_ORIGINAL: pair.original, _CURED: pair.cured}, cure.name, place)
        except UNAVAILABLE as e:
            self.skipped[cure.name] = str(e).splitlines()[0]
            return
        ended = [r.outcome for runs in c.runs.values() for r in runs if r.outcome != DONE]
        if ended:
            self.skipped[cure.name] = f'a real Go program ended with "{ended[0]}"'
        elif c.runs[_CURED]:
            ratios, medians = _ratios(c, self.f.tail.percent)
            effects = {metric: _effect(self.noise, metric, r) for metric, r in ratios.items()}
            self.trials.append(Trial(cure.name, pair.note, len(c.runs[_CURED]), ratios, medians, effects))


# ------------------------------------------------------------------ all of it


def _workload(given: Workload | TraceData, variant: str | None, quick: bool) -> Workload:
    """What is replayed: with a guard if several threads are there, with a seed, and short if there is little time."""
    w = Workload(groups=(Group(keys=Trace(given)),)) if isinstance(given, TraceData) else given
    guard = variant or (w.variant if w.variant != "plain" else "rwmutex" if w.threads > 1 else "plain")
    w = w.with_(variant=variant_of(guard).name)
    if quick and w.duration_s is not None:
        w = w.with_(duration_s=min(w.duration_s, _QUICK_S), warmup=min(w.warmup, _QUICK_S))
    if quick and w.ops is not None and not any(g.mix is None for g in w.groups):
        w = w.with_(ops=min(w.ops, _QUICK_OPS))
    return w


def _plain_facts(r: Result | None, tail: Tail) -> dict[str, float] | None:
    if r is None:
        return None
    h = r.all_latencies()
    return {"throughput": r.throughput, "tail_ns": float(h.percentile_or_none(tail.percent) or h.max_ns)}


def _no_progress(part: float, doing: str) -> None:
    pass


def explain(
    given: Workload | TraceData,
    *,
    variant: str | None = None,
    source: str = "the workload",
    quick: bool = False,
    repeats: int | None = None,
    cures: bool = True,
    progress: Progress | None = None,
) -> Explanation:
    """Says why a map is slow under a workload or trace, and how much each cure helps.

    variant: the guard to look at; None: the workload's own, or rwmutex for several threads and plain for one. source: what to
    call the input. quick: shorter runs and fewer of them. repeats: runs of each side of a trial (9; quick: 5). cures: try them.
    progress: called with the part done, from 0 to 1, and what is being done. Takes two replays for the facts, and for each cure
    that makes sense twice as many as repeats.

    Raises what `gomap.lab.run` raises, `BadValue` if nothing was done in the workload. Ctrl-C before the facts are there is a
    KeyboardInterrupt; later, what is known is returned, marked `interrupted`.
    """
    tell = progress or _no_progress
    w = _workload(given, variant, quick)
    seeded = w if w.seed is not None else w.with_(seed=secrets.randbits(64))
    f = gather(source, seeded, lambda part: tell(0.1 * part, "replaying"))
    findings, unexplained = diagnose(f)
    wanted = {name for one in findings for name in one.cures}
    trials = _Trials(replace(f, workload=f.workload.with_(seed=w.seed)), repeats or _REPEATS[quick], _later(tell))
    if cures:
        trials.all([c for name, c in CURES.items() if name in wanted])
        trials.skipped |= {name: "nothing that it would cure was found" for name in CURES if name not in wanted}
    return Explanation(
        source=source,
        findings=findings,
        unexplained=unexplained,
        tail_percent=f.tail.percent,
        tail_above_ns=f.tail.above_ns,
        tail_operations=f.tail.operations,
        trials=tuple(sorted(trials.trials, key=_rank)),
        skipped=trials.skipped,
        noise=trials.noise,
        run=replace(f.guard, slowest=f.guard.slowest[:_KEPT_SLOWEST]),
        plain=_plain_facts(f.plain, f.tail),
        interrupted=trials.interrupted,
    )


def _later(tell: Progress) -> Progress:
    """The trials' part of the whole."""
    return lambda part, doing: tell(0.1 + 0.9 * part, doing)
