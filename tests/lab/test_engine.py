"""The engine: that it does what the workload says, the same every time; that it measures what it says it measures."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gomap._core import ffi, lib

from gomap import BadValue, Map, OutOfMemory
from gomap.lab import PRESETS, Group, Hotspot, Latest, Result, Sequential, Trace, TraceData, Uniform, Workload, Zipf, run
from gomap.lab.machine import allowed_cpus
from gomap.lab.result import CAUSES

SHIPPED = Path(__file__).parents[1] / "data" / "cloudphysics-io.csv.gz"
COLUMNS: dict[str, Any] = {"key_column": "lbn", "op_column": "op", "op_map": {"28": "get", "2a": "assign"}}
EVERYTHING = {
    "get": 30,
    "get_miss": 10,
    "assign_new": 10,
    "assign": 10,
    "delete": 10,
    "iterate": 5,
    "len": 5,
    "load_or_store": 10,
    "add": 10,
}
KEY_KINDS = ["int64", "int32", "uint32", "float64", "str", "bytes3", "bytes9", "bytes16", "bytes128"]
two_cpus = pytest.mark.skipif(len(allowed_cpus()) < 2, reason="needs two CPUs")


def once(mix: dict[str, float] | None = None, keys: Any = None, **fields: Any) -> Result:
    """A run of one group; fields of the group and of the workload may be mixed."""
    own = {k: fields.pop(k) for k in ("threads", "rate", "arrivals", "cpus", "scan") if k in fields}
    options = {k: fields.pop(k) for k in ("progress", "os_clock", "_overrides") if k in fields}
    group = Group(mix=mix, keys=Uniform() if keys is None else keys, **own)
    return run(Workload(groups=(group,), **{"size": 1000, "seed": 5, **fields}), **options)


def identity(r: Result) -> tuple[Any, ...]:
    """Everything that time has no part in."""
    return r.operations, r.hits, r.digest, {k: h.count for k, h in r.latency.items()}, r.counters | {"memory": 0}


# ------------------------------------------------------------------ what is done


@pytest.mark.parametrize("name", PRESETS)
def test_one_seed_one_run(name: str) -> None:
    p = PRESETS[name]
    runs = [once(p.mix, p.keys, ops=30_000, size=min(p.size, 5000), warmup=777) for _ in range(2)]
    assert identity(runs[0]) == identity(runs[1])
    other = once(p.mix, p.keys, ops=30_000, size=min(p.size, 5000), warmup=777, seed=6)
    assert other.digest != runs[0].digest


@pytest.mark.parametrize("keys", [Uniform(), Zipf(), Hotspot(), Latest(), Sequential()], ids=repr)
def test_pace_changes_when_and_not_what(keys: Any) -> None:
    """F1 of csrc/lab/feed.c: an open loop draws in blocks of another size."""
    closed = once(EVERYTHING, keys, ops=5000)
    for rate, arrivals in ((1e8, "fixed"), (1e6, "poisson")):
        assert identity(once(EVERYTHING, keys, ops=5000, rate=rate, arrivals=arrivals)) == identity(closed)
    assert identity(once(EVERYTHING, keys, ops=5000, sample=0))[:3] == identity(closed)[:3]
    assert identity(once(EVERYTHING, keys, ops=5000, attribution=False)) == identity(closed)
    assert identity(once(EVERYTHING, keys, ops=5000, os_clock=True)) == identity(closed)


@pytest.mark.parametrize("key", KEY_KINDS)
def test_each_operation_does_what_it_says(key: str) -> None:
    alone = {kind: once({kind: 100}, key=key, ops=2000) for kind in EVERYTHING}
    assert {kind: r.operations for kind, r in alone.items()} == {kind: {kind: 2000} for kind in EVERYTHING}
    for kind in ("get", "assign", "load_or_store", "add", "iterate", "len"):
        assert alone[kind].hits == {kind: 2000}
        assert alone[kind].counters["count"] == 1000
    assert alone["get_miss"].hits == {"get_miss": 0}
    assert alone["assign_new"].hits == {"assign_new": 0}
    assert alone["assign_new"].counters["count"] == 3000
    deleted = alone["delete"].hits["delete"]
    assert alone["delete"].counters["count"] == 1000 - deleted
    assert 800 < deleted < 950  # 2,000 even draws from 1,000 keys meet 865 of them


def test_the_map_is_filled_and_written_as_a_dict_would_be() -> None:
    """add counts its draws: the stream's own indices, seeded as csrc/lab/feed.c says, give the same map."""
    n, ops, seed = 300, 5000, 12
    r = once({"add": 100}, Zipf(1.1), size=n, ops=ops, seed=seed)
    m = Map("int64", "int64", seed=seed)
    drawn = Zipf(1.1).draw(ops, n, seed=seed_of(seed, 0))
    counts = np.bincount(drawn, minlength=n)
    order = shuffled(n, seed_of(seed, 3))
    m.assign_many(order, order)
    touched = np.flatnonzero(counts)
    m.assign_many(touched, touched + counts[touched])
    assert m.digest() == r.digest


MASK = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15


def mixed(z: int) -> int:
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
    return z ^ z >> 31


def seed_of(seed: int, part: int) -> int:
    return mixed(mixed(seed + GOLDEN & MASK) ^ mixed((part + 1) * GOLDEN & MASK))


def shuffled(n: int, seed: int) -> np.ndarray[Any, Any]:
    """Fisher and Yates with xoshiro256** and Lemire's bounded numbers, written out once more."""
    s = [mixed(seed + k * GOLDEN & MASK) for k in range(1, 5)]

    def rotl(v: int, k: int) -> int:
        return (v << k | v >> 64 - k) & MASK

    def draw() -> int:
        result = rotl(s[1] * 5 & MASK, 7) * 9 & MASK
        t = s[1] << 17 & MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotl(s[3], 45)
        return result

    def below(limit: int) -> int:
        while True:
            p = draw() * limit
            if p & MASK >= (1 << 64) % limit:
                return p >> 64

    order = list(range(n))
    for i in range(n - 1, 0, -1):
        j = below(i + 1)
        order[i], order[j] = order[j], order[i]
    return np.array(order)


def test_the_mix_is_kept() -> None:
    r = once(EVERYTHING, ops=200_000, sample=0)
    for kind, percent in EVERYTHING.items():
        expected = 2000 * percent
        assert abs(r.operations[kind] - expected) < 5 * (expected * (1 - percent / 100)) ** 0.5


def test_keys_move_on_and_the_stream_with_them() -> None:
    r = once({"get": 80, "assign_new": 10, "delete": 10}, size=2000, ops=100_000)
    assert r.hits["delete"] == r.operations["delete"]
    assert r.counters["count"] == 2000 + r.operations["assign_new"] - r.operations["delete"]
    assert r.hits["get"] / r.operations["get"] > 0.9
    assert once({"get": 50, "assign_new": 50}, Latest(1.5), size=1, ops=20_000).hits["get"] == pytest.approx(10_000, abs=400)


def test_new_keys_are_new() -> None:
    mix = {"get": 20, "assign": 20, "assign_new": 30, "delete": 30}
    for size, keyspace in ((0, 3000), (1000, 3000), (3000, 1000), (3000, 3000)):
        r = once(mix, size=size, keyspace=keyspace, ops=50_000)
        assert r.hits["assign_new"] == 0


def test_a_warm_up_by_time_leaves_nothing_out() -> None:
    """A block of requests that the warm-up does not finish is finished afterwards: no delete misses its key."""
    for _ in range(5):
        r = once({"assign_new": 50, "delete": 50}, duration_s=0.02, warmup=0.013)
        assert r.hits["delete"] == r.operations["delete"]


def test_a_keyspace_larger_than_the_map() -> None:
    r = once({"get": 100}, size=1000, keyspace=4000, ops=40_000)
    assert r.hits["get"] == pytest.approx(10_000, abs=500)


def test_scan_and_len() -> None:
    times = [once({"iterate": 100}, size=20_000, ops=200, scan=scan).elapsed_s for scan in (1, 0)]
    assert times[1] > 5 * times[0]  # 20,000 entries against one


@two_cpus
def test_operations_are_shared_out() -> None:
    r = once({"get": 100}, ops=10_001, threads=2)
    assert [t.operations for t in r.threads] == [5001, 5000]
    assert r.total == 10_001


# ------------------------------------------------------------------ traces


@two_cpus
def test_the_shipped_trace_and_what_presizing_removes() -> None:
    def replayed(hint: int) -> Result:
        group = Group(threads=2, keys=Trace(SHIPPED, **COLUMNS), rate=300_000)
        return run(Workload(groups=(group,), seed=1, hint=hint))

    growing, presized = replayed(0), replayed(40_000)
    of_growth = {"array_allocation", "evacuation", "second_evacuation"}
    for r in (growing, presized):
        assert r.total + sum(r.refused.values()) == 113_872
        assert sum(r.causes("assign").values()) == pytest.approx(1)
    spent = growing.time_by_cause("assign")
    assert all(spent[cause] > 0 for cause in of_growth)
    assert growing.counters["growths"] == 13
    assert presized.counters["growths"] == 0
    assert all(presized.time_by_cause(kind)[cause] == 0 for kind in presized.latency for cause in of_growth)
    assert spent["rest"] > 0
    assert presized.time_by_cause("assign")["rest"] > 0


def trace(keys: list[int], ops: list[int], fill: bool = False) -> Trace:
    return Trace(TraceData("made up", "csv", np.array(keys), np.array(ops, np.uint8), None, fill))


def test_a_trace_is_done_in_order_and_again() -> None:
    t = trace([7, 7, 8, 7, 9, 7], [0, 1, 1, 0, 0, 2])
    r = run(Workload(groups=(Group(keys=t),), seed=1))
    assert r.operations == {"get": 3, "assign": 2, "delete": 1}
    assert r.hits == {"get": 1, "assign": 0, "delete": 1}
    again = run(Workload(groups=(Group(keys=t),), seed=1, ops=12))
    assert again.operations == {"get": 6, "assign": 4, "delete": 2}
    assert again.hits == {"get": 2, "assign": 1, "delete": 2}


@pytest.mark.parametrize("sample", [0, 1, 3])
def test_a_missed_get_is_filled(sample: int) -> None:
    r = run(Workload(groups=(Group(keys=trace([1, 2, 1, 1, 2], [0] * 5, fill=True)),), seed=1, sample=sample))
    assert r.operations == {"get": 5, "fill": 2}
    assert r.hits == {"get": 3, "fill": 0}
    if sample == 1:
        assert r.latency["fill"].count == 2


@two_cpus
def test_a_trace_shorter_than_its_group() -> None:
    r = run(Workload(groups=(Group(threads=2, keys=trace([5], [0])),), ops=10, seed=1))
    assert r.operations == {"get": 10}


def test_a_mix_over_a_trace_does_not_fill() -> None:
    r = run(Workload(groups=(Group(mix={"get": 100}, keys=trace([1, 2], [0, 0], fill=True)),), ops=10, seed=1))
    assert (r.operations, r.hits) == ({"get": 10}, {"get": 0})


def test_only_the_keys_of_a_trace() -> None:
    r = run(Workload(groups=(Group(mix={"add": 100}, keys=trace([5, 6, 5], [0, 0, 0])),), ops=300, seed=1))
    assert r.operations == {"add": 300}
    assert r.counters["count"] == 2


@two_cpus
def test_threads_take_turns_in_a_trace() -> None:
    n = 1001
    r = run(Workload(groups=(Group(threads=2, keys=trace(list(range(n)), [0] * n)),), seed=1))
    assert [t.operations for t in r.threads] == [501, 500]


# ------------------------------------------------------------------ time


def test_an_open_loop_keeps_its_rate() -> None:
    for arrivals in ("fixed", "poisson"):
        r = once({"get": 100}, rate=20_000, arrivals=arrivals, duration_s=0.5)
        assert r.total == pytest.approx(10_000, rel=0.06)
        assert r.latency["get"].count == r.service["get"].count == r.total
    assert once({"get": 100}, ops=100).service == {}


def stalled(**fields: Any) -> Result:
    """10,000 new keys; the array of an early growth takes 50 ms longer to allocate."""
    faulty = ffi.gc(lib.gm_faulty_new(), lib.gm_faulty_free)
    lib.gm_faulty_stall(faulty, 10_000, 50_000_000)  # B = 6, at 209 entries
    return once({"assign_new": 100}, size=0, ops=10_000, _overrides={"map": {"alloc": lib.gm_faulty_alloc(faulty)}}, **fields)


def test_a_stall_shows_in_the_open_loop() -> None:
    """50 ms at 10,000/s delay 500 operations, 5 of 100, by 25 ms in the mean: p99 is about 40 ms, not one operation's time."""
    open_loop, closed_loop = stalled(rate=10_000), stalled()
    assert closed_loop.latency["assign_new"].max_ns > 50_000_000
    assert closed_loop.latency["assign_new"].percentile(99) < 1_000_000
    assert 35_000_000 < open_loop.latency["assign_new"].percentile(99) < 60_000_000
    assert open_loop.service["assign_new"].percentile(99) < 1_000_000


def test_the_stall_is_explained() -> None:
    r = stalled(rate=10_000)
    stall = max(r.slowest, key=lambda one: one.service_ns)  # others want the CPU: what came due after it may be later still
    assert stall.causes["array_allocation"] > 0.98 * stall.service_ns
    assert r.causes("assign_new", above=99)["backlog"] > 0.9
    unfolded = r.causes("assign_new", above=99, unfold_backlog=True)
    assert unfolded["array_allocation"] > 0.9
    assert unfolded["backlog"] < 0.01
    assert next(iter(unfolded)) == "array_allocation"
    at = int(np.argmax(r.timeline.max_ns))
    assert r.timeline.max_ns[at] > 50_000_000
    start = next(e for e in r.timeline.events if e.kind == "array_alloc" and e.took_ns > 50_000_000)
    assert abs(start.at_ns - at * r.timeline.interval_ns) < 5_000_000


@pytest.mark.parametrize("rate", [None, 200_000.0])
def test_causes_add_up(rate: float | None) -> None:
    r = once(EVERYTHING, ops=100_000, size=3000, rate=rate, key="str", warmup=1000)
    assert list(r.causes("get")) != []
    for kind, h in r.latency.items():
        assert set(r.causes(kind)) == set(CAUSES)
        assert sum(r.causes(kind).values()) == pytest.approx(1)
        assert sum(r.causes(kind, unfold_backlog=True).values()) == pytest.approx(1)
        assert sum(r.time_by_cause(kind).values()) == pytest.approx(h.mean_ns * h.count, rel=0.02, abs=h.count)
    assert len(r.slowest) == 1000
    assert [s.latency_ns for s in r.slowest] == sorted((s.latency_ns for s in r.slowest), reverse=True)
    assert r.slowest[0].latency_ns == max(h.max_ns for h in r.latency.values())
    for s in r.slowest:
        assert sum(s.causes.values()) == pytest.approx(s.latency_ns, abs=12)
        assert s.service_ns <= s.latency_ns + 1
    assert r.time_by_cause("assign_new")["allocation"] > 0
    assert r.time_by_cause("get")["overflow_walk"] > 0
    assert r.time_by_cause("get")["array_allocation"] == 0


def test_a_slow_reader_of_nothing_is_rest() -> None:
    r = once({"iterate": 100}, size=50_000, ops=20, scan=0)
    assert r.causes("iterate")["rest"] + r.causes("iterate")["preempted"] + r.causes("iterate")["page_fault"] > 0.999


def test_preemption_is_seen() -> None:
    """Two threads of endless work on one CPU: each is taken off it, and its longest operations say so."""
    cpu = allowed_cpus()[0]
    w = Workload(size=1000, duration_s=0.6, seed=1, oversubscribe=True, groups=(Group(threads=2, cpus=(cpu, cpu)),))
    r = run(w)
    assert sum(t.involuntary for t in r.threads) > 0
    long = [s for s in r.slowest if s.latency_ns > 1_000_000]
    assert long
    assert sum(s.preemptions > 0 for s in long) > 0.5 * len(long)
    charged = sum(s.causes.get("preempted", 0) for s in long)
    assert charged > 0.5 * sum(s.latency_ns for s in long)  # on a shared machine the hypervisor takes its part, unseen


def test_page_faults_are_seen() -> None:
    """Each insert into a large new array touches pages that were never touched."""
    r = once({"assign_new": 100}, size=0, hint=2_000_000, ops=50_000, slow_us=1.0)
    assert sum(s.page_faults for s in r.slowest) > 500
    assert r.time_by_cause("assign_new")["page_fault"] > 0
    assert r.threads[0].page_faults > 5000


def test_sampling_and_none() -> None:
    whole = once(EVERYTHING, ops=70_001)
    r = once(EVERYTHING, ops=70_001, sample=7)
    assert r.operations == whole.operations
    assert sum(h.count for h in r.latency.values()) == 70_001 // 7
    assert sum(r.timeline.count) == 70_001
    off = once(EVERYTHING, ops=70_001, sample=0)
    assert off.operations == whole.operations
    assert (off.latency, off.slowest, off.timeline.count, off.cause_tables) == ({}, (), (), {})
    with pytest.raises(BadValue, match="attribution needs timed operations"):
        off.causes("get")
    with pytest.raises(BadValue, match="no causes of 'get'"):
        once({"get": 100}, ops=100, attribution=False).causes("get")


def test_the_time_line() -> None:
    r = once({"assign_new": 100}, size=0, ops=200_000)
    assert sum(r.timeline.count) == r.total
    assert max(r.timeline.max_ns) == r.latency["assign_new"].max_ns
    assert all(p99 <= top for p99, top in zip(r.timeline.p99_ns, r.timeline.max_ns, strict=True))
    starts = [e for e in r.timeline.events if e.kind == "grow_start"]
    assert [e.n + 1 for e in starts] == [9, *(13 * 2**b + 1 for b in range(len(starts) - 1))]
    assert all(0 <= e.at_ns <= r.elapsed_s * 1e9 for e in r.timeline.events)
    assert r.timeline.interval_ns == 1_000_000


def test_growths_of_a_map_that_is_not_made_of_gos_are_on_the_time_line() -> None:
    r = once({"assign_new": 100}, size=0, ops=170_000, variant="lockfree")  # the last growth begins at 5.5 * 2**14 and ends
    kinds = [e.kind for e in r.timeline.events if e.kind != "array_alloc"]
    assert kinds == ["grow_start", "grow_end"] * r.counters["growths"]
    assert [(e.from_B, e.to_B) for e in r.timeline.events if e.kind == "grow_end"] == [(b, b + 1) for b in range(15)]


def test_the_time_line_is_bounded() -> None:
    """The slots are joined two by two when a run takes longer than could be foreseen: a third of the rate is not reached."""
    r = once({"iterate": 100}, size=30_000, scan=0, ops=60, rate=1e6)
    assert r.timeline.interval_ns % 1_000_000 == 0
    assert r.timeline.interval_ns > 1_000_000
    assert sum(r.timeline.count) == 60
    assert r.behind_s > 0


def test_a_rate_that_is_not_reached_is_told() -> None:
    r = once({"iterate": 100}, size=50_000, scan=0, rate=1e5, duration_s=0.2)
    assert 0.1 < r.behind_s < 0.3
    bounded = once({"iterate": 100}, size=50_000, scan=0, rate=1e5, ops=100)
    assert bounded.behind_s > 0.5 * bounded.elapsed_s


def test_warm_up_is_not_counted() -> None:
    r = once({"assign_new": 100}, size=0, ops=1000, warmup=5000)
    assert r.total == r.latency["assign_new"].count == sum(r.timeline.count) == 1000
    assert r.counters["count"] == 6000
    assert all(e.at_ns >= 0 for e in r.timeline.events)
    timed = once({"get": 100}, duration_s=0.1, warmup=0.1, rate=10_000)
    assert timed.total == pytest.approx(1000, rel=0.1)


# ------------------------------------------------------------------ threads


@two_cpus
def test_readers_beside_a_writer() -> None:
    groups = (Group(mix={"get": 100}), Group(mix={"assign": 50, "assign_new": 25, "delete": 25}))
    r = run(Workload(size=5000, duration_s=0.3, seed=1, groups=groups))
    assert r.total > 0
    assert set(r.refused) <= {"concurrent map read and map write"}


@two_cpus
def test_several_writers_are_counted() -> None:
    mix: dict[str, float] = {"assign_new": 40, "delete": 40, "iterate": 20}
    r = once(mix, threads=2, duration_s=0.4)
    assert set(r.refused) <= {"concurrent map writes", "concurrent map iteration and map write"}
    assert sum(r.refused.values()) > 0


def test_pinning() -> None:
    cpu = allowed_cpus()[-1]
    r = once({"get": 100}, ops=1000, cpus=(cpu,))
    assert r.threads[0].cpu == cpu
    assert once({"get": 100}, ops=1000).threads[0].cpu is None
    assert os.sched_getaffinity(0) == set(allowed_cpus())


def threads_now() -> int:
    return len(os.listdir("/proc/self/task"))


def only(before: int) -> bool:
    """Whether there are no more threads than before. A thread that was joined may stay in /proc for a moment."""
    for _ in range(1000):
        if threads_now() <= before:
            return True
        time.sleep(0.005)
    return False


def raise_after(seconds: float) -> threading.Timer:
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    return timer


@pytest.mark.parametrize(
    "fields",
    [
        {"mix": {"get": 100}},
        {"mix": {"get": 100}, "rate": 0.5},
        {"mix": {"get": 100}, "rate": 1000.0, "arrivals": "poisson"},
        {"mix": {"get": 100}, "warmup": 60.0},
        {"mix": {"get": 100}, "size": 60_000_000},
    ],
    ids=["closed", "asleep", "open", "warming up", "filling"],
)
def test_ctrl_c_keeps_what_was_measured(fields: dict[str, Any]) -> None:
    before = threads_now()
    timer = raise_after(0.3)
    started = time.monotonic()
    r = once(**fields, duration_s=60.0)
    timer.join()
    assert r.interrupted
    assert time.monotonic() - started < 20
    assert only(before)
    assert Result.from_json(r.to_json()) == r
    if "warmup" not in fields and "size" not in fields and fields.get("rate") != 0.5:
        assert r.total > 0
        assert r.latency["get"].count == r.total


def test_ctrl_c_is_not_lost_when_the_run_is_just_over() -> None:
    """The progress of a run that takes no time is told once, when it is over; a Ctrl-C then comes too late to cancel it."""
    w = Workload(ops=100, groups=(Group(mix={"assign_new": 100}),))
    r = run(w, progress=lambda part: signal.raise_signal(signal.SIGINT))
    assert r.interrupted
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert not run(w).interrupted


def test_no_memory_leaves_nothing_behind() -> None:
    """Every allocation of the engine refused in turn; and of the map, in the middle of the run."""
    faulty = ffi.gc(lib.gm_faulty_new(), lib.gm_faulty_free)
    before = threads_now()
    for nth in itertools.count(1):
        lib.gm_faulty_arm(faulty, nth, 1)
        try:
            once(
                {"get": 50, "assign": 50},
                ops=100,
                threads=min(2, len(allowed_cpus())),
                rate=1e6,
                _overrides={"alloc": lib.gm_faulty_alloc(faulty)},
            )
        except OutOfMemory:
            assert lib.gm_faulty_live_blocks(faulty) == 0
            continue
        break
    assert nth > 10
    assert lib.gm_faulty_live_blocks(faulty) == 0
    assert only(before)


def test_a_map_without_memory_fails_operations_only() -> None:
    faulty = ffi.gc(lib.gm_faulty_new(), lib.gm_faulty_free)
    lib.gm_faulty_arm(faulty, 12, 2**62)
    r = once({"assign_new": 100}, size=0, ops=5000, _overrides={"map": {"alloc": lib.gm_faulty_alloc(faulty)}})
    assert r.failed > 0
    assert r.failed + r.total == 5000
    assert sum(r.timeline.count) == r.total
    assert r.counters["count"] == r.total == r.latency["assign_new"].count


def test_filling_without_memory() -> None:
    faulty = ffi.gc(lib.gm_faulty_new(), lib.gm_faulty_free)
    lib.gm_faulty_arm(faulty, 8, 2**62)
    with pytest.raises(OutOfMemory, match="nothing was measured"):
        once({"get": 100}, size=100_000, ops=100, _overrides={"map": {"alloc": lib.gm_faulty_alloc(faulty)}})


# ------------------------------------------------------------------ the result


def test_result_as_json_and_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    r = once(EVERYTHING, ops=20_000, rate=1e6)
    assert Result.from_json(r.to_json()) == r
    for text in ("", "[]", "{}", r.to_json().replace("gomap.run/2", "gomap.run/9"), '{"schema": "gomap.run/2"}'):
        with pytest.raises(BadValue):
            Result.from_json(text)
    for what, rows in (("latency", None), ("timeline", len(r.timeline.count)), ("slowest", 1000), ("threads", 1)):
        table = r.to_pandas(what)
        assert isinstance(table, pandas.DataFrame)
        assert rows is None or len(table) == rows
    assert r.to_pandas().groupby("kind")["count"].sum().to_dict() == {k: h.count for k, h in r.latency.items()}
    with pytest.raises(BadValue, match="unknown table"):
        r.to_pandas("x")


def test_the_machine_is_told() -> None:
    machine = once({"get": 100}, ops=10).machine
    assert machine["cpus"] == allowed_cpus()
    assert machine["compiler"]
    assert "-std=gnu11" in machine["flags"]
    for name in ("cpu_model", "kernel", "governor", "commit", "gomap", "python"):
        assert isinstance(machine[name], str)


def test_both_clocks() -> None:
    for os_clock, source in ((True, "os"), (False, "cpu" if lib.gm_tick_cost_ns(1) else "os")):
        r = once({"get": 100}, ops=20_000, os_clock=os_clock)
        assert r.clock.source == source
        assert r.clock.cost_ns > 0
        assert abs(r.clock.drift_ppm) < 1000
    assert once({"get": 100}, ops=100, os_clock=True).clock.ns_per_tick == 1


def test_progress_is_told() -> None:
    parts: list[float] = []
    once({"get": 100}, duration_s=0.5, progress=parts.append)
    assert parts == sorted(parts)
    assert all(0 <= part <= 1 for part in parts)
    assert len(parts) >= 2


def test_a_failing_progress_stops_the_run() -> None:
    def fail(part: float) -> None:
        raise RuntimeError("no more")

    before = threads_now()
    with pytest.raises(RuntimeError, match="no more"):
        once({"get": 100}, duration_s=60.0, progress=fail)
    assert only(before)
