"""What the scheduler did in a run with goroutines: counters, a time line as of Go's schedtrace, a trace to look at.

Source: csrc/sched/tracks.c, csrc/lab/crew.c.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from gomap._core import ffi, lib

__all__ = ["FROM", "TO", "ScheduleTrace", "SchedulerRun", "SchedulerTimeline"]

FROM = ("own queue", "runnext", "global queue", "stolen", "blocking call")
"""Where a run of a goroutine came from, by its code in the core (enum gm_run_from)."""

TO = ("yielded", "preempted at a safe point", "preempted by a signal", "parked", "blocking call", "ended")
"""What it ended by (enum gm_run_to)."""

_STOLEN, _SYNC, _ASYNC = lib.GM_FROM_STEAL, lib.GM_TO_SYNC, lib.GM_TO_ASYNC
_SLICE = np.dtype(
    [
        ("begin_ns", "u8"),
        ("end_ns", "u8"),
        ("goroutine", "u4"),
        ("thread", "u4"),
        ("p", "u4"),
        ("from", "u1"),
        ("to", "u1"),
        ("", "V2"),
    ]
)
_HEAD, _OF_P, _IDLE = 4, 4, 0


@dataclass(frozen=True)
class SchedulerTimeline:
    """The scheduler, looked at about every 10 ms; every other look goes, and the rest is twice as far apart, when there are too
    many. at_ns: of each look, from the start of the measurement; the first is the start, the last the end. global_queue:
    goroutines in it. idle: Ps without work. spinning: threads that look for work. By look and P: queue (goroutines in its own
    queue), runs (goroutines put on it since the look before), steals (of them, those that it stole), busy (whether it had
    work)."""

    at_ns: tuple[int, ...]
    global_queue: tuple[int, ...]
    idle: tuple[int, ...]
    spinning: tuple[int, ...]
    queue: tuple[tuple[int, ...], ...]
    runs: tuple[tuple[int, ...], ...]
    steals: tuple[tuple[int, ...], ...]
    busy: tuple[tuple[bool, ...], ...]

    def text(self) -> str:
        """A line a look, as GODEBUG=schedtrace prints them. O(looks)."""
        lines = []
        for i, at in enumerate(self.at_ns):
            own = " ".join(map(str, self.queue[i]))
            lines.append(
                f"SCHED {at / 1e6:.0f}ms: idleprocs={self.idle[i]} spinningthreads={self.spinning[i]} "
                f"runqueue={self.global_queue[i]} [{own}] runs={sum(self.runs[i])} steals={sum(self.steals[i])}"
            )
        return "\n".join(lines)


@dataclass(frozen=True)
class SchedulerRun:
    """The scheduler of a run. procs: Ps. knobs: all of `SCHEDULER_KNOBS`, and those numbers of
    `Workload.scheduler` that were given. counters: as of Go's schedtrace and
    more (csrc/gomap.h, gm_sched_stats), of its whole life: warm-up, beginning and end included. operations: done by the
    goroutines of each group, 0 for a group of threads."""

    procs: int
    knobs: dict[str, Any]
    counters: dict[str, int]
    operations: tuple[int, ...]
    timeline: SchedulerTimeline


@dataclass(frozen=True)
class ScheduleTrace:
    """Runs of goroutines on Ps, as they were kept. runs: an array with a row each, by P and then by time: begin_ns and end_ns
    from the start of the measurement, goroutine, thread and p (their numbers), from (an index into `FROM`) and to (into
    `TO`). dropped: runs that there was no room for, the later ones of each P."""

    runs: npt.NDArray[Any] = field(compare=False)
    dropped: int

    def events(self) -> Iterator[dict[str, Any]]:
        """Trace events in Chrome's JSON format: a track for each thread, on it the runs of goroutines, and instants for
        steals and preemptions. Times in microseconds. O(runs)."""
        yield {"ph": "M", "name": "process_name", "pid": 1, "tid": 0, "args": {"name": "gomap"}}
        for thread in np.unique(self.runs["thread"]).tolist():
            yield {"ph": "M", "name": "thread_name", "pid": 1, "tid": thread, "args": {"name": f"M{thread}"}}
        for begin, end, g, thread, p, came, went in self.runs[list(_SLICE.names or ())[:7]].tolist():
            at = {"pid": 1, "tid": thread}
            args = {"p": p, "from": FROM[came], "to": TO[went]}
            yield {"ph": "X", "name": f"G{g}", "cat": "run", "ts": begin / 1e3, "dur": (end - begin) / 1e3, "args": args, **at}
            if came == _STOLEN:
                yield {"ph": "i", "name": f"P{p} stole G{g}", "cat": "steal", "s": "t", "ts": begin / 1e3, **at}
            if went in (_SYNC, _ASYNC):
                yield {"ph": "i", "name": f"G{g} {TO[went]}", "cat": "preemption", "s": "t", "ts": end / 1e3, **at}

    def write(self, path: str | os.PathLike[str]) -> None:
        """Writes them for a viewer: ui.perfetto.dev, chrome://tracing."""
        with open(path, "w", encoding="utf-8") as out:
            out.write(
                '{"displayTimeUnit": "ns", "otherData": ' + json.dumps({"dropped": self.dropped}) + ', "traceEvents": [\n'
            )
            out.write(",\n".join(map(json.dumps, self.events())))
            out.write("\n]}\n")


def timeline_of(handle: Any, procs: int) -> SchedulerTimeline:
    """From the core."""
    n, width = int(lib.gm_run_sched_rows(handle, ffi.NULL, 0)), _HEAD + _OF_P * procs
    rows = np.zeros((n, width), np.int64)
    lib.gm_run_sched_rows(handle, ffi.from_buffer("uint64_t[]", rows, require_writable=True), n)
    of_ps = rows[:, _HEAD:].reshape(n, procs, _OF_P)
    runs, steals = (np.diff(of_ps[:, :, k], axis=0, prepend=of_ps[:1, :, k]) for k in (1, 2))
    columns = (*rows[:, :_HEAD].T, of_ps[:, :, 0], runs, steals, of_ps[:, :, 3] != _IDLE)
    return timeline_from({f.name: column.tolist() for f, column in zip(fields(SchedulerTimeline), columns, strict=True)})


def trace_of(handle: Any, procs: int) -> ScheduleTrace:
    """From the core."""
    assert ffi.sizeof("gm_slice") == _SLICE.itemsize
    dropped, missed, parts = ffi.new("uint64_t *"), 0, []
    for p in range(procs):
        n = int(lib.gm_run_slices(handle, p, ffi.NULL, 0, dropped))
        part = np.zeros(n, _SLICE)
        lib.gm_run_slices(handle, p, ffi.from_buffer("gm_slice[]", part, require_writable=True), n, dropped)
        missed += int(dropped[0])
        parts.append(part)
    return ScheduleTrace(np.concatenate(parts), missed)


def timeline_from(d: dict[str, Any]) -> SchedulerTimeline:
    """From JSON."""
    wide = ("queue", "runs", "steals", "busy")
    columns: dict[str, Any] = {name: tuple(map(tuple, of)) if name in wide else tuple(of) for name, of in d.items()}
    return SchedulerTimeline(**columns)


def scheduler_from(d: dict[str, Any] | None) -> SchedulerRun | None:
    """From JSON."""
    if d is None:
        return None
    return SchedulerRun(**{**d, "operations": tuple(d["operations"]), "timeline": timeline_from(d["timeline"])})
