"""The experiments on the heap, scaled down: what is counted has to come out, what is timed is only not to come out wrong; and
where a knob is turned to the article's setting, or a count round, the verdict turns with it."""

from __future__ import annotations

from typing import Any

import pytest
from experiments import context, number, pairs_of, two_cpus

import gomap.claims.chapter1.bucket_from_mcache as mcache
import gomap.claims.chapter1.gc_flush_span_lock as span_lock
import gomap.claims.chapter1.premise as premise
import gomap.claims.chapter2.assign_barrier as barrier
import gomap.claims.chapter2.assist_cost as assist_cost
import gomap.claims.chapter2.barrier_starts_assist as assist_site
import gomap.claims.chapter2.gctrace_lines as gctrace
import gomap.claims.chapter3.mcache_view as via_span
import gomap.claims.chapter4.get_touches_markbits as get_marks
import gomap.claims.chapter4.grow_gc_pause as pause
import gomap.claims.chapter4.growwork_drains_wbbuf as drains
import gomap.claims.chapter4.markbits_nonatomic as nonatomic
import gomap.claims.chapter4.markbits_rates as rates
import gomap.claims.chapter4.markroot_lock as flush_lock
from gomap.claims import CONFIRMED, REFUTED, UNDECIDED
from gomap.claims.heaps import MARKBITS, NO_MARKS, Marks, gathered_in_phase, mark_all, play, total
from gomap.claims.verdict import Sweep
from gomap.lab import HeapActor, HeapScene, TooFewSamples

# ------------------------------------------------------------------ what reads wait for (C1.0)


def test_slow_reads_wait_for_no_lock_inside_the_map() -> None:
    found = premise.reads_beside_each_suspect_in_the_model(context())
    assert found.verdict == REFUTED  # beside eight busy goroutines some read is slow
    assert number(found, "waits of reads for a lock inside the map") == 0
    assert number(found, "longest get beside eight busy goroutines") > 100_000


def test_what_waits_for_locks_decide() -> None:
    latency = play(HeapScene(actors=(HeapActor(ops=1000),))).actors[0].latency

    def judged(slow: int, waits: int) -> str:
        return premise._judged({"nothing": premise._Reads(latency, slow, waits, 0)}, 90).verdict

    assert judged(1000, 9) == REFUTED
    assert judged(1000, 11) == CONFIRMED
    assert judged(0, 0) == UNDECIDED


# ------------------------------------------------------------------ where blocks come from (C1.5)


def test_large_arrays_never_come_from_the_cache_unless_told_to() -> None:
    found = mcache.blocks_by_path(context())
    assert found.verdict == REFUTED
    assert "0 of 5" in found.reason
    assert number(found, "hits of the cache below B = 8") > 80
    locked = mcache.blocks_by_path(context(), "heap")
    assert number(locked, "hits of the cache below B = 8") == 0
    cached = mcache.blocks_by_path(context(), "cache")
    assert "4 of 5" in cached.reason  # at the very first nothing has been kept


# ------------------------------------------------------------------ barriers and assists (C2.13 to C2.16)


def test_two_entries_an_update_while_marking_and_none_else() -> None:
    found = barrier.entries_by_phase(context())
    assert found.verdict == CONFIRMED
    assert number(found, "entries by an evacuated bucket") > 36
    always = barrier.entries_by_phase(context(), "always")
    assert always.verdict == REFUTED
    assert "outside of marking that told the barrier nothing: 0 of" in always.reason


def test_most_writes_assist_nobody() -> None:
    assert gctrace.writes_that_assist(context()).verdict == REFUTED
    assert gctrace.writes_that_assist(context(), gogc=None).verdict == UNDECIDED  # nothing was collected
    found = assist_cost.assists_by_writes(context())
    assert found.verdict == REFUTED
    assert number(found, "collections") > 0
    often = assist_cost.assists_by_writes(context(), collecting=True, assist="stores", assist_every=6)
    assert often.verdict in (CONFIRMED, UNDECIDED)
    assert number(often, "assists a write, at most") > 0.01


def test_assists_begin_where_the_knob_says() -> None:
    found = assist_site.assists_by_site(context())
    assert found.verdict == REFUTED
    assert number(found, "assists, stores alone") == 0
    article = assist_site.assists_by_site(context(), assist="stores")
    assert article.verdict == CONFIRMED
    assert number(article, "assists, allocation alone") == 0
    assert assist_site._judged_model((0, 0), (0, 0), 1000).verdict == UNDECIDED
    assert assist_site._judged_model((0, 0), (5, 0), 0).verdict == UNDECIDED


# ------------------------------------------------------------------ mark bits (C4.8 to C4.10)


def marks_by_setting(lost: dict[str, int], each: int = 10**6) -> dict[tuple[str, int, str], Marks]:
    return {(code, 8, "random"): Marks(each, lost.get(name, 0), 0) for name, code in MARKBITS.items()}


def test_marks_are_counted_and_none_is_lost_by_atomic_rules() -> None:
    found = nonatomic.bits_that_two_markers_set(context())
    assert found.verdict in (CONFIRMED, UNDECIDED)  # whether two markers met is the machine's affair
    assert number(found, "lost bits, atomic") == 0
    assert number(found, "marks, plain") > 10**6
    assert rates.the_highest_rate(context()).verdict == REFUTED


@two_cpus
def test_plain_rules_lose_some_in_the_end() -> None:
    lost = 0
    for _ in range(200):
        lost += sum(
            mark_all("load and store", size, spread, 1 << 16, 4).lost for size, spread in ((8, "random"), (64, "stripes"))
        )
        if lost:
            return
    pytest.fail("two markers never lost a bit in 10^8 marks")


def test_what_lost_marks_decide() -> None:
    plain, none = Marks(10**6, 3, 0), Marks(10**6, 0, 0)
    assert nonatomic._judged(none, plain, 2).verdict == CONFIRMED
    assert nonatomic._judged(none, plain, 1).verdict == UNDECIDED
    assert nonatomic._judged(plain, plain, 2).verdict == UNDECIDED
    assert nonatomic._judged(none, none, 2).verdict == UNDECIDED
    assert nonatomic._judged(none, Marks(10**8, 0, 0), 2).verdict == REFUTED
    worst = next(reversed(MARKBITS))
    assert rates._judged(marks_by_setting({worst: 100}), 2).verdict == REFUTED
    assert rates._judged(marks_by_setting({worst: 127_000}), 2).verdict == CONFIRMED
    assert rates._judged(marks_by_setting({worst: 127_000}), 2).numbers[0].value == pytest.approx(12.7)
    assert rates._judged(marks_by_setting({}), 1).verdict == UNDECIDED
    assert total(marks_by_setting({worst: 7}), [*MARKBITS.values()]).lost == 7
    assert NO_MARKS.lost_percent == 0


def test_gets_touch_mark_bits_only_where_told_to() -> None:
    found = get_marks.marks_by_gets(context())
    assert found.verdict in (REFUTED, UNDECIDED)
    assert number(found, "mark bits touched by gets") == 0
    assert number(found, "gets while the collector marked") > 0
    article = get_marks.marks_by_gets(context(), "on")
    assert article.verdict == CONFIRMED
    assert number(article, "mark bits touched by gets") == number(article, "gets while the collector marked")


def test_what_marks_by_gets_decide() -> None:
    assert get_marks._judged(0, 1000, pairs_of(100, 105)).verdict == REFUTED
    assert get_marks._judged(0, 1000, pairs_of(100, 130)).verdict == UNDECIDED
    assert get_marks._judged(0, 0, pairs_of(100, 100)).verdict == UNDECIDED
    assert get_marks._judged(1, 1000, pairs_of(100, 100)).verdict == CONFIRMED


# ------------------------------------------------------------------ gets and flushes beside the collector


@pytest.mark.parametrize("experiment", [span_lock.gets_by_phase, drains.gets_of_the_uninvolved, flush_lock.flushes_at_once])
def test_what_is_timed_says_of_what(experiment: Any) -> None:
    found = experiment(context())
    assert found.reason.endswith(".")
    if found.numbers:  # else there were too few samples, and it says so
        assert len(found.settings) >= 2
        assert all(n.value >= 0 for n in found.numbers)
    else:
        assert found.verdict == UNDECIDED
        assert found.reason.startswith("Too few gets")


def test_a_span_s_lock_is_taken_by_every_get_or_by_none() -> None:
    off, on = (span_lock._scene(context(), lock) for lock in ("off", "on"))
    assert off.counts["get_locks"] == 0
    assert on.counts["get_locks"] == sum(a.ops for a in on.actors if a.phases)


def test_all_ps_are_drained_only_by_the_article_s_rules() -> None:
    assert drains._scene(context(), "inserts", "own").counts["all_p_flushes"] == 0
    growing = HeapScene(
        actors=(HeapActor(does="inserts", key="str", elem="ready", entries=1 << 14, ops=1 << 15),),
        live=100_000,
        collecting=True,
        duration_s=60,
    )
    flushes = {
        rule: sum(play(growing, wbbuf_flush=rule).counts["all_p_flushes"] for _ in range(3))
        for rule in ("growwork", "hashgrow")
    }
    assert flushes["growwork"] > flushes["hashgrow"]


def test_buckets_lie_in_no_span_of_the_cache() -> None:
    found = via_span.gets_through_the_span(context())
    assert found.verdict == REFUTED
    assert number(found, "wrong results of gets on a P that was changed") == 0
    assert number(found, "changes of the P") > 0
    assert via_span._judged(0, 1000, 1000, 1000).verdict == CONFIRMED
    assert via_span._judged(1, 1000, 0, 1000).verdict == UNDECIDED
    assert via_span._judged(0, 1000, 0, 0).verdict == UNDECIDED


def test_windows_of_growth_and_marking() -> None:
    found = pause.windows_on_the_heap(context())
    assert found.verdict in (REFUTED, UNDECIDED)
    assert {n.name for n in found.numbers} >= {f"mean get beside {w}" for w in pause._WINDOWS}
    assert number(found, "both stops of a collection") > 0


@pytest.mark.parametrize(("both", "verdict"), [(150.0, REFUTED), (900.0, CONFIRMED), (400.0, UNDECIDED)])
def test_what_windows_decide(both: float, verdict: str) -> None:
    rows = tuple(({"mean": ns, "cycles": 1.0},) * 3 for ns in (100.0, 120.0, 200.0, both))
    assert pause._judged(Sweep(("neither", "growth", "marking", "both"), rows), "test run").verdict == verdict


def test_gathering_ends() -> None:
    scene = HeapScene(actors=(HeapActor(ops=100),))
    with pytest.raises(TooFewSamples):
        gathered_in_phase(context(), lambda: play(scene), "marking", 90)
    assert gathered_in_phase(context(), lambda: play(scene), None, 90).count >= 1000
