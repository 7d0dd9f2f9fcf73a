"""Experiments on real Go by its controls: the finding's form, what is counted, and that a contrary answer turns the verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from experiments import context, decided, number, skip_without_go, two_cpus, whole

from gomap.claims import CONFIRMED, REFUTED, UNDECIDED, Finding, entry
from gomap.claims import real as real_module
from gomap.claims.chapter1 import iter_gopark, iter_preempt_8, monitor_metrics, premise
from gomap.claims.chapter2 import (
    assign_barrier,
    assist_cost,
    barrier_starts_assist,
    gctrace_lines,
    grow_shape,
    preempt_while_iterating,
)
from gomap.claims.chapter3 import globrunq_hits_map, no_safepoint_in_get, spike_chain, steal_path, sysmon_period
from gomap.claims.chapter4 import grow_gc_pause, header_false_sharing, header_offsets, mutex_profile_rehash
from gomap.claims.remedies import no_range
from gomap.claims.runner import go_by_reading
from gomap.claims.verdict import Pairs, Sweep
from gomap.errors import GoFailed, MissingTool
from gomap.realgo.controls import Controls

# What no noise can turn a verdict into, at the smallest scale. Three pairs of times on a busy machine may turn into anything
# that decides; how those verdicts follow is tested below, on answers that are made up.
EXPECTED = {
    "C1.0": {REFUTED},
    "C1.6": {REFUTED},
    "C1.7": {REFUTED},
    "C1.8": {REFUTED},
    "C1.9": {REFUTED},
    "C2.13": {REFUTED},
    "C2.14": {REFUTED},
    "C2.15": {REFUTED},
    "C2.16": {REFUTED},
    "C2.19": {REFUTED, CONFIRMED},
    "C2.7": {REFUTED},
    "C3.3": {REFUTED},
    "C3.5": {REFUTED, CONFIRMED},
    "C3.6": {REFUTED},
    "C3.7": {REFUTED},
    "C3.8": {REFUTED, CONFIRMED},
    "C3.11": {CONFIRMED},
    "C4.2": {CONFIRMED},
    "C4.3": {REFUTED},
    "C4.14": {REFUTED},
    "C4.5": {REFUTED},
    "C4.7": {REFUTED, CONFIRMED},
    "R4": {REFUTED, CONFIRMED},
}


@pytest.mark.parametrize("claim_id", EXPECTED)
@two_cpus
def test_real_go_decides_or_is_read(claim_id: str) -> None:
    skip_without_go()
    f = decided(claim_id, go=True)
    assert f.by in ("experiment", "source and numbers")
    whole(claim_id, f, EXPECTED[claim_id])


@pytest.mark.parametrize("claim_id", EXPECTED)
def test_no_toolchain_leaves_the_verdict_by_source(claim_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOMAP_GO", "/nowhere/go")
    with pytest.raises(MissingTool, match="GOMAP_GO"):
        decided(claim_id, go=True)


# ------------------------------------------------------------------ answers that are made up

Answer = Callable[..., Mapping[str, Any]]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], None]:
    """Has an experiment's controls answer so, without any Go."""

    def plant(answer: Answer) -> None:
        monkeypatch.setattr(real_module, "find_go", lambda: type("Go", (), {"designs": ("classic", "swiss")}))
        monkeypatch.setattr(real_module, "go_controls", lambda design: Controls("nowhere", design))  # type: ignore[arg-type]
        monkeypatch.setattr(Controls, "run", lambda self, name, **settings: answer(self.design, **settings))

    return plant


def test_what_does_not_decide_is_read_with_its_numbers() -> None:
    c = entry("C4.2").claim
    undecided = Finding(UNDECIDED, "It was too loud.")
    f = real_module.decided_or_read(c, undecided)
    assert (f.verdict, f.by) == (go_by_reading(c).verdict, "source and numbers")
    assert f.reason.startswith(go_by_reading(c).reason)
    assert f.reason.endswith("Measured here: It was too loud.")
    assert real_module.decided_or_read(c, undecided.with_(verdict=REFUTED)).by == "experiment"


@pytest.mark.parametrize(
    ("shared_ns", "verdict", "by"),
    [(20.0, CONFIRMED, "experiment"), (8.0, REFUTED, "experiment"), (12.0, CONFIRMED, "source and numbers")],
)
@two_cpus
def test_the_verdict_on_neighbouring_headers(answers: Any, shared_ns: float, verdict: str, by: str) -> None:
    def answer(design: str, shared: bool, **_: Any) -> Mapping[str, Any]:
        n = 383 if design == "swiss" else 0
        return {"in_one_line": n, "get_ns": shared_ns if shared else 8.0, "at_once": 1.0, "writes": 5, "took_ns": 5}

    answers(answer)
    f = header_false_sharing.gets_beside_a_neighbour(context())
    assert (f.verdict, f.by) == (verdict, by)
    assert number(f, "neighbouring headers in one line, of 511, classic") == 0


@two_cpus
def test_headers_that_share_no_line_are_read(answers: Any) -> None:
    answers(lambda design, **_: {"in_one_line": 0})
    assert header_false_sharing.gets_beside_a_neighbour(context()).by == "source and numbers"


@two_cpus
def test_two_that_never_met_say_nothing(answers: Any) -> None:
    answers(lambda design, **_: {"in_one_line": 9, "get_ns": 0, "at_once": 0, "writes": 0, "took_ns": 5})
    with pytest.raises(GoFailed, match="never at work at the same time"):
        header_false_sharing.gets_beside_a_neighbour(context())


@pytest.mark.parametrize(
    ("count", "arrays", "verdict"),
    [
        ([0], [[16, 24]], REFUTED),
        ([0], [[24, 32]], UNDECIDED),  # as the article says, and nothing to refute
        ([48], [[24, 32]], REFUTED),
        ([], [], UNDECIDED),
        ([0], [[16, 24], [8, 16]], UNDECIDED),
    ],
)
def test_the_verdict_on_offsets(count: list[int], arrays: list[list[int]], verdict: str) -> None:
    assert header_offsets._offsets_judged({"classic": {"count": count, "arrays": arrays}}).verdict == verdict


# ------------------------------------------------------------------ turns


def waits(ns_of: Callable[..., float], wakeups: int | None = 2) -> Answer:
    """Answers of the control `yields` in which every wait is as long as the loop that was stopped. wakeups: in 20 ms."""

    def answer(design: str, loop: str = "", rounds: int = 1, body_ns: int = 0, **settings: Any) -> Mapping[str, Any]:
        if not loop:
            return {"range_ns": [10.0], "list_ns": [20.0]}
        ns = ns_of(loop=loop, body=body_ns, signals=not settings.get("godebug"))
        counted = {} if wakeups is None else {"wakeups": wakeups}
        return {"waits_ns": [ns] * rounds, "lengths_ns": [ns] * rounds, "took_ns": 20e6, **counted}

    return answer


def stopped_by_calls(loop: str, body: float, signals: bool) -> float:
    """As Go does it."""
    return 150e6 if loop == "arithmetic" and not signals else 20.2e6 + body / 2


def no_safe_point(loop: str, body: float, signals: bool) -> float:
    """As the article has it: reads, too, are only stopped by signals, and a range looks up every 52 elements."""
    return 20.2e6 + 52 * body if signals or body else 150e6


@pytest.mark.parametrize(
    ("ns_of", "verdict", "by"),
    [
        (stopped_by_calls, REFUTED, "experiment"),
        (no_safe_point, CONFIRMED, "experiment"),
        (lambda loop, body, signals: 20.2e6, REFUTED, "source and numbers"),  # what cannot be stopped does not show
    ],
)
def test_the_verdict_on_safe_points(answers: Any, ns_of: Any, verdict: str, by: str) -> None:
    answers(waits(ns_of))
    f = no_safepoint_in_get.stopped_with_and_without_signals(context())
    assert (f.verdict, f.by) == (verdict, by)


@pytest.mark.parametrize(
    ("ns_of", "verdict", "by"),
    [
        (stopped_by_calls, REFUTED, "experiment"),
        (lambda loop, body, signals: 20e6 + 52 * body, UNDECIDED, "experiment"),
    ],
)
def test_the_verdict_on_bodies(answers: Any, ns_of: Any, verdict: str, by: str) -> None:
    answers(waits(ns_of))
    f = iter_preempt_8.range_with_bodies(context())
    assert (f.verdict, f.by) == (verdict, by)


@pytest.mark.parametrize(
    ("slice_ns", "wakeups", "verdict", "by"),
    [
        (20e6, 2, REFUTED, "experiment"),  # 100 a second
        (20e6, 1, CONFIRMED, "experiment"),  # 50 a second
        (20e6, None, REFUTED, "source and numbers"),
        (5e6, 2, REFUTED, "source and numbers"),
    ],
)
def test_the_verdict_on_the_slice_and_the_period(
    answers: Any, slice_ns: float, wakeups: int | None, verdict: str, by: str
) -> None:
    answers(waits(lambda loop, body, signals: slice_ns, wakeups))
    f = sysmon_period.turns_and_wakeups(context())
    assert (f.verdict, f.by) == (verdict, by)
    assert next(n for n in f.numbers if n.headline).value == slice_ns / 1e6


@pytest.mark.parametrize(
    ("range_ns", "preempts", "helps"),
    [
        (20e6, (REFUTED, "experiment"), (REFUTED, "experiment")),
        (5e6, (CONFIRMED, "experiment"), (REFUTED, "source and numbers")),  # the range is stopped more often
        (40e6, (REFUTED, "source and numbers"), (CONFIRMED, "experiment")),  # the list yields sooner
    ],
)
def test_the_verdicts_on_ranges_and_turns(answers: Any, range_ns: float, preempts: Any, helps: Any) -> None:
    answers(waits(lambda loop, body, signals: range_ns if loop == "range" else 20e6))
    iterating, listed = preempt_while_iterating.switches_beside_a_range(context()), no_range.delay_and_price(context())
    assert (iterating.verdict, iterating.by) == preempts
    assert (listed.verdict, listed.by) == helps
    assert number(listed, "an element by key list and get, 1,000 entries") == 20


@pytest.mark.parametrize(
    ("states", "verdict"),
    [
        ({"runnable": 9, "running": 2}, REFUTED),
        ({"runnable": 9, "chan receive": 1}, UNDECIDED),
        ({"running": 9}, UNDECIDED),  # it never lost its P
        ({}, UNDECIDED),
    ],
)
def test_the_verdict_on_states(states: dict[str, int], verdict: str) -> None:
    f = iter_gopark._judged([{"states": states, "inside": {"longest": [80e6, 60e6, 2e6], "max": 80e6}}], 20e6)
    assert f.verdict == verdict
    assert number(f, "time kept off, of those over half a slice") == 70e6
    assert number(f, "slice times goroutines ahead by Ps") == 80e6


# ------------------------------------------------------------------ tails


def storms(inside: float, arrival: float, rounds: int = 3) -> Pairs:
    """p99 of 100 ns alone, and so much more in a storm."""

    def samples(by_inside: float, by_arrival: float) -> tuple[Mapping[str, float], ...]:
        one = {"inside p99": 100 * by_inside, "arrival p99": 200 * by_arrival, "inside max": 1e6, "yields": 1e6}
        return (one,) * rounds

    alone, storm = samples(1, 1), samples(inside, arrival)
    return Pairs(("alone", "in a storm"), alone, storm, alone, storm, "test run")


@pytest.mark.parametrize(
    ("inside", "arrival", "verdict"),
    [
        (1.1, 50, REFUTED),
        (4.9, 50, CONFIRMED),
        (2.0, 50, UNDECIDED),
        (1.0, 1.0, UNDECIDED),  # no storm was felt at all
    ],
)
def test_the_verdict_on_storms(inside: float, arrival: float, verdict: str) -> None:
    assert globrunq_hits_map._judged(storms(inside, arrival)).verdict == verdict
    assert globrunq_hits_map._judged(storms(inside, arrival, 2)).verdict == UNDECIDED


def swept(*values: float, names: tuple[str, ...] = ("a", "b", "c", "d"), rounds: int = 3) -> Sweep:
    return Sweep(names, tuple(({"value": v, "cycles": 1.0},) * rounds for v in values))


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ((100, 150, 200, 250), REFUTED),  # the sum
        ((100, 150, 200, 120), REFUTED),
        ((100, 150, 200, 700), CONFIRMED),
        ((100, 150, 200, 400), UNDECIDED),
    ],
)
def test_the_verdict_on_growth_and_marking(values: tuple[float, ...], verdict: str) -> None:
    assert grow_gc_pause._judged(swept(*values), "test run").verdict == verdict
    without = Sweep(("a", "b", "c", "d"), tuple(({"value": v, "cycles": 0.0},) * 3 for v in values))
    assert grow_gc_pause._judged(without, "test run").verdict == UNDECIDED, "nothing was marked"
    assert grow_gc_pause._judged(swept(*values), "").verdict == UNDECIDED, "three rounds are not what was asked for"


def test_the_interaction_of_chains_and_storm() -> None:
    f = spike_chain._told(swept(50, 60, 70, 95))
    assert number(f, "p99 of get, chains and storm together beyond the sum of both") == 15


def test_the_ratio_of_updates_while_marking() -> None:
    f = assign_barrier._told(swept(10, 11, 20, 50))
    assert number(f, "an update of a pointer, while marking by without") == 2.5
    assert number(f, "an update of an int, while marking by without") == 1.1


def test_the_longest_read_of_all_comes_first() -> None:
    samples = [({"p99.99": 2.0, "max": x / 50, "p50 ns": 50.0, "max ns": x},) * 2 for x in (1e3, 9e6)]
    f = premise._told(Sweep(("nothing", "hogs"), tuple(samples)))
    assert (f.numbers[0].name, f.numbers[0].value) == ("longest get beside hogs", 9e6)


# ------------------------------------------------------------------ what Go prints and lists


def test_slow_writes_and_the_time_of_assists() -> None:
    r = {"times": {"count": 10**6, "over_20us": 500}, "cycles": 3, "assist_s": 0.001}
    f = assist_cost._told([r, r])
    assert number(f, "writes over 20 µs, of a million") == 500
    assert number(f, "time in assists, of a million writes") == pytest.approx(1e6)
    assert number(f, "collections meanwhile") == 6


@pytest.mark.parametrize(
    ("trace", "verdict"),
    [
        (["gc 1 @0.01s 2%: ..."] * 3, REFUTED),
        (["gc 1 @0.01s 2%: ...", *["gc assist: 64 KB"] * 100], CONFIRMED),
        (["gc 1 @0.01s 2%: ... (forced)"], UNDECIDED),  # none by itself: it could not have printed anything
    ],
)
def test_the_verdict_on_lines(trace: list[str], verdict: str) -> None:
    assert gctrace_lines._judged(100, trace).verdict == verdict


@pytest.mark.parametrize(
    ("names", "trace", "verdict"),
    [
        (["/sched/goroutines:goroutines", "/memory/classes/profiling/buckets:bytes"], ["gc 1"], REFUTED),
        (["/sched/goroutines:goroutines", "/go_map_buck_hash:seconds"], ["gc 1, sweep stall 3 ms"], CONFIRMED),
        (["/sched/goroutines:goroutines"], [], UNDECIDED),
    ],
)
def test_the_verdict_on_metrics(names: list[str], trace: list[str], verdict: str) -> None:
    assert monitor_metrics._judged(names, trace).verdict == verdict


@pytest.mark.parametrize(
    ("stores_s", "allocation_s", "cycles", "verdict"),
    [
        (0.0, 0.01, 5, REFUTED),
        (0.01, 0.0, 5, CONFIRMED),
        (0.01, 0.01, 5, UNDECIDED),
        (0.0, 0.0, 5, UNDECIDED),
        (0.0, 0.01, 0, UNDECIDED),  # nothing was marked: no barrier ran
    ],
)
def test_the_verdict_on_what_starts_assists(stores_s: float, allocation_s: float, cycles: int, verdict: str) -> None:
    stored, allocated = ({"assist_s": s, "cycles": cycles} for s in (stores_s, allocation_s))
    assert barrier_starts_assist._judged([stored], [allocated]).verdict == verdict


@pytest.mark.parametrize(
    ("in_map", "reads", "records", "verdict"),
    [(0, 10**7, 3, REFUTED), (2, 10**7, 3, CONFIRMED), (0, 10**6, 3, UNDECIDED), (0, 10**7, 0, UNDECIDED)],
)
def test_the_verdict_on_real_go_s_profile(in_map: int, reads: int, records: int, verdict: str) -> None:
    unlocked, locked = {"in_map": 0, "reads": reads, "records": 0}, {"in_map": in_map, "reads": 9, "records": records}
    assert mutex_profile_rehash._profiled(context(), unlocked, locked).verdict == verdict


@pytest.mark.parametrize(("new", "verdict"), [(0, REFUTED), (5, CONFIRMED)])
def test_the_verdict_on_new_headers(new: int, verdict: str) -> None:
    times = {"finished": [20.0], "full": [20.0], "half moved": [28.0], "just begun": [21.0]}
    f = grow_shape._judged_in_go({"times": times, "growths": 5, "new_headers": new})
    assert f.verdict == verdict
    assert number(f, "a hit, half moved") == 28
    assert number(f, "a hit, half moved by full") == 1.4


def test_gets_of_goroutines_that_were_taken_over() -> None:
    runs: list[Mapping[str, list[int] | None]] = [
        {"moved_first_ns": [3_000], "moved_later_ns": [1_000], "stayed_first_ns": [1_200] * 3},
        {"moved_first_ns": None, "moved_later_ns": None, "stayed_first_ns": [1_200] * 4},
    ]
    f = steal_path._told(runs)
    assert number(f, "goroutines taken over by the other P") == 12.5
    assert number(f, "first gets of goroutines taken over, by the same again") == 3
    assert number(f, "first gets of goroutines taken over, by those of others") == 2.5
    assert number(f, "a get: first gets, taken over") == 30
    assert "another ran 0 first" in steal_path._told(runs[1:]).reason
