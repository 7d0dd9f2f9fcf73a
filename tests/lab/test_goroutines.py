"""Workloads whose groups are goroutines: shares, times apart, causes, time line, trace, endings."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gomap._core import ffi, lib

from gomap import BadValue
from gomap.cli import main
from gomap.errors import OutOfMemory
from gomap.lab import Group, Result, Workload, run
from gomap.lab.schedule import FROM, TO
from gomap.lab.text import result_text

MIX = {"get": 50.0, "assign_new": 25.0, "delete": 25.0}
WAITS = ("run_queue_wait", "preempted_by_sysmon", "stolen", "global_queue_lock")


def once(*groups: Group, trace: int = 0, _overrides: Any = None, **fields: Any) -> Result:
    given: dict[str, Any] = {"size": 1000, "seed": 1, "oversubscribe": True, **fields}
    return run(Workload(groups=groups, **given), trace=trace, _overrides=_overrides)


def waited(r: Result, kind: str = "get") -> dict[str, float]:
    spent = r.time_by_cause(kind)
    return {cause: spent[cause] for cause in WAITS}


# ------------------------------------------------------------------ what does not fit


@pytest.mark.parametrize(
    ("group", "fields", "says"),
    [
        ({"goroutines": 0}, {}, "goroutines must be from 1"),
        ({"goroutines": 8, "threads": 2}, {}, "threads or goroutines, not both"),
        ({"goroutines": 8, "cpus": (0,)}, {}, "cannot be pinned"),
        ({"goroutines": 8, "procs": 257}, {}, "procs must be from 1 to 256"),
        ({"goroutines": 70_000}, {}, "goroutines must be from 1 to 65,536"),
        ({"goroutines": 1001, "rate": 1.0}, {}, "at most 1,000"),
        ({"procs": 2}, {}, "procs is for goroutines"),
        ({"does": "hog"}, {}, "does is for goroutines"),
        ({"goroutines": 8, "does": "sleeps"}, {}, "unknown does 'sleeps'"),
        ({"goroutines": 8, "does": "hog"}, {}, "no group does operations"),
        ({"goroutines": 8, "does": "hog", "rate": 5.0}, {}, "give no mix and no rate"),
        ({"goroutines": 7, "does": "ping-pong"}, {}, "an even number"),
        ({}, {"scheduler": {"preempt": "none"}}, "the workload has none"),
        ({"goroutines": 8}, {"scheduler": {"speed": "high"}}, "unknown knob 'speed'"),
        ({"goroutines": 8}, {"scheduler": {"measure": False}}, "unknown knob 'measure'"),
        ({"goroutines": 8}, {"scheduler": {"preempt": "never"}}, "'never' is not allowed"),
        ({"goroutines": 8, "procs": 200}, {"oversubscribe": False}, "200 threads on"),
    ],
)
def test_what_does_not_fit_is_told_in_a_sentence(group: dict[str, Any], fields: dict[str, Any], says: str) -> None:
    with pytest.raises(BadValue, match=says) as told:
        Workload(**{"size": 10, "ops": 10, "oversubscribe": True, "groups": (Group(**group),), **fields})
    assert "\n" not in str(told.value)


def test_one_scheduler_for_all() -> None:
    with pytest.raises(BadValue, match="share one scheduler: procs cannot be 1 and 2"):
        Workload(size=10, ops=10, groups=(Group(goroutines=1, procs=1), Group(goroutines=1, procs=2)), oversubscribe=True)
    w = Workload(size=10, ops=10, groups=(Group(goroutines=9, procs=2), Group(goroutines=1), Group()), oversubscribe=True)
    assert (w.procs, w.threads) == (2, 3)


def test_a_trace_needs_goroutines() -> None:
    with pytest.raises(BadValue, match="a trace is of goroutines"):
        once(Group(), ops=10, trace=10)
    with pytest.raises(BadValue, match="no trace was kept"):
        once(Group(goroutines=1, procs=1), ops=10).write_trace("nowhere")


def test_json_has_all_but_the_trace() -> None:
    group = Group(goroutines=6, procs=2, mix=MIX)
    w = Workload(
        size=10, ops=600, groups=(group, Group(goroutines=2, does="hog")), scheduler={"slice_ms": 5}, oversubscribe=True
    )
    assert Workload.from_json(w.to_json()) == w
    r = run(w, trace=100)
    again = Result.from_json(r.to_json())
    assert again == r
    assert r.trace is not None
    assert again.trace is None
    assert again.scheduler is not None
    assert again.scheduler.knobs["slice_ms"] == 5


# ------------------------------------------------------------------ shares and order


def test_each_goroutine_has_its_share() -> None:
    """Shares go through threads and goroutines alike; those that do nothing with the map have none."""
    beside = Group(goroutines=2, does="yields")
    r = once(Group(), beside, Group(goroutines=5, procs=2, mix=MIX), Group(goroutines=2), ops=8005, warmup=100, variant="mutex")
    assert r.scheduler is not None
    assert r.threads[0].operations == 1001
    assert r.scheduler.operations == (0, 0, 5004, 2000)
    assert r.total == 8005 == sum(h.count for h in r.latency.values())
    assert len(r.threads) == 1


def test_requests_are_fixed_by_the_seed() -> None:
    one, again, other = (once(Group(goroutines=40, procs=2, mix=MIX), ops=20_000, variant="mutex", seed=s) for s in (1, 1, 2))
    assert one.operations == again.operations != other.operations


def test_order_is_fixed_on_one_p_without_preemption() -> None:
    group = Group(goroutines=40, procs=1, mix=MIX)
    runs = [once(group, ops=50_000, seed=s, scheduler={"preempt": "none"}) for s in (1, 1, 2)]
    assert runs[0].digest == runs[1].digest != runs[2].digest
    assert runs[0].counters == runs[1].counters
    assert runs[0].hits == runs[1].hits
    assert runs[0].refused == {}


# ------------------------------------------------------------------ times and causes


@pytest.mark.parametrize("rate", [None, 20_000.0])
def test_times_add_up(rate: float | None) -> None:
    r = once(Group(goroutines=8, procs=2, rate=rate), Group(goroutines=4, does="calls"), ops=4000)
    response, service, delay = r.latency["get"], r.service["get"], r.delay["get"]
    assert response.count == service.count == delay.count == 4000
    total = sum(value * n for value, n in response.counts)
    assert sum(r.time_by_cause("get").values()) == pytest.approx(total, rel=0.01)
    assert sum(waited(r).values()) == pytest.approx(sum(value * n for value, n in delay.counts), rel=0.01)
    assert service.max_ns <= response.max_ns * 1.002
    assert delay.max_ns <= response.max_ns * 1.002
    for s in r.slowest[:100]:
        assert sum(s.causes.values()) == s.latency_ns
        assert s.service_ns <= s.latency_ns
        assert 0 <= s.thread < 8


def test_who_is_stopped_waits_for_that() -> None:
    """Each of the two is stopped once a slice; hogs that only a signal stops have the P meanwhile. Every goroutine that is
    stopped goes through the global queue, whose lock it takes."""
    r = once(Group(goroutines=2, procs=1), Group(goroutines=2, does="hog"), duration_s=0.3, scheduler={"slice_ms": 1})
    assert r.scheduler is not None
    spent = waited(r)
    assert r.scheduler.counters["preempted_async"] > 0
    assert spent["preempted_by_sysmon"] > spent["run_queue_wait"] > 0
    assert spent["global_queue_lock"] > 0
    assert spent["stolen"] == 0  # by whom?
    assert r.service["get"].count == r.latency["get"].count
    assert r.delay["get"].max_ns > 1_000_000


def test_who_is_not_stopped_only_waits_in_line() -> None:
    r = once(Group(goroutines=20, procs=1), ops=100_000, scheduler={"preempt": "none"})
    spent = waited(r)
    assert spent["run_queue_wait"] > 0
    assert spent["preempted_by_sysmon"] == spent["stolen"] == 0
    assert r.delay["get"].percentile(50) == 0


def test_stolen_is_who_another_p_took() -> None:
    """All are let go on one P. The other has nothing but what it takes from there."""
    r = once(Group(goroutines=64, procs=2), ops=400_000, trace=1000)
    assert r.scheduler is not None
    assert r.trace is not None
    stolen = np.count_nonzero(r.trace.runs["from"] == FROM.index("stolen"))
    assert stolen > 0 or waited(r)["stolen"] == 0
    assert abs(stolen - sum(map(sum, r.scheduler.timeline.steals))) <= 2  # runs that the beginning and the end cut through
    without = once(Group(goroutines=64, procs=2), ops=10_000, scheduler={"steal": "off"})
    assert waited(without)["stolen"] == 0


def test_early_goroutines_do_not_keep_their_p() -> None:
    """Sixteen that sleep between operations, a yielder on the one P: it runs all the time."""
    r = once(Group(goroutines=16, procs=1, rate=4000), Group(goroutines=1, does="yields"), duration_s=0.2)
    assert r.scheduler is not None
    assert r.scheduler.counters["yields"] > 10 * r.total > 0
    assert r.scheduler.counters["retakes"] < r.scheduler.counters["blocks"] / 10  # sysmon finds none to take away


@pytest.mark.parametrize("sample", [0, 7])
def test_not_all_are_timed(sample: int) -> None:
    r = once(Group(goroutines=10, procs=2), ops=7000, sample=sample)
    assert r.total == 7000
    assert sum(h.count for h in r.latency.values()) == (1000 if sample else 0)


# ------------------------------------------------------------------ time line and trace


def test_the_time_line_is_the_scheduler_s() -> None:
    r = once(Group(goroutines=1, procs=2), Group(goroutines=8, does="hog"), duration_s=0.2, scheduler={"slice_ms": 1})
    assert r.scheduler is not None
    t = r.scheduler.timeline
    assert len(t.at_ns) > 3
    assert list(t.at_ns) == sorted(t.at_ns)
    assert all(len(row) == 2 for of in (t.queue, t.runs, t.steals, t.busy) for row in of)
    assert 0 < sum(map(sum, t.runs)) <= r.scheduler.counters["runs"]
    assert t.runs[0] == (0, 0)
    waiting = [g + sum(own) for g, own in zip(t.global_queue, t.queue, strict=True)]
    assert 4 <= max(waiting) <= 10  # nine, two of them on a P
    assert any(all(row) for row in t.busy)
    assert t.text().count("SCHED ") == len(t.at_ns)


def test_the_trace_tells_every_run(tmp_path: Path) -> None:
    r = once(
        Group(goroutines=8, procs=2), Group(goroutines=4, does="hog"), duration_s=0.1, scheduler={"slice_ms": 1}, trace=10_000
    )
    assert r.trace is not None
    assert r.trace.dropped == 0
    runs = r.trace.runs
    for p in range(2):
        own = runs[runs["p"] == p]
        assert np.all(own["begin_ns"] <= own["end_ns"])
        assert np.all(own["end_ns"][:-1] <= own["begin_ns"][1:])
    r.write_trace(tmp_path / "trace.json")
    read = json.loads((tmp_path / "trace.json").read_text())
    events = read["traceEvents"]
    assert read["otherData"]["dropped"] == 0
    slices = [e for e in events if e["ph"] == "X"]
    assert len(slices) == len(runs) > 0
    assert {e["tid"] for e in slices} == {e["tid"] for e in events if e.get("name") == "thread_name"}
    stopped = {TO.index("preempted at a safe point"), TO.index("preempted by a signal")}
    assert sum(e.get("cat") == "preemption" for e in events) == sum(to in stopped for to in runs["to"].tolist()) > 0
    assert sum(e.get("cat") == "steal" for e in events) == np.count_nonzero(runs["from"] == FROM.index("stolen"))


def test_a_trace_is_bounded_and_says_what_it_dropped() -> None:
    r = once(Group(goroutines=1, procs=1), Group(goroutines=4, does="yields"), duration_s=0.1, trace=5)
    assert r.trace is not None
    assert r.trace.dropped > 0
    assert len(r.trace.runs) == 5
    assert r.scheduler is not None
    assert len(r.trace.runs) + r.trace.dropped <= r.scheduler.counters["runs"] + r.scheduler.counters["reacquired"]


# ------------------------------------------------------------------ endings


def test_ctrl_c_keeps_what_was_measured() -> None:
    before = threading.active_count()
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    r = once(Group(goroutines=20, procs=2), Group(goroutines=4, does="hog"), duration_s=60)
    timer.join()
    assert r.interrupted
    assert 0 < r.elapsed_s < 30
    assert r.total > 0
    assert threading.active_count() == before


@pytest.mark.parametrize("nth", [3, 12, 20])
def test_refused_memory_is_an_error(nth: int) -> None:
    faulty = ffi.gc(lib.gm_faulty_new(), lib.gm_faulty_free)
    lib.gm_faulty_arm(faulty, nth, 1)
    with pytest.raises(OutOfMemory):
        once(Group(goroutines=20, procs=2), ops=1000, _overrides={"alloc": lib.gm_faulty_alloc(faulty)})
    assert lib.gm_faulty_live_blocks(faulty) == 0


def test_hogs_beside_threads_end_with_them() -> None:
    r = once(Group(threads=1), Group(goroutines=3, procs=1, does="hog"), ops=2000, warmup=100)
    assert r.total == 2000
    assert r.delay == {}


# ------------------------------------------------------------------ text and command


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "trace.json"
    asked = "run --goroutines 8 --procs 1 --ops 2000 --sched preempt=none --sched slice_ms=5 --trace-out"
    assert main([*asked.split(), str(path)]) == 0
    told = capsys.readouterr().out
    assert "8 goroutines on 1 P," in told
    assert "Scheduling delay (ready until running)" in told
    assert "Service (in the operation)" in told
    assert "knobs: preempt none, slice_ms 5" in told
    assert len(json.loads(path.read_text())["traceEvents"]) > 8
    assert main(["run", "--trace-out", str(path), "--ops", "10"]) != 0
    assert "a trace is of goroutines" in capsys.readouterr().err


def test_text_of_both_kinds() -> None:
    r = once(Group(threads=1), Group(goroutines=3, procs=1), ops=4000, variant="mutex")
    assert "1 thread and 3 goroutines on 1 P" in result_text(r)
    assert isinstance(r.workload["groups"][1], Mapping)
