"""Go's iterator: order, offsets, and writes in the middle of it."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from gomap import Map


def filled(n: int) -> Map:
    m = Map(seed=11)
    m.assign_many(range(n), range(n))
    return m


def test_the_start_is_where_it_was_asked_for() -> None:
    m = filled(200)
    buckets = 1 << m.header.B
    order = [[k for b in m.chain(i) for k in b.keys if k is not None] for i in range(buckets)]
    for start in range(buckets):
        got = [k for k, _ in m.iterator(start, 0)]
        assert got == list(itertools.chain(*order[start:], *order[:start]))


def test_the_offset_turns_the_cells_of_each_bucket() -> None:
    m = filled(8)
    cells = m.chain(0)[0].keys
    for offset in range(8):
        assert [k for k, _ in m.iterator(0, offset)] == cells[offset:] + cells[:offset]


def test_the_order_varies_when_it_is_not_asked_for() -> None:
    m = filled(100)
    assert len({tuple(m) for _ in range(20)}) > 10


def test_iterating_sets_the_flags_and_a_growth_turns_them() -> None:
    m = filled(13)
    assert m.header.flags == 0
    list(m)
    assert m.header.flags == 3
    m.freeze_growth()
    m[13] = 13
    assert m.header.growing
    assert m.header.flags == 2


def test_fields_follow_go() -> None:
    it = Map().iterator(0, 0)
    assert it.fields is None
    assert it.next() is None
    assert it.fields is None
    m = filled(3)
    it = m.iterator(0, 2)
    first = it.next()
    assert first is not None
    assert it.fields == (0, 0, 1, True, -1)
    while it.next() is not None:
        pass
    assert it.fields == (0, 0, 8, True, -1)


@pytest.mark.parametrize("n", [8, 13, 26, 52, 104, 500])
def test_deleting_everything_but_the_key_in_hand(n: int) -> None:
    m = filled(n)
    seen = 0
    for k in m:
        seen += 1
        for other in [o for o in range(n) if o != k]:
            m.pop(other, None)
    assert seen == 1
    assert len(m) == 1


@pytest.mark.parametrize("n", [5, 13, 14, 52, 53, 104])
def test_each_key_once_though_the_map_grows_under_the_iterator(n: int) -> None:
    m = filled(n)
    it = m.iterator()
    old, new = [], 1000
    while (step := it.next()) is not None:
        if step[0] < 1000:
            old.append(step[0])
        for _ in range(3):
            if new < 1000 + 20 * n:
                m[new] = new
                new += 1
        m.check()
    assert sorted(old) == list(range(n))


@pytest.mark.parametrize("evacuated", range(9))
def test_each_key_once_in_a_growth_that_stands_still(evacuated: int) -> None:
    m = filled(52)
    m.freeze_growth()
    m[52] = 52
    m.evacuate(evacuated)
    assert m.header.growing == (m.header.nevacuate < 8)
    for start in range(16):
        assert sorted(k for k, _ in m.iterator(start, start % 8)) == list(range(53))


def test_the_current_elem_is_yielded() -> None:
    m = filled(100)
    it = m.iterator(0, 0)
    assert it.next() is not None
    m.assign_many(range(100), [-1] * 100)
    m.assign_many(range(100, 400), [0] * 300)
    assert all(v == -1 for k, v in it if k < 100)


def test_clear_ends_what_is_left() -> None:
    m = filled(100)
    it = m.iterator()
    it.next()
    m.clear()
    assert it.next() is None


def test_nan_entries_come_once_through_a_growth() -> None:
    m = Map("float64", "int64", seed=2)
    for i in range(26):
        m[math.nan] = i
    it = m.iterator()
    step = it.next()
    assert step is not None
    seen = [step[1]]
    for i in range(200):
        m[float(i)] = -1
    seen += [v for k, v in it if k != k]
    assert sorted(seen) == list(range(26))


def test_an_iterator_outlives_what_it_stands_in() -> None:
    """Strings deleted, arrays grown away and cleared under an open iterator stay readable until it is done."""
    m = Map("str", "bytes136", seed=4)
    m.assign_many([f"key {i:040}" for i in range(500)], [bytes([i % 256]) * 136 for i in range(500)])
    its = [m.iterator() for _ in range(5)]
    for it in its:
        it.next()
    for round_ in range(4):
        m.delete_many([f"key {i:040}" for i in range(0, 500, 3)])
        m.assign_many([f"new {round_} {i:040}" for i in range(500)], [b"z" * 136] * 500)
        for it in its:
            it.next()
    m.clear()
    m.assign_many([f"key {i:040}" for i in range(100)], [b"q" * 136] * 100)
    for it in its:
        assert all(v == b"q" * 136 for _, v in it)
    m.check()


def test_the_map_lives_as_long_as_its_iterator() -> None:
    it = filled(50).iterator()
    assert len(list(it)) == 50


def test_memory_comes_back_when_the_iterators_are_gone() -> None:
    m = Map("str", "int64", seed=1)
    m.assign_many([f"{i:0100}" for i in range(1000)], range(1000))
    it = m.iterator()
    it.next()
    m.delete_many([f"{i:0100}" for i in range(900)])
    kept = m.header.memory
    del it
    for i in range(300):
        m[f"{i:0100}"] = i
        del m[f"{i:0100}"]
    assert m.header.memory < kept - 900 * 100


@pytest.mark.parametrize("key", ["bytes136", "str", "int64"])
def test_two_same_size_growths_under_an_iterator(key: str) -> None:
    """The iterator flags are gone by the second one, and evacuation wipes what the iterator reads: it may miss keys, as in
    Go, but never yields what is not there, and never fails."""
    make = {"bytes136": lambda i: i.to_bytes(136, "little"), "str": lambda i: f"{i:040}", "int64": int}[key]
    for seed in range(6):
        rnd, m = random.Random(seed), Map(key, seed=seed)
        for i in range(60):
            m[make(i)] = i
        m.evacuate(100)
        it = m.iterator(0, 0)
        it.next()
        extra: list[int] = []
        fresh = 1000
        for turn in range(2):
            m.freeze_growth(0)
            while not m.header.growing:
                for _ in range(8):  # asking takes longer than writing
                    if len(extra) < 25:
                        m[make(fresh)] = fresh
                        extra.append(fresh)
                        fresh += 1
                    else:
                        m.pop(make(extra.pop(rnd.randrange(len(extra)))))
            m.thaw_growth()
            if turn == 0:
                m.evacuate(100)
        while (step := it.next()) is not None and it.fields is not None and it.fields[4] == -1:
            assert m[step[0]] == step[1]
        m.evacuate(100)
        for k, v in it:
            assert m[k] == v
        m.check()


def test_a_seed_fixes_where_iterations_start() -> None:
    def orders() -> list[list[int]]:
        m = Map(seed=5)
        m.assign_many(range(100), range(100))
        return [[k for k, _ in m.iterator(start, offset)] for start, offset in ((None, None), (None, 3), (2, None))]

    first = orders()
    assert first == orders()
    assert all(sorted(order) == list(range(100)) for order in first)
