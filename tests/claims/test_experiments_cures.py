"""The experiments on the cures and on what deletes and shared headers do, scaled down: what is counted has to come out, what is
timed is only not to come out wrong; and where a knob or a count is turned round, the verdict turns with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from experiments import context, number, pairs_of, two_cpus

import gomap.claims.chapter4.atomic_buckets_load as buckets_load
import gomap.claims.chapter4.delete_keeps_overflow as keeps
import gomap.claims.chapter4.delete_writes_overflow_ptr as unlinks
import gomap.claims.chapter4.deleted_chain_walk as walk
import gomap.claims.chapter4.mutex_profile_rehash as profile
import gomap.claims.remedies.padding as padding
import gomap.claims.remedies.presize as presize
import gomap.claims.remedies.sharded as sharded
import gomap.claims.remedies.syncmap as syncmap
from gomap.claims import CONFIRMED, REFUTED, UNDECIDED, Finding
from gomap.claims.claim import NOT_MEASURABLE
from gomap.claims.parts import (
    Runner,
    all_of,
    beside_writer,
    gathered,
    missed_after,
    no_dearer,
    on_model,
    ranged_after,
    slower_than,
    unchanged,
)
from gomap.errors import BadValue
from gomap.lab import Group, Result, Workload, run
from gomap.lab.histogram import Histogram

# ------------------------------------------------------------------ parts


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        ((CONFIRMED, CONFIRMED), CONFIRMED),
        ((CONFIRMED, REFUTED, NOT_MEASURABLE), REFUTED),
        ((UNDECIDED, NOT_MEASURABLE, CONFIRMED), NOT_MEASURABLE),
        ((CONFIRMED, UNDECIDED), UNDECIDED),
    ],
)
def test_a_verdict_made_of_parts(verdicts: tuple[str, ...], whole: str) -> None:
    found = all_of([Finding(v, f"Part {i}.", settings=("a", f"b{i}")) for i, v in enumerate(verdicts)])
    assert found.verdict == whole
    assert found.reason == " ".join(f"Part {i}." for i in range(len(verdicts)))
    assert found.settings == ("a", *(f"b{i}" for i in range(len(verdicts))))


@pytest.mark.parametrize(("b", "verdict"), [(100.0, CONFIRMED), (96.0, CONFIRMED), (80.0, REFUTED), (120.0, UNDECIDED)])
def test_what_stays_as_it_is(b: float, verdict: str) -> None:
    assert unchanged(pairs_of(100.0, b), "bytes").verdict == verdict
    assert unchanged(pairs_of(100.0, b, 2), "bytes").verdict == UNDECIDED


def test_workloads_after_mass_deletion_measure_few_entries_in_a_large_map() -> None:
    missed = run(missed_after(4_096, 4_000, 1_000, seed=1))
    assert missed.operations == {"get": 1_000}
    assert missed.hits["get"] == 0
    assert (missed.counters["count"], missed.counters["B"]) == (96, 10)
    ranged = run(ranged_after(4_096, 4_000, 20, seed=1))
    assert ranged.counters["count"] == 96
    assert ranged.hits["delete"] == 0
    assert ranged.operations["iterate"] > 0


@two_cpus
def test_a_percentile_is_gathered_from_several_runs() -> None:
    w = Workload(size=100, ops=30_000, attribution=False)
    latencies, r = gathered(on_model(context()), w, 1, "get", 99.9)
    assert latencies.count >= 100_000 > r.operations["get"]
    assert slower_than(r, "get", 0) == 30_000
    assert slower_than(r, "assign", 0) == 0
    pinned = [g.cpus for g in beside_writer(0.1, 1_000).groups]
    assert pinned[0] != pinned[1]


def test_two_threads_at_once_are_refused_on_one_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gomap.claims.parts.allowed_cpus", lambda: (0,))
    with pytest.raises(BadValue, match="two CPUs"):
        beside_writer(0.1, 1_000)


# ------------------------------------------------------------------ verdicts on runs that are made up

BASE = run(Workload(size=10, ops=1_000, seed=1))


def made_up(ns_of: Callable[[Workload], int], slow_of: Callable[[Workload], int] = lambda w: 0) -> Runner:
    """Runs in which every operation takes so long, and so many of a million 20 µs, by the workload alone."""

    def planted(w: Workload, seed: int) -> Result:
        ns, slow = ns_of(w), slow_of(w)
        counts = ((ns, 10**6), (20_000, slow)) if slow else ((ns, 10**6),)
        h = Histogram(10**6 + slow, ns, float(ns), 20_000 if slow else ns, counts)
        counters = {"growths": 0, "memory": 1}
        latency = {"get": h, "assign_new": h, "iterate": h}
        return dataclasses.replace(
            BASE, latency=latency, counters=counters, cause_tables={}, operations={"get": 10**6}, elapsed_s=ns / 1e3
        )

    return planted


@pytest.mark.parametrize(
    ("syncmap_ns", "hashtrie_ns", "verdict"),
    [(400, 300, CONFIRMED), (400, 600, UNDECIDED), (400, 1_000, REFUTED), (1_000, 1_000, REFUTED), (3_000, 300, UNDECIDED)],
)
@two_cpus
def test_the_verdict_on_sync_map(syncmap_ns: int, hashtrie_ns: int, verdict: str) -> None:
    ns = {"rwmutex": 1_000, "syncmap": syncmap_ns, "hashtrie": hashtrie_ns}
    assert syncmap._beside_writer(context(), made_up(lambda w: ns[w.variant]), 1_000).verdict == verdict


@pytest.mark.parametrize(
    ("by_shards", "verdict"),
    [
        ({1: 16_000, 4: 4_000, 16: 1_000, 64: 300, 256: 300}, CONFIRMED),
        ({1: 16_000, 4: 1_000, 16: 1_500, 64: 300, 256: 300}, UNDECIDED),  # not monotone
        ({1: 16_000, 4: 8_000, 16: 4_000, 64: 1_000, 256: 300}, UNDECIDED),  # by 4 instead of 16
        (dict.fromkeys((1, 4, 16, 64, 256), 500), REFUTED),
    ],
)
@two_cpus
def test_the_verdict_on_shards(by_shards: dict[int, int], verdict: str) -> None:
    runner = made_up(lambda w: by_shards[w.shards or 0])
    assert sharded._beside_writer(context(), runner, 1_000).verdict == verdict


@pytest.mark.parametrize(
    ("presized_ns", "presized_slow", "verdict"),
    [(100, 5, CONFIRMED), (100, 15, UNDECIDED), (140, 5, UNDECIDED), (150, 5, REFUTED), (100, 20, REFUTED)],
)
def test_the_verdict_on_presizing(presized_ns: int, presized_slow: int, verdict: str) -> None:
    runner = made_up(lambda w: presized_ns if w.hint else 150, lambda w: presized_slow if w.hint else 20)
    assert presize._filled(context(), runner, "slow").verdict == verdict


FULL = walk._sizes(context())[0]


@pytest.mark.parametrize(
    ("miss_ns", "range_ns", "verdict"),
    [(40, 2_000, CONFIRMED), (25, 2_000, UNDECIDED), (20, 2_000, REFUTED), (40, 900, UNDECIDED), (40, 10, REFUTED)],
)
def test_the_verdict_on_emptied_maps(miss_ns: int, range_ns: int, verdict: str) -> None:
    def ns(w: Workload) -> int:
        emptied = w.size == FULL
        misses = w.groups[0].mix is None
        return (miss_ns if emptied else 20) if misses else (range_ns if emptied else 10)

    assert walk._measured(context(), made_up(ns)).verdict == verdict


def test_the_maps_beside_an_emptied_one() -> None:
    maps = walk._maps(missed_after, FULL, 100)
    left = {name: run(w.with_(seed=1)).counters for name, w in maps.items()}
    assert {c["count"] for c in left.values()} == {FULL >> 10}
    assert {c["B"] for name, c in left.items() if name != "fresh"} == {11}
    assert left["large, never full"]["noverflow"] == 0
    assert left["emptied"]["noverflow"] > 0.15 * 2**11


# ------------------------------------------------------------------ deletes


def test_deletes_leave_every_overflow_bucket() -> None:
    f = keeps.counted_on_the_way_down(context())
    assert f.verdict == CONFIRMED
    full = 13 * 2**9
    assert number(f, "overflow buckets, full") == number(f, "overflow buckets, emptied") > 0.15 * 2**10
    assert number(f, "bytes, full") == number(f, "bytes, emptied")
    assert number(f, "entries at that growth") == full + 1
    assert number(f, "overflow buckets after the next growth") < number(f, "overflow buckets, emptied")


def test_deletes_that_unlink_refute_it() -> None:
    f = keeps.counted_on_the_way_down(context(), {"delete": "unlink"})
    assert f.verdict == REFUTED
    assert number(f, "overflow buckets, emptied") < 0.1 * number(f, "overflow buckets, full")


def test_an_emptied_map_is_ranged_over_for_long() -> None:
    f = walk.emptied_beside_empty(context())
    assert number(f, "range, effect") > 50  # 137 when quiet, at a sixty-fourth of the claim's size


@two_cpus
def test_nothing_is_odd_beside_go_s_deletes_and_the_detectors_see() -> None:
    f = unlinks.readers_without_a_lock(context())
    assert f.verdict == UNDECIDED, "a test run has too few opportunities to refute anything"
    assert number(f, "missed, deletes, Go's, in a million gets") == 0
    assert number(f, "stale, deletes, Go's, in a million gets") == 0


@pytest.mark.parametrize(
    ("go", "unlinking", "growing", "verdict"),
    [
        ((0, 0), (0, 9), (9, 0), REFUTED),
        ((1, 0), (0, 9), (9, 0), CONFIRMED),
        ((0, 1), (0, 9), (9, 0), CONFIRMED),
        ((0, 0), (0, 0), (9, 0), UNDECIDED),
        ((0, 0), (0, 9), (0, 0), UNDECIDED),
    ],
)
def test_the_verdict_on_overflow_pointers(go: Any, unlinking: Any, growing: Any, verdict: str) -> None:
    met = (unlinks._Odd(*odd, 10**7) for odd in (go, unlinking, growing))
    assert unlinks._judged(context(), *met).verdict == verdict


@two_cpus
def test_unlinking_under_readers_gives_stale_reads() -> None:
    """Twenty chances: one run may miss them, if something else has one of the two CPUs all the while."""
    ctx = context()
    seen = (unlinks._met(ctx, unlinks._deleting(400_000, "unlink"), 1) for _ in range(20))
    assert any(odd.stale for odd in seen)


# ------------------------------------------------------------------ the header, and locks


def test_every_growth_changes_the_array() -> None:
    f = buckets_load.array_and_its_loads(context())
    assert f.verdict == REFUTED
    assert number(f, "compared: growths after which h.buckets was what it had been") == 9
    assert number(f, "missed keys in a million reads") >= 0


def test_an_array_that_stays_would_confirm_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def staying(inserts: int, seed: int) -> Iterator[tuple[int, int]]:
        return iter([(64, 64)] * 9)

    monkeypatch.setattr(buckets_load, "_arrays", staying)
    assert buckets_load.array_and_its_loads(context()).verdict == CONFIRMED


@two_cpus
def test_nobody_waits_in_go_s_map_and_waits_are_seen() -> None:
    f = profile.profile_of_waits(context())
    assert f.verdict == UNDECIDED, "a test run has too few opportunities to refute anything"
    assert number(f, "waits for a lock in the map") == 0
    assert number(f, "growths at Go's setting") >= 1


@pytest.mark.parametrize(
    ("plain", "growlock", "verdict"), [(0, 5, UNDECIDED), (3, 5, CONFIRMED), (0, 0, UNDECIDED), (3, 0, UNDECIDED)]
)
def test_the_verdict_on_the_profile(plain: int, growlock: int, verdict: str) -> None:
    r = run(Workload(size=10, ops=1_000, seed=1))
    assert profile._judged(context(), {"plain": plain, "growlock": growlock}, r).verdict == verdict
    h = dataclasses.replace(r.latency["get"], count=10**7)
    enough = dataclasses.replace(r, latency={"get": h})
    expected = REFUTED if (plain, growlock) == (0, 5) else verdict
    assert profile._judged(context(), {"plain": plain, "growlock": growlock}, enough).verdict == expected


@two_cpus
def test_the_article_s_lock_is_waited_for() -> None:
    ctx = context()
    waits = (profile._waits(ctx.run(profile._growing(0.1, "growlock"), seed)) for seed in range(20))
    assert any(waits)


# ------------------------------------------------------------------ remedies


def test_presizing_leaves_no_growth() -> None:
    f = presize.filled_with_hints(context())
    assert f.verdict != REFUTED
    assert number(f, "growths, hint 0") == 11
    assert number(f, "growths, hint n") == 0
    assert next(n.value for n in f.numbers if n.name.startswith("range over")) > 4


def test_an_insert_that_lost_the_cpu_is_not_slow_by_the_map() -> None:
    r = run(Workload(ops=20_000, groups=(Group(mix={"assign_new": 100}),), seed=1))
    lost = dataclasses.replace(r.slowest[0], latency_ns=50_000, causes={"preempted": 45_000, "rest": 5_000})
    own = dataclasses.replace(lost, causes={"array_allocation": 45_000, "rest": 5_000})
    assert presize._slow_by_the_map(dataclasses.replace(r, slowest=(lost, own))) == 1


@pytest.mark.parametrize(("padded", "verdict"), [(100.0, CONFIRMED), (104.0, CONFIRMED), (120.0, REFUTED)])
def test_padding_may_cost_five_per_cent(padded: float, verdict: str) -> None:
    assert no_dearer(pairs_of(100.0, padded), "get", 1.05).verdict == verdict
    assert no_dearer(pairs_of(100.0, padded, 2), "get", 1.05).verdict == UNDECIDED


@two_cpus
def test_padded_buckets_take_more_memory() -> None:
    f = padding.shared_and_not(context())
    assert number(f, "bytes, buckets beyond it, effect") > 1.2  # 192 bytes instead of 144
    assert number(f, "bytes, headers of shards, effect") > 1


@two_cpus
@pytest.mark.parametrize("remedy", ["sharded", "syncmap"])
def test_guards_that_readers_meet_less_do_not_come_out_as_no_help(remedy: str) -> None:
    module: ModuleType = __import__(f"gomap.claims.remedies.{remedy}", fromlist=["reads_beside_a_writer"])
    f: Finding = module.reads_beside_a_writer(context())
    assert f.verdict != REFUTED
    assert f.series


def test_shards_are_what_the_workload_says() -> None:
    def growths(shards: int) -> Result:
        return run(Workload("sharded", (Group(mix={"assign_new": 100}),), ops=20_000, seed=1, shards=shards))

    assert growths(1).counters["growths"] < growths(16).counters["growths"] < growths(256).counters["growths"]
