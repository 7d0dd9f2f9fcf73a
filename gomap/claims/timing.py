"""Times of gets: in one map as it stands, by batches; and of a workload of the engine's, by the time of the CPU."""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from gomap.lab.result import Result
from gomap.lab.workload import Group, Workload
from gomap.map import Map

__all__ = ["batch_ns", "gets", "ns_each"]


def batch_ns(m: Map, keys: npt.NDArray[Any], repeats: int = 1) -> float:
    """Nanoseconds a get, when all keys are looked up by one call: the median of so many calls. The first, which is not
    counted, warms the caches."""
    out = np.zeros(len(keys), np.int64)
    m.get_many(keys, out=out)
    taken = []
    for _ in range(repeats):
        start = time.perf_counter_ns()
        m.get_many(keys, out=out)
        taken.append((time.perf_counter_ns() - start) / len(keys))
    return statistics.median(taken)


def gets(size: int, ops: int, **more: Any) -> Workload:
    """A presized map from which one thread reads, untimed, so that throughput is undisturbed."""
    given: dict[str, Any] = {"hint": size, "groups": (Group(mix={"get": 100}),), "warmup": min(ops, size)}
    return Workload(size=size, ops=ops, sample=0, attribution=False, **(given | more))


def ns_each(r: Result) -> float:
    """Nanoseconds of a CPU that an operation of a run took, drawing of keys and loop included. What other programs take of the
    CPUs is not in it; what they take of the caches is."""
    return sum(t.cpu_ns for t in r.threads) / sum(t.operations for t in r.threads)
