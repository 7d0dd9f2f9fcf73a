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
from gomap.lab.queues import RECLAIM, count_stale, one_write

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
    assert r.waits.max_ns <= 1.1e9 * r.elapsed_s  # main's first too
    assert r.counts["hits"] == r.counts["observed"] == (r.service.count if r.service else 0)
    assert did["started"] == 15 + r.counts["spawned"]
    if knobs.get("preempt") != "none":
        assert did["asked"] > 0


def test_settings_of_go_come_first() -> None:
    assert {name: knob.go for name, knob in SCHEDULER_KNOBS.items()} == {
        "globq": "mutex list",
        "runnext": "on",
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


@pytest.mark.parametrize("check", ["every call", "every 8 buckets", "never"])
def test_how_late_a_range_stops(check: str, numbers: Map) -> None:
    """In elements from the request to the safe point. A map of 1,000 entries has 256 buckets."""
    s = Scheduler(procs=1, preempt="sync", slice_ms=1, sysmon_sleep_us=1000)
    enough = {"duration_s": 0.1} if check == "never" else {"observations": 20, "duration_s": 60}
    c = s.hogs(hog="range", iter_check=check, body=10, map=numbers, keys=KEYS, **enough).counts
    if check == "never":
        assert c["checks"] == c["stops"] == c["observed"] == 0 < c["hog_rounds"]
    elif check == "every call":
        assert c["checks"] == c["hog_rounds"]
        assert c["stops"] > 0
        assert c["latest"] <= 1
    else:
        assert 20 < c["hog_rounds"] / c["checks"] < 40  # 8 buckets of 3.9
        assert c["stops"] > 0
        assert c["latest"] > 8


def test_gets_that_are_due_count_from_then_on(numbers: Map) -> None:
    """Beside hogs that keep the observer off its one P, those due meanwhile have all waited; without, only the next one has."""
    beside = {"hogs": 1, "hog": "calls", "map": numbers, "keys": KEYS, "duration_s": 0.1}
    s = Scheduler(procs=1, slice_ms=1, sysmon_sleep_us=1000)
    slow = {}
    for every in (None, 20):
        r = s.run(Scene(observer="gets", every_us=every, **beside))
        assert r.response is not None
        slow[every] = sum(n for ns, n in r.response.counts if ns > 500_000)
        assert r.counts["observed"] == (r.service.count if r.service else 0)
    assert slow[20] > 5 * slow[None] > 0


def test_gets_after_each_resumption_are_told_apart(numbers: Map) -> None:
    r = Scheduler(procs=1).run(
        Scene(observer="resumed gets", yielders=1, footprint=1 << 12, map=numbers, keys=KEYS, duration_s=0.03)
    )
    assert r.first is not None
    assert r.service is not None
    assert 9 * r.first.count == r.service.count
    assert r.counts["observed"] == 1000 * r.scheduler["yields"] - 1000 * r.counts["yields"] > 0


@pytest.mark.parametrize("preempt", ["sync", "async"])
def test_each_stop_is_timed(preempt: str) -> None:
    s = Scheduler(procs=1, preempt=preempt, slice_ms=0.1, sysmon_sleep_us=100)
    r = s.run(Scene(observer="stops", duration_s=0.05))
    stopped = r.scheduler[f"preempted_{preempt}"]
    assert r.response is not None
    assert r.counts["observed"] == r.response.count > 0
    assert r.response.count <= stopped <= r.response.count + 2  # the end stops once more
    with pytest.raises(BadValue):
        Scheduler(procs=2).run(Scene(observer="stops"))


@pytest.mark.parametrize(("disturbance", "procs"), [("stop the world", 2), ("worker", 1), ("kernel", 2)])
def test_disturbances_come_as_often_as_they_are_told(disturbance: str, procs: int, numbers: Map) -> None:
    s = Scheduler(procs=procs, slice_ms=0.2, sysmon_sleep_us=100)
    r = s.gets(numbers, KEYS, duration_s=0.1, disturbance=disturbance, disturb_us=2000, disturb_every_us=2000)
    assert 2 <= r.counts["disturbances"] <= 30
    assert r.response is not None
    if disturbance != "kernel":  # where the system has a CPU to spare, that disturbs nobody
        assert r.response.max_ns > 1_900_000


def test_a_scene_ends_when_it_has_been_observed_enough(numbers: Map) -> None:
    for observer, n in (("yields", 30), ("gets", 5_000), ("resumed gets", 5_000)):
        r = Scheduler(procs=1).run(Scene(observer=observer, observations=n, map=numbers, keys=KEYS, duration_s=60))
        assert r.counts["observed"] == n
        assert r.elapsed_s < 30


def test_without_runnext_nothing_is_inherited() -> None:
    did = Scheduler(procs=1, runnext="off").ping_pong(2, duration_s=0.02).scheduler
    assert did["inherited"] == did["next_steals"] == 0 < did["readies"]


def test_who_is_put_aside_is_counted() -> None:
    for target in ("global queue", "parked"):
        s = Scheduler(procs=1, preempt_target=target, slice_ms=0.5, sysmon_sleep_us=200)
        did = s.hogs(2, hog="calls", duration_s=0.05).scheduler
        stopped = did["preempted_sync"] + did["preempted_async"]
        assert did["put_aside"] == (stopped if target == "parked" else 0)
        assert stopped > 0


@pytest.mark.parametrize("reclaim", RECLAIM)
@pytest.mark.parametrize("procs", [1, 3])
def test_who_holds_an_array_finds_it_where_it_is_collected(reclaim: str, procs: int) -> None:
    c = count_stale(Scheduler(procs=procs, measure=False), reclaim=reclaim, readers=5, derefs=2_000)
    assert c.stayed + c.moved >= 5 * 2_000
    assert c.moved == 0 or procs > 1
    assert c.growths > c.reused > 0
    assert (c.stale_stayed + c.stale_moved > 0) == (reclaim == "freed at once")


def test_moved_goroutines_are_told() -> None:
    moved = 0
    for seed in range(20):
        c = count_stale(Scheduler(procs=2, seed=seed, measure=False), derefs=5_000)
        assert c.stale_moved <= c.moved
        moved += c.moved
    assert moved > 0


@pytest.mark.parametrize("procs", [1, 3])
def test_a_crowd_behind_one_write(procs: int) -> None:
    """All get through, none meets the write, and it has been made."""
    waited = 0
    for seed in range(10):
        m = Map(seed=seed, hint=832)
        m.assign_many(np.arange(832), np.arange(832))
        before = m.header.growing
        c = one_write(Scheduler(procs=procs, seed=seed), m, KEYS, 5000, readers=40)
        assert (before, m.header.growing) == (False, True)
        assert m[5000] == 1
        assert c.refused == 0
        assert c.depth <= 40
        assert (c.depth > 0) == (c.drain_ns > 0)
        waited += c.depth
    assert waited == 0 or procs > 1  # on one P nobody runs while the write does
    with pytest.raises(BadValue):
        one_write(Scheduler(), Map(key="str"), KEYS, 1, readers=1)


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
        Scene(hogs=1, hog="range"),
        Scene(iter_check="sometimes"),
        Scene(disturbance="noise"),
        Scene(footprint=-1),
        Scene(observer="gets", map=numbers, keys=[]),
        Scene(observer="gets", map=numbers, keys=np.zeros(3, np.int32)),
        Scene(observer="gets", map=Map(key="str", elem="int64"), keys=KEYS),
    ):
        with pytest.raises(BadValue):
            s.run(scene)
    for given in ({"reclaim": "never"}, {"readers": 0}, {"readers": 257}, {"hold": 0}, {"grow_every": 0}, {"derefs": -1}):
        with pytest.raises(BadValue):
            count_stale(Scheduler(procs=1), **given)
