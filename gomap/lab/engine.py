"""Runs a workload: makes the map, hands everything to the core in one call, collects what it measured."""

from __future__ import annotations

import hashlib
import itertools
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gomap._core import ffi, lib
from gomap.errors import NOMEM, PIN, BadValue, ConcurrentMisuse, misuse_sentences
from gomap.kinds import Strings
from gomap.knobs import core_knobs
from gomap.lab.calls import EngineError, counters, ensure_call, long_call
from gomap.lab.heap import Heap
from gomap.lab.histogram import Histogram
from gomap.lab.keystreams import KeyStream
from gomap.lab.machine import this_machine
from gomap.lab.result import CAUSES, CauseTable, Clock, MapEvent, Result, SlowOperation, ThreadTotals, Timeline
from gomap.lab.schedule import SchedulerRun, timeline_of, trace_of
from gomap.lab.workload import DOES, OPERATIONS, Group, Trace, Workload, whole
from gomap.map import EVENTS, PAGES, RECORDED, Event, Map
from gomap.variants import variant

__all__ = ["run"]

_INTERVALS = 4096
_EVENTS = 1 << 16
_MOST_TRACED = 1 << 26
_WAITS = ("waits", "read_waits")
_KIND_OF = {code: kind for kind, code in OPERATIONS.items()}


class _Config:
    """The core's configuration of a run, and all memory that it points to."""

    def __init__(self, w: Workload, seed: int, m: Any, os_clock: bool, overrides: dict[str, Any]) -> None:
        self.keep: list[Any] = [m, overrides]
        c = self.c = ffi.new("gm_run_config *")
        c.groups = groups = self.new("gm_group[]", len(w.groups))
        c.ngroups = len(w.groups)
        for i, g in enumerate(w.groups):
            self.set_group(groups[i], g, m)
        c.variant, c.target = variant(w.variant).core_id, m._handle if isinstance(m, Map) else lib.gm_cmap_target(m._handle)
        c.key_kind, c.key_size = m._key.c_kind, m._key.c_size
        c.size, c.keyspace, c.seed = w.size, w.keyspace or w.size, seed
        if w.ops is not None:
            c.ops, c.warmup_ops = w.ops, int(w.warmup)
        else:
            c.duration_ns, c.warmup_ns = int((w.duration_s or 0) * 1e9), int(w.warmup * 1e9)
        c.every, c.attribution, c.os_clock = w.sample, w.attribution, os_clock
        if w.procs:
            c.sched = self.scheduler(w, seed)
        c.slow_ns, c.slowest, c.intervals = int(w.slow_us * 1000), w.slowest, _INTERVALS
        for name, value in overrides.items():
            setattr(c, name, value)

    def scheduler(self, w: Workload, seed: int) -> Any:
        made = w.core_scheduler()
        made.seed = seed
        self.keep.append(made)
        return made

    def new(self, ctype: str, *init: Any) -> Any:
        made = ffi.new(ctype, *init)
        self.keep.append(made)
        return made

    def buffer(self, ctype: str, array: Any) -> Any:
        made = ffi.from_buffer(ctype, array)
        self.keep.append(made)
        return made

    def set_group(self, to: Any, g: Group, m: Any) -> None:
        to.threads, to.rate, to.poisson = g.threads, g.rate or 0.0, g.arrivals == "poisson"
        to.scan = g.scan
        to.goroutines, to.does = g.goroutines or 0, DOES[g.does]
        for kind, percent in (g.mix or {}).items():
            to.mix[OPERATIONS[kind]] = percent
        if g.cpus is not None:
            to.cpus = self.new("int32_t[]", list(g.cpus))
        if isinstance(g.keys, KeyStream):
            g.keys._fill(to.keys)
        else:
            to.trace = self.trace(g.keys, m, own_operations=g.mix is None)

    def trace(self, t: Trace, m: Any, *, own_operations: bool) -> Any:
        data, to = t.data, self.new("gm_trace *")
        batch = m._key.batch(data.keys)
        self.keep.append(batch)
        to.keys, to.n = batch.data, len(data)
        if isinstance(data.keys, Strings):
            to.offsets = batch.offsets
        if own_operations:
            to.ops, to.fill = self.buffer("uint8_t[]", data.ops), data.fill
            if data.values is not None:
                to.values = self.buffer("int64_t[]", data.values)
        return to


def _raise(status: int, w: Workload) -> None:
    if status == PIN:
        raise EngineError("the system does not let a thread run on the CPU that it was given; nothing was measured")
    if status in misuse_sentences():
        raise ConcurrentMisuse(f"{misuse_sentences()[status]}: the map is in use; nothing was measured")
    ensure_call(
        status,
        memory="no memory for this workload; nothing was measured",
        refused="the core refused the workload",
        threads=f" ({w.threads} were asked for)",
    )


def _wait(handle: Any, config: _Config, w: Workload, progress: Callable[[float], None] | None) -> tuple[int, bool]:
    """The run itself: its status, and whether there was a Ctrl-C."""
    started = time.monotonic()

    def tell() -> None:
        if progress is not None:
            progress(_fraction(handle, w, time.monotonic() - started))

    return long_call("gomap-run", lib.gm_run_go, lib.gm_run_cancel, handle, config, tell)


def _fraction(handle: Any, w: Workload, passed_s: float) -> float:
    if w.duration_s is not None:
        return min(1.0, passed_s / (w.duration_s + w.warmup))
    return min(1.0, int(lib.gm_run_progress(handle)) / (w.size + (w.ops or 0) + w.warmup))


def _make_map(w: Workload, seed: int, overrides: dict[str, Any] | None) -> Any:
    """An empty map of the workload's design, that keeps its growth events. Its pages are small, as real Go's are."""
    overrides = {"pages": PAGES["small"]} | (overrides or {})
    options: dict[str, Any] = {"key": w.key, "elem": "int64", "hint": w.hint, "hasher": w.hasher, "seed": seed}
    options["layout"] = w.layout
    cls = variant(w.variant).cls
    if cls is Map:
        heap = None if w.heap is None else Heap(**w.heap)
        return Map(**options, event_capacity=_EVENTS, knobs=w.knobs, heap=heap, _overrides=overrides)
    events = {"events": _EVENTS, "event_kinds": RECORDED["growth"], "knobs": core_knobs(w.knobs or {})}
    if w.shards is not None:
        options["shards"] = w.shards
    return cls(**options, _overrides=events | overrides)


def _parts(m: Any) -> list[Map]:
    """The classic maps that a map is made of."""
    if isinstance(m, Map):
        return [m]
    handles = (lib.gm_cmap_part(m._handle, i) for i in itertools.count())
    return [Map._borrowed(handle, m) for handle in itertools.takewhile(lambda handle: handle != ffi.NULL, handles)]


def run(
    workload: Workload,
    *,
    oversubscribe: bool = False,
    progress: Callable[[float], None] | None = None,
    os_clock: bool = False,
    trace: int = 0,
    _overrides: dict[str, Any] | None = None,
) -> Result:
    """Runs a workload on a fresh map by native threads, or goroutines on such, and returns what they measured.

    All of it is one call into the core with the GIL released; no thread of it ever calls into Python. Ctrl-C stops the
    threads, joins them and returns what was measured until then, marked `interrupted`. progress: called about ten times a
    second with the part done, from 0 to 1. os_clock: time by the operating system's clock even if the CPU has a better one.
    oversubscribe: as the workload's field. trace: how many runs of goroutines to keep of each P, 32 bytes each; what comes
    after is dropped and counted (`Result.trace`).

    Raises `BadValue` (before anything is started), `OutOfMemory`, `EngineError` (no thread, or no permission to pin one).
    """
    w = workload.with_(oversubscribe=True) if oversubscribe and not workload.oversubscribe else workload
    seed = secrets.randbits(64) if w.seed is None else w.seed
    if trace and not w.procs:
        raise BadValue("a trace is of goroutines, and the workload has none")
    own = {"slices": whole(trace, "trace", 0, _MOST_TRACED)} | dict(_overrides or {})
    m = _make_map(w, seed, own.pop("map", None))
    config, out = _Config(w, seed, m, os_clock, own), ffi.new("gm_run **")
    _raise(int(lib.gm_run_new(config.c, out)), w)
    handle = ffi.gc(out[0], lib.gm_run_free)
    started_s = time.time()
    status, asked = _wait(handle, config, w, progress)  # if this raises, the thread may still hold the handle
    try:
        _raise(status, w)
        r = _collect(handle, w, seed, m, started_s, trace > 0)
        return replace(r, interrupted=True) if asked else r
    finally:
        ffi.release(handle)


# ------------------------------------------------------------------ results


def _by_kind(counts: Any) -> dict[str, int]:
    return {kind: int(counts[code]) for kind, code in OPERATIONS.items() if counts[code]}


def _histograms(handle: Any, of: Any) -> dict[str, Histogram]:
    found = {kind: of(handle, code) for kind, code in OPERATIONS.items()}
    return {kind: Histogram.from_core(h) for kind, h in found.items() if h != ffi.NULL and lib.gm_hist_total(h)}


def _cause_tables(handle: Any) -> dict[str, CauseTable]:
    tables = {}
    order = list(CAUSES.values())
    for kind, code in OPERATIONS.items():
        n = lib.gm_run_causes(handle, code, ffi.NULL, ffi.NULL, ffi.NULL, 0)
        if n == 0:
            continue
        lows = np.empty(n, np.uint64)
        own, inherited = np.empty((n, lib.GM_CAUSES)), np.empty((n, lib.GM_CAUSES))
        views = (ffi.from_buffer("double[]", a, require_writable=True) for a in (own, inherited))
        lib.gm_run_causes(handle, code, ffi.from_buffer("uint64_t[]", lows, require_writable=True), *views, n)
        rows = (tuple(map(tuple, a[:, order].round(1).tolist())) for a in (own, inherited))
        tables[kind] = CauseTable(tuple(lows.tolist()), *rows)
    return tables


def _slowest(handle: Any) -> tuple[SlowOperation, ...]:
    n = lib.gm_run_slowest(handle, ffi.NULL, 0)
    found = ffi.new("gm_slow[]", n)
    lib.gm_run_slowest(handle, found, n)
    return tuple(
        SlowOperation(
            at_ns=int(s.at_ns),
            thread=int(s.thread),
            kind=_KIND_OF[int(s.op)],
            latency_ns=int(s.latency_ns),
            service_ns=int(s.service_ns),
            causes={cause: int(s.causes_ns[code]) for cause, code in CAUSES.items() if s.causes_ns[code]},
            growing_to=None if s.growing_to < 0 else int(s.growing_to),
            page_faults=int(s.faults),
            preemptions=int(s.preemptions),
        )
        for s in found
    )


def _events(m: Any) -> list[Event]:
    """The events of the classic maps that a map is made of; or those of a design that keeps its own."""
    parts = _parts(m)
    if parts:
        return [e for part in parts for e in part.events()]
    cap = int(lib.gm_cmap_events(m._handle, ffi.NULL, 0, ffi.NULL))
    room = ffi.new("gm_event[]", cap)
    n = min(cap, int(lib.gm_cmap_events(m._handle, room, cap, ffi.NULL)))
    return [Event(EVENTS[e.kind], e.at_ns, e.op, e.n, e.took_ns, e.from_B, e.to_B) for e in room[0:n]]


def _timeline(handle: Any, totals: Any, m: Any) -> Timeline:
    n = lib.gm_run_timeline(handle, ffi.NULL, 0)
    found = ffi.new("gm_interval[]", n)
    lib.gm_run_timeline(handle, found, n)
    start = int(totals.start_ns)
    events = sorted((e for e in _events(m) if e.at_ns >= start), key=lambda e: e.at_ns)
    return Timeline(
        interval_ns=int(totals.interval_ns),
        count=tuple(int(i.count) for i in found),
        max_ns=tuple(int(i.max_ns) for i in found),
        p99_ns=tuple(int(i.p99_ns) for i in found),
        events=tuple(MapEvent(e.kind, e.at_ns - start, e.n, e.took_ns, e.from_B, e.to_B) for e in events),
    )


def _scheduler(handle: Any, w: Workload) -> SchedulerRun | None:
    if not w.procs:
        return None
    did = ffi.new("gm_sched_stats *")
    lib.gm_run_sched(handle, did)
    return SchedulerRun(
        procs=w.procs,
        knobs=w.scheduler_knobs(),
        counters=counters(did),
        operations=tuple(int(lib.gm_run_goroutines_done(handle, i)) for i in range(len(w.groups))),
        timeline=timeline_of(handle, w.procs),
    )


def _threads(handle: Any, n: int) -> tuple[ThreadTotals, ...]:
    found = ffi.new("gm_thread_totals[]", n)
    for i in range(n):
        lib.gm_run_thread_get(handle, i, found + i)
    return tuple(
        ThreadTotals(
            group=int(t.group),
            cpu=None if t.cpu < 0 else int(t.cpu),
            operations=int(t.done),
            elapsed_ns=int(t.elapsed_ns),
            cpu_ns=int(t.cpu_ns),
            voluntary=int(t.voluntary),
            involuntary=int(t.involuntary),
            page_faults=int(t.faults),
        )
        for t in found
    )


def _state(m: Any) -> dict[str, Any]:
    """A classic map's header; of several, sums and the largest B; and the counters that the design keeps."""
    headers = [part.header for part in _parts(m)]
    if isinstance(m, Map):
        return headers[0]._asdict() | (m.knob_counts._asdict() if m.knobs else {})
    stats = m.stats()
    waits = {name: getattr(stats, name)._asdict() | {"counts": list(getattr(stats, name).counts)} for name in _WAITS}
    whole = headers[0]._asdict() if len(headers) == 1 else {}
    largest = max((h.B for h in headers), default=None)
    return {**whole, **stats._asdict(), **waits, "count": stats.entries, "memory": stats.bytes, "B": largest}


def _digest(m: Any) -> str | None:
    """Of the whole state; None for a design whose state is not made of classic maps."""
    digests = [part.digest() for part in _parts(m)]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()[:32] if digests else None


def _of_heap(m: Any, start_ns: int) -> dict[str, Any]:
    """What the heap of a map has counted since it was made; of each of its last collections a line as of gctrace, and from when
    to when it marked, from the start of the measurement."""
    heap = getattr(m, "_heap", None)
    if heap is None:
        return {}
    stats, cycles = heap.stats()._asdict(), heap.cycles()
    marking = [[c.began_ns - start_ns, c.began_ns + c.stop1_ns + c.mark_ns - start_ns] for c in cycles]
    return {"heap": stats | stats.pop("counts") | {"gctrace": [c.gctrace() for c in cycles], "marking_ns": marking}}


def _counters(m: Any, timeline: Timeline, start_ns: int) -> dict[str, Any]:
    starts = [e for e in timeline.events if e.kind == "grow_start"]
    arrays = [e for e in timeline.events if e.kind == "array_alloc"]
    state = _state(m)
    return {
        **state,
        **_of_heap(m, start_ns),
        "growths": len(starts) if _parts(m) else state["growths"],
        "same_size_growths": sum(e.from_B == e.to_B for e in starts),
        "array_bytes": sum(e.n for e in arrays),
    }


def _collect(handle: Any, w: Workload, seed: int, m: Any, started_s: float, traced: bool) -> Result:
    totals = ffi.new("gm_run_totals *")
    lib.gm_run_totals_get(handle, totals)
    timeline = _timeline(handle, totals, m)
    hardware = bool(totals.hardware_clock)
    return Result(
        workload=w.to_dict(),
        variant=w.variant,
        seed=seed,
        interrupted=bool(totals.interrupted),
        elapsed_s=int(totals.elapsed_ns) / 1e9,
        operations=_by_kind(totals.done),
        hits={kind: int(totals.hits[OPERATIONS[kind]]) for kind in _by_kind(totals.done)},
        refused={text: int(totals.errors[-status]) for status, text in misuse_sentences().items() if totals.errors[-status]},
        failed=int(totals.errors[-NOMEM]),
        behind_s=int(totals.behind_ns) / 1e9,
        latency=_histograms(handle, lib.gm_run_latency),
        service=_histograms(handle, lib.gm_run_service),
        cause_tables=_cause_tables(handle),
        slowest=_slowest(handle),
        timeline=timeline,
        threads=_threads(handle, int(totals.threads)),
        counters=_counters(m, timeline, int(totals.start_ns)),
        digest=_digest(m) if w.ops is not None else None,
        clock=Clock(
            source="cpu" if hardware else "os",
            cost_ns=float(lib.gm_tick_cost_ns(hardware)),
            ns_per_tick=float(totals.ns_per_tick),
            drift_ppm=float(totals.drift_ppm),
            page_fault_ns=int(totals.faults_ns),
        ),
        machine=this_machine().to_dict(),
        started_s=started_s,
        delay=_histograms(handle, lib.gm_run_delay),
        scheduler=_scheduler(handle, w),
        trace=trace_of(handle, w.procs) if traced else None,
    )
