"""Goroutines on real threads: Go's scheduler, with settings that are Go's or the article's, and scenes to try them on.

Source: csrc/sched, which mirrors runtime/proc.go of Go 1.25, and csrc/lab/scene.c. A scene is one call into the core with the
GIL released; no goroutine ever calls into Python.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gomap._core import ffi, lib
from gomap.errors import DEADLOCK, BadValue, GomapError, ensure
from gomap.lab.calls import core_choice, core_whole, counters, ensure_call, long_call, nanoseconds
from gomap.lab.histogram import Histogram
from gomap.lab.machine import allowed_cpus
from gomap.map import Map

__all__ = ["SCHEDULER_KNOBS", "Deadlock", "Scene", "SceneResult", "Scheduler", "SchedulerKnob"]

_MOST_PROCS = 256
_NUMBERS = ("slice_ms", "sysmon_sleep_us", "globq_len")


class Deadlock(GomapError, RuntimeError):
    """All goroutines wait for each other: "all goroutines are asleep - deadlock!"."""


class SchedulerKnob(NamedTuple):
    """`choices`: the settings with their codes in the core, Go's first."""

    choices: Mapping[str, int]
    meaning: str

    @property
    def go(self) -> str:
        return next(iter(self.choices))


def _choice(meaning: str, *names: str) -> SchedulerKnob:
    return SchedulerKnob({name: code for code, name in enumerate(names)}, meaning)


SCHEDULER_KNOBS: dict[str, SchedulerKnob] = {
    "globq": _choice("the global run queue; rings: moved by compare-and-swap", "mutex list", "ring one line", "ring padded"),
    "runnext": _choice("whether who is made ready runs next; off: goes to the end of the queue", "on", "off"),
    "runnext_inherit": _choice("whether who is made ready runs in the slice of who made it so", "on", "off"),
    "steal": _choice("how much of another P's queue is taken", "half", "one", "off"),
    "preempt": _choice("how sysmon stops a goroutine: by a flag, by a signal", "sync+async", "sync", "async", "none"),
    "preempt_target": _choice("where a stopped goroutine goes; parked: until sysmon wakes it", "global queue", "parked"),
}
"""The knobs with named settings. Besides, in numbers: `slice_ms` (Go: 10), `sysmon_sleep_us` (Go: "adaptive") and
`globq_len` (goroutines that a ring for the global queue holds)."""

_HOGS = {"loop": 0, "calls": 1, "gets": 2, "gets without safe point": 3, "range": 4}
_CHECKS = {"every call": 0, "every 8 buckets": 1, "never": 2}
_OBSERVERS = {"nothing": 0, "yields": 1, "gets": 2, "resumed gets": 3, "stops": 4}
_DISTURBANCES = {"none": 0, "stop the world": 1, "worker": 2, "kernel": 3}


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What runs beside what, for how long. Counts are numbers of goroutines.

    hogs: never give up their P of their own will. hog: "loop" computes without any call, so that only a signal stops it;
    "calls" has a safe point every microsecond or so; "gets" reads the map, each get a call with a safe point as in Go; "gets
    without safe point"; "range" iterates over the map, again and again, with `body` times 1,000 steps of arithmetic an element,
    and safe points as iter_check says: "every call" (Go), "every 8 buckets", "never".
    yielders: in Gosched loops; footprint: bytes that each writes to before each Gosched.
    pairs: of two goroutines each, in ping-pong over unbuffered channels. blockers: in blocking calls of `block_us`
    microseconds. spawners: each starts `burst` goroutines that do nothing, waits for their ends, and again.
    sleepers: wait for what nobody sends: when the time is over and all others are done, that is a `Deadlock`.
    observer: one more goroutine that is timed: "yields", "gets", "nothing"; "resumed gets": after each Gosched 1,000 gets, the
    first 100 told from the others; "stops": it computes on the only P, and each stop is timed.
    observations: the scene ends when the observer has made so many; 0: only when `duration_s` is over.
    every_us: gets by the observer are due so often; None: one after the other.
    disturbance: "stop the world" (every goroutine that reads the map waits at its next safe point), "worker" (a goroutine wakes
    and keeps its P, and nobody stops it), "kernel" (threads of the system's compete, on every CPU), each for `disturb_us`, and
    `disturb_every_us` later again; or "none".
    map, keys: for gets and ranges: a `Map` with 8-byte keys and elems of at most 8 bytes, and which keys, in this order, again
    and again (an array of int64, or of float64 for such a map). Writers are kept out of the map while the scene runs.
    """

    duration_s: float = 1.0
    hogs: int = 0
    hog: str = "loop"
    iter_check: str = "every call"
    body: int = 0
    yielders: int = 0
    footprint: int = 0
    pairs: int = 0
    blockers: int = 0
    block_us: float = 1000.0
    spawners: int = 0
    burst: int = 256
    sleepers: int = 0
    observer: str = "nothing"
    observations: int = 0
    every_us: float | None = None
    disturbance: str = "none"
    disturb_us: float = 1000.0
    disturb_every_us: float = 1000.0
    map: Map | None = None
    keys: npt.ArrayLike | None = None


@dataclass(frozen=True)
class SceneResult:
    """What a scene did and what was measured.

    elapsed_s: until all had ended, which is soon after the time was over.
    counts: by kind of goroutine: hog_rounds, yields, ping_pongs, blocks, spawned, observed, hits; of ranges: checks (safe
    points), stops (checks that found a request to stop), late and latest (elements visited from the request to the check, of
    all stops together, and most); inside (the observer's gets during which another goroutine got its P); disturbances.
    scheduler: counters as of Go's schedtrace and more (csrc/gomap.h, gm_sched_stats). waits: of every goroutine, each time,
    from being made ready to running (None if not measured).
    response: of the observer: a Gosched until it runs again; for gets from the end of the one before, or since it was due, so
    that it holds all that kept the observer from running; each stop. What the scene's end cut short is left out.
    service: its gets alone. first: of "resumed gets" the first 100, which are not in service.
    interrupted: ended by Ctrl-C. seed: of the order of stealing.
    """

    elapsed_s: float
    counts: dict[str, int]
    scheduler: dict[str, int]
    waits: Histogram | None
    response: Histogram | None
    service: Histogram | None
    first: Histogram | None
    interrupted: bool
    seed: int


class Scheduler:
    """Go's scheduler with `procs` Ps, on as many threads as it needs.

        >>> from gomap.lab import Scheduler
        >>> r = Scheduler(procs=1).ping_pong(pairs=1, duration_s=0.05)
        >>> r.counts["ping_pongs"] > 0
        True

    Knobs are those of `SCHEDULER_KNOBS`; slice_ms: how long a goroutine may run before sysmon asks it to stop, in milliseconds;
    sysmon_sleep_us: "adaptive" (20 us doubling to 10 ms), or always so many microseconds; measure: time every wait (two
    readings of the clock each time that a goroutine is run). Raises `BadValue`.

    Every call of a method is one run on fresh threads. A scheduler keeps no state between them: any number of threads may call.
    Raises `OutOfMemory`; `EngineError` if the system refuses a thread; `Deadlock`.
    """

    def __init__(
        self,
        procs: int = 2,
        *,
        slice_ms: float = 10.0,
        sysmon_sleep_us: float | str = "adaptive",
        globq_len: int = 1 << 17,
        measure: bool = True,
        seed: int | None = None,
        **knobs: str,
    ) -> None:
        for name in knobs:
            if name not in SCHEDULER_KNOBS:
                raise BadValue(f"unknown knob {name!r}, allowed: {', '.join((*SCHEDULER_KNOBS, *_NUMBERS))}")
        self.seed = seed
        self.knobs = {name: knobs.get(name, knob.go) for name, knob in SCHEDULER_KNOBS.items()}
        self._core = ffi.new("gm_sched_config *")
        for name, given in self.knobs.items():
            setattr(self._core, name, core_choice(name, given, SCHEDULER_KNOBS[name].choices))
        self.procs = self._core.procs = core_whole("procs", procs, 1, _MOST_PROCS)
        self._core.slice_ns = nanoseconds("slice_ms", slice_ms, 1e6)
        self._core.sysmon_sleep_ns = 0
        if sysmon_sleep_us != "adaptive":
            self._core.sysmon_sleep_ns = nanoseconds("sysmon_sleep_us", sysmon_sleep_us, 1e3)
        self._core.globq_len = core_whole("globq_len", globq_len, 2, 1 << 20)
        if globq_len & (globq_len - 1):
            raise BadValue(f"globq_len: {globq_len} is not a power of two")
        self._core.measure = bool(measure)

    def hogs(self, n: int = 1, *, hog: str = "loop", duration_s: float = 1.0, **more: Any) -> SceneResult:
        """An observer that yields beside n goroutines that do not: how long does it wait? `response` tells."""
        return self.run(Scene(hogs=n, hog=hog, observer="yields", duration_s=duration_s, **more))

    def storm(self, yielders: int = 64, *, duration_s: float = 1.0) -> SceneResult:
        """Goroutines in Gosched loops, all through the global queue."""
        return self.run(Scene(yielders=yielders, duration_s=duration_s))

    def ping_pong(self, pairs: int = 1, *, duration_s: float = 1.0) -> SceneResult:
        """Pairs of goroutines that wake each other in turn, through runnext."""
        return self.run(Scene(pairs=pairs, duration_s=duration_s))

    def gets(self, map: Map, keys: npt.ArrayLike, *, duration_s: float = 1.0, **beside: Any) -> SceneResult:
        """An observer that reads a map, beside what else is given (fields of `Scene`)."""
        return self.run(Scene(observer="gets", map=map, keys=keys, duration_s=duration_s, **beside))

    def run(self, scene: Scene) -> SceneResult:
        """Plays a scene. Ctrl-C ends it early, and what was measured until then is returned."""
        config = self.core()
        core, keep = _core_scene(scene)
        out = ffi.new("gm_stage **")
        _raise(int(lib.gm_stage_new(config, core, out)))
        stage = ffi.gc(out[0], lib.gm_stage_free)
        with _kept_from_writers(scene.map):
            status, asked = long_call("gomap-scene", lib.gm_stage_go, lib.gm_stage_cancel, stage, keep)
        _raise(status)
        return _collect(stage, int(config.seed), asked)

    def core(self) -> Any:
        """The core's settings (gm_sched_config *) for one run, with a seed of its own where none was given."""
        config = ffi.new("gm_sched_config *", self._core[0])
        config.seed = (secrets.randbits(64) if self.seed is None else self.seed) % 2**64
        return config


def scheduler_config(procs: int, settings: Mapping[str, Any]) -> Any:
    """The core's configuration of a scheduler for a workload's goroutines. `BadValue` for what is no setting."""
    for name in settings:
        if name not in (*SCHEDULER_KNOBS, *_NUMBERS):
            raise BadValue(f"scheduler: unknown knob {name!r}, allowed: {', '.join((*SCHEDULER_KNOBS, *_NUMBERS))}")
    return ffi.new("gm_sched_config *", Scheduler(procs, **settings)._core[0])


def _core_scene(scene: Scene) -> tuple[Any, list[Any]]:
    """The core's scene, and what it points to."""
    core = ffi.new("gm_scene *")
    keep: list[Any] = [scene.map]
    for name in ("hogs", "yielders", "pairs", "blockers", "spawners", "sleepers"):
        setattr(core, name, core_whole(name, getattr(scene, name), 0, 1 << 20))
    core.hog_kind = core_choice("hog", scene.hog, _HOGS)
    core.iter_check = core_choice("iter_check", scene.iter_check, _CHECKS)
    core.body = core_whole("body", scene.body, 0, 1 << 20)
    core.footprint = core_whole("footprint", scene.footprint, 0, 1 << 30)
    core.observations = core_whole("observations", scene.observations, 0, 1 << 62)
    if scene.every_us is not None:
        core.every_ns = nanoseconds("every_us", scene.every_us, 1e3)
    core.disturbance = core_choice("disturbance", scene.disturbance, _DISTURBANCES)
    core.disturb_ns = nanoseconds("disturb_us", scene.disturb_us, 1e3)
    core.disturb_every_ns = nanoseconds("disturb_every_us", scene.disturb_every_us, 1e3)
    cpus = ffi.new("int32_t[]", allowed_cpus())
    keep.append(cpus)
    core.cpus, core.ncpus = cpus, len(cpus)
    core.observer = core_choice("observer", scene.observer, _OBSERVERS)
    core.burst = core_whole("burst", scene.burst, 1, 1 << 20)
    core.block_ns = nanoseconds("block_us", scene.block_us, 1e3)
    core.duration_ns = nanoseconds("duration_s", scene.duration_s, 1e9)
    if "gets" in scene.observer or (scene.hogs and scene.hog.startswith(("gets", "range"))):
        if scene.map is None or scene.keys is None:
            raise BadValue("a scene with gets or ranges needs a map and keys")
        keys = np.ascontiguousarray(scene.keys)
        if keys.ndim != 1 or keys.dtype not in (np.dtype(np.int64), np.dtype(np.float64)) or not len(keys):
            raise BadValue("keys: an array of int64 or float64 expected, with one key at the least")
        keep.append(keys)
        core.map, core.nkeys = scene.map._handle, len(keys)
        core.keys = ffi.cast("uint64_t *", ffi.from_buffer(keys))
    return core, keep


@contextlib.contextmanager
def _kept_from_writers(m: Map | None) -> Iterator[None]:
    """Whoever writes to the map meanwhile is refused; readers may overlap."""
    if m is None:
        yield
        return
    ensure(lib.gm_map_pin(m._handle))
    try:
        yield
    finally:
        lib.gm_map_unpin(m._handle)


def _raise(status: int) -> None:
    if status == DEADLOCK:
        raise Deadlock("all goroutines are asleep - deadlock!")
    ensure_call(
        status,
        memory="no memory for these goroutines (a ring for a global queue holds globq_len of them)",
        refused="the core refused the scene: gets need a map with 8-byte keys and elems of at most 8 bytes",
    )


def _histogram(stage: Any, which: int) -> Histogram | None:
    found = lib.gm_stage_hist(stage, which)
    return Histogram.from_core(found) if found != ffi.NULL and lib.gm_hist_total(found) else None


def _collect(stage: Any, seed: int, interrupted: bool) -> SceneResult:
    counts, did = ffi.new("gm_scene_counts *"), ffi.new("gm_sched_stats *")
    lib.gm_stage_results(stage, counts, did)
    kinds = counters(counts)
    return SceneResult(
        elapsed_s=kinds.pop("elapsed_ns") / 1e9,
        counts=kinds,
        scheduler=counters(did),
        waits=_histogram(stage, lib.GM_SCENE_WAITS),
        response=_histogram(stage, lib.GM_SCENE_RESPONSE),
        service=_histogram(stage, lib.GM_SCENE_SERVICE),
        first=_histogram(stage, lib.GM_SCENE_FIRST),
        interrupted=interrupted,
        seed=seed,
    )
