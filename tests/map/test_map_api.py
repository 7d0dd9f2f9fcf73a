"""Map as a mapping: every kind, every method, against what dict does."""

from __future__ import annotations

import copy
import gc
import math
import pickle
import random
import sys
import weakref
from typing import Any
from unittest.mock import ANY

import numpy as np
import pytest
from gomap._core import lib

import gomap
from gomap import Map
from gomap import errors as errors_module

KEYS: dict[str, list[Any]] = {
    "int32": [0, 1, -1, 2**31 - 1, -(2**31), 77],
    "uint32": [0, 1, 2**32 - 1, 5, 6, 7],
    "int64": [0, 1, -1, 2**63 - 1, -(2**63), 10**15],
    "float64": [0.0, 1.5, -2.25, math.inf, -math.inf, 5e-324],
    "str": ["", "a", "ä", "naïve" * 40, "\udcff", "x" * 16],
    "bytes1": [b"a", b"b", b"\0", b"\xff", b"c", b"d"],
    "bytes4": [b"abcd", b"\0\0\0\0", b"\xff" * 4, b"abce", b"1234", b"4321"],
    "bytes8": [b"abcdefgh", bytes(8), b"\xff" * 8, b"abcdefgi", b"12345678", b"87654321"],
    "bytes9": [b"abcdefghi", bytes(9), b"\xff" * 9, b"abcdefghj", b"123456789", b"987654321"],
    "bytes128": [bytes([i]) * 128 for i in range(6)],
    "bytes129": [bytes([i]) * 129 for i in range(6)],
}
ELEMS: dict[str, list[Any]] = {
    "none": [None],
    "int64": [0, -5, 2**62],
    "float64": [0.0, -1.5, math.inf],
    "bytes3": [b"abc", b"\0\0\0"],
    "bytes136": [b"x" * 136, b"y" * 136],
    "object": [None, [1], {"a": 1}, "text"],
}


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("elem", ELEMS)
@pytest.mark.parametrize("hasher", ["aes", "aes-portable", "memhash"])
def test_one_key_operations_match_dict(key: str, elem: str, hasher: str) -> None:
    m, d = Map(key, elem, hasher=hasher, seed=5), {}
    rnd = random.Random(f"{key} {elem}")
    for _ in range(300):
        k, v, action = rnd.choice(KEYS[key]), rnd.choice(ELEMS[elem]), rnd.random()
        if action < 0.5:
            m[k] = v
            d[k] = v
        elif action < 0.7:
            assert m.pop(k, "gone") == d.pop(k, "gone")
        elif action < 0.71:
            m.clear()
            d.clear()
        assert (k in m) == (k in d)
        assert m.get(k, "none") == d.get(k, "none")
        assert len(m) == len(d)
        m.check()
    assert dict(m.items()) == d
    assert m == d
    assert set(m) == set(d)


def test_the_default_is_a_map_of_int64() -> None:
    m = Map()
    m[1] = 2
    assert repr(m) == "<gomap.Map int64 -> int64, 1 entries>"
    assert m == {1: 2}
    with pytest.raises(TypeError):
        hash(m)


def test_missing_keys() -> None:
    m = Map()
    for act in (lambda: m[7], lambda: m.pop(7), lambda: m.__delitem__(7)):
        with pytest.raises(KeyError) as caught:
            act()
        assert isinstance(caught.value, gomap.GomapError)
        assert caught.value.args == (7,)
    assert m.pop(7, 3) == 3
    assert m.setdefault(7, 4) == 4
    assert m.setdefault(7, 5) == 4


def test_nan_and_zero_keys_are_go_s() -> None:
    m = Map("float64", "int64", seed=1)
    for i in range(40):
        m[math.nan] = i
        m.check()
    assert len(m) == 40
    assert math.nan not in m
    assert m.get(math.nan) is None
    assert m.pop(math.nan, "no") == "no"
    assert sorted(m.values()) == list(range(40))
    m[0.0] = 1
    m[-0.0] = 2
    assert len(m) == 41
    assert [math.copysign(1, k) for k in m if k == 0] == [-1.0]  # the key is overwritten too
    assert m[0.0] == 2
    assert m.popitem() == (-0.0, 2)
    with pytest.raises(KeyError, match="NaN"):
        m.popitem()
    assert m != m.copy()
    assert len(m.copy()) == 40
    m.clear()
    assert len(m) == 0


def test_popitem_empties_the_map() -> None:
    m = Map("str", "int64")
    m.update({str(i): i for i in range(100)})
    seen = dict(m.popitem() for _ in range(100))
    assert seen == {str(i): i for i in range(100)}
    with pytest.raises(KeyError, match="empty"):
        m.popitem()


def test_union() -> None:
    m = Map(seed=1)
    m.update({1: 1, 2: 2})
    assert (m | {2: 5, 3: 6}) == {1: 1, 2: 5, 3: 6}
    assert ({2: 5, 3: 6} | m) == {1: 1, 2: 2, 3: 6}
    assert isinstance({2: 5} | m, Map)
    m |= {4: 4}
    m |= [(5, 5)]
    assert m == {1: 1, 2: 2, 4: 4, 5: 5}
    with pytest.raises(TypeError):
        m | [(1, 2)]


def test_equality_across_kinds() -> None:
    a, b = Map("int64", "int64"), Map("float64", "object")
    a[1] = 2
    b[1.0] = 2
    assert a == b
    assert b == a
    assert a != {1: 3}
    assert a != {"1": 2}
    assert a != {1: 2, 2: 2}
    assert a != 5


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("elem", ELEMS)
def test_copy_and_pickle(key: str, elem: str) -> None:
    m = Map(key, elem, hasher="memhash")
    for i, k in enumerate(KEYS[key]):
        m[k] = ELEMS[elem][i % len(ELEMS[elem])]
    for twin in (m.copy(), copy.copy(m), pickle.loads(pickle.dumps(m))):
        assert twin == m
        assert repr(twin) == repr(m)
        twin.check()
        twin.clear()
    assert len(m) == len(KEYS[key])


def test_a_seed_fixes_everything() -> None:
    def build() -> Map:
        m = Map(seed=42)
        m.assign_many(range(500), range(500))
        m.delete_many(range(0, 500, 3))
        return m

    a, b = build(), build()
    assert a.digest() == b.digest()
    assert list(a) == list(b)
    assert Map(seed=1).header.hash0 != Map(seed=2).header.hash0
    assert Map().header.hash0 != Map().header.hash0


def test_objects_are_kept_and_let_go() -> None:
    class Thing:
        pass

    m = Map("int64", "object")
    things = [Thing() for _ in range(50)]
    refs = [weakref.ref(t) for t in things]
    m.assign_many(range(50), things)
    del things
    gc.collect()
    assert all(r() is not None for r in refs)
    m[0] = 1
    assert refs[0]() is None
    del m[1]
    assert refs[1]() is None
    assert m.pop(2) is not None
    gc.collect()
    assert refs[2]() is None
    assert m.delete_many([3, 4, 99]) == 2
    assert refs[3]() is refs[4]() is None
    m.assign_many([5, 5, 6], [1, 2, 3])
    assert refs[5]() is refs[6]() is None
    assert m[5] == 2
    m.clear()
    assert all(r() is None for r in refs)


def test_an_object_s_finalizer_may_use_the_map() -> None:
    m = Map("int64", "object")

    class Chatty:
        def __del__(self) -> None:
            m[99] = len(m)

    m[1] = Chatty()
    m[1] = None
    assert m.get(99) == 1
    m[2] = Chatty()
    del m[2]
    m[3] = Chatty()
    m.clear()
    gc.collect()
    assert m == {99: 0}


def test_object_slots_are_given_back() -> None:
    m = Map("int64", "object")
    for i in range(1000):
        m[i % 10] = [i]
    assert len(m._objects.slots) == 10


def test_sizeof_grows_with_the_map() -> None:
    small, large = Map(), Map(hint=100_000)
    assert sys.getsizeof(large) > sys.getsizeof(small) + 100_000 * 16


def test_fromkeys() -> None:
    assert Map.fromkeys([1, 2], 7) == {1: 7, 2: 7}
    assert Map.fromkeys("ab", key="str", elem="none") == {"a": None, "b": None}


def test_views() -> None:
    m = Map("str", "int64")
    m["a"] = 1
    m["b"] = 2
    assert m.keys() == {"a", "b"}
    assert m.keys() & {"a"} == {"a"}
    assert ("a", 1) in m.items()
    assert 2 in m.values()
    assert 3 not in m.values()
    assert sorted(m.items()) == [("a", 1), ("b", 2)]


def test_numpy_scalars_are_keys() -> None:
    m = Map()
    m[np.int32(5)] = np.int64(6)
    assert m[5] == 6
    assert m[np.uint8(5)] == 6
    with pytest.raises(TypeError):
        m[np.float32(5)]


def test_the_status_codes_are_those_of_the_header() -> None:
    for name in ("OK", "MISS", "END"):
        assert getattr(errors_module, name) == getattr(lib, f"GM_{name}")
    for name in ("NOMEM", "READ_WRITE", "WRITES", "ITERATE", "ARGUMENT", "CORRUPT"):
        assert getattr(errors_module, name) == getattr(lib, f"GM_E_{name}")


def test_nan_entries_go_along_in_updates() -> None:
    m = Map("float64", "int64")
    m[math.nan] = 1
    m[1.0] = 2
    n = Map("float64", "int64")
    n |= m
    assert sorted(n.values()) == [1, 2]
    assert len(m | m) == 3


def test_equality_asks_whether_the_key_is_there() -> None:
    m = Map(elem="object")
    m[1] = ANY
    assert m != {2: 0}
    assert m == {1: 0}
    m[1] = np.array([1, 2])
    assert m == m.copy()


class Named(Map):
    """A subclass with a state of its own."""

    def __init__(self, name: str) -> None:
        super().__init__("str", "object", events="all")
        self.name = name


def test_subclasses_and_maps_in_themselves_can_be_pickled() -> None:
    m = Named("mine")
    m["self"] = m
    twin = pickle.loads(pickle.dumps(m))
    assert type(twin) is Named
    assert twin.name == "mine"
    assert twin["self"] is twin
    assert "hash_reset" not in [e.kind for e in twin.events()]


def test_popitem_lets_memory_go() -> None:
    m = Map("str", "int64")
    m.assign_many([f"{i:0100}" for i in range(2000)], range(2000))
    full = m.header.memory
    while m:
        m.popitem()
    assert m.header.memory < full - 2000 * 100


def test_object_arrays_are_checked_like_others() -> None:
    m = Map("int64", "object")
    m[1] = 2.7
    with pytest.raises(TypeError, match="object"):
        m.get_many([1], out=np.zeros(1, np.int64))
    with pytest.raises(ValueError, match=r"\(2,\)"):
        m.get_many([1], out=np.empty(2, dtype=object))


def test_longdouble_keys_are_exact_or_refused() -> None:
    m = Map("float64", "int64")
    m[np.longdouble("0.5")] = 1
    assert m[0.5] == 1
    if np.finfo(np.longdouble).nmant > 52:
        with pytest.raises(OverflowError):
            m[np.longdouble("0.1")] = 1


def test_nan_entries_go_into_other_maps() -> None:
    m = Map("float64", "int64")
    m[math.nan], m[math.nan], m[2.0] = 1, 2, 3
    into = Map("float64", "int64")
    into.update(m)
    for other in (into, Map("float64", "int64") | m, {} | m):
        assert sorted(other.values()) == [1, 2, 3]
    into |= into
    assert sorted(into.values()) == [1, 1, 2, 2, 3]
    into.check()
    words = Map("str", "int64")
    words.update({"a": 1}, b=2)
    words.update([("c", 3)])
    assert words == {"a": 1, "b": 2, "c": 3}


@pytest.mark.parametrize("hasher", ["aes", "memhash"])
def test_copies_keep_the_hasher(hasher: str) -> None:
    m = Map(hasher=hasher, seed=1)
    m[1] = 2
    assert all(f"'{hasher}'" in repr(other.__reduce__()) for other in (m, m.copy(), pickle.loads(pickle.dumps(m))))


def test_the_raw_digest_sees_what_a_deletion_leaves_behind() -> None:
    one, other = Map(seed=1), Map(seed=1)
    one[1] = other[1] = 0
    one[5], other[6] = 0, 0
    del one[5], other[6]
    assert one.digest(raw=False) == other.digest(raw=False)
    assert one.digest() != other.digest()


def test_no_answer_depends_on_pages() -> None:
    """Growing past several arrays of more than 2 MB, and freeing them; overflow buckets are taken again after a clear."""
    n = 150_000
    digests = []
    for pages in ("huge", "small"):
        m = Map(seed=3, pages=pages)
        for _ in range(2):
            m.assign_many(np.arange(n), np.arange(n))
            assert m.get_many(np.arange(n), default=-1).tolist() == list(range(n))
            digests.append(m.digest())
            m.clear()
    assert digests[:2] == digests[2:]
    with pytest.raises(gomap.BadValue, match="unknown pages 'large', allowed: huge, small"):
        Map(pages="large")
