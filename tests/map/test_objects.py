"""The table of Python objects, used by several threads at once."""

from __future__ import annotations

import threading
import time

from gomap.objects import Objects


class Torn:
    """Counts as an interpreter without a global lock may: reading and writing back are two steps."""

    def __init__(self) -> None:
        self.n = 1

    def __iter__(self) -> Torn:
        return self

    def __next__(self) -> int:
        n = self.n
        time.sleep(0)  # another thread's turn
        self.n = n + 1
        return n


def test_no_number_is_drawn_twice() -> None:
    objects, threads, each = Objects(), 4, 500
    objects.numbers = Torn()
    refs: list[list[int]] = [[] for _ in range(threads)]
    start = threading.Barrier(threads)

    def body(i: int) -> None:
        start.wait()
        for j in range(each):
            refs[i].append(objects.put((i, j)))

    running = [threading.Thread(target=body, args=(i,)) for i in range(threads)]
    for t in running:
        t.start()
    for t in running:
        t.join()
    assert len({ref for own in refs for ref in own}) == threads * each
    for i, own in enumerate(refs):
        assert [objects.take(ref) for ref in own] == [(i, j) for j in range(each)]
    assert objects.slots == {}


def test_a_finalizer_may_put_while_a_number_is_drawn() -> None:
    objects = Objects()

    class Nested(Torn):
        def __next__(self) -> int:
            if self.n == 1:
                self.n = 2
                assert objects.put("inner") == 2
            return super().__next__()

    objects.numbers = Nested()
    outer = objects.put("outer")
    assert objects.take(outer) == "outer"
    assert objects.take(2) == "inner"
