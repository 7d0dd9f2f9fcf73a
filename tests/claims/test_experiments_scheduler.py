"""Experiments on the model's scheduler: what is counted has to come out, and the opposite setting has to turn the verdict."""

from __future__ import annotations

import pytest
from experiments import context, decided, number, whole

from gomap.claims import CONFIRMED, NOT_MEASURABLE, REFUTED, UNDECIDED, Finding
from gomap.claims.chapter1 import iter_gopark, iter_preempt_8, one_writer_stalls_readers
from gomap.claims.chapter3 import (
    disturbance_table,
    globrunq_cas,
    globrunq_hits_map,
    no_safepoint_in_get,
    preempt_cache_damage,
    preempt_mechanism,
    spike_chain,
    stale_bucket_after_steal,
    steal_path,
    sysmon_period,
)
from gomap.claims.turns import Turns
from gomap.claims.verdict import Pairs, Sweep
from gomap.lab.compare import Ratio
from gomap.lab.machine import allowed_cpus
from gomap.lab.queues import Crowd, StaleCounts

# What no noise can turn a verdict into, at the smallest scale. Three pairs of one slice each may turn into anything.
EXPECTED = {
    "C1.2": {CONFIRMED, UNDECIDED, REFUTED},
    "C1.7": {REFUTED},
    "C1.8": {REFUTED},
    "R4": {REFUTED, CONFIRMED, UNDECIDED, NOT_MEASURABLE},
    "C2.19": {REFUTED, CONFIRMED, UNDECIDED, NOT_MEASURABLE},
    "C3.1": {REFUTED},
    "C3.3": {CONFIRMED, UNDECIDED},
    "C3.4": {CONFIRMED, REFUTED, UNDECIDED, NOT_MEASURABLE},
    "C3.5": {REFUTED, UNDECIDED},
    "C3.6": {REFUTED, UNDECIDED, NOT_MEASURABLE},
    "C3.7": {REFUTED, UNDECIDED},
    "C3.8": {REFUTED, CONFIRMED, UNDECIDED, NOT_MEASURABLE},
    "C3.9": {CONFIRMED},
    "C3.10": {CONFIRMED, UNDECIDED},
    "C3.11": {CONFIRMED, UNDECIDED, NOT_MEASURABLE},
}


@pytest.mark.parametrize("claim_id", EXPECTED)
def test_the_model_decides(claim_id: str) -> None:
    if claim_id == "C3.4" and len(allowed_cpus()) < 2:
        pytest.skip("takes two CPUs")
    f = decided(claim_id)
    whole(claim_id, f, EXPECTED[claim_id])
    assert f.series
    assert f.settings


def test_a_range_that_looks_at_every_eighth_bucket_is_told() -> None:
    f = iter_preempt_8.elements_until_a_range_stops(context(), check="every 8 buckets")
    assert f.verdict == CONFIRMED, f.reason
    blind = {(check, body): {"stops": 9, "late": 9, "latest": 1} for check in ("every call", "every 8 buckets") for body in
             ("nothing", "1 µs", "100 µs")}  # fmt: skip
    assert iter_preempt_8._counted("every call", blind).verdict == UNDECIDED


def crowds(depths: tuple[int, ...], drains: tuple[int, ...]) -> dict[int, list[Crowd]]:
    each = zip((1, 8, 64, 512), depths, drains, strict=True)
    return {n: [Crowd(depth, 100_000, drain, 0)] * 3 for n, depth, drain in each}


@pytest.mark.parametrize(
    ("depths", "drains", "verdict"),
    [
        ((1, 7, 60, 400), (1, 8, 64, 400), CONFIRMED),
        ((1, 7, 60, 400), (1, 8, 64, 100), UNDECIDED),
        ((1, 7, 60, 90), (1, 8, 64, 512), UNDECIDED),
        ((0, 1, 2, 3), (0, 1, 2, 3), REFUTED),
    ],
)
def test_crowds_are_judged_by_depth_and_drain(depths: tuple[int, ...], drains: tuple[int, ...], verdict: str) -> None:
    assert one_writer_stalls_readers._judged(crowds(depths, drains)).verdict == verdict


def test_goroutines_that_are_put_aside_are_told() -> None:
    f = iter_gopark.resumed_beside_hogs(context(), target="parked")
    assert f.verdict == CONFIRMED, f.reason
    assert number(f, "goroutines stopped that were in no queue") == number(f, "goroutines stopped") > 0


def test_thefts_that_break_the_rule_are_told() -> None:
    f = steal_path.batches_and_order(context(), steal="one")
    assert f.verdict == REFUTED
    assert "Broken: an idle P takes several at once" in f.reason


def test_stale_looks_in_spite_of_a_collector_are_told() -> None:
    """The instrument: arrays that are freed at once are met, also where they are said to be collected."""
    f = stale_bucket_after_steal.looks_across_a_switch(context(), collected="freed at once")
    assert f.verdict == UNDECIDED
    assert number(f, "stale looks in a million, freed at once, on one P") > 1000
    none, some, many = (StaleCounts(100, 100, n, n, 1, 1) for n in (0, 10, 50))
    cells = {("collected", "on one P"): none, ("collected", "on two Ps"): none, ("freed at once", "on one P"): some}
    for moved, verdict in ((some, REFUTED), (many, CONFIRMED), (none, UNDECIDED)):
        found = {**cells, ("freed at once", "on two Ps"): moved}
        assert stale_bucket_after_steal._judged("collected", found).verdict == verdict


@pytest.mark.parametrize(
    ("producers", "length", "verdict"),
    [
        (CONFIRMED, REFUTED, CONFIRMED),
        (REFUTED, REFUTED, REFUTED),
        (UNDECIDED, REFUTED, REFUTED),
        (UNDECIDED, UNDECIDED, UNDECIDED),
    ],
)
def test_producers_and_length_of_the_queue(producers: str, length: str, verdict: str) -> None:
    each = ({"ns": 5.0, "p99": 50.0, "retries": 0.0},) * 3
    pairs = Pairs(("one", "two"), each, each, each, each, "test run")
    sweep = Sweep(("1", "2", "4"), (each,) * 3)
    assert globrunq_cas._told(Finding(producers, "So."), Finding(length, "So."), sweep, pairs).verdict == verdict


def test_gets_that_nobody_can_stop_are_told() -> None:
    """Equal waits say nothing if a loop that cannot be stopped does not show, or one that can was not stopped."""
    equal = Finding(REFUTED, "Equal.")
    stops = {("sync", "gets"): 5}
    whole, short = Turns((150e6,), (150e6,), None), Turns((20e6,), (150e6,), None)
    assert no_safepoint_in_get._with_whole(equal, whole, "gets", stops).verdict == REFUTED
    assert no_safepoint_in_get._with_whole(equal, short, "gets", stops).verdict == UNDECIDED
    assert no_safepoint_in_get._with_whole(equal, whole, "gets", {("sync", "gets"): 0}).verdict == UNDECIDED


def samples(metric: str, *values: float) -> tuple[dict[str, float], ...]:
    return tuple({metric: v} for v in values)


def test_rules_of_sysmon_and_storm() -> None:
    at_20 = ({"wait": 20.0, "wakeups": 50.0},) * 3
    pairs = Pairs(("get", "loop"), at_20, at_20, at_20, at_20, "test run")
    assert sysmon_period._judged(pairs).verdict == CONFIRMED
    names = ("inside p99", "inside max", "arrival p99", "arrival max", "yields")
    calm, hit = (dict.fromkeys(names, 100.0), {**dict.fromkeys(names, 500.0)})
    late = {**calm, "arrival p99": 500.0}
    for stormy, verdict in ((hit, CONFIRMED), (late, REFUTED), (calm, UNDECIDED)):
        found = globrunq_hits_map._judged(Pairs(("a", "b"), (calm,) * 3, (stormy,) * 3, (calm,) * 3, (stormy,) * 3, "test run"))
        assert found.verdict == verdict


@pytest.mark.parametrize(("largest", "verdict"), [(3.0, CONFIRMED), (1.2, REFUTED)])
def test_what_a_neighbour_does_to_the_caches(largest: float, verdict: str) -> None:
    names = tuple(preempt_cache_damage._FOOTPRINTS)
    each = tuple(
        tuple({"first by later": x, "lost": 100 * x, "later": 20.0} for _ in range(3)) for x in (1.0, 1.0, 1.1, largest)
    )
    assert preempt_cache_damage._judged(Sweep(names, each)).verdict == verdict


@pytest.mark.parametrize(("together", "verdict"), [(300.0, REFUTED), (400.0, UNDECIDED)])
def test_chains_and_storm_together(together: float, verdict: str) -> None:
    """Alone 100 and 200, so 300 together without interaction: what is told apart is more."""
    values = (100, 100, 200, 200, 200, together - 100)
    sweep = Sweep(tuple("abcdef"), tuple(samples("value", *(float(v),) * 4) for v in values))
    assert spike_chain._without_interaction(sweep).verdict == verdict


def test_rows_of_disturbances() -> None:
    exact, off, none = Ratio(1.0, 0.9, 1.1), Ratio(4.0, 3.0, 5.0), Ratio(0.0, 0.0, 0.0)
    longest = {"a": 1.0, "b": 1.0}
    assert disturbance_table._by_row({"a": exact, "b": exact}, none, longest).verdict == CONFIRMED
    assert disturbance_table._by_row({"a": exact, "b": off}, none, longest).verdict == UNDECIDED
    assert disturbance_table._by_row({"a": exact, "b": exact}, off, longest).verdict == NOT_MEASURABLE


def test_a_get_that_lost_its_p_refutes_the_gate() -> None:
    reads = preempt_mechanism.played(
        preempt_mechanism.Scheduler(procs=1), preempt_mechanism.numbers(100), observer="gets", hogs=1, observations=1000
    )
    assert reads.counts["inside"] == 0
    lost = {**reads.counts, "inside": 1}
    broken = type(reads)(**{**vars(reads), "counts": lost})
    assert preempt_mechanism._judged({"sync": 1, "async": 1}, {"sync": [1.0]}, broken).verdict == REFUTED
    assert preempt_mechanism._judged({"sync": 1, "async": 0}, {"sync": [1.0]}, reads).verdict == UNDECIDED
