"""Two threads on one plain map: Go's sentences as exceptions, never a crash, and the map unharmed."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from gomap import ConcurrentMisuse, Map

BATCH = np.arange(1_500_000)


def beside(work: Callable[[], object], act: Callable[[], object]) -> set[str]:
    """Repeats `act` while another thread does `work`; the sentences it was refused with."""
    refused: set[str] = set()
    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive():
        try:
            act()
        except ConcurrentMisuse as e:
            refused.add(str(e))
    thread.join()
    return refused


@contextlib.contextmanager
def writing(writes: Sequence[Callable[[int], object]]) -> Iterator[None]:
    """Another thread makes these writes, numbered, again and again, whether refused or not."""
    stop = threading.Event()

    def work() -> None:
        for n in itertools.count(1):
            if stop.is_set():
                return
            for write in writes:
                with contextlib.suppress(ConcurrentMisuse):
                    write(n)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (lambda m: m.get(1), "concurrent map read and map write"),
        (lambda m: m.get_many([1]), "concurrent map read and map write"),
        (lambda m: m.header, "concurrent map read and map write"),
        (lambda m: m.check(), "concurrent map read and map write"),
        (lambda m: m.digest(), "concurrent map read and map write"),
        (lambda m: m.events(), "concurrent map read and map write"),
        (lambda m: m.chain(0), "concurrent map read and map write"),
        (lambda m: m.to_arrays(), "concurrent map read and map write"),
        (lambda m: m.__setitem__(-1, 1), "concurrent map writes"),
        (lambda m: m.pop(-1, None), "concurrent map writes"),
        (lambda m: m.clear(), "concurrent map writes"),
        (lambda m: m.iterator().next(), "concurrent map iteration and map write"),
    ],
)
def test_beside_a_writer(act: Callable[[Any], object], sentence: str) -> None:
    m = Map()
    m.assign_many(range(10), range(10))

    def work() -> None:
        with contextlib.suppress(ConcurrentMisuse):  # the other thread was inside first
            m.assign_many(BATCH, BATCH)

    refused: set[str] = set()
    for _ in range(20):
        refused |= beside(work, lambda: act(m))
        if sentence in refused:
            break
    assert sentence in refused
    m.check()


def test_a_writer_beside_a_reader_is_refused_before_it_changes_anything() -> None:
    m = Map()
    m.assign_many(BATCH, BATCH)
    before = len(m)

    def work() -> None:
        with contextlib.suppress(ConcurrentMisuse):  # the writer was inside first
            m.get_many(BATCH)

    refused: set[str] = set()
    for _ in range(20):
        refused |= beside(work, lambda: m.__setitem__(-1, 1))
        m.pop(-1, None)
        assert len(m) == before
    assert refused == {"concurrent map read and map write"}
    m.check()


def test_readers_may_overlap() -> None:
    m = Map()
    m.assign_many(BATCH, BATCH)
    assert beside(lambda: m.get_many(BATCH), lambda: (m[5], m.get_many([1, 2]), m.iterator().next())) == set()


def test_one_iterator_in_two_threads() -> None:
    m = Map()
    m.assign_many(range(200_000), range(200_000))
    it, keep = m.iterator(), m.iterator()
    keep.next()
    seen: list[int] = []

    def walk() -> None:
        while True:
            try:
                step = it.next()
            except ConcurrentMisuse as e:
                sentences.add(str(e))
                continue
            if step is None:
                return
            seen.append(step[0])

    sentences: set[str] = set()
    threads = [threading.Thread(target=walk) for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sentences <= {"concurrent map iteration and map write"}
    m.clear()
    assert keep.next() is None


def test_whole_maps_beside_a_writer_of_long_keys() -> None:
    """to_arrays is whole or refused, whatever another thread puts in between its parts."""
    m = Map("str", "int64")
    for i in range(50):
        m[f"k{i}"] = i
    whole = 0
    writes = [
        lambda n: m.__setitem__("L" * 5000 + str(n % 7), -1),
        lambda n: m.pop("L" * 5000 + str(n % 7), None),
    ]
    with writing(writes):
        for _ in range(1500):
            with contextlib.suppress(ConcurrentMisuse):
                keys, elems = m.to_arrays()
                entries = dict(zip(keys.tolist(), elems.tolist(), strict=True))
                assert {k: v for k, v in entries.items() if v >= 0} == {f"k{i}": i for i in range(50)}
                m.chain(0)
                whole += 1
    assert whole > 0
    m.check()


def test_an_object_is_never_another_key_s() -> None:
    m = Map("int64", "object")
    m[1] = ("one", 0)
    writes = [
        lambda n: m.__setitem__(1, ("one", n)),
        lambda n: m.__setitem__(2 + n % 5, ("other", n)),
        lambda n: m.clear() if n % 100 == 0 else None,
    ]
    with writing(writes):
        for _ in range(20_000):
            with contextlib.suppress(ConcurrentMisuse):
                assert m.get(1, ("one",))[0] == "one"
    assert len(m) == len(m._objects.slots)
    assert all(m[k] is not None for k in list(m))


def test_threads_that_share_an_iterator() -> None:
    """Each entry comes once, whole, to whichever thread: a step that would overlap another one is refused."""
    m, n = Map(seed=1), 300
    m.assign_many(np.arange(n), np.arange(n) * 3)
    it, found, load = m.iterator(), list[tuple[int, int]](), m._key.load

    def late(memory: Any) -> Any:
        time.sleep(0)  # between the step in C and the reading of what it found: another thread's turn
        return load(memory)

    m._key.load = late

    def body() -> None:
        while True:
            try:
                step = it.next()
            except ConcurrentMisuse:
                time.sleep(0)
                continue
            if step is None:
                return
            found.append(step)

    threads = [threading.Thread(target=body) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(found) == [(k, k * 3) for k in range(n)]
