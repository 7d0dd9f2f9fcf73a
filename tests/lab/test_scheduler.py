"""Goroutines on real threads, through Python: every knob, what stops whom, who is kept waiting (csrc/sched, csrc/lab/scene.c).

What is asserted is counted, not timed: switches, ticks, signals, thefts.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import numpy as np
import pytest

from gomap import BadValue, ConcurrentMisuse, GomapError, Map, OutOfMemory
from gomap.lab import SCHEDULER_KNOBS, Deadlock, Scene, Scheduler

KEYS = np.arange(1000)
SETTINGS = [{name: setting} for name, knob in SCHEDULER_KNOBS.items() for setting in knob.choices]


@pytest.fixture(scope="module")
def numbers() -> Map:
    m = Map(key="int64", elem="int64")
    m.assign_many(KEYS, KEYS)
    return m


def everything(numbers: Map, **more: Any) -> Scene:
    counts = {"hogs": 1, "hog": "calls", "yielders": 5, "pairs": 2, "blockers": 2, "block_us": 50, "spawners": 1, "burst": 300}
    return Scene(**(counts | {"observer": "gets", "map": numbers, "keys": KEYS, "duration_s": 0.06} | more))


@pytest.mark.parametrize("knobs", [*SETTINGS, {"sysmon_sleep_us": 100, "slice_ms": 0.01}], ids=str)
@pytest.mark.parametrize("procs", [1, 3])
def test_all_kinds_beside_each_other(procs: int, knobs: dict[str, Any], numbers: Map) -> None:
    usual: dict[str, Any] = {"sysmon_sleep_us": 200, "slice_ms": 0.1}
    r = Scheduler(procs=procs, **(usual | knobs)).run(everything(numbers))
    did = r.scheduler
    assert did["finished"] == did["started"] >= 1 + 1 + 5 + 4 + 2 + 1 + 1
    assert (
        did["runs"]
        == sum(did[k] for k in ("started", "yields", "parks", "preempted_sync", "preempted_async", "blocks"))
        - (did["reacquired"])
    )
    assert did["parks"] == did["readies"]
    assert r.waits is not None
    assert r.waits.count == did["runs"]
    assert r.counts["hits"] == r.counts["observed"] == (r.service.count if r.service else 0)
    assert did["started"] == 15 + r.counts["spawned"]
    if knobs.get("preempt") != "none":
        assert did["asked"] > 0


def test_settings_of_go_come_first() -> None:
    assert {name: knob.go for name, knob in SCHEDULER_KNOBS.items()} == {
        "globq": "mutex list",
        "runnext_inherit": "on",
        "steal": "half",
        "preempt": "sync+async",
        "preempt_target": "global queue",
    }
    assert Scheduler().knobs == {name: knob.go for name, knob in SCHEDULER_KNOBS.items()}


@pytest.mark.parametrize(
    ("preempt", "hog", "stopped"),
    [
        ("sync+async", "loop", True),
        ("sync", "loop", False),
        ("async", "loop", True),
        ("none", "loop", False),
        ("sync", "calls", True),
        ("none", "calls", False),
        ("sync", "gets", True),
        ("sync", "gets without safe point", False),
    ],
)
def test_what_stops_a_hog(preempt: str, hog: str, stopped: bool, numbers: Map) -> None:
    """On one P the observer runs again only when the hog is stopped, or at the very end."""
    more = {"map": numbers, "keys": KEYS} if hog.startswith("gets") else {}
    s = Scheduler(procs=1, preempt=preempt, slice_ms=1, sysmon_sleep_us=1000)
    r = s.hogs(1, hog=hog, duration_s=0.15, **more)
    preempted = r.scheduler["preempted_sync"] + r.scheduler["preempted_async"]
    assert (r.counts["observed"] > 1) == stopped
    assert (preempted > 2) == stopped
    if preempt in ("sync", "none"):
        assert r.scheduler["signals"] <= 1  # none but at the end


def test_no_signal_stops_a_get(numbers: Map) -> None:
    """Signals come, and most are refused: a hog of gets is nearly always inside one."""
    s = Scheduler(procs=1, preempt="async", slice_ms=0.1, sysmon_sleep_us=100)
    r = s.hogs(1, hog="gets", duration_s=0.2, map=numbers, keys=KEYS)
    assert r.scheduler["refused"] > 0
    assert r.scheduler["refused"] + r.scheduler["preempted_async"] == pytest.approx(r.scheduler["signals"], abs=2)
    assert r.scheduler["preempted_sync"] == 0


def test_ping_pong_shares_a_slice_and_holds_up_the_clock_of_its_queue() -> None:
    """Go's rule makes hand-offs free of ticks; without it each is one, and the global queue is looked at."""
    ticks = {}
    for inherit in ("on", "off"):
        did = Scheduler(procs=1, runnext_inherit=inherit).run(Scene(pairs=4, yielders=1, duration_s=0.1)).scheduler
        ticks[inherit] = (did["runs"] - did["inherited"]) / did["runs"]
        assert (did["global_ticks"] > did["runs"] / 1000) == (inherit == "off")
    assert ticks["on"] < 0.1
    assert ticks["off"] == 1


def test_how_much_is_stolen() -> None:
    """All goroutines are born on one P."""
    scene = Scene(spawners=1, burst=2000, duration_s=0.1)
    half, one, off = (Scheduler(procs=2, steal=steal).run(scene).scheduler for steal in ("half", "one", "off"))
    assert half["stolen"] >= half["steals"] > 0
    assert one["stolen"] == one["steals"] > 0
    assert off["steals"] == off["next_steals"] == 0
    assert half["overflows"] > 0


def test_blocking_calls_hand_their_p_on() -> None:
    """One P, two goroutines in long calls and one that yields: it goes on, since sysmon takes the P away."""
    did = Scheduler(procs=1, sysmon_sleep_us=50).run(Scene(blockers=2, block_us=2000, yielders=1, duration_s=0.1)).scheduler
    assert did["retakes"] > 0
    assert did["threads"] >= 2
    assert did["yields"] > did["blocks"] > 0


def test_a_ring_has_room_for_so_many() -> None:
    for globq in ("ring one line", "ring padded"):
        s = Scheduler(procs=1, globq=globq, globq_len=8)
        assert s.storm(7, duration_s=0.01).counts["yields"] > 0
        with pytest.raises(OutOfMemory, match="globq_len"):
            s.storm(8, duration_s=0.01)


def test_a_hundred_thousand_goroutines() -> None:
    r = Scheduler(procs=2, measure=False).run(Scene(spawners=1, burst=100_000, duration_s=0.01))
    assert r.counts["spawned"] >= 100_000
    assert r.scheduler["finished"] == r.scheduler["started"]
    assert r.waits is None


def test_deadlock_is_told_as_go_tells_it() -> None:
    with pytest.raises(Deadlock, match=r"^all goroutines are asleep - deadlock!$") as e:
        Scheduler(procs=2).run(Scene(sleepers=3, yielders=2, duration_s=0.01))
    assert isinstance(e.value, GomapError)


def test_writers_are_kept_out(numbers: Map) -> None:
    refused = []

    def write() -> None:
        try:
            numbers[1] = 1
        except ConcurrentMisuse as e:
            refused.append(str(e))

    t = threading.Timer(0.05, write)
    t.start()
    Scheduler(procs=1).gets(numbers, KEYS, duration_s=0.3)
    t.join()
    numbers[1] = 1
    assert refused == ["concurrent map read and map write"]


def test_ctrl_c_keeps_what_was_measured() -> None:
    t = threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT))
    t.start()
    r = Scheduler(procs=2).storm(4, duration_s=60)
    t.join()
    assert r.interrupted
    assert r.counts["yields"] > 0
    assert r.elapsed_s < 30


def test_what_is_refused(numbers: Map) -> None:
    for bad in ({"procs": 0}, {"procs": 257}, {"slice_ms": 0}, {"globq": "fast"}, {"nonsense": "on"}, {"globq_len": 3}):
        with pytest.raises(BadValue, match=r"allowed|power of two"):
            Scheduler(**bad)
    s = Scheduler(procs=1)
    for scene in (
        Scene(hogs=-1),
        Scene(hog="pig"),
        Scene(observer="x"),
        Scene(duration_s=0),
        Scene(burst=0),
        Scene(observer="gets"),
        Scene(observer="gets", map=numbers, keys=[]),
        Scene(observer="gets", map=numbers, keys=np.zeros(3, np.int32)),
        Scene(observer="gets", map=Map(key="str", elem="int64"), keys=KEYS),
    ):
        with pytest.raises(BadValue):
            s.run(scene)
