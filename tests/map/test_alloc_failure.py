"""Memory refused at every single allocation: the map holds what it held, the operation works when tried again, no leak."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from gomap._core import ffi, lib

from gomap import Map

KINDS: dict[str, tuple[str, str, Callable[[int], Any], Callable[[int], Any]]] = {
    "int64": ("int64", "int64", int, int),
    "str": ("str", "int64", lambda i: f"key {i}", int),
    "boxes": ("bytes136", "bytes136", lambda i: i.to_bytes(136, "big"), lambda i: i.to_bytes(136, "little")),
    "str-boxes": ("str", "bytes200", lambda i: f"key {i}", lambda i: i.to_bytes(200, "little")),
    "objects": ("int64", "object", int, lambda i: [i]),
}


class Faulty:
    """A map on an allocator that fails on command."""

    def __init__(self, key: str, elem: str, **kinds: Any) -> None:
        self.faulty = ffi.gc(lib.gm_faulty_new(), lib.gm_faulty_free)
        self.map = Map(key, elem, seed=7, _overrides={"alloc": lib.gm_faulty_alloc(self.faulty)}, **kinds)

    def arm(self, nth: int, times: int = 1) -> None:
        lib.gm_faulty_arm(self.faulty, nth, times)

    @property
    def calls(self) -> int:
        return int(lib.gm_faulty_calls(self.faulty))

    def close(self) -> None:
        handle = self.map._handle
        del self.map
        ffi.release(handle)
        assert lib.gm_faulty_live_blocks(self.faulty) == 0
        assert lib.gm_faulty_live_bytes(self.faulty) == 0


def script(kind: str) -> list[tuple[str, int, int]]:
    """Inserts through several growths, overwrites, churn that brings overflow chains and a same-size growth, a clear."""
    steps = [("set", i, i) for i in range(120)] + [("set", i, -i % 50) for i in range(0, 120, 3)]
    steps += [("del", i, 0) for i in range(0, 120, 2)]
    for i in range(200, 420):
        steps += [("set", i, i), ("del", i - 30, 0)]
    return [*steps, ("clear", 0, 0), *[("set", i, i) for i in range(30)]]


def perform(m: Any, step: tuple[str, int, int], make_key: Any, make_elem: Any) -> None:
    op, k, v = step
    if op == "set":
        m[make_key(k)] = make_elem(v)
    elif op == "del":
        m.pop(make_key(k), None)
    else:
        m.clear()


def objects_held(m: Map) -> int | None:
    """How many objects a map with object elems keeps."""
    return None if m._objects is None else len(m._objects.slots)


@pytest.mark.parametrize("kind", KINDS)
def test_every_allocation_can_fail(kind: str) -> None:
    """Each operation is tried with its first, second, ... allocation refused until none is left to refuse."""
    key, elem, make_key, make_elem = KINDS[kind]
    f = Faulty(key, elem)
    d: dict[Any, Any] = {}
    failures = 0
    for step in script(kind):
        nth = 1
        while True:
            f.arm(nth)
            try:
                perform(f.map, step, make_key, make_elem)
            except MemoryError:
                failures += 1
                f.map.check()
                assert f.map == d
                assert objects_held(f.map) in (None, len(d))
            else:
                break
            nth += 1
        f.arm(0)
        perform(d, step, make_key, make_elem)
        f.map.check()
        assert len(f.map) == len(d)
    assert f.map == d
    assert failures >= 7, "the bucket array alone is allocated that often"
    f.close()


@pytest.mark.parametrize("kind", KINDS)
def test_every_nth_allocation_of_a_growth_in_one_batch(kind: str) -> None:
    """A batch that grows the map several times stops where memory does; what came before is there, and no more."""
    key, elem, make_key, make_elem = KINDS[kind]
    keys, elems = [make_key(i) for i in range(150)], [make_elem(i) for i in range(150)]
    whole = Faulty(key, elem)
    start = whole.calls
    whole.map.assign_many(keys, elems)
    total = whole.calls - start
    whole.close()
    for nth in range(1, total + 1):
        f = Faulty(key, elem)
        f.arm(nth)
        with pytest.raises(MemoryError):
            f.map.assign_many(keys, elems)
        f.map.check()
        n = len(f.map)
        assert f.map == dict(zip(keys[:n], elems[:n], strict=True))
        assert objects_held(f.map) in (None, n)
        f.map.assign_many(keys, elems)
        f.map.check()
        assert f.map == dict(zip(keys, elems, strict=True))
        f.close()


def test_making_a_map_can_fail() -> None:
    faulty = ffi.gc(lib.gm_faulty_new(), lib.gm_faulty_free)
    for nth in (1, 2):
        lib.gm_faulty_arm(faulty, nth, 1)
        with pytest.raises(MemoryError):
            Map(hint=100, _overrides={"alloc": lib.gm_faulty_alloc(faulty)})
        assert lib.gm_faulty_live_blocks(faulty) == 0


def test_an_iterator_can_fail() -> None:
    f = Faulty("int64", "int64")
    f.map[1] = 1
    f.arm(1)
    with pytest.raises(MemoryError):
        f.map.iterator()
    f.arm(0)
    assert f.map.iterator().next() == (1, 1)
    f.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", ["clear", "evacuate", "close"])
def test_long_chains_leak_nothing(kind: str, end: str) -> None:
    """A frozen growth makes chains of heap buckets; they go with clear, with evacuation, with the map."""
    key, elem, make_key, make_elem = KINDS[kind]
    f = Faulty(key, elem)
    f.map.freeze_growth()
    f.map.assign_many([make_key(i) for i in range(400)], [make_elem(i) for i in range(400)])
    assert max(len(f.map.chain(i)) for i in range(1 << f.map.header.B)) > 10
    if end == "clear":
        f.map.clear()
        f.map.check()
        assert len(f.map.chain(0)) == 1
    elif end == "evacuate":
        f.map.thaw_growth()
        for i in range(400):
            f.map[make_key(i % 7)] = make_elem(i)
        f.map.check()
    f.close()


def test_nothing_leaks_with_iterators_open_and_dropped_in_any_order() -> None:
    f = Faulty("str", "bytes136")
    its = []
    for i in range(300):
        f.map[f"{i}"] = bytes([i % 256]) * 136
        if i % 20 == 0:
            its.append(f.map.iterator())
            its[-1].next()
        if i % 3 == 0:
            f.map.pop(f"{i // 2}", None)
        if i == 250:
            f.map.clear()
    while its:
        its.pop(len(its) // 2)
    f.close()
