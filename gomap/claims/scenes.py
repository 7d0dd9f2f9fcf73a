"""Scenes on the model's scheduler: what its goroutines read, and what of a scene becomes a sample."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gomap.lab.histogram import Histogram
from gomap.lab.scheduler import Scene, SceneResult, Scheduler
from gomap.map import Map

__all__ = ["FAST", "OFTEN", "Read", "beside_hog", "numbers", "played", "preempted", "reading"]

FAST: dict[str, Any] = {"slice_ms": 1.0, "sysmon_sleep_us": 1000.0}
"""A slice of 1 ms and rounds of sysmon 1 ms apart: Go's 10 and 10, a tenth as long. What is counted in slices does not depend
on their length, and ten times as many fit into the time that an experiment has."""


OFTEN: dict[str, Any] = {"slice_ms": 0.2, "sysmon_sleep_us": 100.0}
"""A slice of 0.2 ms and rounds of sysmon 0.1 ms apart: many stops in little time, to ask what one of them costs or meets."""


class Read(NamedTuple):
    """A map that nobody writes to, and the order in which its keys are read."""

    map: Map
    keys: npt.NDArray[np.int64]


def numbers(size: int, *, seed: int = 1, **options: Any) -> Read:
    """A presized map of so many ints; options: of `Map`."""
    order = np.random.default_rng(seed).permutation(np.arange(size))
    m = Map(seed=seed, **{"hint": size, **options})
    m.assign_many(order, order)
    return Read(m, order)


def played(scheduler: Scheduler, read: Read | None = None, **scene: Any) -> SceneResult:
    """Plays a scene (fields of `Scene`). Ctrl-C ends the experiment: what is half measured is no evidence."""
    given: dict[str, Any] = {} if read is None else {"map": read.map, "keys": read.keys}
    r = scheduler.run(Scene(**given, **scene))
    if r.interrupted:
        raise KeyboardInterrupt
    return r


def beside_hog(
    scheduler: Scheduler, read: Read, hog: str, *, waits: int = 0, seconds: float = 10.0, **scene: Any
) -> SceneResult:
    """One goroutine that yields beside one that never gives up its P: `response` has so many waits, or those of so many
    seconds."""
    return played(
        scheduler, read, **{"observer": "yields", "hogs": 1, "hog": hog, "observations": waits, "duration_s": seconds, **scene}
    )


def preempted(r: SceneResult) -> int:
    """How often a goroutine was stopped in a scene."""
    return r.scheduler["preempted_sync"] + r.scheduler["preempted_async"]


def reading(h: Histogram | None) -> dict[str, float]:
    """Percentiles of a scene's histogram in nanoseconds, and the maximum; of an empty one zeros. However few samples there
    are: what decides is how these differ from round to round."""
    if h is None:
        return dict.fromkeys(("p50", "p99", "p99.9", "max"), 0.0)
    return {**{f"p{p:g}": float(h.value_at(p)) for p in (50, 99, 99.9)}, "max": float(h.max_ns)}
