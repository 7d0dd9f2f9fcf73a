"""Two threads on one plain map: Go's sentences as exceptions, never a crash, and the map unharmed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
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


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (lambda m: m.get(1), "concurrent map read and map write"),
        (lambda m: m.get_many([1]), "concurrent map read and map write"),
        (lambda m: m.header, "concurrent map read and map write"),
        (lambda m: m.check(), "concurrent map read and map write"),
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
