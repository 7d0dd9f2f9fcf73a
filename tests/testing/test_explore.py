"""The explorer finds planted mistakes in few preemptions, and none in the designs as they are, within the bounds stated here.

Each mistake is a text that stands exactly once in a file of csrc, and what replaces it, in a copy of the sources. The bound for
all designs, locks and queues is two preemptions, gone through to the end.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gomap.errors import BadValue
from gomap.testing import Exploration, explore, replay
from gomap.testing.exploration import TARGETS, ExplorerFailed

ROOT = Path(__file__).resolve().parents[2]
CSRC = ROOT / "csrc"
PREEMPTIONS = 2

EIGHT = [("store", k, 100 + k) for k in range(8)]  # a full bucket of Go's: the next key starts a growth
SEVEN = EIGHT[:7]  # the same of lockfree's
UNLINK = {"delete": "unlink", "load_limit": "unlimited"}

Calls = list[list[tuple[Any, ...]]]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOMAP_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


class Mistake(NamedTuple):
    name: str
    file: str
    old: str
    new: str
    kind: str
    threads: Calls
    target: str = "lockfree"
    setup: Sequence[tuple[Any, ...]] = ()
    knobs: dict[str, str] | None = None


STOLEN = (
    "        for (uint32_t i = 0; i < *n; i++)\n"
    "            gm_store_rlx(slot(to, own + i), gm_load_rlx(slot(victim, head + i))); /* not ours until head is moved */\n"
)
ROUNDS: Calls = [[("put", 1), ("take",), ("put", 2), ("take",)], [("put", 3), ("take",), ("put", 4), ("take",)]]
GROWING: Calls = [[("store", 8, 80), ("store", 9, 90)], [("store", 0, 33)]]
SECTIONS: Calls = [[("lock",)], [("lock",)]]
MISTAKES = [
    Mistake(
        "writers do not look again whether the bucket was evacuated",
        "sync/lockfree.c",
        "        if (ctl & CTL_EVACUATED) {\n            unlock(b, ctl);\n            t =",
        "        if (ctl & CTL_EVACUATED & 0) {\n            unlock(b, ctl);\n            t =",
        "not_linearizable",
        GROWING,
        setup=SEVEN,
    ),
    Mistake(
        "an assign of words does not look again whether the bucket was evacuated",
        "sync/lockfree.c",
        "    if (gm_likely(!(ctl & CTL_EVACUATED)))\n        how",
        "    if (true)\n        how",
        "not_linearizable",
        GROWING,
        setup=SEVEN,
    ),
    Mistake(
        "an iteration sets its flags by a plain or: the byte that says that a writer is inside is lost",
        "map/iterator.c",
        "        gm_or_rlx(&m->h.flags, both);",
        "        gm_store_rlx(&m->h.flags, (uint8_t)(gm_load_rlx(&m->h.flags) | both));",
        "broken",
        [[("store", 2, 2)], [("range",)]],
        target="plain",
        setup=[("store", 1, 1)],
    ),
    Mistake(
        "a bucket is locked by a plain or",
        "sync/lockfree.c",
        "|| !gm_cas_acq(&b->ctl, ctl, *ctl | CTL_LOCKED))",
        "|| (gm_store_rlx(&b->ctl, *ctl | CTL_LOCKED), false))",
        "not_linearizable",
        [[("store", 2, 2)], [("store", 3, 3)]],
        setup=[("store", 1, 1)],
    ),
    Mistake(
        "an old table is freed as soon as it is empty",
        "sync/lockfree.c",
        "    t->retired.release = table_release;\n    gm_epoch_retire(m->epochs, &t->retired);",
        "    table_free(m, t);",
        "use_after_free",
        [[("store", 9, 90)], [("load", 0)]],
        setup=[*SEVEN, ("store", 8, 80)],
    ),
    Mistake(
        "a delete unlinks and frees an overflow bucket under a reader",
        "map/memory.c",
        "(growing(m) || m->extra.defer_all);",
        "growing(m);",
        "use_after_free",
        [[("delete", 8)], [("load", 8)]],
        target="plain",
        setup=[*EIGHT, ("store", 8, 80)],
        knobs=UNLINK,
    ),
    Mistake(
        "an unlocked mutex wakes nobody",
        "sync/mutex.c",
        "(old - mutexWaiter) | mutexWoken)) { /* the lock itself was released before */\n            sema_release(&m->sema);",
        "(old - mutexWaiter) | mutexWoken)) {",
        "deadlock",
        SECTIONS,
        target="Mutex",
    ),
    Mistake(
        "a reader follows no pointer to the next table",
        "sync/lockfree.c",
        "        t = gm_load_acq(&t->next); /* pairs with start */\n        b = bucket_of(t, k->hash);\n    }\n    if",
        "        t = NULL;\n        b = bucket_of(t, k->hash);\n    }\n    if",
        "crash",
        [[("store", 9, 90)], [("load", 9)]],
        setup=[*SEVEN, ("store", 8, 80)],
    ),
    Mistake(
        "a bucket says that there is an overflow bucket before there is one",
        "sync/lockfree.c",
        "    gm_store_rel(overflow_word(last), fresh); ",
        "    gm_store_rel(&last.b->tops, gm_load_rlx(&last.b->tops) | TOPS_OVERFLOW);\n"
        "    gm_store_rel(overflow_word(last), fresh); ",
        "crash",
        [[("store", 8, 80)], [("load", 9)]],
        setup=SEVEN,
    ),
    Mistake(
        "a bucket stays locked after an insert",
        "sync/lockfree.c",
        "    unlock(b, ctl);\n    return how;",
        "    if (how != INSERTED)\n        unlock(b, ctl);\n    return how;",
        "no_end",
        [[("store", 1, 1)], [("store", 2, 2)]],
    ),
    Mistake(
        "a range does not follow what was evacuated",
        "sync/lockfree.c",
        "        if (ctl & CTL_EVACUATED)\n            walk(",
        "        if (ctl & CTL_EVACUATED & 0)\n            walk(",
        "wrong_range",
        [[("store", 9, 90)], [("range",)]],
        setup=[*SEVEN, ("store", 8, 80)],
    ),
    Mistake(
        "what a store replaces is not freed",
        "sync/hashtrie.c",
        "    if (step != GM_KEEP && e)\n        entry_retire(m, e);",
        "",
        "leak",
        [[("store", 1, 2)], [("load", 1)]],
        target="hashtrie",
        setup=[("store", 1, 1)],
    ),
    Mistake(
        "a block is freed twice",
        "map/memory.c",
        "    if (quiet(m)) {\n        free_block(m, gm_block_of(p));",
        "    if (quiet(m)) {\n        free_block(m, gm_block_of(p));\n        free_block(m, gm_block_of(p));",
        "bad_free",
        [[("delete", 8)]],
        target="plain",
        setup=[*EIGHT, ("store", 8, 80)],
        knobs=UNLINK,
    ),
    Mistake(
        "a write is refused though nobody else is inside",
        "map/plain.c",
        "    return gm_ung_assign(self, key, len, elem, old);",
        "    return gm_map_len(self) ? GM_E_WRITES : gm_ung_assign(self, key, len, elem, old);",
        "refused",
        [[("store", 1, 1), ("store", 2, 2)]],
        target="plain",
    ),
    Mistake(
        "readers do not wait for a writer",
        "sync/mutex.c",
        "        wait_for(&m->reader_sema, seen);",
        "        (void)seen;",
        "not_exclusive",
        [[("lock",)], [("rlock",)]],
        target="RWMutex",
    ),
    Mistake(
        "an owner moves head by a plain store",
        "sched/runq.c",
        "        if (gm_cas_rel(&q->head, &head, head + 1)) /* R2, R3 */\n            return item;",
        "        gm_store_rel(&q->head, head + 1);\n        return item;",
        "not_once",
        [[("get",)], [("steal", 0)]],
        target="runq",
        setup=[("put", 1)],
    ),
    Mistake(
        "a thief moves head by a plain store",
        "sched/runq.c",
        "        if (gm_cas_rel(&victim->head, &head, head + *n))                          /* R2, R3 */\n            break;",
        "        gm_store_rel(&victim->head, head + *n);\n        break;",
        "not_once",
        [[("get",)], [("steal", 0)]],
        target="runq",
        setup=[("put", 1)],
    ),
    Mistake(
        "a thief moves head first and copies afterwards",
        "sched/runq.c",
        STOLEN,
        "        if (!gm_cas_rel(&victim->head, &head, head + *n))\n            continue;\n" + STOLEN + "        break;\n",
        "not_once",
        [[("put", 1)], [("steal", 0)]],
        target="runq",
        setup=[("fill", 256)],
    ),
    Mistake(
        "half of a full ring overflows though a thief has taken it",
        "sched/runq.c",
        "    if (!gm_cas_rel(&q->head, &head, head + half_len)) /* R2, R3 */\n        return false;",
        "    gm_cas_rel(&q->head, &head, head + half_len);",
        "not_once",
        [[("put", 1)], [("steal", 0)]],
        target="runq",
        setup=[("fill", 256)],
    ),
    Mistake(
        "runnext is taken by a load and a store",
        "sched/runq.c",
        "    return gm_cas_acq(&victim->runnext, &item, NULL);",
        "    return gm_load_acq(&victim->runnext) == item && (gm_store_rlx(&victim->runnext, NULL), true);",
        "not_once",
        [[("get",)], [("steal_next", 0)]],
        target="runq",
        setup=[("put_next", 1)],
    ),
    Mistake(
        "whether a run queue is empty is not looked at again",
        "sched/runq.c",
        "        if (tail == gm_load_rlx(&q->tail))\n            return",
        "        return",
        "wrong_empty",
        [[("put_next", 2), ("get",)], [("empty", 0)]],
        target="runq",
        setup=[("put_next", 1)],
    ),
    Mistake(
        "an owner moves tail before the item is written",
        "sched/runq.c",
        "    gm_store_rlx(slot(q, tail), item); /* before tail (R1) */\n    gm_store_rel(&q->tail, tail + 1);",
        "    gm_store_rel(&q->tail, tail + 1);\n    gm_store_rlx(slot(q, tail), item);",
        "not_once",
        [[("put", 1)], [("steal", 0)]],
        target="runq",
    ),
    Mistake(
        "an owner puts at the front",
        "sched/runq.c",
        "    gm_store_rlx(slot(q, tail), item); /* before tail (R1) */\n    gm_store_rel(&q->tail, tail + 1);",
        "    gm_store_rlx(slot(q, q->head - 1), item);\n    gm_store_rel(&q->head, q->head - 1);",
        "wrong_order",
        [[("put", 2), ("get",)]],
        target="runq",
        setup=[("put", 1)],
    ),
    Mistake(
        "the article's ring: a reader goes by the tail, and the cell may not be written yet",
        "sched/globq.c",
        "        if (ahead < 0)\n            return NULL;",
        "        if (ahead < 0 && i == gm_load_rlx(tail_of(q)))\n            return NULL;",
        "not_once",
        [[("put", 1)], [("get",)]],
        target="globq_ring",
    ),
    Mistake(
        "a writer of the ring does not wait until the cell has been read",
        "sched/globq.c",
        "        if (gm_load_acq(&c->turn) != i) {",
        "        if (false) {",
        "not_once",
        ROUNDS,
        target="globq_ring",
    ),
    Mistake(
        "what comes into the list is first in it",
        "sched/globq.c",
        "    gm_list_append(&q->list, items);",
        "    gm_list_push(&q->list, gm_list_take(items));",
        "wrong_order",
        [[("put", 1), ("put", 2)], [("get",)]],
        target="globq_list",
    ),
    Mistake(
        "the scheduler's lock is taken by a load and a store",
        "sched/lock.c",
        "    if (gm_unlikely(!gm_cas_acq(&m->word, &seen, lockHeld)))",
        "    if (gm_load_acq(&m->word) == seen)\n        gm_store_rlx(&m->word, lockHeld);\n    else",
        "broken",
        [[("put", 1)], [("put", 2)]],
        target="globq_list",
    ),
    Mistake(
        "the scheduler's lock forgets the second of two sleepers",
        "sched/lock.c",
        "        as = lockSlept; /* L2 */\n",
        "",
        "deadlock",
        [[("put", 1)], [("put", 2)], [("put", 3)]],
        target="globq_list",
    ),
]


def planted(m: Mistake, folder: Path) -> Path:
    shutil.copytree(CSRC, folder / "csrc")
    path = folder / "csrc" / m.file
    text = path.read_text()
    assert text.count(m.old) == 1, f"{m.old!r} must stand exactly once in csrc/{m.file}"
    path.write_text(text.replace(m.old, m.new))
    return folder / "csrc"


@pytest.mark.parametrize("m", MISTAKES, ids=lambda m: m.name)
def test_a_mistake_is_found(m: Mistake, tmp_path: Path) -> None:
    csrc = planted(m, tmp_path)
    found = explore(m.threads, m.target, setup=m.setup, knobs=m.knobs, csrc=csrc)
    assert (found.verdict, found.failure and found.failure.kind) == ("violation", m.kind)
    assert found.failure is not None
    again = replay(found.failure.replay, csrc=csrc)
    assert again.failure is not None
    assert (again.failure.kind, again.failure.accesses) == (m.kind, found.failure.accesses)
    as_it_is = explore(m.threads, m.target, setup=m.setup, knobs=m.knobs)
    assert (as_it_is.verdict, as_it_is.complete) == ("ok", True)


ON_KEYS: dict[str, tuple[Calls, list[tuple[Any, ...]] | None]] = {  # set up by None: what fills the target's bucket
    "one key": ([[("store", 1, 10), ("load", 1)], [("add", 1, 5), ("delete", 1)]], [("store", 1, 1)]),
    "comparisons": (
        [[("compare_and_swap", 1, 1, 2), ("load", 1)], [("compare_and_swap", 1, 1, 3), ("compare_and_delete", 1, 3)]],
        [("store", 1, 1)],
    ),
    "a cell used again": ([[("delete", 1), ("store", 2, 20)], [("load", 1), ("load", 2)]], [("store", 1, 1)]),
    "a growth beside a writer": ([[("store", 8, 80), ("store", 9, 90)], [("store", 0, 33), ("load", 0)]], None),
    "a growth beside a reader": ([[("store", 8, 80), ("store", 9, 90)], [("load", 0), ("load", 1)]], None),
    "a range beside a writer": ([[("store", 8, 80), ("delete", 0)], [("range",)]], None),
    "promotion": ([[("store", 2, 20), ("load", 2)], [("load", 3), ("delete", 2)]], [("store", 1, 1), ("load", 1)]),
    "expunged": (
        [[("delete", 1), ("store", 2, 20)], [("store", 1, 11), ("load", 1)]],
        [("store", 1, 1), ("load", 1), ("load", 5)],
    ),
}


@pytest.mark.parametrize("name", ON_KEYS)
@pytest.mark.parametrize("target", ["lockfree", "syncmap", "hashtrie"])
def test_nothing_is_found_in_a_map(target: str, name: str) -> None:
    threads, setup = ON_KEYS[name]
    if setup is None:
        setup = SEVEN if target == "lockfree" else EIGHT
    found = explore(threads, target, setup=setup, preemptions=PREEMPTIONS)
    assert (found.verdict, found.bound, found.complete) == ("ok", PREEMPTIONS, True), str(found.failure)
    assert found.executions > 10


@pytest.mark.parametrize("slow_waits", [False, True], ids=["normal", "starving"])
def test_nothing_is_found_in_a_mutex(slow_waits: bool) -> None:
    threads: Calls = [[("lock",), ("lock",)], [("lock",), ("lock",)], [("lock",)]]
    found = explore(threads, "Mutex", preemptions=PREEMPTIONS, slow_waits=slow_waits)
    assert (found.verdict, found.bound, found.complete) == ("ok", PREEMPTIONS, True), str(found.failure)


def test_nothing_is_found_in_a_rwmutex() -> None:
    threads: Calls = [[("lock",), ("rlock",)], [("rlock",), ("lock",)], [("rlock",)]]
    found = explore(threads, "RWMutex", preemptions=PREEMPTIONS)
    assert (found.verdict, found.bound, found.complete) == ("ok", PREEMPTIONS, True), str(found.failure)


IN_RUN_QUEUES: dict[str, tuple[Calls, list[tuple[Any, ...]]]] = {
    "an owner beside a thief": ([[("put", 3), ("get",), ("get",)], [("steal", 0)]], [("put", 1), ("put", 2)]),
    "an owner beside two thieves": (
        [[("put", 4), ("get",)], [("steal", 0)], [("steal", 0)]],
        [("put", 1), ("put", 2), ("put", 3)],
    ),
    "two thieves, one of the other": (
        [[("get",)], [("steal", 0), ("get",)], [("steal", 1), ("get",)]],
        [("put", n) for n in range(5)],
    ),
    "a thief lives on what it has stolen": (
        [[("put", 5), ("get",)], [("steal", 0), ("get",), ("get",)]],
        [("put", n) for n in range(4)],
    ),
    "runnext beside its thief": (
        [[("put_next", 2), ("put_next", 3), ("get",)], [("steal_next", 0), ("steal_next", 0)]],
        [("put_next", 1)],
    ),
    "runnext and the ring": ([[("put_next", 2), ("get",), ("get",)], [("steal_next", 0)], [("steal", 0)]], [("put_next", 1)]),
    "a ring becomes full beside a thief": ([[("put", 1), ("put", 2), ("get",)], [("steal", 0)]], [("fill", 255)]),
    "a full ring beside two thieves": ([[("put", 1), ("put", 2)], [("steal", 0), ("get",)], [("steal", 0)]], [("fill", 256)]),
    "empty beside runnext": ([[("put_next", 2), ("get",), ("get",)], [("empty", 0), ("empty", 0)]], [("put_next", 1)]),
    "empty beside a thief": (
        [[("put", 2), ("get",)], [("steal", 0), ("empty", 1)], [("empty", 0), ("empty", 1)]],
        [("put", 1)],
    ),
}
TURNS = [("put", 11), ("get",), ("put", 12), ("get",), ("put", 13)]  # the ring's next cells have been used
IN_GLOBAL_QUEUES: dict[str, tuple[Calls, list[tuple[Any, ...]]]] = {
    "two threads": ([[("put", 1), ("get",)], [("put", 2), ("get",)]], TURNS),
    "three threads": ([[("put", 1)], [("put", 2), ("get",)], [("get",)]], TURNS),
    "each cell again": (ROUNDS, []),
    "two wait for one": ([[("put", 1), ("put", 2)], [("take",)], [("take",)]], [("put", 3), ("get",)]),
}


@pytest.mark.parametrize("name", IN_RUN_QUEUES)
def test_nothing_is_found_in_a_run_queue(name: str) -> None:
    threads, setup = IN_RUN_QUEUES[name]
    found = explore(threads, "runq", setup=setup, preemptions=PREEMPTIONS)
    assert (found.verdict, found.bound, found.complete) == ("ok", PREEMPTIONS, True), str(found.failure)
    assert found.executions > 200  # the wandering, and what was gone through


@pytest.mark.parametrize("name", IN_GLOBAL_QUEUES)
@pytest.mark.parametrize("target", ["globq_list", "globq_ring"])
def test_nothing_is_found_in_a_global_queue(target: str, name: str) -> None:
    threads, setup = IN_GLOBAL_QUEUES[name]
    found = explore(threads, target, setup=setup, preemptions=PREEMPTIONS)
    assert (found.verdict, found.bound, found.complete) == ("ok", PREEMPTIONS, True), str(found.failure)
    assert found.executions > 200


def test_one_item_is_had_by_either_of_two() -> None:
    """By the owner or the thief; and a get beside a put has it or has nothing."""
    assert explore([[("get",)], [("steal", 0)]], "runq", setup=[("put", 1)], preemptions=0).outcomes == 2
    for target in ("globq_list", "globq_ring"):
        assert explore([[("put", 1)], [("get",)]], target, preemptions=0).outcomes == 2


def test_a_thief_takes_the_larger_half() -> None:
    """Of five it runs the third, and has the first two afterwards; the owner the others."""
    calls: Calls = [[("get",), ("get",), ("get",)], [("steal", 0), ("get",), ("get",), ("get",)]]
    found = explore(calls, "runq", setup=[("put", n) for n in range(5)], preemptions=0)
    assert (found.verdict, found.outcomes) == ("ok", 2)


def test_a_shortened_violation_of_run_queues_keeps_their_numbers(tmp_path: Path) -> None:
    m = next(m for m in MISTAKES if m.name == "a thief moves head by a plain store")
    threads: Calls = [[("empty", 0)], [("steal", 0)], [("steal", 0)]]
    f = explore(threads, "runq", setup=[("put", 7), ("put", 8)], csrc=planted(m, tmp_path)).failure
    assert f is not None
    assert (f.kind, f.threads, f.setup) == ("not_once", ((), (("steal", 0),), (("steal", 0),)), (("put", 7),))
    assert "item 7 is taken a second time" in f.says


def test_answers_of_queues_are_told_in_words(tmp_path: Path) -> None:
    m = next(m for m in MISTAKES if m.kind == "wrong_empty")
    threads: Calls = [[("put_next", 2), ("get",)], [("empty", 0)]]
    found = explore(threads, "runq", setup=m.setup, csrc=planted(m, tmp_path), shorten=False)
    text = str(found.failure)
    assert "thread b was told that queue 0 is empty, and item 1 was there all the time" in text
    assert [row.strip() for row in text.splitlines() if " -> " in row] == ["a: get() -> 2", "b: empty(0) -> yes"]


@pytest.mark.parametrize("target", ["lockfree", "syncmap", "hashtrie", "rwmutex"])
def test_every_outcome_that_can_be_is_met(target: str) -> None:
    """Two stores seen by two loads in the opposite order: neither, both, and between two preempted loads the later only. Three
    additions to one key: in each of six orders."""
    seen: Calls = [[("store", 1, 10), ("store", 2, 20)], [("load", 2), ("load", 1)]]
    assert [explore(seen, target, preemptions=n).outcomes for n in range(3)] == [2, 3, 3]
    assert explore([[("add", 1, 1)], [("add", 1, 2)], [("add", 1, 4)]], target, preemptions=0).outcomes == 6


def test_the_number_of_interleavings_is_what_can_be_counted_by_hand() -> None:
    """A section of a mutex is six accesses, all shared: one preemption before any but the first, in either thread. Two readers
    share one word, at their beginning and their end: each can be stopped once."""
    assert [explore(SECTIONS, "Mutex", preemptions=n).interleavings for n in range(2)] == [2, 2 + 2 * 5]
    readers: Calls = [[("rlock",)], [("rlock",)]]
    assert [explore(readers, "RWMutex", preemptions=n).interleavings for n in range(4)] == [2, 4, 6, 6]


@pytest.fixture(scope="module")
def violation(tmp_path_factory: pytest.TempPathFactory) -> tuple[Exploration, Path]:
    m = next(m for m in MISTAKES if m.name == "a bucket is locked by a plain or")
    csrc = planted(m, tmp_path_factory.mktemp("planted"))
    return explore([*m.threads, [("load", 1)]], m.target, setup=m.setup, csrc=csrc), csrc


def test_a_violation_is_shortened(violation: tuple[Exploration, Path]) -> None:
    f = violation[0].failure
    assert f is not None
    assert (f.threads, f.setup) == (((("store", 2, 2),), (("store", 3, 3),)), ())


def test_the_table_names_places_in_the_source(violation: tuple[Exploration, Path]) -> None:
    f = violation[0].failure
    assert f is not None
    for a in f.accesses:
        line = (violation[1].parent / a.file).read_text().splitlines()[a.line - 1]
        order = a.access.replace(" ", "_")
        assert f"gm_{order}(" in line or "gm_counter_" in line, f"{a.file}:{a.line}: {line}"
    text = str(f)
    place = next(f"{a.file}:{a.line}" for a in f.accesses if a.access == "store rlx" and "lockfree.c" in a.file)
    row = next(row for row in text.splitlines() if place in row)
    assert row.split()[0] in ("a", "b")
    assert "store(2, 2)" in text
    assert f.replay in text


def test_a_replay_of_other_accesses_is_refused(violation: tuple[Exploration, Path]) -> None:
    f = violation[0].failure
    assert f is not None
    head, _, schedule = f.replay.rpartition(":")
    with pytest.raises(ExplorerFailed, match="turn 2 of the interleaving is not possible"):
        replay(head + ":ac" + schedule, csrc=violation[1])  # there is no thread c


def test_a_replay_on_corrected_sources_is_no_violation(violation: tuple[Exploration, Path]) -> None:
    f = violation[0].failure
    assert f is not None
    assert replay(f.replay).verdict == "ok"


def test_a_set_up_that_goes_wrong_is_a_violation(tmp_path: Path) -> None:
    m = next(m for m in MISTAKES if m.kind == "bad_free")
    csrc = planted(m, tmp_path)
    found = explore([[("load", 1)]], "plain", setup=[*m.setup, ("delete", 8)], knobs=UNLINK, shorten=False, csrc=csrc)
    assert found.failure is not None
    assert (found.failure.kind, found.failure.accesses, found.executions) == ("bad_free", (), 0)
    again = replay(found.failure.replay, csrc=csrc)
    assert again.failure is not None
    assert again.failure.kind == "bad_free"


def test_exploring_twice_gives_the_same() -> None:
    threads, setup = ON_KEYS["a cell used again"]
    assert explore(threads, setup=setup) == explore(threads, setup=setup)


def test_more_preemptions_are_more_executions_and_a_budget_ends_them() -> None:
    threads, setup = ON_KEYS["one key"]
    counts = [explore(threads, setup=setup, preemptions=n).executions for n in range(4)]
    assert counts == sorted(set(counts))
    found = explore(threads, setup=setup, preemptions=3, budget=counts[3] - 1)
    assert (found.verdict, found.complete, found.executions) == ("unknown", False, counts[3] - 1)


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_can_be_explored(target: str) -> None:
    call = ("lock",) if target in ("Mutex", "RWMutex") else ("put", 1) if "q" in target else ("store", 1, 1)
    assert explore([[call]], target).executions >= 1


@pytest.mark.parametrize(
    ("threads", "target", "words"),
    [
        ([[("increment", 1)]], "lockfree", "not an operation"),
        ([[("store", 1)]], "lockfree", "not an operation"),
        ([[("store", 1, 2**63)]], "lockfree", "int64"),
        ([[("load", 1)]], "Mutex", "a lock has no such operation"),
        ([[("lock",)]], "lockfree", "a map has no such operation"),
        ([], "lockfree", "0 threads"),
        ([[("load", 1)]] * 5, "lockfree", "5 threads"),
        ([[("load", 1)]], "swiss", "unknown target"),
        ([[("lock",)]], "runq", "such a queue has no such operation"),
        ([[("take",)]], "runq", "such a queue has no such operation"),
        ([[("steal", 1)], []], "globq_list", "such a queue has no such operation"),
        ([[("put", 1)], [("put", 1)]], "runq", "an item is put twice"),
        ([[("fill", 2)], [("put_next", -2)]], "runq", "an item is put twice"),
        ([[("fill", 513)]], "runq", "fill puts 1 to 512 items"),
        ([[("steal", 1)]], "runq", "there is no thread of that number"),
        ([[("steal", 0)]], "runq", "a thief steals from others"),
    ],
)
def test_what_cannot_be_explored_is_said(threads: Calls, target: str, words: str) -> None:
    with pytest.raises(BadValue, match=words):
        explore(threads, target)


@pytest.mark.parametrize("text", ["", "v2:lockfree:seed=1,hint=0,slow=0::load.1:a", "v1:lockfree:seed=1::load.1:a", "v1:x"])
def test_what_is_no_replay_string_is_said(text: str) -> None:
    with pytest.raises(BadValue, match="not a replay string"):
        replay(text)
