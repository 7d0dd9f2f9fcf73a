"""Scenes on a heap: threads with a map each beside collections, every operation timed and counted by the collector's phase.

Source: csrc/lab/heap_scene.c. A scene is one call into the core with the GIL released.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gomap._core import ffi, lib
from gomap.lab.calls import core_choice, core_whole, ensure_call, long_call, nanoseconds
from gomap.lab.heap import Heap
from gomap.lab.histogram import Histogram

__all__ = ["ActorResult", "HeapActor", "HeapScene", "HeapSceneResult", "PhasePart", "run_heap_scene"]

_DOES = {"gets": 0, "updates": 1, "inserts": 2, "allocates": 3, "flushes": 4}
_KEYS = {"int64": 0, "str": 1}
_ELEMS = {"int64": 0, "ready": 1, "new": 2}
_SPREADS = {"stripes": 0, "runs": 1, "random": 2}
_SLOW = ("assist", "refill", "sweep", "large object", "barrier flush", "stopped")
_PHASES = ("off", "marking", "sweeping")


@dataclass(frozen=True, kw_only=True)
class HeapActor:
    """One thread, and what it does over and over.

    does: "gets" of keys that are there; "updates", assigns to keys that are there; "inserts" of new keys, when all `entries`
    are in again from the first, into a new map; "allocates" objects of `size` bytes without pointers, let go of at once;
    "flushes", while the collector marks: its P's barrier buffer with `size` entries (even, up to 510).
    key: "int64" or "str". elem: "int64"; "ready", a pointer to an object of the scene's that lives; "new", a pointer to a new
    object with every assign. entries: of the map, which is the actor's own. presized: inserts go into a map made for them.
    shares: gets in the map of the first actor, which has to be one of gets with the same keys and elems.
    moves: with another P after each operation, where one is idle. ops: how many; None: until the scene is over.
    """

    does: str = "gets"
    key: str = "int64"
    elem: str = "int64"
    entries: int = 1000
    presized: bool = False
    shares: bool = False
    moves: bool = False
    size: int = 64
    ops: int | None = None


@dataclass(frozen=True, kw_only=True)
class HeapScene:
    """Actors beside each other and beside collections.

    duration_s: at most; it is over before when all actors with `ops` are done, or `cycles` collections. collecting: collections
    back to back; otherwise when the heap's pacer says so. live: objects of `live_size` bytes without pointers that live all the
    while, and which give the collector something to mark: 4,096 to a block of pointers. spread: which of them lie in one block:
    "stripes", so that two that mark two blocks go through the same bytes of mark bits; "runs", side by side; "random".
    slow_us: longer operations are told apart by what happened in them.
    """

    actors: tuple[HeapActor, ...] = ()
    duration_s: float = 1.0
    collecting: bool = False
    cycles: int = 0
    live: int = 0
    live_size: int = 16
    spread: str = "stripes"
    slow_us: float = 100.0


@dataclass(frozen=True)
class PhasePart:
    """What an actor did in operations that began in one phase of the collector. ns: together. entries: pointers told to the
    write barrier. assists: counted, not timed. evacuated: buckets. latency: of each; None where there was none."""

    ops: int
    ns: int
    entries: int
    assists: int
    evacuated: int
    latency: Histogram | None


@dataclass(frozen=True)
class ActorResult:
    """phases: "off", "marking", "sweeping". wrong: gets that did not find what was assigned. rounds: maps filled. moved: to
    another P. slow: operations over the scene's `slow_us`; slow_by: in how many of them something happened, by name, of which
    several may be in one ("nothing" for those with none). cpu_ns: of the thread."""

    phases: dict[str, PhasePart]
    wrong: int
    rounds: int
    moved: int
    slow: int
    slow_by: dict[str, int]
    cpu_ns: int

    @property
    def ops(self) -> int:
        """In all phases."""
        return sum(p.ops for p in self.phases.values())

    @property
    def ns(self) -> int:
        """Of all operations."""
        return sum(p.ns for p in self.phases.values())

    @property
    def entries(self) -> int:
        """Told to the barrier in all phases."""
        return sum(p.entries for p in self.phases.values())

    @property
    def assists(self) -> int:
        """In all phases."""
        return sum(p.assists for p in self.phases.values())

    @property
    def latency(self) -> Histogram:
        """Of all operations."""
        return Histogram.merged([p.latency for p in self.phases.values() if p.latency])


@dataclass(frozen=True)
class HeapSceneResult:
    """elapsed_s: until all had ended. actors: in the scene's order. counts: what the heap counted meanwhile, as in
    `HeapStats.counts`; cycles, mark_ns, stopped_ns, longest_stop_ns: its collections, the longest since the heap was made.
    interrupted: ended by Ctrl-C."""

    elapsed_s: float
    actors: tuple[ActorResult, ...]
    counts: dict[str, int]
    cycles: int
    mark_ns: int
    stopped_ns: int
    longest_stop_ns: int
    interrupted: bool


def run_heap_scene(heap: Heap, scene: HeapScene) -> HeapSceneResult:
    """Plays a scene on a heap. Ctrl-C ends it early, and what was measured until then is returned.

    Raises `BadValue`; `OutOfMemory` where the heap is full; `EngineError` if the system refuses a thread.
    """
    core, keep = _core_scene(scene)
    out = ffi.new("gm_heap_stage **")
    _raise(int(lib.gm_heap_stage_new(heap._handle, core, out)))
    stage = ffi.gc(out[0], lib.gm_heap_stage_free)
    before = heap.stats()
    status, asked = long_call("gomap-heap-scene", lib.gm_heap_stage_go, lib.gm_heap_stage_cancel, stage, (heap, keep))
    _raise(status)
    after = heap.stats()
    try:
        return HeapSceneResult(
            elapsed_s=lib.gm_heap_stage_elapsed_ns(stage) / 1e9,
            actors=tuple(_actor_result(stage, i) for i in range(len(scene.actors))),
            counts={name: n - before.counts[name] for name, n in after.counts.items()},
            cycles=after.cycles - before.cycles,
            mark_ns=after.mark_ns - before.mark_ns,
            stopped_ns=after.stopped_ns - before.stopped_ns,
            longest_stop_ns=after.longest_stop_ns,
            interrupted=asked,
        )
    finally:
        ffi.release(stage)  # its maps leave the heap now, and not when the garbage collector comes by


def _core_scene(scene: HeapScene) -> tuple[Any, list[Any]]:
    """The core's scene, and what it points to."""
    core, actors = ffi.new("gm_heap_scene *"), ffi.new("gm_actor[]", max(len(scene.actors), 1))
    for i, a in enumerate(scene.actors):
        _fill_actor(actors[i], a)
    core.actors, core.nactors = actors, len(scene.actors)
    core.collecting = bool(scene.collecting)
    core.cycles = core_whole("cycles", scene.cycles)
    core.live = core_whole("live", scene.live)
    core.live_size = core_whole("live_size", scene.live_size, 1, 32768)
    core.spread = core_choice("spread", scene.spread, _SPREADS)
    core.duration_ns = nanoseconds("duration_s", scene.duration_s, 1e9)
    core.slow_ns = nanoseconds("slow_us", scene.slow_us, 1e3)
    return core, [actors]


def _fill_actor(core: Any, a: HeapActor) -> None:
    core.kind = core_choice("does", a.does, _DOES)
    core.strings = core_choice("key", a.key, _KEYS)
    core.elem = core_choice("elem", a.elem, _ELEMS)
    core.entries = core_whole("entries", a.entries, 1)
    core.size = core_whole("size", a.size, 1, 2**30)
    core.ops = 0 if a.ops is None else core_whole("ops", a.ops, 1)
    core.presized, core.shares, core.moves = bool(a.presized), bool(a.shares), bool(a.moves)


def _raise(status: int) -> None:
    ensure_call(
        status,
        memory="the heap of this scene is full, or there is no memory for it",
        refused="the core refused the scene: up to 64 actors; ready pointers and flushes need live objects, flushes an even "
        "size up to 510; cycles need collecting; and there are no maps in a heap that frees what was lost",
    )


def _actor_result(stage: Any, i: int) -> ActorResult:
    did = ffi.new("gm_actor_totals *")
    lib.gm_heap_stage_totals(stage, i, did)
    by = dict(zip(_SLOW, (int(n) for n in did.slow_by), strict=True))
    return ActorResult(
        phases={name: _part(stage, i, phase, did.parts[phase]) for phase, name in enumerate(_PHASES)},
        wrong=int(did.wrong),
        rounds=int(did.rounds),
        moved=int(did.moved),
        slow=int(did.slow),
        slow_by={**by, "nothing": int(did.slow_none)},
        cpu_ns=int(did.cpu_ns),
    )


def _part(stage: Any, i: int, phase: int, core: Any) -> PhasePart:
    h = lib.gm_heap_stage_hist(stage, i, phase)
    return PhasePart(
        ops=int(core.ops),
        ns=int(core.ns),
        entries=int(core.entries),
        assists=int(core.assists),
        evacuated=int(core.evacuated),
        latency=Histogram.from_core(h) if core.ops else None,
    )
