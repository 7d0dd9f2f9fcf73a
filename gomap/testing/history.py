"""Histories: what many threads did to a few keys of one map, each call with its answer and the times around it.

Recorded by native threads in one call into the core (csrc/lab/history.c); by Python threads on a map of anybody's
(gomap/testing/threads.py); or made by hand from `Operation`s. `check_linearizable` says whether a history can be put in order.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gomap._core import ffi, lib
from gomap._hypothesis import offer
from gomap.concurrent import _ConcurrentMap
from gomap.errors import ARGUMENT, MISS, NOMEM, OK, THREAD, BadValue, OutOfMemory, raise_status
from gomap.lab.calls import EngineError
from gomap.lab.engine import _make_map, _parts
from gomap.lab.keystreams import KeyStream
from gomap.lab.workload import Group, Workload
from gomap.map import Map
from gomap.testing.threads import SWITCH_S, Method, Recorder, as_events, draw_kinds, methods_of, together
from gomap.variants import VARIANTS

__all__ = ["EVENT", "KINDS", "MIX", "History", "Operation", "record_history"]

KINDS = {
    "load": lib.GM_HISTORY_LOAD,
    "store": lib.GM_HISTORY_STORE,
    "delete": lib.GM_HISTORY_DELETE,
    "load_or_store": lib.GM_HISTORY_LOAD_OR_STORE,
    "compare_and_swap": lib.GM_HISTORY_COMPARE_AND_SWAP,
    "compare_and_delete": lib.GM_HISTORY_COMPARE_AND_DELETE,
    "add": lib.GM_HISTORY_ADD,
}
"""What an operation of a history is called, and its code in the core."""

MIX: Mapping[str, float] = {"get": 35, "assign": 20, "delete": 25, "load_or_store": 20}
"""A mix for a group of a recorded workload: beside the comparisons, every operation that keeps values unique."""

_COMPARE = 30.0
_OF_MIX = {"get": "load", "assign": "store", "delete": "delete", "load_or_store": "load_or_store", "add": "add"}
_KIND_OF = {code: kind for kind, code in KINDS.items()}

EVENT = np.dtype(
    [
        ("start", np.uint64),
        ("end", np.uint64),
        ("key", np.int64),
        ("value", np.int64),
        ("expected", np.int64),
        ("answer", np.int64),
        ("thread", np.uint32),
        ("op", np.uint8),
        ("status", np.int8),
        ("untold", np.uint16),
    ]
)
"""One call as the core writes it down (gm_history_event in csrc/gomap.h)."""


VALUE_BITS = 40


def shown(value: int | None) -> str:
    """A recorded value is a thread's number and a counter (R1 in csrc/lab/history.c)."""
    if value is None:
        return "nothing"
    thread, count = value >> VALUE_BITS, value & (1 << VALUE_BITS) - 1
    return f"t{thread - 1}.{count}" if 0 < thread <= 1025 else str(value)


class Operation(NamedTuple):
    """One call: `kind` (see `KINDS`) on `key`, between two stamps. `found`: whether the key was there (of a comparison: whether
    it was done). `value`: stored or added; `expected`: compared with; `answer`: what was there (load_or_store: what is there
    now, add: the sum), if anything. `untold`: a store or an add whose caller was not told what was there, a delete that was not
    told which."""

    kind: str
    key: int
    start: int
    end: int
    found: bool
    value: int = 0
    expected: int = 0
    answer: int = 0
    thread: int = 0
    untold: bool = False

    @property
    def sentence(self) -> str:
        was = shown(self.answer) if self.found else "nothing"
        if self.kind == "load":
            return f"load -> {was}"
        if self.kind == "delete":
            return f"delete -> {'something' if self.untold and self.found else was}"
        if self.kind == "store":
            return f"store {shown(self.value)}" + ("" if self.untold else f" -> {was} before")
        if self.kind == "load_or_store":
            return f"load_or_store {shown(self.value)} -> {'loaded ' + was if self.found else 'stored'}"
        if self.kind == "add":
            before = "" if self.untold else f", {'there' if self.found else 'nothing'} before"
            return f"add {shown(self.value)} -> {shown(self.answer)}{before}"
        to = f" to {shown(self.value)}" if self.kind == "compare_and_swap" else ""
        return f"{self.kind} {shown(self.expected)}{to} -> {'done' if self.found else 'not done'}"


offer(Operation, "history_operations")


def _event_of(o: Operation) -> tuple[int, ...]:
    if o.kind not in KINDS:
        raise BadValue(f"unknown operation {o.kind!r}, allowed: {', '.join(KINDS)}")
    status = OK if o.found else MISS
    return (o.start, o.end, o.key, o.value, o.expected, o.answer, o.thread, KINDS[o.kind], status, o.untold)


def _operation_of(e: Any) -> Operation:
    return Operation(
        kind=_KIND_OF[int(e["op"])],
        key=int(e["key"]),
        start=int(e["start"]),
        end=int(e["end"]),
        found=int(e["status"]) == OK,
        value=int(e["value"]),
        expected=int(e["expected"]),
        answer=int(e["answer"]),
        thread=int(e["thread"]),
        untold=bool(e["untold"]),
    )


@dataclass(frozen=True)
class History:
    """Calls with their answers and the times around them.

    events: an array of `EVENT`, thread by thread. clock: "cpu", "os" (stamps are its ticks), "counter" (drawn from one counter
    shared by all), or "given". ns_per_stamp: 0 if stamps are no times. counters: of the map meanwhile: `growths`, `shrinks`,
    `evacuated`, `promotions`, and `waves` of ballast. variant, seed: of the recorded workload.
    """

    events: npt.NDArray[Any]
    clock: str = "given"
    ns_per_stamp: float = 0.0
    variant: str | None = None
    seed: int | None = None
    counters: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.events)

    @property
    def threads(self) -> tuple[int, ...]:
        """The numbers of the threads in it; a recorded one has one more than its workload if that begins with stored keys."""
        return tuple(np.unique(self.events["thread"]).tolist())

    @property
    def keys(self) -> tuple[int, ...]:
        return tuple(np.unique(self.events["key"]).tolist())

    def counts(self) -> dict[str, tuple[int, int]]:
        """By kind: calls, and those that found their key (of comparisons: that were done)."""
        ops, found = self.events["op"], self.events["status"] == OK
        present = {kind: ops == code for kind, code in KINDS.items()}
        return {kind: (int(of.sum()), int((of & found).sum())) for kind, of in present.items() if of.any()}

    def operation(self, i: int) -> Operation:
        return _operation_of(self.events[i])

    @classmethod
    def of(cls, operations: Iterable[Operation]) -> History:
        """A history made by hand. `BadValue`: an operation that there is not."""
        return cls(np.array([_event_of(o) for o in operations], dtype=EVENT))

    def save(self, path: str | Path) -> None:
        """Writes it as an .npz file."""
        about = {name: getattr(self, name) for name in ("clock", "ns_per_stamp", "variant", "seed")}
        text = json.dumps({**about, "counters": dict(self.counters)})
        np.savez_compressed(path, events=self.events, about=np.array(text))

    @classmethod
    def load(cls, path: str | Path) -> History:
        """Reads what `save` wrote; `BadValue` for anything else."""
        try:
            with np.load(path) as found:
                events, about = found["events"], json.loads(str(found["about"]))
            if events.dtype != EVENT:
                raise ValueError("its events have other fields")
            return cls(events, **about)
        except (ValueError, KeyError, TypeError, EOFError) as e:
            raise BadValue(f"{path}: not a history: {e}") from None


# ------------------------------------------------------------------ recording


def _checked_core(w: Workload, ballast: int, waves: int, stamps: str) -> None:
    if VARIANTS[w.variant].cls is Map:
        raise BadValue(f"{w.variant} is not for many threads: its calls may not overlap")
    if ballast < 0 or waves < 0:
        raise BadValue(f"ballast and waves must not be negative: {ballast}, {waves}")
    if stamps not in ("clock", "counter"):
        raise BadValue(f"unknown stamps {stamps!r}, allowed: clock, counter")


def _checked(w: Workload, compare: float) -> None:
    if w.ops is None or w.warmup:
        raise BadValue("a history is recorded for a number of operations: give ops, and no warmup")
    if not 0 <= compare <= 100:
        raise BadValue(f"compare is a percentage: {compare}")
    if not 1 <= (w.keyspace or w.size) <= 65536 or w.size > (w.keyspace or w.size):
        raise BadValue(f"a history has 1 to 65,536 keys, of which size are stored first: {w.keyspace or w.size:,}")
    for g in w.groups:
        others = sorted(set(g.mix or ()) - set(_OF_MIX))
        if g.mix is None or others or not isinstance(g.keys, KeyStream):
            kinds = f"not {others[0]}" if others else "not a trace"
            raise BadValue(f"histories are of {', '.join(_OF_MIX)} on keys of a stream, {kinds}")
        if g.goroutines is not None:
            raise BadValue("histories are recorded by threads, not by goroutines")
        if g.rate is not None or g.cpus is not None:
            raise BadValue("histories are recorded as fast as possible and by threads that are not pinned: no rate, no cpus")


def _percent(g: Group, compare: float) -> dict[str, float]:
    """Of each kind in KINDS."""
    mix = {_OF_MIX[kind]: percent * (100 - compare) / 100 for kind, percent in (g.mix or {}).items()}
    return mix | {"compare_and_swap": compare * 2 / 3, "compare_and_delete": compare / 3} if compare else mix


def _fill_lane(lane: Any, g: Group, compare: float) -> None:
    for kind, percent in _percent(g, compare).items():
        lane.mix[KINDS[kind]] = percent
    assert isinstance(g.keys, KeyStream)
    g.keys._fill(lane.keys)


def _map_for(m: Any, w: Workload, seed: int) -> Any:
    if m is None:
        return _make_map(w, seed, None)
    if m._elem.name != "int64" or m._key.name != w.key:
        raise BadValue(f"a concurrent map of {w.key} to int64 expected, not {m!r:.60}")
    return m


def _growths(m: Any) -> int:
    """Of a design made of classic maps: those whose events it has kept."""
    parts = _parts(m)
    return sum(e.kind == "grow_start" for part in parts for e in part.events()) if parts else int(m.stats().growths)


def _seen(m: Any) -> dict[str, int]:
    stats = m.stats()
    return {"growths": _growths(m), **{name: getattr(stats, name) for name in ("shrinks", "evacuated", "promotions")}}


def _of_threads(w: Workload) -> list[tuple[Group, int]]:
    """Each thread's group, and its share of the operations."""
    lanes = [g for g in w.groups for _ in range(g.threads)]
    assert w.ops is not None
    return [(g, w.ops // len(lanes) + (i < w.ops % len(lanes))) for i, g in enumerate(lanes)]


_KEYS: dict[str, Callable[[int], Any]] = {"int64": int, "str": "{:016x}".format}


def _record_object(
    obj: Any, w: Workload, compare: float | None, calls: Mapping[str, Method] | None, seed: int, interval_s: float
) -> History:
    if isinstance(obj, Map):
        raise BadValue(f"a concurrent map of {w.key} to int64 expected, not {obj!r:.60}: calls of a plain one may not overlap")
    if w.key not in _KEYS:
        raise BadValue(f"the keys of an object are {' or '.join(_KEYS)}, not {w.key}")
    methods = methods_of(obj, calls)
    if compare is None:
        compare = _COMPARE if {"compare_and_swap", "compare_and_delete"} <= set(methods) else 0
    _checked(w, compare)
    lanes = _of_threads(w)
    missing = sorted({kind for g, _ in lanes for kind in _percent(g, compare)} - set(methods))
    if missing or "delete" not in methods or "store" not in methods:
        raise BadValue(f"{type(obj).__name__} has no way to {missing[0] if missing else 'store and delete'}: give one in calls")
    made = [Recorder(obj, methods, KINDS, _KEYS[w.key], i) for i in range(len(lanes) + 1)]
    for key in range(w.keyspace or w.size):
        methods["delete"](obj, _KEYS[w.key](key))
    for key in range(w.size):
        made[-1].operate("store", key)

    def body(i: int) -> Callable[[Callable[[], None]], None]:
        g, n = lanes[i]
        assert isinstance(g.keys, KeyStream)
        keys = g.keys.draw(n, w.keyspace or w.size, (seed + 2 * i) % 2**64).tolist()
        kinds = draw_kinds(_percent(g, compare), n, seed + 2 * i + 1)
        return lambda go_on: made[i].run(kinds, keys, go_on)

    together([body(i) for i in range(len(lanes))], interval_s)
    return History(as_events([made[-1], *made[:-1]], EVENT), "os", 1.0, None, seed)


def record_history(
    map: Any,
    workload: Workload,
    *,
    compare: float | None = None,
    ballast: int = 3200,
    waves: int = 10,
    stamps: str = "clock",
    calls: Mapping[str, Method] | None = None,
    switch_interval_s: float = SWITCH_S,
) -> History:
    """Lets threads do a workload's operations on one map, and records all of them.

    map: a concurrent map of the workload's keys to int64, or None for a new one of the workload's variant: native threads. Or
    any other object: Python threads. The keys 0 to keyspace - 1 are deleted first, then 0 to size - 1 stored (recorded, too).
    workload: what counts of it are variant (without a map), groups (threads, keys, mix of get, assign, delete, load_or_store
    and add), size, keyspace (1 to 65,536 keys), ops, key (of an object: int64, str), hint, hasher and seed.
    compare: percent of the operations that are comparisons instead: two in three compare_and_swap, one compare_and_delete.
    None: 30; of an object that cannot do them, 0.

    Of maps of gomap: ballast: so many other keys are stored and deleted meanwhile by one more thread, so that the map changes
    its shape; at least `waves` times, spread over the whole. A classic map does not shrink: it only grows, later to the same
    size. stamps: "clock" rests on the CPU's cores agreeing on the time; "counter" on nothing, but slows the threads down.
    O(operations), 56 bytes each. One call into C with the GIL released, which Ctrl-C does not end.

    Of other objects: calls: how to do operations that the object has no usual method for, or has a better one for (see
    gomap/testing/threads.py). Usual are get or [], []=, pop or del, setdefault. switch_interval_s: how often the interpreter
    changes from one thread to another. About 2 microseconds of Python beside each call.

    Raises `BadValue`, `OutOfMemory`, `EngineError` (no thread), and what the object raises.
    """
    w = workload
    seed = secrets.randbits(64) if w.seed is None else w.seed
    if map is not None and not isinstance(map, _ConcurrentMap):
        return _record_object(map, w, compare, calls, seed, switch_interval_s)
    compare = _COMPARE if compare is None else compare
    _checked_core(w, ballast, waves, stamps)
    _checked(w, compare)
    if calls:
        raise BadValue("maps of gomap are called by native threads: no calls")
    m = _map_for(map, w, seed)
    assert w.ops is not None
    lanes = _of_threads(w)
    c, kept = ffi.new("gm_history_config *"), ffi.new("gm_history_lane[]", len(lanes))
    for i, (g, ops) in enumerate(lanes):
        kept[i].ops = ops
        _fill_lane(kept[i], g, compare)
    c.lanes, c.threads = kept, len(lanes)
    c.variant, c.target = m._core_id, lib.gm_cmap_target(m._handle)
    c.key_kind, c.key_size = m._key.c_kind, m._key.c_size
    c.size, c.keyspace, c.seed = w.size, w.keyspace or w.size, seed
    c.ballast, c.waves, c.counter = ballast, waves if ballast else 0, stamps == "counter"
    events, totals = np.zeros(w.size + w.ops, EVENT), ffi.new("gm_history_totals *")
    before = _seen(m)
    status = int(lib.gm_history_record(c, ffi.from_buffer("gm_history_event[]", events, require_writable=True), totals))
    if status == THREAD:
        raise EngineError(f"the system gives no more threads ({len(lanes)} were asked for); nothing was recorded")
    if status == NOMEM:
        raise OutOfMemory("no memory for this history; nothing was recorded")
    if status == ARGUMENT:
        raise BadValue("the core refused the workload")
    if status < 0:
        raise_status(status)
    counters = {name: n - before[name] for name, n in _seen(m).items()} | {"waves": int(totals.waves)}
    clock = "counter" if stamps == "counter" else "cpu" if totals.hardware else "os"
    return History(events, clock, float(totals.ns_per_stamp), w.variant if map is None else None, seed, counters)
