"""Variants, or settings, side by side, real Go among them: runs interleaved, medians, intervals of the ratios."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gomap.errors import BadValue
from gomap.lab.engine import run
from gomap.lab.result import DONE, Result
from gomap.lab.workload import Workload
from gomap.variants import variant

__all__ = ["Comparison", "Ratio", "bootstrap_ratio", "compare"]

SCHEMA = "gomap.comparison/1"
_RESAMPLES = 10_000


@dataclass(frozen=True)
class Ratio:
    """A ratio of medians with its 95 % bootstrap interval. Within the interval lies 1: no difference was shown."""

    ratio: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.ratio:.3g} ({self.low:.3g} to {self.high:.3g})"


def bootstrap_ratio(a: Sequence[float], b: Sequence[float], seed: int = 0) -> Ratio:
    """The median of a by the median of b, with the percentile-bootstrap interval (source: Efron, "Bootstrap methods", 1979).

    Both lists are resampled independently, 10,000 times, by a generator with that seed. O(resamples * samples).
    """
    x, y = np.asarray(a, float), np.asarray(b, float)
    if x.size == 0 or y.size == 0 or not (y > 0).all():
        raise BadValue("a ratio needs samples on both sides, those below the line above 0")
    rng = np.random.default_rng(seed)
    tops = np.median(x[rng.integers(0, x.size, (_RESAMPLES, x.size))], axis=1)
    bottoms = np.median(y[rng.integers(0, y.size, (_RESAMPLES, y.size))], axis=1)
    low, high = np.percentile(tops / bottoms, [2.5, 97.5])
    return Ratio(float(np.median(x) / np.median(y)), float(low), float(high))


@dataclass(frozen=True)
class Comparison:
    """Runs of several settings, interleaved: `runs[name]` in the order they were made. The first name is the base line."""

    runs: dict[str, tuple[Result, ...]]
    interrupted: bool

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.runs)

    def samples(self, name: str, metric: str) -> list[float]:
        """One number for each run: "throughput" (operations a second), "bytes per entry" (memory of the map at the end), or
        "KIND pN" (nanoseconds), such as "get p99.9".

        `BadValue` for another metric, a kind that was not timed, an empty map, or runs that a map's misuse ended;
        `TooFewSamples` as `Histogram.percentile`."""
        runs = self.runs[name]
        ended = [r.outcome for r in runs if r.outcome != DONE]
        if ended:
            raise BadValue(f"{name} has no {metric}: {ended[0]}")
        if metric == "throughput":
            return [r.throughput for r in runs]
        if metric == "bytes per entry":
            return [_bytes_per_entry(name, r) for r in runs]
        kind, _, percent = metric.partition(" p")
        if not all(kind in r.latency for r in runs):
            known = "throughput, bytes per entry, and such as"
            raise BadValue(f"no metric {metric!r}; there is {known} {next(iter(runs[0].latency), 'get')} p99")
        return [float(r.latency[kind].percentile(float(percent))) for r in runs]

    def median(self, name: str, metric: str) -> float:
        """The median over the runs of a name."""
        return float(np.median(self.samples(name, metric)))

    def ratio(self, name: str, metric: str) -> Ratio:
        """The median of a name by that of the base line."""
        return bootstrap_ratio(self.samples(name, metric), self.samples(self.names[0], metric))

    def to_json(self) -> str:
        """All results as JSON, with a `schema`."""
        runs = {name: [json.loads(r.to_json()) for r in results] for name, results in self.runs.items()}
        return json.dumps({"schema": SCHEMA, "interrupted": self.interrupted, "runs": runs})

    @classmethod
    def from_json(cls, text: str) -> Comparison:
        """What `to_json` wrote. `BadValue` for anything else."""
        try:
            d = json.loads(text)
            if d["schema"] != SCHEMA:
                raise BadValue(f"schema {SCHEMA} expected, not {d['schema']}")
            runs = {name: tuple(Result.from_json(json.dumps(r)) for r in results) for name, results in d["runs"].items()}
            return cls(runs, bool(d["interrupted"]))
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as e:
            raise BadValue(f"not a comparison: {e}") from None


def _bytes_per_entry(name: str, r: Result) -> float:
    if not r.counters["count"]:
        raise BadValue(f"{name} has no bytes per entry: the map is empty in the end")
    return float(r.counters["memory"] / r.counters["count"])


@dataclass(frozen=True)
class _Setting:
    """One of those that are compared: a workload, and what runs it (called with the workload and `progress`)."""

    workload: Workload
    runs: Callable[..., Result]


def _labelled(found: dict[str, _Setting], name: str, setting: _Setting) -> None:
    label, n = name, 2
    while label in found:
        label, n = f"{name} ({n})", n + 1
    found[label] = setting


def _settings(
    workload: Workload | Mapping[str, Workload], variants: Sequence[str] | None, options: dict[str, Any]
) -> dict[str, _Setting]:
    """Those of the model."""

    def model(w: Workload, **more: Any) -> Result:
        return run(w, **more, **options)

    if not isinstance(workload, Workload):
        if variants is not None:
            raise BadValue("give variants with one workload, or several workloads by name")
        return {name: _Setting(w, model) for name, w in workload.items()}
    found: dict[str, _Setting] = {}
    for name in variants or (workload.variant,):
        variant(name)
        _labelled(found, name, _Setting(workload.with_(variant=name), model))
    return found


def _go_settings(
    settings: Mapping[str, _Setting], one: bool, go: Sequence[str], oversubscribe: bool, tell: Callable[[str], None] | None
) -> dict[str, _Setting]:
    """Those of real Go: for each design, what the model's settings have a counterpart of; one: they differ by variant only."""
    from gomap.realgo.harness import go_harness, offered  # it needs this package

    found: dict[str, _Setting] = {}
    for design in go:
        there = {name: s.workload for name, s in settings.items() if offered(s.workload.variant)}
        if one:
            there = {w.variant: w for w in there.values()}
        for name, w in there.items():
            w = w.with_(oversubscribe=oversubscribe or w.oversubscribe)
            harness = go_harness(w, design, tell=tell)
            _labelled(found, harness.name if one else f"{name}, go-{design}", _Setting(w, harness.run))
    if go and not found:
        raise BadValue(f"real Go has no counterpart of {', '.join(settings)}")
    return found


def compare(
    workload: Workload | Mapping[str, Workload],
    variants: Sequence[str] | None = None,
    repeats: int = 5,
    *,
    go: Sequence[str] = (),
    progress: Callable[[float], None] | None = None,
    tell: Callable[[str], None] | None = None,
    **options: Any,
) -> Comparison:
    """Runs a workload on several variants (or several workloads by name), interleaved: A B A B ..., `repeats` times each.

    A variant given twice is compared with itself: the noise of this machine. All get one seed in each round, another one in
    the next (or the workload's own, if it has one). go: designs of real Go's map ("classic", "swiss") that take part too, with
    each guard that Go has; all are then timed by the operating system's clock, and tell gets a line now and then while Go
    builds. Ctrl-C ends it after the round before. options: as for `run`.
    """
    options = {"os_clock": True, **options} if go else options
    settings = _settings(workload, variants, options)
    if len(settings) < 1 or not isinstance(repeats, int) or repeats < 1:
        raise BadValue(f"something to compare and at least one repeat expected: {len(settings)} settings, {repeats!r} repeats")
    if go:
        one = isinstance(workload, Workload)
        settings |= _go_settings(settings, one, go, bool(options.get("oversubscribe")), tell)
    runs: dict[str, list[Result]] = {name: [] for name in settings}
    total = repeats * len(settings)
    for i in range(repeats):
        seed = int(np.random.SeedSequence(i).generate_state(1, np.uint64)[0])
        for j, (name, s) in enumerate(settings.items()):
            before = i * len(settings) + j

            def report(part: float, before: int = before) -> None:
                if progress is not None:
                    progress((before + part) / total)

            r = s.runs(s.workload if s.workload.seed is not None else s.workload.with_(seed=seed), progress=report)
            if r.interrupted:
                whole = min(len(results) for results in runs.values())
                return Comparison({name: tuple(results[:whole]) for name, results in runs.items()}, True)
            runs[name].append(r)
    return Comparison({name: tuple(results) for name, results in runs.items()}, False)
