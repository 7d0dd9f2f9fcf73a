"""What is known of a map under an input before anybody says why it is slow: counts first, then times.

`gather` replays the input on its guard, and for comparison on the plain map by one thread, both with attribution, and puts
beside the results what follows from the input alone: how often each key is asked for, how many entries there were when.

THE TAIL is the operations above p99.9 (with too few samples for that, above the highest percentile that has enough), each
known by itself: kind, instant, causes. An operation counts once, however long it took, and is divided among its causes by
time: so three operations that the system stopped for a millisecond each do not hide three hundred that moved buckets.
The backlog of an open loop is divided by what the time of the operations before had gone to.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from gomap.concurrent import ShardedMap
from gomap.errors import BadValue
from gomap.kinds import Strings
from gomap.lab.engine import run
from gomap.lab.histogram import samples_needed
from gomap.lab.result import CAUSES, Result
from gomap.lab.traces import OPS, TraceData
from gomap.lab.workload import Group, Trace, Workload

__all__ = ["LEVELS", "READS", "STORES", "WRITES", "Facts", "History", "Spent", "Tail", "gather", "own_trace", "tail_level"]

LEVELS = (99.9, 99.0, 90.0, 50.0)
READS = frozenset({"get", "get_miss"})
STORES = frozenset({"assign", "assign_new", "load_or_store", "add", "fill"})
WRITES = STORES | {"delete", "replace", "incr"}
_DRAWN = 100_000
_SLOWEST_OF_A_DURATION = 100_000
_FULLEST = 6.5  # entries a bucket above which Go's map grows
_ONE_LOCK = frozenset({"mutex", "rwmutex", "growlock"})
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Spent:
    """Time to be explained, in nanoseconds by cause: of one operation of the tail, or, where `at_ns` and `growing` are None,
    of many of a kind together. `growing`: whether a growth was in progress."""

    kind: str
    causes: dict[str, float]
    at_ns: int | None = None
    growing: bool | None = None


@dataclass(frozen=True)
class Tail:
    """The operations above a percentile. percent: which; 0: too few samples for any, all operations are in it. above_ns: that
    percentile. operations: how many are in it. `parts` has for each of those that were kept (the slowest) its own time and the
    time that it inherited from operations before it; a pair's times add up to the operation's latency."""

    percent: float
    above_ns: int
    operations: int
    parts: tuple[tuple[Spent, Spent], ...]

    @property
    def name(self) -> str:
        return f"p{self.percent:g}" if self.percent else "all operations"


@dataclass(frozen=True)
class History:
    """What a trace's own operations do to the number of entries, by their order. entries[i]: after operation i. lowest: the
    operation after which there are fewest since the peak."""

    entries: Ints
    before: int

    @cached_property
    def peak(self) -> int:
        return max(self.before, int(self.entries.max()))

    @cached_property
    def lowest(self) -> int:
        start = int(self.entries.argmax()) if self.peak > self.before else 0
        return start + int(self.entries[start:].argmin())

    def first_below(self, entries: float) -> int | None:
        """The operation after which, since the peak, there are at most so many."""
        start = int(self.entries.argmax()) if self.peak > self.before else 0
        below = np.nonzero(self.entries[start:] <= entries)[0]
        return start + int(below[0]) if below.size else None


@dataclass(frozen=True)
class Facts:
    """All that detectors look at. workload: as it was replayed. plain: the same operations on the plain map by one thread; None
    where they cannot be done so. hottest: the share of the most frequent key in all operations with a key. distinct: keys."""

    source: str
    workload: Workload
    guard: Result
    plain: Result | None
    tail: Tail
    history: History | None
    hottest: float
    distinct: int

    @property
    def threads(self) -> int:
        return self.workload.threads

    @property
    def variant(self) -> str:
        return self.workload.variant

    @property
    def counters(self) -> dict[str, Any]:
        """Of the guarded map at the end."""
        return self.guard.counters

    def done(self, kinds: frozenset[str]) -> int:
        """How many operations of these kinds were measured."""
        return sum(n for kind, n in self.guard.operations.items() if kind in kinds)

    @cached_property
    def deleted(self) -> int:
        """How many deletes found their key."""
        return self.guard.hits.get("delete", 0)

    @property
    def entries(self) -> int:
        return int(self.counters["count"])

    @cached_property
    def peak(self) -> int:
        """The most entries that there were; for a workload, at its beginning or end."""
        return self.history.peak if self.history else max(self.entries, self.workload.size)

    @property
    def locks(self) -> int | None:
        """How many locks a design has; None: one for a key, or for a few."""
        if self.variant == "sharded":
            return shards()
        return 1 if self.variant in _ONE_LOCK else None

    @cached_property
    def buckets(self) -> int | None:
        """Of the classic maps that a design is made of, without overflow; None for a design of another kind."""
        B = self.counters.get("B")
        return None if B is None else (self.locks or 1) << B

    @cached_property
    def empty(self) -> float:
        """The share of the buckets that a map made for the entries at the end would not have."""
        if self.buckets is None:
            return 0.0
        maps = self.locks or 1
        needed = maps
        while self.entries > _FULLEST * needed and self.entries > 8 * maps:
            needed *= 2
        return max(0.0, 1 - needed / self.buckets)

    @cached_property
    def sparse_from_ns(self) -> int:
        """When the map came to have 8 times the buckets that its entries need."""
        few = _FULLEST * (self.buckets or 0) / 8
        if self.history is not None:
            i = self.history.first_below(few)
            return self.instant((i or 0) / max(1, len(self.history.entries)))
        if self.workload.size <= few:
            return 0
        shrunk = max(1, self.workload.size - self.entries)
        return self.instant((self.workload.size - few) / shrunk)

    def instant(self, part: float) -> int:
        """When that part of the operations was done."""
        line = self.guard.timeline
        counts = np.cumsum(line.count)
        if not counts.size:
            return 0
        return int(np.searchsorted(counts, min(part, 1.0) * counts[-1])) * line.interval_ns

    @cached_property
    def open_from_ns(self) -> int | None:
        """Since when a growth has been going on that the end of the run found unfinished; None: there is no such."""
        if not self.counters.get("growing"):
            return None
        starts = [e.at_ns for e in self.guard.timeline.events if e.kind == "grow_start"]
        return starts[-1] if starts else 0

    @cached_property
    def open_share(self) -> float:
        """The share of all operations that came while that growth was going on."""
        if self.open_from_ns is None:
            return 0.0
        line = self.guard.timeline
        first = -(-self.open_from_ns // line.interval_ns)
        return sum(line.count[first:]) / max(1, sum(line.count))

    @cached_property
    def same_lock(self) -> float:
        """Of the waits of one operation for another, the share that the hottest key would have if each key had a lock of its
        own: two operations meet at it with the square of its share, and at a lock with the square of the lock's."""
        if self.locks is None:
            n, other = max(1, self.distinct - 1), 0.0
        else:
            n, other = max(1, self.locks - 1), (1 - self.hottest) / self.locks
        hot = self.hottest + other
        return min(1.0, self.hottest**2 / (hot**2 + (1 - hot) ** 2 / n)) if self.locks != 1 else self.hottest**2


def shards() -> int:
    """How many shards the design `sharded` has here."""
    return int(ShardedMap().shards)


# ------------------------------------------------------------------ what follows from the input


def own_trace(w: Workload) -> TraceData | None:
    """The trace whose own operations are all that a workload does, in order; else None."""
    keys = w.groups[0].keys
    return keys.data if len(w.groups) == 1 and w.groups[0].mix is None and isinstance(keys, Trace) else None


def key_numbers(keys: Ints | Strings) -> Ints:
    """A number for each key of a trace, the same for the same key. O(n log n)."""
    if isinstance(keys, Strings):
        data, ends = keys.data.tobytes(), keys.offsets.tolist()
        names: dict[bytes, int] = {}
        return np.array([names.setdefault(data[a:b], len(names)) for a, b in itertools.pairwise(ends)], np.int64)
    return np.unique(keys, return_inverse=True)[1].astype(np.int64)


def there_after(t: TraceData) -> npt.NDArray[np.int8]:
    """What each operation of a trace leaves its key as: 1 there, 0 not there, -1 as it was."""
    state = np.full(256, -1, np.int8)
    state[[OPS["assign"], OPS["add"]]] = 1
    state[OPS["delete"]] = 0
    if t.fill:
        state[OPS["get"]] = 1
    return state[t.ops]


def _history(w: Workload, t: TraceData, length: int) -> History | None:
    """The number of entries after each operation of one pass. O(n log n)."""
    if length > len(t) or (w.size and isinstance(t.keys, Strings)):
        return None
    numbers, after = key_numbers(t.keys)[:length], there_after(t)[:length]
    touched = np.nonzero(after >= 0)[0]
    order = touched[np.argsort(numbers[touched], kind="stable")]
    first = np.ones(order.size, bool)
    first[1:] = numbers[order][1:] != numbers[order][:-1]
    was = np.zeros(order.size, np.int8)
    was[1:] = after[order][:-1]
    filled = (t.keys[order] >= 0) & (t.keys[order] < w.size) if not isinstance(t.keys, Strings) else np.zeros(order.size, bool)
    was[first] = filled[first]
    change = np.zeros(length, np.int64)
    change[order] = after[order] - was
    return History(w.size + np.cumsum(change), w.size)


def _frequencies(g: Group, w: Workload) -> Ints:
    """How often a group asks for each of its keys, in a sample of its draws; the order means nothing."""
    if isinstance(g.keys, Trace):
        return np.bincount(key_numbers(g.keys.data.keys))
    size = max(1, w.keyspace or w.size)
    return np.bincount(np.unique(g.keys.draw(_DRAWN, size, seed=w.seed or 0), return_inverse=True)[1])


def _hottest(w: Workload, r: Result) -> tuple[float, int]:
    """The share of the most frequent key in the operations with a key, and how many keys there are. Groups are weighed by what
    their threads did; keys that are new each time are nobody's hottest."""
    shares, weights, distinct = [], [], 0
    for i, g in enumerate(w.groups):
        if not g.operations:
            continue
        counts = _frequencies(g, w)
        mix = g.mix or {}
        drawn = 1 - sum(mix.get(kind, 0) for kind in ("assign_new", "iterate", "len")) / 100
        shares.append(drawn * counts.max() / counts.sum())
        goroutines = r.scheduler.operations[i] if r.scheduler else 0
        weights.append(goroutines + sum(t.operations for t in r.threads if t.group == i))
        distinct = max(distinct, counts.size)
    total = sum(weights)
    return (float(np.dot(shares, weights) / total) if total else 0.0), distinct


# ------------------------------------------------------------------ the tail


def tail_level(samples: int) -> float:
    """The highest of `LEVELS` that has enough samples; 0: none has."""
    return next((p for p in LEVELS if samples >= samples_needed(p)), 0.0)


def _inherited(r: Result, kind: str, above_ns: int) -> dict[str, float]:
    """What the backlog of a kind's operations above a latency was due to, in shares; empty without any."""
    table = r.cause_tables[kind]
    rows = [row for low, row in zip(table.lows_ns, table.inherited_ns, strict=True) if low >= above_ns * 31 / 32]
    sums = {cause: sum(column) for cause, column in zip(CAUSES, zip(*rows, strict=True), strict=True)} if rows else {}
    total = sum(sums.values())
    return {cause: ns / total for cause, ns in sums.items() if ns} if total else {}


def _tail(r: Result) -> Tail:
    merged = r.all_latencies()
    percent = tail_level(merged.count)
    above = merged.percentile(percent) if percent else 0
    operations = max(1, round(merged.count * (1 - percent / 100)))
    behind = {kind: _inherited(r, kind, above) for kind in r.cause_tables}
    parts = []
    for s in r.slowest[:operations]:
        own = {cause: float(ns) for cause, ns in s.causes.items()}
        shares = behind[s.kind]
        ordinary = shares.get("rest", 0.0) + shares.get("backlog", 0.0) if shares else 1.0
        waited = own.pop("backlog", 0.0)
        inherited = {cause: waited * share for cause, share in shares.items() if cause not in ("rest", "backlog")}
        inherited["backlog"] = waited * ordinary
        parts.append((Spent(s.kind, own, s.at_ns, s.growing_to is not None), Spent(s.kind, inherited)))
    return Tail(percent, above, operations, tuple(parts))


# ------------------------------------------------------------------ replays


def _on_one_thread(w: Workload) -> Workload | None:
    """The same operations on the plain map by one thread; None if several groups do different things."""
    alone: dict[str, Any] = {"threads": 1, "goroutines": None, "procs": None, "does": "operations", "cpus": None, "rate": None}
    working = [replace(other, **alone) for other in w.groups if other.operations]
    if any(other != working[0] for other in working):
        return None
    rates = [other.rate for other in w.groups if other.operations]
    rate = None if any(rate is None for rate in rates) else sum(rate for rate in rates if rate is not None)
    return w.with_(variant="plain", groups=(replace(working[0], rate=rate),), scheduler=None)


def gather(source: str, w: Workload, progress: Callable[[float], None] | None = None) -> Facts:
    """Replays a workload and collects the facts. It has a seed. `BadValue` if nothing was done in it; else as `run`."""
    slowest = min(1_000_000, max(1000, w.ops // 1000 + 1)) if w.ops is not None else _SLOWEST_OF_A_DURATION
    w = w.with_(sample=1, attribution=True, slowest=slowest)
    alone = _on_one_thread(w)
    guard = run(w, progress=None if progress is None else lambda part: progress(part / 2))
    if guard.interrupted:
        raise KeyboardInterrupt
    if not guard.latency:
        raise BadValue(f"{source}: no operation was done in it: nothing to explain")
    plain = run(alone, progress=None if progress is None else lambda part: progress((1 + part) / 2)) if alone else None
    if plain is not None and plain.interrupted:
        raise KeyboardInterrupt
    t = own_trace(w)
    history = _history(w, t, w.ops) if t is not None and w.ops is not None and not w.warmup else None
    hottest, distinct = _hottest(w, guard)
    return Facts(source, w, guard, plain, _tail(guard), history, hottest, distinct)
