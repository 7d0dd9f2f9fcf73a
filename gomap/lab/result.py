"""What a run of a workload measured."""

from __future__ import annotations

import bisect
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from gomap._core import lib
from gomap.errors import BadValue, MissingTool
from gomap.lab.histogram import Histogram
from gomap.lab.schedule import SchedulerRun, ScheduleTrace, scheduler_from

if TYPE_CHECKING:
    import pandas

__all__ = ["CAUSES", "CauseTable", "Clock", "MapEvent", "Result", "SlowOperation", "ThreadTotals", "Timeline"]

SCHEMA = "gomap.run/2"
DONE = "done"

CAUSES = {
    "array_allocation": lib.GM_CAUSE_ARRAY_ALLOCATION,
    "evacuation": lib.GM_CAUSE_EVACUATION,
    "second_evacuation": lib.GM_CAUSE_SECOND_EVACUATION,
    "overflow_walk": lib.GM_CAUSE_OVERFLOW_WALK,
    "allocation": lib.GM_CAUSE_ALLOCATION,
    "reclamation": lib.GM_CAUSE_RECLAMATION,
    "lock_wait": lib.GM_CAUSE_LOCK_WAIT,
    "retry": lib.GM_CAUSE_RETRY,
    "backlog": lib.GM_CAUSE_BACKLOG,
    "preempted": lib.GM_CAUSE_PREEMPTED,
    "page_fault": lib.GM_CAUSE_PAGE_FAULT,
    "refill": lib.GM_CAUSE_REFILL,
    "sweep": lib.GM_CAUSE_SWEEP,
    "assist": lib.GM_CAUSE_ASSIST,
    "barrier_flush": lib.GM_CAUSE_BARRIER_FLUSH,
    "stop_the_world": lib.GM_CAUSE_STOPPED,
    "run_queue_wait": lib.GM_CAUSE_RUN_QUEUE,
    "preempted_by_sysmon": lib.GM_CAUSE_DESCHEDULED,
    "stolen": lib.GM_CAUSE_STOLEN,
    "global_queue_lock": lib.GM_CAUSE_GLOBAL_LOCK,
    "rest": lib.GM_CAUSE_REST,
}
"""What the time of an operation went to, and its code in the core (csrc/base/probe.h, csrc/lab/recorder.c).
Goroutines only (csrc/sched/tracks.c), between being ready and running: `run_queue_wait`, in line behind others;
`preempted_by_sysmon`, after sysmon had stopped the goroutine; `stolen`, in line until another P stole it; `global_queue_lock`,
at the lock of the global queue. `preempted` is the operating system's doing."""


@dataclass(frozen=True)
class CauseTable:
    """The time of one kind of operation by cause, kept by latency. Row i holds the operations whose latency is from
    `lows_ns[i]` up to the next row's; `own_ns` their time by cause, `inherited_ns` their backlog by what that time had been
    spent on, both in the order of `CAUSES`."""

    lows_ns: tuple[int, ...]
    own_ns: tuple[tuple[float, ...], ...]
    inherited_ns: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class SlowOperation:
    """One of the slowest. `at_ns`: when it began, from the start of the measurement. `thread`: the number of its thread or
    goroutine, counted through all that do operations in the order of the groups. `latency_ns` from its intended start,
    `service_ns` from its actual one. `causes`: nanoseconds by cause, those that are not 0; they add up to the latency.
    `growing_to`: B of the growth in progress when it ended, None if there was none. `page_faults`, `preemptions`: of this
    operation, or of the few before it."""

    at_ns: int
    thread: int
    kind: str
    latency_ns: int
    service_ns: int
    causes: dict[str, int]
    growing_to: int | None
    page_faults: int
    preemptions: int


@dataclass(frozen=True)
class MapEvent:
    """A structural event of the map, `at_ns` from the start of the measurement. Fields otherwise as in `gomap.Event`."""

    kind: str
    at_ns: int
    n: int
    took_ns: int
    from_B: int
    to_B: int


@dataclass(frozen=True)
class Timeline:
    """Intervals of `interval_ns` from the start of the measurement: operations done (timed or not), the largest latency and
    the 99th percentile (at most an eighth too high) of those timed; and the map's growth events."""

    interval_ns: int
    count: tuple[int, ...]
    max_ns: tuple[int, ...]
    p99_ns: tuple[int, ...]
    events: tuple[MapEvent, ...]


@dataclass(frozen=True)
class ThreadTotals:
    """One thread: operations done, time from the common start to its end, CPU time, how often it went to sleep
    (`voluntary`) and was taken off its CPU (`involuntary`), page faults. `cpu`: pinned to, or None."""

    group: int
    cpu: int | None
    operations: int
    elapsed_ns: int
    cpu_ns: int
    voluntary: int
    involuntary: int
    page_faults: int


@dataclass(frozen=True)
class Clock:
    """`source`: "cpu" (TSC, CNTVCT) or "os". `cost_ns`: what the two readings around an operation add to it.
    `ns_per_tick`, and by how many parts in a million the two clocks came apart in the run (`drift_ppm`).
    `page_fault_ns`: what one page fault was measured to cost, for attribution."""

    source: str
    cost_ns: float
    ns_per_tick: float
    drift_ppm: float
    page_fault_ns: int


@dataclass(frozen=True)
class Result:
    """What a run measured. All of it is measured; nothing is modelled.

    operations: done, by kind; `hits`: of them, those that found their key. refused: operations that overlapped another one
    which they may not overlap, by the sentence that a Go program would have died of; failed: operations without memory.
    elapsed_s: from the common start to the end of the last thread. latency: from the intended start; service: from the
    actual start (open loop only). behind_s: how far the latest thread was behind its schedule at the end: more than a little
    means that the rate was not reached. counters: of the map at the end. digest: of the whole map at the end, for runs of a
    number of operations. interrupted: cancelled before its end. outcome: "done", or what a real Go program died of ("fatal
    error: concurrent map writes", or a panic over what a racing reader read): then nothing else was measured.

    Of goroutines, `latency` is the *response* time: from the intended start, or from when the goroutine was through with its
    operation before, to the end; `service` is the time in the operation; `delay` is the *scheduling* delay in between, ready
    until running. scheduler: what the scheduler did; trace: its runs of goroutines, if asked for, which are not in the JSON.
    threads: native ones only.
    """

    workload: dict[str, Any]
    variant: str
    seed: int
    interrupted: bool
    elapsed_s: float
    operations: dict[str, int]
    hits: dict[str, int]
    refused: dict[str, int]
    failed: int
    behind_s: float
    latency: dict[str, Histogram]
    service: dict[str, Histogram]
    cause_tables: dict[str, CauseTable]
    slowest: tuple[SlowOperation, ...]
    timeline: Timeline
    threads: tuple[ThreadTotals, ...]
    counters: dict[str, Any]
    digest: str | None
    clock: Clock
    machine: dict[str, Any]
    started_s: float
    outcome: str = DONE
    schema: str = field(default=SCHEMA)
    delay: dict[str, Histogram] = field(default_factory=dict)
    scheduler: SchedulerRun | None = None
    trace: ScheduleTrace | None = field(default=None, repr=False, compare=False)

    @property
    def total(self) -> int:
        """Operations done, of all kinds."""
        return sum(self.operations.values())

    @property
    def gctrace(self) -> tuple[str, ...]:
        """A line as of GODEBUG=gctrace=1 for each of the last collections of a workload's heap, up to 64."""
        return tuple(self.counters.get("heap", {}).get("gctrace", ()))

    @property
    def throughput(self) -> float:
        """Operations a second, all threads together."""
        return self.total / self.elapsed_s if self.elapsed_s else 0.0

    def causes(self, kind: str, above: float = 0.0, *, unfold_backlog: bool = False) -> dict[str, float]:
        """The share of each cause in the time of the operations of a kind above a percentile of their latency.

        Every cause is there; the shares add up to 1; largest first. unfold_backlog: the time that operations waited for
        earlier ones of their thread is given to what that time had been spent on. The cut is as fine as a row of the table
        (3 %). Raises `TooFewSamples` like `Histogram.percentile`, `BadValue` for a kind that was not timed or when
        attribution was off. O(rows).
        """
        table = self._cause_table(kind)
        sums = self._sums(table, self._first_row(table, kind, above), unfold_backlog)
        total = sum(sums.values())
        if total <= 0:
            raise BadValue(f"no time was measured in {kind!r} above p{above:g}")
        ranked = sorted(sums.items(), key=lambda item: -item[1])
        return {cause: ns / total for cause, ns in ranked}

    def time_by_cause(self, kind: str) -> dict[str, float]:
        """Nanoseconds by cause, over all timed operations of a kind; they add up to the sum of their latencies."""
        return self._sums(self._cause_table(kind), 0, False)

    def _cause_table(self, kind: str) -> CauseTable:
        table = self.cause_tables.get(kind)
        if table is None or not table.lows_ns:
            there = ", ".join(self.cause_tables) or "none (attribution needs timed operations)"
            raise BadValue(f"no causes of {kind!r}; there are: {there}")
        return table

    def _first_row(self, table: CauseTable, kind: str, above: float) -> int:
        if above == 0:
            return 0
        return max(0, bisect.bisect_right(table.lows_ns, self.latency[kind].percentile(above)) - 1)

    @staticmethod
    def _sums(table: CauseTable, first: int, unfold_backlog: bool) -> dict[str, float]:
        own = [sum(column) for column in zip(*table.own_ns[first:], strict=True)]
        sums = dict(zip(CAUSES, own, strict=True))
        inherited = [sum(column) for column in zip(*table.inherited_ns[first:], strict=True)]
        if unfold_backlog and sum(inherited) > 0:
            known = min(sums["backlog"], sum(inherited))
            sums["backlog"] -= known
            for cause, ns in zip(CAUSES, inherited, strict=True):
                sums[cause] += ns * known / sum(inherited)
        return sums

    def all_latencies(self) -> Histogram:
        """The latencies of all kinds together."""
        return Histogram.merged(list(self.latency.values()))

    def to_json(self) -> str:
        """The result as JSON, with its `schema`."""
        fields = asdict(replace(self, trace=None))
        for name in ("latency", "service", "delay"):
            fields[name] = {kind: h.to_dict() for kind, h in getattr(self, name).items()}
        return json.dumps(fields)

    @classmethod
    def from_json(cls, text: str) -> Result:
        """What `to_json` wrote. `BadValue` for anything else."""
        try:
            return cls.from_dict(json.loads(text))
        except json.JSONDecodeError as e:
            raise BadValue(f"not a result of a run: {e}") from None

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Result:
        """From what `to_json` wrote, as `json.loads` reads it. `BadValue` for anything else."""
        try:
            d = dict(fields)
            if d["schema"] != SCHEMA:
                raise BadValue(f"schema {SCHEMA} expected, not {d['schema']}")
            for name in ("latency", "service", "delay"):
                d[name] = {kind: Histogram.from_dict(h) for kind, h in d[name].items()}
            d["cause_tables"] = {kind: _cause_table(t) for kind, t in d["cause_tables"].items()}
            d["slowest"] = tuple(SlowOperation(**s) for s in d["slowest"])
            columns = {name: tuple(column) for name, column in d["timeline"].items() if name not in ("events", "interval_ns")}
            events = tuple(MapEvent(**e) for e in d["timeline"]["events"])
            d["timeline"] = Timeline(d["timeline"]["interval_ns"], **columns, events=events)
            d["threads"] = tuple(ThreadTotals(**t) for t in d["threads"])
            d["scheduler"] = scheduler_from(d["scheduler"])
            d["clock"] = Clock(**d["clock"])
            d["machine"] = {**d["machine"], "cpus": tuple(d["machine"]["cpus"])}
            return cls(**d)
        except (KeyError, TypeError, AttributeError, ValueError) as e:
            if isinstance(e, BadValue):
                raise
            raise BadValue(f"not a result of a run: {e}") from None

    def write_trace(self, path: str | os.PathLike[str]) -> None:
        """Writes the runs of goroutines as Chrome's trace JSON, for ui.perfetto.dev and the like: a track a thread, a slice a
        run, instants for steals and preemptions. `BadValue` if none were kept (`run(workload, trace=...)`)."""
        if self.trace is None:
            raise BadValue("no trace was kept: it needs goroutines, and run(workload, trace=65536)")
        self.trace.write(path)

    def to_pandas(self, what: str = "latency") -> pandas.DataFrame:
        """A table as a pandas DataFrame: "latency" (kind, value_ns, count: the histograms), "timeline" (at_ns, count, max_ns,
        p99_ns), "slowest" (a row an operation, a column a cause) or "threads". `MissingTool` without pandas."""
        tables = {"latency": self._latency_rows, "timeline": self._timeline_rows, "slowest": self._slowest_rows}
        tables["threads"] = lambda: (asdict(t) for t in self.threads)
        if what not in tables:
            raise BadValue(f"unknown table {what!r}, allowed: {', '.join(tables)}")
        try:
            import pandas
        except ImportError:
            raise MissingTool("to_pandas needs pandas: pip install pandas") from None
        return pandas.DataFrame(list(tables[what]()))

    def _latency_rows(self) -> Iterable[dict[str, Any]]:
        for kind, h in self.latency.items():
            for value, n in h.counts:
                yield {"kind": kind, "value_ns": value, "count": n}

    def _timeline_rows(self) -> Iterable[dict[str, Any]]:
        t = self.timeline
        for i, (count, top, p99) in enumerate(zip(t.count, t.max_ns, t.p99_ns, strict=True)):
            yield {"at_ns": i * t.interval_ns, "count": count, "max_ns": top, "p99_ns": p99}

    def _slowest_rows(self) -> Iterable[dict[str, Any]]:
        for s in self.slowest:
            row = asdict(s)
            causes = row.pop("causes")
            yield {**row, **{cause: causes.get(cause, 0) for cause in CAUSES}}


def _cause_table(t: dict[str, Any]) -> CauseTable:
    return CauseTable(tuple(t["lows_ns"]), tuple(map(tuple, t["own_ns"])), tuple(map(tuple, t["inherited_ns"])))
