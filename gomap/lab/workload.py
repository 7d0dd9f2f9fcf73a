"""Workloads: who does what to a map, with which keys, how fast, for how long."""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gomap._core import lib
from gomap._hypothesis import offer
from gomap.concurrent import MOST_SHARDS
from gomap.errors import BadValue, OutOfRange
from gomap.knobs import checked_knobs
from gomap.lab import keystreams
from gomap.lab.heap import checked_heap
from gomap.lab.keystreams import LARGEST, KeyStream, Uniform
from gomap.lab.machine import allowed_cpus
from gomap.lab.traces import TraceData, read_trace
from gomap.map import HASHERS, LAYOUTS
from gomap.variants import variant

__all__ = ["DOES", "MIX_KINDS", "OPERATIONS", "Group", "Trace", "Workload"]

OPERATIONS = {
    "get": lib.GM_OP_GET,
    "assign": lib.GM_OP_ASSIGN,
    "delete": lib.GM_OP_DELETE,
    "load_or_store": lib.GM_OP_LOAD_OR_STORE,
    "replace": lib.GM_OP_REPLACE,
    "incr": lib.GM_OP_INCR,
    "fill": lib.GM_OP_FILL,
    "get_miss": lib.GM_OP_GET_MISS,
    "assign_new": lib.GM_OP_ASSIGN_NEW,
    "iterate": lib.GM_OP_ITERATE,
    "len": lib.GM_OP_LEN,
    "add": lib.GM_OP_ADD,
}
"""What an operation of a workload is called, and its code in the core. `fill` is the assign that follows a missed get of a
trace; replace and incr come from traces, but may stand in a mix."""

DOES = {
    "operations": lib.GM_DOES_OPERATIONS,
    "hog": lib.GM_DOES_HOG,
    "calls": lib.GM_DOES_CALLS,
    "yields": lib.GM_DOES_YIELDS,
    "ping-pong": lib.GM_DOES_PING_PONG,
}
"""What the goroutines of a group do, and its code in the core."""

MIX_KINDS = tuple(kind for kind in OPERATIONS if kind != "fill")
_MOST_GOROUTINES = {True: 65_536, False: 1_048_576}  # that do operations, each with its stream of requests; others
_MOST_BLOCKED = 1000
KEY_KINDS = ("int64", "int32", "uint32", "float64", "str", "bytesN")
KNOB_VARIANTS = ("plain", "mutex", "rwmutex", "sharded")
_NEEDS_KEYS = {"get", "get_miss", "assign", "load_or_store", "replace", "incr", "add"}


@dataclass(frozen=True)
class Trace:
    """The operations, or the keys, of a recorded trace, in its order; the threads of a group take turns.

    source: a file, read as `read_trace` reads it (format, key_column, op_column, op_map, key_type), or a `TraceData`.
    In a group without a mix the trace's own operations are done; with a mix, its keys only. After the last comes the first.
    """

    source: str | Path | TraceData
    format: str | None = None
    key_column: str | int | None = None
    op_column: str | int | None = None
    op_map: Mapping[str, str] | None = None
    key_type: str = "auto"
    data: TraceData = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        data = self.source
        if not isinstance(data, TraceData):
            data = read_trace(
                data,
                self.format,
                key_column=self.key_column,
                op_column=self.op_column,
                op_map=self.op_map,
                key_type=self.key_type,
            )
        if len(data) == 0:
            raise BadValue("the trace has no operation")
        object.__setattr__(self, "data", data)

    def to_dict(self) -> dict[str, Any]:
        if isinstance(self.source, TraceData):
            return {"kind": "Trace", "name": self.source.name, "operations": len(self.source)}
        given = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("source", "data")}
        given = {name: dict(v) if isinstance(v, Mapping) else v for name, v in given.items() if v is not None}
        return {"kind": "Trace", "source": str(self.source), **given}


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise BadValue(f"{name}: a number expected, not {value!r}")
    return float(value)


def whole(value: Any, name: str, least: int, most: int = LARGEST) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise BadValue(f"{name}: a whole number expected, not {value!r}") from None
    if not least <= number <= most:
        raise BadValue(f"{name} must be from {least:,} to {most:,}: {number:,}")
    return number


def _different_keys(key: str) -> int:
    """How many keys of a kind a workload can tell apart (gm_codec_most in csrc/lab/feed.c)."""
    size = {"int32": 4, "uint32": 4}.get(key, int(key[5:]) if key.startswith("bytes") else 8)
    return int(min(LARGEST, 2 ** (8 * size - 1)))


def _checked_mix(mix: Any) -> Mapping[str, float]:
    if not isinstance(mix, Mapping) or not mix:
        raise BadValue(f"mix: percentages by operation expected, such as {{'get': 95, 'assign': 5}}, not {mix!r}")
    for kind, percent in mix.items():
        if kind not in MIX_KINDS:
            raise BadValue(f"unknown operation {kind!r} in the mix, allowed: {', '.join(MIX_KINDS)}")
        if _number(percent, f"mix: {kind}") < 0:
            raise BadValue(f"mix: {kind} must not be negative: {percent}")
    total = sum(mix.values())
    if abs(total - 100) > 1e-6:
        raise BadValue(f"the percentages of the mix must add up to 100, not {total:g}")
    return MappingProxyType({kind: float(percent) for kind, percent in mix.items() if percent > 0})


@dataclass(frozen=True)
class Group:
    """Threads, or goroutines, that do the same.

    threads: how many. mix: percentages by operation, adding up to 100 (see `OPERATIONS`; csrc/lab/feed.c tells which key each
    takes); None: a trace's own operations, or all "get". keys: a `KeyStream` or a `Trace`. rate: operations a second, of all
    its threads together (open loop: latency counts from the intended start); None: as fast as possible (closed loop).
    arrivals: "fixed" or "poisson". cpus: the CPU of each thread, from those this process may use; None: the system places
    them. scan: how many entries one iterate visits; 0: all.

    goroutines: instead of threads (which are 0 then), so many goroutines on Go's scheduler (csrc/sched). All goroutines of a
    workload share one, with `procs` Ps: give it in one group, or the same in each; None: as many as there are CPUs. One that is
    early in an open loop sleeps in a blocking call. One that waits for a lock of the map's design waits with its thread and P.
    does: "operations" on the map; or nothing with it, for as long as the run lasts: "hog" computes without any safe point,
    "calls" with one every microsecond or so, "yields" calls Gosched again and again, "ping-pong" is pairs that wake each other
    over unbuffered channels.
    """

    threads: int = 1
    mix: Mapping[str, float] | None = None
    keys: KeyStream | Trace = field(default_factory=Uniform)
    rate: float | None = None
    arrivals: str = "fixed"
    cpus: tuple[int, ...] | None = None
    scan: int = 100
    goroutines: int | None = None
    procs: int | None = None
    does: str = "operations"

    def __post_init__(self) -> None:
        self._check_who()
        if not isinstance(self.keys, (KeyStream, Trace)):
            raise BadValue(f"keys: a key stream or a Trace expected, not {self.keys!r:.60}")
        if self.does != "operations":
            object.__setattr__(self, "mix", MappingProxyType({}))
        elif self.mix is not None:
            object.__setattr__(self, "mix", _checked_mix(self.mix))
        elif not isinstance(self.keys, Trace):
            object.__setattr__(self, "mix", MappingProxyType({"get": 100.0}))
        new = {"assign_new", "get_miss"} & set(self.mix or ())
        if new and isinstance(self.keys, Trace):
            raise BadValue(f"{sorted(new)[0]} needs keys that a trace does not have; use a key stream")
        if self.rate is not None and not 1e-9 <= _number(self.rate, "rate") <= 1e9:
            raise BadValue(f"rate must be above 0 (from 1e-9) and at most 1e9 operations a second: {self.rate:g}")
        if self.arrivals not in ("fixed", "poisson"):
            raise BadValue(f"unknown arrivals {self.arrivals!r}, allowed: fixed, poisson")
        whole(self.scan, "scan", 0)
        if self.cpus is not None:
            self._check_cpus()

    def _check_who(self) -> None:
        if self.does not in DOES:
            raise BadValue(f"unknown does {self.does!r}, allowed: {', '.join(DOES)}")
        if self.goroutines is None:
            whole(self.threads, "threads", 1, 1024)
            if self.procs is not None or self.does != "operations":
                raise BadValue(f"{'procs' if self.procs is not None else 'does'} is for goroutines, and the group has threads")
            return
        whole(self.goroutines, "goroutines", 1, _MOST_GOROUTINES[self.does == "operations"])
        if self.threads not in (0, 1):
            raise BadValue(f"a group has threads or goroutines, not both: {self.threads} threads, {self.goroutines} goroutines")
        if self.procs is not None:
            whole(self.procs, "procs", 1, 256)
        if self.cpus is not None:
            raise BadValue("goroutines cannot be pinned: they run on whichever thread has a P")
        if self.does != "operations" and (self.mix or self.rate is not None):
            raise BadValue(f"goroutines that do {self.does!r} do no operations: give no mix and no rate")
        if self.does == "ping-pong" and self.goroutines % 2:
            raise BadValue(f"ping-pong needs two by two: an even number of goroutines, not {self.goroutines}")
        if self.rate is not None and self.goroutines > _MOST_BLOCKED:
            raise BadValue(
                f"goroutines with a rate wait on threads of their own: at most {_MOST_BLOCKED:,}, not {self.goroutines:,}"
            )
        object.__setattr__(self, "threads", 0)

    def _check_cpus(self) -> None:
        cpus = tuple(whole(c, "cpus", 0, 1 << 20) for c in self.cpus or ())
        allowed = allowed_cpus()
        for c in cpus:
            if c not in allowed:
                raise BadValue(f"there is no CPU {c} for this process, allowed: {', '.join(map(str, allowed))}")
        if len(cpus) != self.threads:
            raise BadValue(f"{self.threads} threads need as many cpus: {len(cpus)} given")
        object.__setattr__(self, "cpus", cpus)

    @property
    def operations(self) -> frozenset[str]:
        """The kinds of operations that it may do."""
        if self.mix is not None:
            return frozenset(self.mix)
        assert isinstance(self.keys, Trace)
        codes = set(self.keys.data.ops.tolist())
        return frozenset(kind for kind, code in OPERATIONS.items() if code in codes)

    def to_dict(self) -> dict[str, Any]:
        keys = self.keys
        stream = keys.to_dict() if isinstance(keys, Trace) else {"kind": type(keys).__name__, **vars(keys)}
        return {
            "threads": self.threads,
            "mix": None if self.mix is None else dict(self.mix),
            "keys": stream,
            "rate": self.rate,
            "arrivals": self.arrivals,
            "cpus": None if self.cpus is None else list(self.cpus),
            "scan": self.scan,
            "goroutines": self.goroutines,
            "procs": self.procs,
            "does": self.does,
        }

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> Group:
        given = dict(d)
        if "keys" in given:
            given["keys"] = _keys_of(given["keys"])
        if given.get("cpus") is not None:
            given["cpus"] = tuple(given["cpus"])
        return cls(**given)


def _keys_of(d: Mapping[str, Any]) -> KeyStream | Trace:
    given = dict(d)
    kind = given.pop("kind", None)
    if kind == "Trace":
        if "source" not in given:
            raise BadValue("a trace that was given as data is not in the JSON")
        return Trace(**given)
    if kind not in keystreams.STREAMS:
        raise BadValue(f"unknown keys {kind!r}, allowed: {', '.join([*keystreams.STREAMS, 'Trace'])}")
    return keystreams.STREAMS[kind](**given)


@dataclass(frozen=True)
class Workload:
    """Groups of threads, or goroutines, on one map.

    variant: a name from `gomap.variants.VARIANTS`. groups: `Group`s. size: entries put into the map first (keys 0 to size-1,
    in an order shuffled by the seed). keyspace: streams draw from keys 0 to keyspace-1; None: size. ops: operations of all
    threads together, or duration_s; with traces and neither, each trace once. warmup: operations (with ops) or seconds (with
    duration_s) before measuring begins. seed: fixes every random choice; None: drawn. key: "int64", "int32", "uint32",
    "float64", "str" (16 bytes), "bytesN" (N from 3 to 128); None: the traces', or "int64". hint, hasher, layout: as for
    `Map`. knobs: settings of the classic map that real Go does not have, as for `Map`; for the variants plain, mutex, rwmutex
    and sharded. heap: the map lives on a `Heap` made with these arguments, such as {"gogc": 50, "assist": "off"};
    for the variant plain. What it did is in the result's counters["heap"] and gctrace. shards: of the variant sharded, a power
    of two; None: as `ShardedMap`'s "auto".
    sample: every how manieth operation is timed; 0: none, so that throughput is undisturbed. attribution: charge the time of
    timed operations to causes. slow_us: an operation that takes longer is looked at for preemption and page faults.
    slowest: how many of the slowest are kept. oversubscribe: allow more threads (and Ps) than CPUs. scheduler: settings of the
    goroutines' scheduler that are not Go's: `SCHEDULER_KNOBS`, slice_ms, sysmon_sleep_us and globq_len, as of `Scheduler`.

    A seed and a number of operations fix every request of every thread and goroutine, hence how many operations of each kind
    there are; with one of them, or goroutines on one P that is never preempted, also their order, the counters and the digest.

    `BadValue` tells in a sentence what does not fit.
    """

    variant: str = "plain"
    groups: tuple[Group, ...] = (Group(),)
    size: int = 0
    keyspace: int | None = None
    ops: int | None = None
    duration_s: float | None = None
    warmup: float = 0
    seed: int | None = None
    key: str | None = None
    hint: int = 0
    hasher: str = "aes"
    layout: str = "go"
    knobs: Mapping[str, Any] | None = None
    heap: Mapping[str, Any] | None = None
    shards: int | None = None
    sample: int = 1
    attribution: bool = True
    slow_us: float = 1.0
    slowest: int = 1000
    oversubscribe: bool = False
    scheduler: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        variant(self.variant)
        if not isinstance(self.groups, (tuple, list)) or not self.groups:
            raise BadValue(f"groups: at least one Group expected, not {self.groups!r:.60}")
        if not all(isinstance(g, Group) for g in self.groups):
            raise BadValue("groups: only Group objects expected")
        object.__setattr__(self, "groups", tuple(self.groups))
        whole(self.size, "size", 0)
        if self.keyspace is not None:
            whole(self.keyspace, "keyspace", 1)
        whole(self.hint, "hint", 0, 2**62)
        whole(self.sample, "sample", 0, 2**32 - 1)
        whole(self.slowest, "slowest", 0, 1_000_000)
        if _number(self.slow_us, "slow_us") < 0:
            raise BadValue(f"slow_us must not be negative: {self.slow_us:g}")
        if self.seed is not None and not 0 <= operator.index(self.seed) < 2**64:
            raise OutOfRange(f"seed must be from 0 to 2**64 - 1: {self.seed}")
        if self.hasher not in HASHERS:
            raise BadValue(f"unknown hasher {self.hasher!r}, allowed: {', '.join(HASHERS)}")
        if self.layout not in LAYOUTS:
            raise BadValue(f"unknown layout {self.layout!r}, allowed: {', '.join(LAYOUTS)}")
        self._check_knobs()
        self._check_heap()
        self._check_goroutines()
        self._check_shards()
        self._check_length()
        self._check_keys()
        self._check_threads()

    def _check_knobs(self) -> None:
        knobs = checked_knobs(self.knobs)
        if knobs and self.variant not in KNOB_VARIANTS:
            raise BadValue(f"{self.variant} has no knobs, these have: {', '.join(KNOB_VARIANTS)}")
        object.__setattr__(self, "knobs", MappingProxyType(knobs) if knobs else None)

    def _check_heap(self) -> None:
        heap = checked_heap(self.heap)
        if heap is not None and self.variant != "plain":
            raise BadValue(f"{self.variant} does not live on a heap, plain does")
        if heap is not None and self.procs:
            raise BadValue("a heap's caches are of threads: goroutines do not run on one")
        object.__setattr__(self, "heap", None if heap is None else MappingProxyType(heap))

    def _check_goroutines(self) -> None:
        if not any(g.operations for g in self.groups):
            raise BadValue("no group does operations: there is nothing to measure")
        asked = sorted({g.procs for g in self.groups if g.procs is not None})
        if len(asked) > 1:
            raise BadValue(f"all goroutines share one scheduler: procs cannot be {' and '.join(map(str, asked))}")
        if self.scheduler is None:
            return
        if not self.procs:
            raise BadValue("scheduler is for goroutines, and the workload has none")
        if not isinstance(self.scheduler, Mapping):
            raise BadValue(f"scheduler: settings by name expected, not {self.scheduler!r:.60}")
        self.core_scheduler()
        object.__setattr__(self, "scheduler", MappingProxyType(dict(self.scheduler)) if self.scheduler else None)

    @property
    def procs(self) -> int:
        """Ps of the goroutines' scheduler; 0 without goroutines."""
        if not any(g.goroutines for g in self.groups):
            return 0
        return next((g.procs for g in self.groups if g.procs is not None), len(allowed_cpus()))

    def core_scheduler(self) -> Any:
        """The core's configuration of the goroutines' scheduler, without a seed. `BadValue` for unknown settings."""
        from gomap.lab.scheduler import scheduler_config  # it needs the engine, which needs this file

        return scheduler_config(self.procs, dict(self.scheduler or {}))

    def scheduler_knobs(self) -> dict[str, Any]:
        """All named knobs with their settings, Go's where nothing else was asked for, and the numbers that were given."""
        from gomap.lab.scheduler import SCHEDULER_KNOBS

        return {name: knob.go for name, knob in SCHEDULER_KNOBS.items()} | dict(self.scheduler or {})

    def _check_shards(self) -> None:
        if self.shards is None:
            return
        if self.variant != "sharded":
            raise BadValue(f"{self.variant} has no shards, sharded has: {self.shards}")
        if whole(self.shards, "shards", 1, MOST_SHARDS).bit_count() != 1:
            raise BadValue(f"shards must be a power of two from 1 to {MOST_SHARDS:,}: {self.shards:,}")

    def _check_length(self) -> None:
        if self.ops is None and self.duration_s is None and all(g.mix is None for g in self.groups):
            total = sum(len(g.keys.data) for g in self.groups if isinstance(g.keys, Trace))
            object.__setattr__(self, "ops", total)
        if (self.ops is None) == (self.duration_s is None):
            raise BadValue("how long? Give either ops or duration_s")
        if self.ops is not None:
            whole(self.ops, "ops", 1)
            whole(self.warmup, "warmup (operations, as ops is given)", 0)
        elif not 0 < _number(self.duration_s, "duration_s") <= 1e6:
            raise BadValue(f"duration_s must be above 0 and at most 1e6: {self.duration_s}")
        elif not 0 <= _number(self.warmup, "warmup") <= 1e6:
            raise BadValue(f"warmup must be from 0 to 1e6 seconds: {self.warmup}")

    def _check_keys(self) -> None:
        kinds = {g.keys.data.key_kind for g in self.groups if isinstance(g.keys, Trace)}
        if len(kinds) > 1 or (kinds and self.key not in (None, *kinds)):
            raise BadValue(f"the keys of a trace are {' and '.join(sorted(kinds))}; key is {self.key or 'not given'}")
        key = self.key or (kinds.pop() if kinds else "int64")
        digits = key.removeprefix("bytes") if isinstance(key, str) else ""
        if key not in KEY_KINDS[:-1] and not (key != digits and digits.isdecimal() and 3 <= int(digits) <= 128):
            raise BadValue(f"key {key!r} is not for workloads, allowed: {', '.join(KEY_KINDS)} with N from 3 to 128")
        object.__setattr__(self, "key", key)
        most = _different_keys(key)
        if max(self.size, self.keyspace or 0) > most:
            raise BadValue(f"{key} has {most:,} different keys for a workload: size {self.size:,}, keyspace {self.keyspace}")
        for g in self.groups:
            needy = sorted(_NEEDS_KEYS & g.operations)
            if needy and isinstance(g.keys, KeyStream) and not (self.keyspace or self.size):
                raise BadValue(f"{needy[0]} needs keys to draw from: give size, or keyspace")

    def _check_threads(self) -> None:
        allowed = len(allowed_cpus())
        if self.threads > 1024:
            raise BadValue(f"at most 1,024 threads: {self.threads:,}")
        if self.threads > allowed and not self.oversubscribe:
            raise BadValue(
                f"{self.threads} threads on {allowed} CPUs would wait for each other: use {allowed}, or oversubscribe=True"
            )

    @property
    def threads(self) -> int:
        """How many may run at one time: the threads of all groups, and of goroutines one for each P."""
        return sum(g.threads for g in self.groups) + self.procs

    def with_(self, **changes: Any) -> Workload:
        """The same workload, but for some fields."""
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "groups"}
        for name in ("knobs", "heap", "scheduler"):
            own[name] = None if own[name] is None else dict(own[name])
        return {**own, "groups": [g.to_dict() for g in self.groups]}

    def to_json(self) -> str:
        """The workload as JSON. A trace given as a file is named, one given as data cannot be read back."""
        return json.dumps(self.to_dict(), indent=1)

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> Workload:
        try:
            return cls(**{**d, "groups": tuple(Group.from_dict(g) for g in d["groups"])})
        except (KeyError, TypeError, AttributeError) as e:
            raise BadValue(f"not a workload: {e}") from None

    @classmethod
    def from_json(cls, text: str) -> Workload:
        """What `to_json` wrote. `BadValue` for anything else."""
        try:
            found = json.loads(text)
        except json.JSONDecodeError as e:
            raise BadValue(f"not a workload: {e}") from None
        if not isinstance(found, dict):
            raise BadValue("not a workload: an object expected")
        return cls.from_dict(found)


offer(Group, "groups")
offer(Workload, "workloads")
