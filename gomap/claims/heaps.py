"""Scenes on the heap model for experiments: fresh heaps, tails by the collector's phase, and mark bits that may get lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from gomap.claims.context import Context
from gomap.lab.heap import Heap
from gomap.lab.heap_scene import HeapActor, HeapScene, HeapSceneResult, run_heap_scene
from gomap.lab.histogram import Histogram, TooFewSamples, samples_needed

__all__ = [
    "MARKBITS",
    "NO_MARKS",
    "READER",
    "Did",
    "Marks",
    "did_while_marking",
    "gathered_in_phase",
    "mark_all",
    "marked_until",
    "play",
    "total",
]

READER = HeapActor(does="gets", key="str", entries=100_000)
"""Reads a map of its own, that nobody writes to."""
MARKBITS = {
    "test, then atomic or": "test and or",
    "atomic or": "or",
    "plain or on a byte": "plain or",
    "plain load, modify, store": "load and store",
}
"""The settings of the claims on mark bits, and of the knob; Go's first, the atomic ones before the others."""
_MOST_RUNS = 16


def play(
    scene: HeapScene, *, gogc: int | None = 100, procs: int = 2, workers: int | None = None, **knobs: Any
) -> HeapSceneResult:
    """Plays a scene on a heap of its own, as on so many Ps. Ctrl-C ends the experiment: what is half measured is none."""
    r = run_heap_scene(Heap(gogc, procs=procs, workers=workers, **knobs), scene)
    if r.interrupted:
        raise KeyboardInterrupt
    return r


def gathered_in_phase(
    ctx: Context, run: Callable[[], HeapSceneResult], phase: str | None, percent: float, actor: int = 0
) -> Histogram:
    """Latencies of one actor's operations that began in one phase (None: in any), from as many runs as it takes to give that
    percentile. Raises `TooFewSamples` if 16 are not enough, or the time is over before."""
    found: list[Histogram] = []
    for _ in range(_MOST_RUNS):
        phases = run().actors[actor].phases
        found += [p.latency for name, p in phases.items() if p.latency and phase in (None, name)]
        if sum(h.count for h in found) >= samples_needed(percent):
            return Histogram.merged(found)
        if ctx.out_of_time:
            break
    raise TooFewSamples(percent, samples_needed(percent), sum(h.count for h in found))


class Did(NamedTuple):
    """What an actor did in one phase of the collector, summed over runs."""

    ops: int = 0
    entries: int = 0
    evacuated: int = 0


def did_while_marking(ctx: Context, run: Callable[[], HeapSceneResult], least: int) -> dict[str, Did]:
    """What the first actor did by phase, in as many runs as it takes until so many operations began while the collector marked;
    in 16, or until the time is over, if not even these are enough."""
    did: dict[str, Did] = {"off": Did(), "marking": Did(), "sweeping": Did()}
    for _ in range(_MOST_RUNS):
        for name, p in run().actors[0].phases.items():
            did[name] = Did(*map(sum, zip(did[name], (p.ops, p.entries, p.evacuated), strict=True)))
        if did["marking"].ops >= least or ctx.out_of_time:
            break
    return did


# ------------------------------------------------------------------ mark bits


class Marks(NamedTuple):
    """Of collections with two markers. marks: objects marked; lost: reachable ones whose bit was not there in the end;
    conflicts: times that another marker changed the byte between a look and a store, where that was counted."""

    marks: int
    lost: int
    conflicts: int

    def plus(self, more: Marks) -> Marks:
        """Both together."""
        return Marks(*map(sum, zip(self, more, strict=True)))

    @property
    def lost_percent(self) -> float:
        """Of the marks; and, where all objects are of one size, by how much the heap that is found alive is too small."""
        return 100 * self.lost / max(self.marks, 1)


NO_MARKS = Marks(0, 0, 0)


def mark_all(setting: str, size: int, spread: str, live: int, cycles: int) -> Marks:
    """Two threads mark `live` objects, so many times over; and what they lost is counted by marking once more, alone."""
    scene = HeapScene(live=live, live_size=size, spread=spread, collecting=True, cycles=cycles, duration_s=600)
    heap = Heap(None, procs=4, workers=2, markbits=setting, check="on", poison="off")
    r = run_heap_scene(heap, scene)
    if r.interrupted:
        raise KeyboardInterrupt
    return Marks(*(r.counts[name] for name in ("marked_objects", "lost_objects", "mark_conflicts")))


def marked_until(
    ctx: Context, settings: Sequence[str], layouts: Sequence[tuple[int, str]], marks: int, part: tuple[float, float]
) -> dict[tuple[str, int, str], Marks]:
    """Every setting of the knob with every layout (size of an object, spread over blocks), until each setting has made so many
    marks, or the time for it is over. part: which part of the experiment this is, for the progress line."""
    live = ctx.scale.pick(test=1 << 16, quick=1 << 17, full=1 << 19)
    cycles = max(1, ctx.scale.pick(test=1, quick=2, full=8))
    found: dict[tuple[str, int, str], Marks] = {(s, *at): NO_MARKS for s in settings for at in layouts}
    done = dict.fromkeys(settings, 0)
    while any(n < marks for n in done.values()) and not ctx.out_of_time:
        least = min(done.values()) / marks
        for setting in settings:
            for size, spread in layouts:
                ctx.say(f"mark bits by {setting}, {size}-byte objects, {spread}", part[0] + least * (part[1] - part[0]))
                one = mark_all(setting, size, spread, live, cycles)
                found[setting, size, spread] = found[setting, size, spread].plus(one)
                done[setting] += one.marks
    return found


def total(found: Mapping[tuple[str, int, str], Marks], settings: Sequence[str]) -> Marks:
    """Of all layouts of these settings."""
    whole = NO_MARKS
    for (setting, _, _), marks in found.items():
        if setting in settings:
            whole = whole.plus(marks)
    return whole
