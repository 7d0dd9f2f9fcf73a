"""What the pytest fixture `contention` does: runs workloads as the rounds of a benchmark, and keeps their percentiles."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gomap.errors import WrongType
from gomap.lab.engine import run
from gomap.lab.histogram import Histogram
from gomap.lab.result import Result
from gomap.lab.workload import Group, Workload

__all__ = ["Contended", "Contention"]

SCHEMA = "gomap.contention/1"
PERCENTILES = (50.0, 99.0, 99.9)

Groups = Workload | Sequence[Group] | Group
Given = Groups | Callable[[], Groups]


@dataclass(frozen=True)
class Contended:
    """What the rounds measured together. throughput: operations a second, all threads, the median of the rounds. latency: of
    all kinds of operations (none if the workload times none), by_kind: of each. results: of each round."""

    throughput: float
    latency: Histogram
    by_kind: dict[str, Histogram]
    results: tuple[Result, ...]

    @classmethod
    def of(cls, results: Sequence[Result]) -> Contended:
        """From one result or more."""
        kinds = sorted({kind for r in results for kind in r.latency})
        by_kind = {kind: Histogram.merged([r.latency[kind] for r in results if kind in r.latency]) for kind in kinds}
        throughput = statistics.median(r.throughput for r in results)
        return cls(throughput, Histogram.merged(list(by_kind.values())), by_kind, tuple(results))

    @property
    def threads(self) -> int:
        """How many ran at once."""
        return len(self.results[0].threads)

    def to_dict(self) -> dict[str, Any]:
        """For `benchmark.extra_info["gomap"]`. Percentiles in nanoseconds; None where there are too few samples for one."""
        return {
            "schema": SCHEMA,
            "variant": self.results[0].variant,
            "threads": self.threads,
            "seed": self.results[0].seed,
            "rounds": len(self.results),
            "throughput": self.throughput,
            "throughputs": [r.throughput for r in self.results],
            "refused": sum(sum(r.refused.values()) for r in self.results),
            "latency_ns": {kind: _figures(h) for kind, h in {"all": self.latency, **self.by_kind}.items()},
        }


def _figures(h: Histogram) -> dict[str, int | float | None]:
    return {"count": h.count, **{f"p{p:g}": h.percentile_or_none(p) for p in PERCENTILES}, "max": h.max_ns}


class Contention:
    """The value of the fixture `contention`; see `__call__`."""

    def __init__(self, benchmark: Any, seed: int) -> None:
        self._benchmark = benchmark
        self._seed = seed

    def _workload(self, given: Given, fields: dict[str, Any]) -> Workload:
        made = given() if callable(given) else given
        if isinstance(made, Group):
            made = (made,)
        if not isinstance(made, Workload):
            if not isinstance(made, Sequence) or not all(isinstance(g, Group) for g in made):
                raise WrongType(f"contention: a Workload, Groups, or something that makes them expected, not {made!r:.60}")
            made, fields = Workload(**{"seed": self._seed, **fields, "groups": tuple(made)}), {}
        return made.with_(**{"seed": self._seed if made.seed is None else made.seed, **fields})

    def __call__(self, given: Given, *, rounds: int = 3, **fields: Any) -> Contended:
        """Runs a workload `rounds` times, each in one call into the core by native threads, as the rounds of `benchmark`.

        given: a `Workload`; or a `Group` or groups, with the other fields of a workload (variant, size, ops, ...) as keyword
        arguments; or something to call for either before each round, outside the time that is measured. fields: replace those
        of the workload. A workload without a seed gets that of the test (`--gomap-seed`).

        Benchmarks without a group of their own are grouped by the number of threads. What was measured is returned, and kept
        in `benchmark.extra_info["gomap"]`; the benchmark's own times are those of whole runs, filling the map included. Where
        benchmarks are disabled (`--benchmark-disable`, xdist), one round is run.
        Raises what `Workload` and `run` raise, and `WrongType`.
        """
        results: list[Result] = []
        prepared = [self._workload(given, fields)]  # the first: the group is read before the rounds

        def prepare() -> tuple[tuple[Workload], dict[str, Any]]:
            return (prepared.pop() if prepared else self._workload(given, fields),), {}

        def measured(w: Workload) -> None:
            results.append(run(w))

        if self._benchmark.group is None:
            self._benchmark.group = f"threads={prepared[0].threads}"
        self._benchmark.pedantic(measured, setup=prepare, rounds=rounds)
        found = Contended.of(results)
        self._benchmark.extra_info["gomap"] = found.to_dict()
        return found
