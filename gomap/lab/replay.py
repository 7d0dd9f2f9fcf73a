"""Drives a trace through one map and tells what the map did: growth, chains, latency."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from gomap._core import ffi, lib
from gomap.errors import BadValue, raise_status
from gomap.inspect import chain_lengths
from gomap.kinds import Strings
from gomap.lab.histogram import HIGHEST_NS, Histogram
from gomap.lab.machine import this_machine
from gomap.lab.traces import TraceData
from gomap.map import Event, Map

__all__ = ["Growth", "ReplayResult", "replay"]

SCHEMA = "gomap.replay/2"
KINDS = ("get", "assign", "delete", "add", "replace", "incr", "fill")
PERCENTILES = (50.0, 90.0, 99.0, 99.9, 99.99)

_SLICE = 1 << 16


@dataclass(frozen=True)
class Growth:
    """One growth. `op`: number of the operation that started it, from 1. `entries`: of the map, with the new key that it
    was to make room for (without deletes: the number of the insert). `spread_ops`: over how many operations its evacuation
    was spread, up to the end of the trace if `finished` is false. `array_bytes`, `array_ns`: the new array and the time its
    allocation took."""

    op: int
    entries: int
    from_B: int
    to_B: int
    kind: str
    spread_ops: int
    finished: bool
    array_bytes: int
    array_ns: int


@dataclass(frozen=True)
class ReplayResult:
    """What a replay measured. All counts are of operations unless said; `hits` are those that found their key.

    `chains`: number of buckets of the current array by the length of their chain, at the end. `ops_per_s`: operations by
    the sum of their service times. `latency`: service times, one reading of the clock in each. `bytes_per_entry`: memory of
    the map by its entries. `events_dropped`: growth events lost for want of room.
    """

    trace: str
    format: str
    key: str
    hasher: str
    hint: int
    seed: int
    filled: bool
    operations: dict[str, int]
    hits: dict[str, int]
    growths: list[Growth]
    chains: dict[str, int]
    latency: dict[str, Histogram]
    header: dict[str, Any]
    bytes_per_entry: float
    ops_per_s: float
    clock_cost_ns: int
    events_dropped: int
    machine: dict[str, Any]
    schema: str = SCHEMA

    @property
    def total(self) -> int:
        return sum(self.operations.values())

    @property
    def hit_rate(self) -> float | None:
        """Of the gets, the share that found their key; None without gets."""
        gets = self.operations.get("get", 0)
        return self.hits["get"] / gets if gets else None

    def to_json(self) -> str:
        """The result as JSON, with its `schema`."""
        fields = asdict(self) | {"latency": {kind: h.to_dict() for kind, h in self.latency.items()}}
        return json.dumps(fields, indent=1)

    @classmethod
    def from_json(cls, text: str) -> ReplayResult:
        """What `to_json` wrote. `BadValue` for anything else."""
        try:
            fields = json.loads(text)
            if fields["schema"] != SCHEMA:
                raise BadValue(f"schema {SCHEMA} expected, not {fields['schema']}")
            fields["growths"] = [Growth(**g) for g in fields["growths"]]
            fields["latency"] = {kind: Histogram.from_dict(h) for kind, h in fields["latency"].items()}
            fields["machine"]["cpus"] = tuple(fields["machine"]["cpus"])
            return cls(**fields)
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as e:
            raise BadValue(f"not a replay result: {e}") from None


def _growths(events: list[Event], operations: int) -> list[Growth]:
    """The growth timeline: each start with the array allocation just before it and the end that follows it."""
    found: list[Growth] = []
    array: Event | None = None
    start: Event | None = None
    allocated: Event | None = None
    for e in events:
        if e.kind == "array_alloc":
            array = e
        elif e.kind == "grow_start":
            start, allocated = e, array
        elif e.kind in ("grow_end", "grow_drop") and start is not None:
            found.append(_growth(start, allocated, e.op, finished=True))
            start = None
    if start is not None:
        found.append(_growth(start, allocated, operations - 1, finished=False))
    return found


def _growth(start: Event, array: Event | None, last_op: int, *, finished: bool) -> Growth:
    return Growth(
        op=start.op + 1,
        entries=start.n + 1,
        from_B=start.from_B,
        to_B=start.to_B,
        kind="same size" if start.from_B == start.to_B else "bigger",
        spread_ops=last_op - start.op + 1,
        finished=finished,
        array_bytes=array.n if array else 0,
        array_ns=array.took_ns if array else 0,
    )


class _Run:
    """The core's side of a replay: configuration, histograms, counters."""

    def __init__(self, trace: TraceData, m: Map, fill: bool) -> None:
        self.trace, self.m = trace, m
        self.stats = ffi.new("gm_replay_stats *")
        self.hists = [ffi.gc(lib.gm_hist_new(3, HIGHEST_NS), lib.gm_hist_free) for _ in KINDS]
        if any(h == ffi.NULL for h in self.hists):
            raise_status(-1)
        self.table = ffi.new("gm_hist *[]", self.hists)
        self.batch = m._key.batch(trace.keys)
        self.ops = ffi.from_buffer("uint8_t[]", trace.ops)
        self.values = ffi.NULL if trace.values is None else ffi.from_buffer("int64_t[]", trace.values)
        self.fill = fill

    def slice(self, first: int, n: int) -> None:
        """Operations first .. first+n-1, in one call into C."""
        config = ffi.new("gm_replay_config *")
        config.ops = self.ops + first
        if isinstance(self.trace.keys, Strings):
            config.keys, config.offsets = self.batch.data, self.batch.offsets + first
        else:
            config.keys = self.batch.data + 8 * first
        if self.values != ffi.NULL:
            config.values = self.values + first
        config.n, config.first, config.fill, config.timed = n, first, self.fill, 1
        status = lib.gm_replay(self.m._handle, config, self.table, self.stats)
        if status < 0:
            raise_status(status)


def replay(
    trace: TraceData,
    *,
    hint: int = 0,
    seed: int | None = None,
    hasher: str = "aes",
    fill: bool | None = None,
    progress: Callable[[int], None] | None = None,
) -> ReplayResult:
    """Replays a trace on a fresh `Map` with int64 elems, on this thread, every operation timed; O(operations).

    hint, seed, hasher: as for `Map`. fill: a get that misses is followed by an assign; None: as the trace says.
    progress: called with the number of operations done, every 65,536 of them.
    """
    seed = secrets.randbits(64) if seed is None else seed
    n = len(trace)
    m = Map(trace.key_kind, "int64", hint, hasher, seed, event_capacity=1 << 20)
    filled = trace.fill if fill is None else fill
    run = _Run(trace, m, filled)
    for first in range(0, n, _SLICE):
        run.slice(first, min(_SLICE, n - first))
        if progress is not None:
            progress(min(first + _SLICE, n))
    stats, header, dropped = run.stats, m.header, ffi.new("uint64_t *")
    lib.gm_map_events(m._handle, ffi.NULL, 0, dropped)
    done = {kind: int(stats.done[i]) for i, kind in enumerate(KINDS) if stats.done[i]}
    return ReplayResult(
        trace=trace.name,
        format=trace.format,
        key=trace.key_kind,
        hasher=hasher,
        hint=hint,
        seed=seed,
        filled=filled,
        operations=done,
        hits={kind: int(stats.hits[KINDS.index(kind)]) for kind in done},
        growths=_growths(m.events(), n),
        chains=chain_lengths(m),
        latency={kind: Histogram.from_core(run.hists[KINDS.index(kind)]) for kind in done},
        header=header._asdict(),
        bytes_per_entry=header.memory / header.count if header.count else 0.0,
        ops_per_s=sum(done.values()) / (stats.total_ns / 1e9) if stats.total_ns else 0.0,
        clock_cost_ns=int(lib.gm_clock_cost_ns()),
        events_dropped=int(dropped[0]),
        machine=this_machine().to_dict(),
    )
