"""Small things of the scheduler's: the global run queue under threads, pointers held across a switch, and a crowd that waits
for one write.

Source: csrc/lab/queues.c, csrc/lab/stale.c, csrc/lab/crowd.c.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gomap._core import ffi, lib
from gomap.errors import BadValue, OutOfMemory
from gomap.lab.calls import EngineError, ensure_call
from gomap.lab.histogram import Histogram
from gomap.lab.machine import allowed_cpus
from gomap.lab.scheduler import SCHEDULER_KNOBS, Scheduler
from gomap.map import Map

__all__ = ["RECLAIM", "Crowd", "PutTimes", "StaleCounts", "count_stale", "one_write", "time_puts"]

RECLAIM = {"collected": 0, "freed at once": 1}
"""When an old array is given back: when no goroutine has it (Go), or as soon as the new one is there."""


@dataclass(frozen=True)
class PutTimes:
    """ns: a put or a get, the mean of all. put: every 16th put, the clock's own 20 ns or so included. retries: failed swaps of
    a ring's ends a put. contended, slept: of the list's lock a put."""

    ns: float
    put: Histogram
    retries: float
    contended: float
    slept: float


class StaleCounts(NamedTuple):
    """Looks at a bucket by goroutines that stayed on their P and that were moved, and how many of them found that the array was
    not what they had taken. growths: arrays made; reused: given back."""

    stayed: int
    moved: int
    stale_stayed: int
    stale_moved: int
    growths: int
    reused: int


class Crowd(NamedTuple):
    """depth: readers that waited when the write let go of the lock; hold_ns: of the write; drain_ns: from there until the last
    of them had its value; refused: gets that met the write in spite of the lock."""

    depth: int
    hold_ns: int
    drain_ns: int
    refused: int


def _raise(status: int) -> None:
    refused = "the core refused a number that is too small or too large (csrc/gomap.h tells what is allowed)"
    ensure_call(status, memory="no memory for this", refused=refused)


def time_puts(globq: str, *, threads: int, length: int, rounds: int) -> PutTimes:
    """Times a global run queue in which so many goroutines lie, by threads that each put one and take one, so many times.
    globq: of `SCHEDULER_KNOBS`. One call, O(threads * rounds), the GIL released. Raises `BadValue`, `OutOfMemory`,
    `EngineError`."""
    kinds = SCHEDULER_KNOBS["globq"].choices
    if globq not in kinds:
        raise BadValue(f"globq: {globq!r} is not allowed, allowed: {', '.join(kinds)}")
    if min(threads, length, rounds) < 0:
        raise BadValue("threads, length and rounds are numbers from 0 on")
    cpus, out = ffi.new("int32_t[]", allowed_cpus()), ffi.new("gm_queue_times *")
    asked = {"kind": kinds[globq], "threads": threads, "length": length, "rounds": rounds, "cpus": cpus, "ncpus": len(cpus)}
    puts = ffi.gc(lib.gm_hist_new(3, lib.GM_QUEUE_HIGHEST_NS), lib.gm_hist_free)
    if puts == ffi.NULL:
        raise OutOfMemory("no memory for a histogram")
    _raise(int(lib.gm_time_globq(ffi.new("gm_queue_config *", asked), out, puts)))
    if out.left != length:
        raise EngineError(f"{out.left} goroutines are left of {length}; nothing was measured")
    each = 1 / out.puts
    return PutTimes(
        ns=out.ns * each / 2,
        put=Histogram.from_core(puts),
        retries=out.retries * each,
        contended=out.contended * each,
        slept=out.slept * each,
    )


def count_stale(
    scheduler: Scheduler,
    *,
    reclaim: str = "collected",
    readers: int = 8,
    hold: int = 8,
    grow_every: int = 4,
    derefs: int = 10_000,
) -> StaleCounts:
    """Counts stale looks by goroutines that each make so many, half of them from an array they hold for `hold` switches, beside
    a writer that replaces the array at every so many of its turns. One call, O(readers * derefs), the GIL released. Raises as
    `time_puts`."""
    if reclaim not in RECLAIM:
        raise BadValue(f"reclaim: {reclaim!r} is not allowed, allowed: {', '.join(RECLAIM)}")
    if min(readers, hold, grow_every, derefs) < 0:
        raise BadValue("readers, hold, grow_every and derefs are numbers from 0 on")
    asked = {"reclaim": RECLAIM[reclaim], "readers": readers, "hold": hold, "grow_every": grow_every, "derefs": derefs}
    out = ffi.new("gm_stale_counts *")
    _raise(int(lib.gm_hold_across(scheduler.core(), ffi.new("gm_stale_config *", asked), out)))
    return StaleCounts(out.stayed, out.moved, out.stale_stayed, out.stale_moved, out.growths, out.reused)


def one_write(scheduler: Scheduler, m: Map, keys: npt.NDArray[np.int64], new_key: int, readers: int) -> Crowd:
    """So many goroutines read keys of a map of ints behind a readers-writer lock, until one inserts a new key, and once more.
    One call, the GIL released. Raises as `time_puts`."""
    asked = {"map": m._handle, "nkeys": len(keys), "new_key": new_key, "readers": readers}
    if readers < 0:
        raise BadValue("readers is a number from 0 on")
    kept = np.ascontiguousarray(keys, np.int64)
    config, out = ffi.new("gm_crowd_config *", asked), ffi.new("gm_crowd_times *")
    config.keys = ffi.cast("uint64_t *", ffi.from_buffer(kept))
    _raise(int(lib.gm_crowd(scheduler.core(), config, out)))
    return Crowd(int(out.depth), int(out.hold_ns), int(out.drain_ns), int(out.refused))
