"""`Heap`: Go's allocator and garbage collector as the memory of maps.

Source: malloc.go, mcache.go, mcentral.go, mheap.go, mgc.go, mgcmark.go and mwbbuf.go of Go 1.25's runtime; csrc/heap tells how
it works.

What is modelled is real: spans with bits, threads that mark beside the program, stopped worlds, barriers and assists. What it
counts and how long it takes is measured. Every knob has Go's setting beside others, so that a claim can be switched on.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any, NamedTuple

from gomap._core import ffi, lib
from gomap.errors import ARGUMENT, BadValue, WrongType, ensure

__all__ = ["HEAP_KNOBS", "Cycle", "Heap", "HeapKnob", "HeapStats"]


class HeapKnob(NamedTuple):
    """`choices`: Go's setting first, by the core's numbers; None: a number from `least` to `most`, Go's is `go`."""

    choices: tuple[str, ...] | None
    meaning: str
    go: int = 0
    least: int = 0
    most: int = 0


HEAP_KNOBS: dict[str, HeapKnob] = {
    "path": HeapKnob(
        ("go", "heap", "cache"),
        "alloc.path; heap: every small object takes the page heap's lock on its way; cache: large ones, too, are a P's cache's",
    ),
    "large_limit": HeapKnob(None, "alloc.large_limit: bytes; larger objects have pages of their own", 32768, 0, 32768),
    "mcache_flush": HeapKnob(("sweep", "mark"), "alloc.mcache_flush: each P when sweeping begins; all Ps when marking begins"),
    "read_span_lock": HeapKnob(("off", "on"), "alloc.read_span_lock: gets and sweeps take a lock of the span"),
    "sweep_budget": HeapKnob(None, "alloc.sweep_budget: spans swept in front of one allocation, at most", 100, 0, 2**32 - 1),
    "wb": HeapKnob(("marking", "always", "off"), "gc.wb: when stores of pointers are told"),
    "wbbuf_flush": HeapKnob(("own", "growwork", "hashgrow"), "gc.wbbuf_flush: own P when full; all Ps, stopped, in a growth"),
    "flush_lock": HeapKnob(("per P", "global"), "gc.flush_lock"),
    "assist": HeapKnob(("bytes", "stores", "off"), "gc.assist: by allocated bytes; at every k-th pointer store"),
    "assist_every": HeapKnob(None, "with assist=stores: k", 8, 1, 2**32 - 1),
    "assist_site": HeapKnob(("malloc", "barrier"), "gc.assist_site"),
    "markbits": HeapKnob(
        ("test and or", "or", "plain or", "load and store", "compare and swap"),
        "gc.markbits: plain or, and load and store, lose some; compare and swap counts how often two markers meet",
    ),
    "get_marks": HeapKnob(("off", "on"), "gc.get_marks: while marking a get marks what it finds"),
    "via_span": HeapKnob(("off", "on"), "get.via_span: every get looks its span up, through the P's cache or the page table"),
    "check": HeapKnob(("off", "on"), "all is marked once more, alone, to count what was lost; always where marking is unsound"),
    "lost": HeapKnob(
        ("keep", "free"), "what becomes of reachable objects whose mark was lost; free: for scenes without maps only"
    ),
    "poison": HeapKnob(("off", "on"), "freed objects are filled; always where marking is unsound"),
}
"""Every knob of the heap by its name; the name that a claim uses for it stands first in its meaning."""

_COUNTS = (
    "small_allocations",
    "large_allocations",
    "refills",
    "swept_in_refills",
    "swept_spans",
    "freed_objects",
    "freed_bytes",
    "zeroed_pieces",
    "marked_objects",
    "marked_already",
    "dangling_pointers",
    "lost_objects",
    "barrier_entries",
    "barrier_flushes",
    "flush_lock_waits",
    "all_p_flushes",
    "assists_in_malloc",
    "assists_in_barrier",
    "assist_bytes",
    "assist_stolen_bytes",
    "assist_ns",
    "get_marks",
    "get_locks",
    "get_lock_waits",
    "get_spans",
    "get_span_hits",
    "mark_conflicts",
    "large_from_cache",
)


class HeapStats(NamedTuple):
    """Numbers of a heap since it was made; bytes and nanoseconds. They may be read while others use it.

    `live`: allocated since the last collection, and what that found; `goal` (None: none), `trigger`: of the next collection.
    `in_use`, `mapped`: pages. `dedicated_ns`, `fractional_ns`, `idle_ns`: the workers' time. `Ps`: threads inside at once, at
    most. `counts`: by name, such as refills, swept_in_refills, barrier_entries, assists_in_malloc, lost_objects (reachable and
    not marked), dangling_pointers (to freed objects, met by marking).
    """

    cycles: int
    live: int
    goal: int | None
    trigger: int | None
    in_use: int
    mapped: int
    stopped_ns: int
    longest_stop_ns: int
    mark_ns: int
    dedicated_ns: int
    fractional_ns: int
    idle_ns: int
    Ps: int
    counts: dict[str, int]


class Cycle(NamedTuple):
    """One collection. Times in nanoseconds: the two stops and marking between them (wall), assists and workers (CPU).
    Sizes in bytes: live when marking began and ended, what was found, the goal (None: none)."""

    n: int
    began_ns: int
    stop1_ns: int
    mark_ns: int
    stop2_ns: int
    assist_ns: int
    dedicated_ns: int
    fractional_ns: int
    idle_ns: int
    live_begin: int
    live_end: int
    marked: int
    goal: int | None
    procs: int

    def gctrace(self) -> str:
        """The cycle in the form of a line of GODEBUG=gctrace=1: clock and CPU milliseconds, sizes in MB."""
        clock = "+".join(f"{ns / 1e6:.2g}" for ns in (self.stop1_ns, self.mark_ns, self.stop2_ns))
        background = self.dedicated_ns + self.fractional_ns
        marking = "/".join(f"{ns / 1e6:.2g}" for ns in (self.assist_ns, background, self.idle_ns))
        cpu = f"{self.stop1_ns / 1e6:.2g}+{marking}+{self.stop2_ns / 1e6:.2g}"
        sizes = "->".join(str(size >> 20) for size in (self.live_begin, self.live_end, self.marked))
        goal = "off" if self.goal is None else f"{self.goal >> 20} MB"
        return f"gc {self.n}: {clock} ms clock, {cpu} ms cpu, {sizes} MB, {goal} goal, {self.procs} P"


def _whole(name: str, value: Any, least: int, most: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise WrongType(f"{name}: a whole number expected, not {value!r:.60}") from None
    if not least <= number <= most:
        raise BadValue(f"{name} must be from {least} to {most}: {number}")
    return number


def _knob(name: str, value: Any) -> int:
    knob = HEAP_KNOBS.get(name)
    if knob is None:
        raise BadValue(f"unknown knob {name!r}, allowed: {', '.join(HEAP_KNOBS)}")
    if knob.choices is None:
        return _whole(f"knob {name}", value, knob.least, knob.most)
    if not isinstance(value, str) or value not in knob.choices:
        raise BadValue(f"knob {name}: {value!r} is not allowed, allowed: {', '.join(knob.choices)}")
    return knob.choices.index(value)


def _goal(size: int) -> int | None:
    return None if size == 2**64 - 1 else size


def _core_config(gogc: Any, limit: Any, procs: Any, workers: Any, knobs: Mapping[str, Any]) -> Any:
    config = ffi.new("gm_heap_config *")
    lib.gm_heap_config_go(config)
    config.gogc = -1 if gogc is None else _whole("gogc", gogc, 0, 2**31 - 1)
    config.limit = 0 if limit is None else _whole("limit", limit, 1, 2**63 - 1)
    if procs is not None:
        config.procs = _whole("procs", procs, 1, 256)
    config.workers = -1 if workers is None else _whole("workers", workers, 0, 256)
    for name, value in knobs.items():
        setattr(config, name, _knob(name, value))
    return config


def checked_heap(given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Arguments of a `Heap` that is made later; `BadValue` or `WrongType` if it would refuse them."""
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise WrongType(f"heap: the arguments of a Heap by name expected, not {given!r:.60}")
    knobs = dict(given)
    gogc = knobs.pop("gogc", 100)
    _core_config(gogc, knobs.pop("limit", None), knobs.pop("procs", None), knobs.pop("workers", None), knobs)
    return dict(given)


class Heap:
    """A heap as Go's, for maps made with `Map(heap=heap)`.

    gogc: how much may be allocated until the next collection, in percent of what the last one found; None: collections on
    request only, and near the limit. limit: bytes of pages in use, at most; a map that gets no more after a collection raises
    `OutOfMemory` and holds what it held. procs: Ps, of which a quarter marks; None: the CPUs. workers: threads that only mark;
    None: as Go divides the quarter (2 Ps: none, but one that marks half of the time). knobs: see `HEAP_KNOBS`.

    Any number of threads may use the maps of one heap. Errors: `BadValue`, `WrongType`, `OutOfMemory`.
    """

    __slots__ = ("_handle", "_knobs", "_procs")

    def __init__(
        self,
        gogc: int | None = 100,
        limit: int | None = None,
        *,
        procs: int | None = None,
        workers: int | None = None,
        **knobs: Any,
    ) -> None:
        config = _core_config(gogc, limit, procs, workers, knobs)
        handle = ffi.new("gm_heap **")
        ensure(lib.gm_heap_new(config, handle))
        self._procs, self._knobs = int(config.procs), dict(knobs)
        self._handle = ffi.gc(handle[0], lib.gm_heap_free)

    @property
    def knobs(self) -> Mapping[str, Any]:
        """The knobs that were given."""
        return dict(self._knobs)

    @property
    def collector(self) -> Any:
        """What a map's configuration takes."""
        return lib.gm_heap_collector(self._handle)

    def collect(self) -> None:
        """A whole collection that begins now, sweeping included, as runtime.GC(). O(heap); others go on meanwhile."""
        lib.gm_heap_collect(self._handle)

    def stats(self) -> HeapStats:
        """What has happened so far. O(threads); may overlap anything."""
        s = ffi.new("gm_heap_stats *")
        lib.gm_heap_read_stats(self._handle, s)
        counts = dict(zip(_COUNTS, (int(n) for n in s.counts), strict=True))
        dedicated, fractional, idle = s.worker_ns
        return HeapStats(
            cycles=s.cycles,
            live=s.live,
            goal=_goal(s.goal),
            trigger=_goal(s.trigger),
            in_use=s.in_use,
            mapped=s.mapped,
            stopped_ns=s.stopped_ns,
            longest_stop_ns=s.longest_stop_ns,
            mark_ns=s.mark_ns,
            dedicated_ns=dedicated,
            fractional_ns=fractional,
            idle_ns=idle,
            Ps=s.ps,
            counts=counts,
        )

    def cycles(self) -> list[Cycle]:
        """The last collections, up to 64, oldest first."""
        room = ffi.new("gm_heap_cycle[]", 64)
        return [self._cycle(room[i]) for i in range(lib.gm_heap_cycles(self._handle, room, 64))]

    def _cycle(self, c: Any) -> Cycle:
        dedicated, fractional, idle = c.worker_ns
        return Cycle(
            n=c.n,
            began_ns=c.began_ns,
            stop1_ns=c.stop1_ns,
            mark_ns=c.mark_ns,
            stop2_ns=c.stop2_ns,
            assist_ns=c.assist_ns,
            dedicated_ns=dedicated,
            fractional_ns=fractional,
            idle_ns=idle,
            live_begin=c.live_begin,
            live_end=c.live_end,
            marked=c.marked,
            goal=_goal(c.goal),
            procs=self._procs,
        )

    def time_allocations(self, size: int, n: int, live: int) -> tuple[float, float]:
        """Nanoseconds for each of n zeroed objects of `size` bytes, the last `live` of which are held: of this heap, and of
        the C library's calloc and free. O(n), in C."""
        heap_ns, libc_ns = ffi.new("uint64_t *"), ffi.new("uint64_t *")
        status = lib.gm_heap_time(self._handle, size, n, live, heap_ns, libc_ns)
        if status == ARGUMENT:
            raise BadValue(f"size and live must be positive: {size}, {live}")
        ensure(status)
        return heap_ns[0] / n, libc_ns[0] / n
