"""The controls on real Go: that each makes what it says, that the contrary shows, and that failures are told."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import pytest

from gomap.errors import BadValue, GoFailed, GoUnavailable
from gomap.lab.machine import allowed_cpus
from gomap.realgo import controls as controls_module
from gomap.realgo.controls import CONTROL_NAMES, Controls, go_controls, run_control
from gomap.realgo.toolchain import find_go

two_cpus = pytest.mark.skipif(len(allowed_cpus()) < 2, reason="takes two CPUs")


def built(design: str) -> Controls:
    try:
        return go_controls(design)
    except GoUnavailable as e:
        pytest.skip(str(e))


@pytest.fixture(scope="module")
def classic(go_cache: Path) -> Controls:
    return built("classic")


@pytest.fixture(scope="module")
def swiss(go_cache: Path) -> Controls:
    return built("swiss")


# ------------------------------------------------------------------ the way to them


@pytest.fixture
def program(tmp_path: Path) -> Any:
    """Makes controls of a piece of shell script."""

    def make(script: str) -> Controls:
        path = tmp_path / "program"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return Controls(path, "classic")

    return make


def test_a_result_and_what_was_traced(program: Any) -> None:
    made = program("""read line; echo "gc 1 $GODEBUG" >&2; echo '{"result": {"n": 7}}'""")
    assert made.run("metrics") == {"n": 7}
    assert made.run("metrics", godebug={"gctrace": 1, "asyncpreemptoff": 1}) == {
        "n": 7,
        "trace": ["gc 1 gctrace=1,asyncpreemptoff=1"],
    }


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("""echo '{"error": "no such thing"}'""", "the control metrics: no such thing"),
        ("echo fatal: oh no >&2; exit 2", "status 2: fatal: oh no"),
        ("kill -9 $$", "status -9"),
    ],
)
def test_a_program_that_fails(program: Any, script: str, said: str) -> None:
    with pytest.raises(GoFailed, match=said):
        program(script).run("metrics")


def test_a_program_that_takes_too_long_is_ended(program: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controls_module, "_TIMEOUT_S", 0.2)
    began = time.monotonic()
    with pytest.raises(GoFailed, match="did not answer within"):
        program("exec sleep 60").run("metrics")
    assert time.monotonic() - began < 30


def test_no_program_and_no_such_control(tmp_path: Path) -> None:
    with pytest.raises(GoFailed, match="cannot be run"):
        Controls(tmp_path / "nothing", "classic").run("metrics")
    with pytest.raises(BadValue, match="unknown control 'neighbors'"):
        Controls(tmp_path / "nothing", "classic").run("neighbors")


def test_no_toolchain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOMAP_GO", "/nowhere/go")
    with pytest.raises(GoUnavailable, match="GOMAP_GO"):
        run_control("metrics", "classic")


def test_every_control_is_known_to_the_program(swiss: Controls) -> None:
    for name in CONTROL_NAMES:
        with pytest.raises(GoFailed, match="unknown field"):
            swiss.run(name, no_such_setting=1)


# ------------------------------------------------------------------ headers


def test_fields_of_a_classic_header(classic: Controls) -> None:
    found = classic.run("layout", inserts=3_000)
    assert (found["count"], found["arrays"]) == ([0], [[16, 24]])


def test_a_swiss_header_begins_with_its_count_too(swiss: Controls) -> None:
    assert swiss.run("layout", inserts=3_000)["count"] == [0]


@two_cpus
def test_only_headers_of_48_bytes_share_lines(classic: Controls, swiss: Controls) -> None:
    roomy, packed = (made.run("neighbours", shared=True, ms=5, cpus=allowed_cpus()[:2]) for made in (classic, swiss))
    assert (roomy["slot"], roomy["in_one_line"]) == (64, 0)
    assert "get_ns" not in roomy, "there is no such pair to measure"
    assert packed["slot"] == 48
    assert packed["in_one_line"] > 256
    assert packed["get_ns"] > 0


@two_cpus
def test_the_neighbour_is_written_to_meanwhile(classic: Controls) -> None:
    assert classic.run("neighbours", shared=False, ms=10, cpus=allowed_cpus()[:2])["writes"] > 100


# ------------------------------------------------------------------ the scheduler


@pytest.mark.parametrize("loop", ["get", "range", "arithmetic"])
def test_only_a_loop_without_calls_cannot_be_stopped_without_signals(classic: Controls, loop: str) -> None:
    """The loop would last 250 ms, and a turn takes about 20."""
    found = classic.run("yields", loop=loop, rounds=2, body_ns=0, ms=250, godebug={"asyncpreemptoff": 1})
    shares = [wait / length for wait, length in zip(found["waits_ns"], found["lengths_ns"], strict=True)]
    assert min(shares) > 0.5, "whoever waited ran as soon as the loop was stopped or over"
    whole = min(found["lengths_ns"]) > 200e6
    assert whole == (loop == "arithmetic")


def test_signals_stop_a_loop_without_calls(classic: Controls) -> None:
    found = classic.run("yields", loop="arithmetic", rounds=2, body_ns=0, ms=400)
    assert min(found["lengths_ns"]) < 200e6


def test_there_is_no_other_loop(classic: Controls) -> None:
    with pytest.raises(GoFailed, match="no loop is called"):
        classic.run("yields", loop="lap", rounds=1, body_ns=0, ms=1)


# ------------------------------------------------------------------ reads and writes


def test_reads_are_counted_and_their_percentiles_in_order(classic: Controls) -> None:
    found = classic.run("reads", keys="string", size=1_000, ms=30, every_ns=2_000)
    inside, arrival = found["inside"], found["arrival"]
    assert inside["count"] == arrival["count"] <= 30e6 / 2_000 + 1
    for figures in (inside, arrival):
        assert figures["p50"] <= figures["p99"] <= figures["p99.9"] <= figures["p99.99"] <= figures["max"]
        assert figures["over_10us"] >= figures["over_20us"] >= figures["over_100us"] >= figures["over_1ms"]
        for (name, part), limit in itertools.product({"p99": 0.99, "p99.9": 0.999, "p99.99": 0.9999}.items(), (10, 20, 100)):
            longer, rank = figures[f"over_{limit}us"], int(part * figures["count"])
            assert (figures[name] > 1_000 * limit) == (longer >= figures["count"] - rank)
        assert len(figures["longest"]) == min(figures["over_1ms"], 1_000)
    assert arrival["mean"] >= inside["mean"]
    assert found["cycles"] == 0


def test_what_goes_on_beside_is_counted(classic: Controls) -> None:
    found = classic.run("reads", keys="int", size=1_000, ms=60, beside={"collections": 1, "yielding": 4, "stops": 1})
    assert min(found["cycles"], found["pause_ns"], found["yields"], found["stops"]) > 0
    with pytest.raises(GoFailed, match="nothing to run beside"):
        classic.run("reads", keys="int", size=1_000, ms=1, beside={"hog": 1})


def test_a_reader_that_lost_its_processor_is_runnable(classic: Controls) -> None:
    """Four busy goroutines on two Ps take turns of some 20 ms, so the reader waits for one at least, if it runs long enough to
    lose its own: in one of a few runs, for others want the CPUs too."""
    waits = []
    while not waits or (waits[-1] < 5e6 and len(waits) < 5):
        found = classic.run("reads", keys="int", size=1_000, ms=300, beside={"hogs": 4}, watch=True)
        assert set(found["states"]) <= {"runnable", "running"}
        waits.append(found["inside"]["max"] if found["states"].get("runnable") else 0.0)
    assert waits[-1] > 5e6, waits


def test_inserts_while_the_collector_marks(classic: Controls) -> None:
    quiet, marked = (classic.run("inserts", n=20_000, presized=False, marking=on) for on in (False, True))
    assert quiet["times"]["count"] == marked["times"]["count"] == 20_000
    assert quiet["cycles"] == 0 < marked["cycles"]


def test_writes_by_what_the_collector_does(classic: Controls) -> None:
    off, normal = (
        classic.run("assigns", writer="article", collector=c, n=50_000, each=True, godebug={"gctrace": 1})
        for c in ("off", "normal")
    )
    assert off["cycles"] == 0 < normal["cycles"]
    assert all("(forced)" in row for row in off["trace"])
    assert any("(forced)" not in row for row in normal["trace"])
    assert all(row.startswith("gc ") for row in normal["trace"])
    assert normal["times"]["count"] == 50_000
    assert off["assist_s"] == 0


def test_passes_over_a_map(classic: Controls) -> None:
    found = classic.run("passes", size=1_000, rounds=4)
    assert len(found["range_ns"]) == len(found["list_ns"]) == 4
    assert min(found["range_ns"] + found["list_ns"]) > 0


def test_metrics_of_this_go(classic: Controls) -> None:
    found = classic.run("metrics")
    assert found["version"].startswith(f"go{find_go().name}")
    assert "/sched/goroutines:goroutines" in found["names"]


def test_the_profile_has_locks_and_no_map(classic: Controls) -> None:
    """Some hundred waits in 100 ms; one run may have none where something else has a CPU all the while."""
    found = [classic.run("profile", locked=True, ms=100) for _ in range(3)]
    assert max(r["records"] for r in found) > 0
    assert all(r["in_map"] == 0 and r["reads"] > 0 and r["entries"] > 1_024 for r in found)


def test_a_growth_goes_through_its_phases(classic: Controls) -> None:
    found = classic.run("phases", b=6, rounds=2)
    assert sorted(found["times"]) == ["finished", "full", "half moved", "just begun"]
    assert all(len(ns) == 2 and min(ns) > 0 for ns in found["times"].values())
    assert (found["growths"], found["new_headers"]) == (2, 0)


def test_bytes_alone_make_assists_and_stores_make_none(classic: Controls) -> None:
    stored = classic.run("assigns", writer="update pointer", collector="marking", n=100_000, live=20_000)
    assert stored["cycles"] > 0 == stored["assist_s"]
    found = [classic.run("assigns", writer="allocate", collector="normal", n=50_000, live=50_000) for _ in range(3)]
    assert max(r["assist_s"] for r in found) > 0


@pytest.mark.parametrize("step", ["gosched", "channel", "spawn"])
def test_a_step_of_the_scheduler_is_counted_as_long_as_asked(swiss: Controls, step: str) -> None:
    found = swiss.run("steps", step=step, n=10, procs=1, ms=20)
    assert found["count"] > 100
    assert found["elapsed_ns"] >= 20e6


def test_an_unknown_step_is_said(swiss: Controls) -> None:
    with pytest.raises(GoFailed, match='no step of the scheduler is called "dance"'):
        swiss.run("steps", step="dance", n=1, procs=1, ms=1)


@two_cpus
def test_the_other_p_takes_goroutines_over(classic: Controls) -> None:
    """Of all runs: where something else has the other CPU meanwhile, one has none."""
    runs = [classic.run("steals", goroutines=200) for _ in range(30)]
    moved, stayed = (sum(len(r[name] or ()) for r in runs) for name in ("moved_first_ns", "stayed_first_ns"))
    assert moved > 0 < stayed
    assert moved + stayed == 6_000
    assert all(len(r["moved_first_ns"] or ()) == len(r["moved_later_ns"] or ()) for r in runs)
