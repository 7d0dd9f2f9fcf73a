"""The extension and the cffi path: the same answers, the same errors, the same map; and no reference more or less.

Classes made by `by_cffi` are without it in a process that has it; a test runs other tests in a process that has not.
"""

from __future__ import annotations

import contextlib
import copy
import gc
import inspect
import itertools
import os
import pickle
import subprocess
import sys
import threading
import tracemalloc
import weakref
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from gomap._core import ffi, lib
from hypothesis import given, settings

from gomap import ConcurrentMisuse, Map, WrongType
from gomap.lab import Heap
from gomap.onekey import ConcurrentCalls, PlainCalls, by_cffi, native
from gomap.variants import VARIANTS

pytestmark = pytest.mark.skipif(native is None, reason="this Python goes by cffi alone")
ROOT = Path(__file__).resolve().parents[2]
CONCURRENT = [name for name in VARIANTS if name != "plain"]


class Text(str):
    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return b"text"


class Five:
    def __index__(self) -> int:
        return 5

    def __repr__(self) -> str:
        return "Five()"


class Refuses(Five):
    def __index__(self) -> int:
        raise ZeroDivisionError("asked for an index")


class Fresh(Five):
    def __index__(self) -> int:
        return int("1000001")  # a new one


class Small(int):
    pass


ANY = st.sampled_from(
    [
        *(True, 0, 1, 5, -1, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**32 - 1, 2**32, 2**53, 2**53 + 1, 2**63 - 1, 2**63),
        *(-(2**63), -(2**63) - 1, 2**1100, Small(3), Five(), Refuses(), np.int64(5), np.uint8(5), np.bool_(True)),
        *(0.0, -0.0, 1.0, 1.5, float("inf"), np.float32(1.5), np.float64(2.5), np.longdouble(1.5)),
        *("", "a", "ä", "日本", "a" * 40, "\0", "\udcff", "\ud800", Text("a"), np.str_("a")),
        *(b"", b"abc", b"abd", b"x" * 200, bytearray(b"abc"), memoryview(b"abc"), np.void(b"abc"), None, (), (1, 2), [1]),
    ]
)
KINDS = {
    "int32": st.integers(-3, 9),
    "uint32": st.integers(0, 9),
    "int64": st.integers(-3, 9),
    "float64": st.integers(-3, 9).map(float),
    "str": st.sampled_from(["", "a", "b", "ä", "日本", "\udcff", "k" * 40, "l" * 40]),
    "bytes3": st.sampled_from([b"abc", b"abd", b"\0\0\0"]),
    "bytes200": st.integers(0, 5).map(lambda i: bytes([i]) * 200),
    "none": st.none(),
    "object": st.sampled_from(["one", "two", 3, 4.0, (5,)]),
}
KEYS = ("int32", "uint32", "int64", "float64", "str", "bytes3", "bytes200")
ELEMS = ("none", "int64", "float64", "bytes3", "bytes200", "object")

Call = Callable[[Any, Any, Any, Any], Any]
SHARED: dict[str, Call] = {
    "m[k]": lambda m, k, a, b: m[k],
    "m.get(k)": lambda m, k, a, b: m.get(k),
    "m.get(k, a)": lambda m, k, a, b: m.get(k, a),
    "m.get(default=a, key=k)": lambda m, k, a, b: m.get(default=a, key=k),
    "m.get()": lambda m, k, a, b: m.get(),
    "k in m": lambda m, k, a, b: k in m,
    "m[k] = a": lambda m, k, a, b: m.__setitem__(k, a),
    "m[k] = b": lambda m, k, a, b: m.__setitem__(k, b),
    "del m[k]": lambda m, k, a, b: m.__delitem__(k),
    "m.pop(k)": lambda m, k, a, b: m.pop(k),
    "m.pop(k, a)": lambda m, k, a, b: m.pop(k, a),
    "m.pop(k, default=a)": lambda m, k, a, b: m.pop(k, default=a),
    "m.pop(k, a, b)": lambda m, k, a, b: m.pop(k, a, b),
    "m.setdefault(k)": lambda m, k, a, b: m.setdefault(k),
    "m.setdefault(k, a)": lambda m, k, a, b: m.setdefault(k, a),
    "len(m)": lambda m, k, a, b: len(m),
}
PLAIN: dict[str, Call] = SHARED | {
    "list(m)": lambda m, k, a, b: list(m),
    "list(m.values())": lambda m, k, a, b: list(m.values()),
    "list(m.items())": lambda m, k, a, b: list(m.items()),
    "m.clear()": lambda m, k, a, b: m.clear(),
}
ATOMIC: dict[str, Call] = SHARED | {
    "m.swap(k, a)": lambda m, k, a, b: m.swap(k, a),
    "m.swap(k)": lambda m, k, a, b: m.swap(k),
    "m.load_and_delete(k)": lambda m, k, a, b: m.load_and_delete(k),
    "m.load_or_store(k, a)": lambda m, k, a, b: m.load_or_store(k, a),
    "m.load_or_store(elem=a, key=k)": lambda m, k, a, b: m.load_or_store(elem=a, key=k),
    "m.compare_and_swap(k, a, b)": lambda m, k, a, b: m.compare_and_swap(k, a, b),
    "m.compare_and_delete(k, a)": lambda m, k, a, b: m.compare_and_delete(k, a),
    "m.add(k)": lambda m, k, a, b: m.add(k),
    "m.add(k, a)": lambda m, k, a, b: m.add(k, a),
}


def outcome(call: Call, *args: Any) -> Any:
    """What came of it: a value with its type, or an error with its message."""
    try:
        value = call(*args)
    except Exception as e:
        return type(e), str(e).replace("ByCffi", "").replace("PlainCalls.", "").replace("ConcurrentCalls.", "")
    return type(value), repr(value)


def compare(cls: type[Any], calls: dict[str, Call], key: str, elem: str, data: st.DataObject) -> tuple[Any, Any]:
    """The two maps after the same calls, with the same outcomes."""
    fast, slow = cls(key, elem, seed=1), by_cffi(cls)(key, elem, seed=1)
    keys, elems = KINDS[key] | KINDS[key] | ANY, KINDS[elem] | KINDS[elem] | ANY
    steps = st.lists(st.tuples(st.sampled_from(sorted(calls)), keys, elems, elems), min_size=20, max_size=40)
    for name, *args in data.draw(steps):
        assert outcome(calls[name], fast, *args) == outcome(calls[name], slow, *args), (name, args)
    fast.check()
    return fast, slow


@pytest.mark.parametrize(("key", "elem"), [*((k, "int64") for k in KEYS), *(("int64", e) for e in ELEMS), ("str", "object")])
@settings(max_examples=8)
@given(data=st.data())
def test_plain_maps_do_the_same_both_ways(key: str, elem: str, data: st.DataObject) -> None:
    fast, slow = compare(Map, PLAIN, key, elem, data)
    assert type(fast).__getitem__.__objclass__ is native.Plain
    assert fast.digest() == slow.digest()  # the whole state, the flags of iterations too


@pytest.mark.parametrize(("key", "elem"), [*((k, "int64") for k in KEYS), *(("int64", e) for e in ELEMS), ("str", "object")])
@settings(max_examples=6)
@given(data=st.data())
def test_concurrent_maps_do_the_same_both_ways(key: str, elem: str, data: st.DataObject) -> None:
    fast, slow = compare(VARIANTS["lockfree"].cls, ATOMIC, key, elem, data)
    assert repr(sorted(fast.items())) == repr(sorted(slow.items()))


@pytest.mark.parametrize("name", CONCURRENT)
@settings(max_examples=2)
@given(data=st.data())
def test_every_design_does_the_same_both_ways(name: str, data: st.DataObject) -> None:
    compare(VARIANTS[name].cls, ATOMIC, "int64", "int64", data)
    compare(VARIANTS[name].cls, ATOMIC, "str", "object", data)


def test_nan_both_ways() -> None:
    for cls in (Map, by_cffi(Map)):
        m = cls("float64", "float64", seed=1)
        m[float("nan")] = float("nan")
        m[np.float64("nan")] = 2.0
        assert (len(m), float("nan") in m, m.pop(float("nan"), None)) == (2, False, None)
        assert {str(v) for v in m.values()} == {"nan", "2.0"}


@pytest.mark.parametrize("cls", [Map, *(VARIANTS[name].cls for name in CONCURRENT)])
def test_the_documents_are_the_same(cls: type[Any]) -> None:
    calls = PlainCalls if cls is Map else ConcurrentCalls
    for name in (n for n in vars(calls) if n[0] != "_"):
        assert inspect.getdoc(getattr(cls, name)) == inspect.getdoc(getattr(calls, name)), name


# ------------------------------------------------------------------ memory


def mixed_use(m: Any, atomic: bool, keys: list[Any], value: Any) -> None:
    """Calls that find their key and calls that do not, good ones and bad ones."""
    for k in keys:
        for call in (ATOMIC if atomic else PLAIN).values():
            for args in ((k, value, value), (Fresh(), value, value), (object, value, value), (k, object, object)):
                outcome(call, m, *args)


@pytest.mark.parametrize(
    ("key", "elem"),
    [("int64", "int64"), ("int64", "none"), ("int64", "object"), ("str", "object"), ("bytes200", "bytes200")],
)
@pytest.mark.parametrize("name", ["plain", "lockfree"])
def test_no_reference_is_lost_or_kept(name: str, key: str, elem: str) -> None:
    m = VARIANTS[name].cls(key, elem, seed=1)
    keys = {"int64": [10**6, 10**7], "str": ["abcdef", "日本"], "bytes200": [b"a" * 200, b"b" * 200]}[key]
    value = {"int64": 10**9, "bytes200": b"v" * 200, "none": None, "object": ["an object"]}[elem]
    held = [*keys, value, None, True, False, m, type(m), native.Steps]

    def used() -> int:
        """Bytes that are there after some use."""
        for _ in range(2):
            mixed_use(m, name != "plain", keys, value)
        m.clear()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        used()
        before = [sys.getrefcount(x) for x in held]
        there = [used() for _ in range(4)]
        after = [sys.getrefcount(x) for x in held]
    finally:
        tracemalloc.stop()
    assert [b - a for a, b in zip(before, after, strict=True) if abs(b - a) > 5] == []  # each call is made 16 times and more
    grown = [b - a for a, b in itertools.pairwise(there)]  # what Python keeps for itself it does not keep every time
    assert min(grown) < 4 * 28  # each call was made 4 times and more, and an int is 28 bytes
    if elem == "object":
        assert m._objects.slots == {}


def test_a_map_in_a_cycle_goes() -> None:
    for cls in (Map, VARIANTS["lockfree"].cls):
        m = cls("int64", "object")
        m[1] = m
        seen = weakref.ref(m)
        if cls is Map:
            m[2] = iter(m)
            next(m[2])
        del m
        gc.collect()
        assert seen() is None


def test_an_iteration_outlives_the_name_of_its_map() -> None:
    m = Map("str", "object", seed=1)
    for i in range(100):
        m[f"key {i}"] = [i]
    steps = iter(m.items())
    first = next(steps)
    del m
    gc.collect()
    assert len({first[0], *(k for k, _ in steps)}) == 100
    assert list(steps) == []


def test_an_iteration_that_is_over_holds_no_map() -> None:
    for view in (iter, Map.values, Map.items):
        m = Map(seed=1)
        m[1] = 2
        seen, steps = weakref.ref(m), iter(view(m))
        del m
        assert len(list(steps)) == 1
        assert seen() is None
        assert list(steps) == []


@pytest.mark.parametrize("cls", [Map, by_cffi(Map)])
def test_a_step_that_is_refused(cls: type[Map]) -> None:
    """It ends an iteration over keys or elems, like any error in a generator; one over pairs may be asked again."""
    batch = np.arange(400_000)

    def write(m: Map) -> None:
        with contextlib.suppress(ConcurrentMisuse):  # the step was inside first
            m.assign_many(batch, batch)

    for view, goes_on in ((iter, 0), (cls.values, 0), (cls.items, 1)):
        refused = False
        while not refused:
            m = cls(seed=1)
            m.assign_many(batch[:200_000], batch[:200_000])  # more steps than a thread takes in its turn at the GIL
            steps = iter(view(m))
            next(steps)
            writer = threading.Thread(target=write, args=(m,))
            writer.start()
            left = True
            while left and writer.is_alive() and not refused:
                try:
                    left = next(steps, None) is not None
                except ConcurrentMisuse:
                    refused = True
            writer.join()
        assert len([*zip(range(1), steps, strict=False)]) == goes_on


def test_an_iteration_holds_deleted_memory_until_its_end() -> None:
    for use in (list, lambda steps: next(steps)):
        m = Map("str", "int64", seed=1)
        m.update((f"a long key {i}", i) for i in range(1000))
        full = m.header.memory
        steps = iter(m)
        next(steps)
        use(steps)
        m.clear()
        m.assign_many([], [])
        del steps
        m["one more"] = 1
        m.clear()
        assert m.header.memory < full


# ------------------------------------------------------------------ what is not bound, and what is a subclass


def test_what_has_no_map_says_so_both_ways() -> None:
    for name in ("plain", "lockfree"):
        cls, calls = VARIANTS[name].cls, PLAIN if name == "plain" else ATOMIC
        fast, slow = cls.__new__(cls), by_cffi(cls).__new__(by_cffi(cls))
        for call in calls.values():
            got, expected = outcome(call, fast, 1, 1, 1), outcome(call, slow, 1, 1, 1)
            assert got[0] is expected[0]
            assert got[0] in (AttributeError, TypeError)


def test_init_again() -> None:
    for name in ("plain", "lockfree"):
        m = VARIANTS[name].cls("int64", "int64")
        m[1] = 2
        first = weakref.ref(m._handle)

        class Again:
            def __index__(self, m: Any = m) -> int:
                m.__init__("bytes200", "object")
                return 7

        assert outcome(lambda m, k: m.get(k), m, Again())[0] is not int
        assert len(m) == 0
        m[b"k" * 200] = "object"
        assert m[b"k" * 200] == "object"
        assert (b"k" * 200 in m, len(m)) == (True, 1)
        del m
        Again.__index__.__defaults__ = None
        gc.collect()
        assert first() is None


def test_maps_for_many_threads_are_not_copied() -> None:
    cls = VARIANTS["lockfree"].cls
    for m in (cls(), by_cffi(cls)()):
        for duplicate in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(WrongType, match=r"is not copied or pickled: make a new one and `update` it"):
                duplicate(m)


def test_a_map_matches_a_mapping_pattern() -> None:
    for cls in (Map, VARIANTS["lockfree"].cls):
        m = cls()
        m[1] = 2
        match m:
            case {1: found}:
                assert found == 2
            case _:
                pytest.fail("a mapping pattern asks for a flag of the type")


def test_a_subclass_s_own_items_are_asked() -> None:
    class Doubled(Map):
        def __getitem__(self, key: Any) -> Any:
            return 2 * super().__getitem__(key)

        def __missing__(self, key: Any) -> Any:
            raise AssertionError("a Map asks for nothing of the kind")

    m = Doubled()
    assert m.setdefault(1, 5) == 5
    assert (m[1], m.setdefault(1, 7), m.get(1), m.pop(1)) == (10, 10, 5, 5)
    assert isinstance(m, MutableMapping)
    with pytest.raises(KeyError):
        m[2]


def test_bind_takes_maps_only() -> None:
    with pytest.raises(TypeError, match="a map of this module expected"):
        native.bind(object(), None, 0, 0, 0, "int64", 8, "int64", 8, None, False, False)
    for kinds in (("int65", 8, "int64", 8), ("int64", 8, "str", 0)):
        with pytest.raises(SystemError, match="does not know the kind"):
            native.bind(Map.__new__(Map), None, 0, 0, 0, *kinds, None, False, False)


# ------------------------------------------------------------------ other threads


def test_a_call_that_may_wait_lets_others_run() -> None:
    """The allocator of this map sleeps while a write is inside: only if others run meanwhile can one be refused."""
    faulty = ffi.gc(lib.gm_faulty_new(), lib.gm_faulty_free)
    m = Map(_overrides={"alloc": lib.gm_faulty_alloc(faulty)})
    lib.gm_faulty_stall(faulty, 1, 200_000_000)
    thread = threading.Thread(target=m.__setitem__, args=(1, 1))
    thread.start()
    refused = 0
    while thread.is_alive():
        try:
            m.get(1)
        except ConcurrentMisuse:
            refused += 1
    thread.join()
    assert refused
    assert m[1] == 1
    del m  # before its allocator


def test_a_map_on_a_heap_may_wait() -> None:
    m = Map(heap=Heap())
    for i in range(2000):
        m[i] = i
    assert sum(m) == sum(m.values()) == sum(range(2000))


@pytest.mark.parametrize("name", CONCURRENT)
def test_calls_on_one_key_beside_batches(name: str) -> None:
    """Batches are inside, without the GIL, while calls on one key come from threads that take turns at it."""
    m, rounds = VARIANTS[name].cls(), 3000
    batch = np.arange(64)
    m.assign_many(batch, np.zeros(64, np.int64))
    stop = threading.Event()

    def batches() -> None:
        while not stop.is_set():
            m.assign_many(batch, batch)
            m.get_many(batch)

    def counted() -> None:
        for i in range(rounds):
            m.add(-1)
            m[i % 64] = i
            m.get(i % 64)

    others = threading.Thread(target=batches)
    others.start()
    counting = [threading.Thread(target=counted) for _ in range(2)]
    for t in counting:
        t.start()
    for t in counting:
        t.join()
    stop.set()
    others.join()
    assert m[-1] == 2 * rounds


# ------------------------------------------------------------------ without it


def test_the_tests_of_maps_pass_without_it() -> None:
    code = "import sys, pytest; status = pytest.main(sys.argv[1:]); from gomap.onekey import native; assert native is None"
    tests = ("map/test_map_api.py", "map/test_mapping_protocol.py", "map/test_iteration.py", "sync/test_contract.py")
    chosen = "not growth and not tokens and not engine and not answers_are and not memory_comes_back"
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}  # no worker of anything
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; sys.exit(status)", "-q", "-p", "no:cacheprovider", "-k", chosen]
        + [f"tests/{name}" for name in tests],
        cwd=ROOT,
        env={**alone, "GOMAP_NO_EXTENSION": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
