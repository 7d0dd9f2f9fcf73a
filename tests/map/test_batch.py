"""Batch calls: every kind of input that is taken, without a copy where the memory is right, equal to a loop."""

from __future__ import annotations

import array
import random
from typing import Any

import numpy as np
import pytest

from gomap import Map, Strings
from gomap.kinds import key_kind

INTS = [5, 1, 5, -3, 7, 0, 1]


@pytest.mark.parametrize(
    "keys",
    [
        INTS,
        tuple(INTS),
        np.array(INTS),
        np.array(INTS, np.int16),
        np.array(INTS, ">i8"),
        np.repeat(np.array(INTS), 2)[::2],
        np.array(INTS, dtype=object),
        array.array("q", INTS),
        array.array("h", INTS),
        memoryview(np.array(INTS)),
        iter(INTS),
        [np.int8(i) for i in INTS],
    ],
    ids=lambda k: type(k).__name__,
)
def test_integers_from_anywhere(keys: Any) -> None:
    m = Map()
    m.assign_many(keys, range(len(INTS)))
    assert m == dict(zip(INTS, range(len(INTS)), strict=True))
    m.check()


def test_bool_counts_as_an_integer() -> None:
    m = Map()
    m.assign_many([True, False], [1, 2])
    m.assign_many(np.array([True]), [3])
    assert m == {1: 3, 0: 2}


@pytest.mark.parametrize("key", ["int32", "uint32", "int64", "float64", "bytes9"])
def test_the_right_array_is_not_copied(key: str) -> None:
    kind = key_kind(key)
    a = np.zeros(10, kind.dtype)
    batch = kind.batch(a)
    assert np.shares_memory(batch.keep, a)
    a.flags.writeable = False
    assert np.shares_memory(kind.batch(a).keep, a)


def test_offsets_and_bytes_are_not_copied() -> None:
    data, offsets = np.frombuffer(b"onetwothree", np.uint8), np.array([0, 3, 6, 11])
    strings = Strings(offsets, data)
    assert np.shares_memory(strings.data, data)
    assert np.shares_memory(strings.offsets, offsets)


WORDS = ["one", "two", "", "one", "drei", "fünf", "x" * 200, "\udce4"]


@pytest.mark.parametrize(
    "words",
    [
        WORDS,
        tuple(WORDS),
        iter(WORDS),
        np.array(WORDS, dtype=object),
        Strings(np.cumsum([0] + [len(w.encode("utf-8", "surrogateescape")) for w in WORDS]),
                b"".join(w.encode("utf-8", "surrogateescape") for w in WORDS)),
    ],
    ids=lambda k: type(k).__name__,
)  # fmt: skip
def test_strings_from_anywhere(words: Any) -> None:
    m = Map("str", "int64")
    m.assign_many(words, range(len(WORDS)))
    assert m == dict(zip(WORDS, range(len(WORDS)), strict=True))
    assert m.get_many(["fünf", "nope", ""]).tolist() == [5, 0, 2]
    m.check()


def test_numpy_string_arrays() -> None:
    plain = [w for w in WORDS if w.isascii()]
    arrays = [np.array(plain), np.array([w.encode() for w in plain])]
    if hasattr(np.dtypes, "StringDType"):
        arrays.append(np.array(plain, dtype=np.dtypes.StringDType()))
    for words in arrays:
        m = Map("str", "none")
        m.assign_many(words)
        assert set(m) == set(plain)


def test_slices_of_arrow_strings() -> None:
    m = Map("str", "int64")
    m.assign_many(Strings(np.array([3, 6, 6, 11], np.int32), b"onetwothree!"), [1, 2, 3])
    assert m == {"two": 1, "": 2, "three": 3}


@pytest.mark.parametrize(
    "keys",
    [
        [b"abc", b"\0\0\0", b"abc"],
        [bytearray(b"abc"), memoryview(b"\0\0\0"), b"abc"],
        np.frombuffer(b"abc\0\0\0abc", "V3"),
        np.frombuffer(b"abc\0\0\0abc", "S3"),
        np.frombuffer(b"abc\0\0\0abc", np.uint8).reshape(3, 3),
    ],
    ids=["list", "buffers", "V3", "S3", "matrix"],
)
def test_byte_arrays_from_anywhere(keys: Any) -> None:
    m = Map("bytes3", "int64")
    m.assign_many(keys, [1, 2, 3])
    assert m == {b"abc": 3, b"\0\0\0": 2}


def test_floats_from_anywhere() -> None:
    for keys in (
        [1.5, 2, -0.0],
        np.array([1.5, 2, -0.0]),
        np.array([1.5, 2, -0.0], np.float32),
        array.array("d", [1.5, 2, -0.0]),
    ):
        m = Map("float64", "float64")
        m.assign_many(keys, [1, 2.5, 3])
        assert m == {1.5: 1, 2.0: 2.5, 0.0: 3}
    m = Map("float64", "int64")
    m.assign_many(np.array([1, 2]), [1, 2])
    assert m == {1.0: 1, 2.0: 2}
    with pytest.raises(OverflowError):
        m.assign_many(np.array([2**53 + 1]), [1])


@pytest.mark.parametrize("key", ["int32", "uint32", "int64", "float64", "str", "bytes9", "bytes200"])
@pytest.mark.parametrize("elem", ["none", "int64", "float64", "bytes5", "bytes130", "object"])
def test_batches_do_what_a_loop_does(key: str, elem: str) -> None:
    rnd = random.Random(f"{key} {elem}")
    make_key = {
        "float64": float,
        "str": str,
        "bytes9": lambda i: i.to_bytes(9, "big"),
        "bytes200": lambda i: i.to_bytes(200, "big"),
    }.get(key, int)
    make_elem = {
        "none": lambda i: None,
        "float64": float,
        "bytes5": lambda i: i.to_bytes(5, "big"),
        "bytes130": lambda i: i.to_bytes(130, "big"),
        "object": lambda i: [i],
    }.get(elem, int)
    batch, loop, d = Map(key, elem, seed=9), Map(key, elem, seed=9), {}
    for _ in range(30):
        keys = [make_key(rnd.randrange(600)) for _ in range(rnd.randrange(60))]
        elems = [make_elem(rnd.randrange(1000)) for _ in keys]
        batch.assign_many(keys, None if elem == "none" else elems)
        for k, v in zip(keys, elems, strict=True):
            loop[k] = v
            d[k] = v
        gone = [make_key(rnd.randrange(600)) for _ in range(rnd.randrange(40))]
        assert batch.delete_many(gone) == sum(d.pop(k, d) is not d for k in gone)
        for k in gone:
            loop.pop(k, None)
        asked = [make_key(rnd.randrange(600)) for _ in range(50)]
        assert batch.contains_many(asked).tolist() == [k in d for k in asked]
        if elem != "none":
            default = make_elem(7)
            found = batch.get_many(asked, default=default)
            got = [v.tobytes() for v in found] if found.dtype.kind == "V" else found.tolist()
            assert got == [d.get(k, default) for k in asked]
        assert batch.digest() == loop.digest()
        batch.check()
    assert batch == d


LARGE = 24_000  # entries of tables that no path takes for near ones (csrc/map/batch.inc.h)


def large_keys(key: str, numbers: np.ndarray[Any, Any]) -> Any:
    """Strings and arrays of keys for the batch calls: half of what is asked for is in the map."""
    if key == "str":
        words = [str(int(n)) for n in numbers]
        return words
    if key == "bytes9":
        return [int(n).to_bytes(9, "big") for n in numbers]
    return numbers.astype({"int32": np.int32, "float64": np.float64}.get(key, np.int64))


@pytest.mark.parametrize("key", ["int32", "int64", "float64", "str", "bytes9"])
@pytest.mark.parametrize("elem", ["none", "int64", "bytes5"])
@pytest.mark.parametrize("growing", [False, True])
def test_batches_on_tables_beyond_the_caches(key: str, elem: str, growing: bool) -> None:
    """The pipe of csrc/map/batch.inc.h: the same state and the same answers as by single calls, also in a growth."""
    rng = np.random.default_rng(len(key) + 10 * len(elem))
    numbers = rng.permutation(2 * LARGE)
    keys = large_keys(key, numbers[:LARGE])
    elems = {"none": None, "int64": np.arange(LARGE), "bytes5": np.arange(5 * LARGE, dtype=np.uint8).reshape(-1, 5)}[elem]
    batch, loop = Map(key, elem, seed=3), Map(key, elem, seed=3)
    if growing:
        for m in (batch, loop):
            m.freeze_growth(300)
    batch.assign_many(keys, elems)
    for i, k in enumerate(keys):
        loop[k] = None if elems is None else elems[i].tobytes() if elem == "bytes5" else int(elems[i])
    assert batch.header.growing or not growing
    assert batch.digest() == loop.digest()
    gone = large_keys(key, rng.permutation(numbers)[: LARGE // 4])
    assert batch.delete_many(gone) == sum(loop.pop(k, loop) is not loop for k in gone)
    assert batch.digest() == loop.digest()
    batch.check()
    asked = large_keys(key, rng.integers(0, 2 * LARGE, LARGE + 7))  # no multiple of a block
    there = [k in loop for k in asked]
    assert 0.2 < np.mean(there) < 0.5
    assert batch.contains_many(asked).tolist() == there
    if elem == "int64":
        assert batch.get_many(asked, default=-1).tolist() == [loop.get(k, -1) for k in asked]


def test_a_batch_of_deletes_that_empties_a_large_map() -> None:
    """Go draws a new hash seed then: what comes after in the batch is not there, and is not looked for under the old one."""
    m = Map(seed=5)
    m.assign_many(np.arange(LARGE), np.arange(LARGE))
    assert m.delete_many(np.concatenate([np.arange(LARGE), np.arange(100)])) == LARGE
    assert len(m) == 0
    m.assign_many(np.arange(LARGE), np.arange(LARGE))
    assert m.contains_many(np.arange(LARGE)).all()
    m.check()


def test_get_many_into_out() -> None:
    m = Map()
    m.assign_many([1, 2], [10, 20])
    out = np.full(3, 99)
    assert m.get_many([1, 5, 2], default=-1, out=out) is out
    assert out.tolist() == [10, -1, 20]
    objects = Map("int64", "object")
    objects[1] = "x"
    room = np.empty(2, dtype=object)
    assert objects.get_many([1, 2], default=None, out=room) is room
    assert room.tolist() == ["x", None]


@pytest.mark.parametrize("keys", [[], np.array([], np.int64), (), range(0)])
def test_empty_batches(keys: Any) -> None:
    m = Map()
    m.assign_many(keys, [])
    assert m.get_many(keys).tolist() == []
    assert m.contains_many(keys).tolist() == []
    assert m.delete_many(keys) == 0
    assert [a.tolist() for a in m.to_arrays()] == [[], []]
    s = Map("str", "none")
    s.assign_many([])
    assert s.contains_many([]).tolist() == []


def test_to_arrays_leaves_the_map_alone() -> None:
    m = Map(seed=3)
    m.assign_many(range(1000), range(1000))
    before = m.digest()
    keys, elems = m.to_arrays()
    assert (keys == elems).all()
    assert sorted(keys.tolist()) == list(range(1000))
    assert m.digest() == before


def test_to_arrays_in_the_middle_of_a_growth() -> None:
    m = Map("str", "int64", seed=3)
    m.freeze_growth()
    words = [f"word {i}" for i in range(300)]
    m.assign_many(words, range(300))
    assert m.header.growing
    keys, elems = m.to_arrays()
    assert dict(zip(keys.tolist(), elems.tolist(), strict=True)) == dict(zip(words, range(300), strict=True))


def test_generators_are_read_once() -> None:
    f = Map("float64", "none")
    f.assign_many(x for x in [1, 2.5, 3])
    assert set(f) == {1.0, 2.5, 3.0}
    assert f.contains_many(x for x in [1, 2, 3]).tolist() == [True, False, True]
    with pytest.raises(OverflowError):
        f.contains_many(x for x in [1.0, 2**60 + 1])
    with pytest.raises(TypeError):
        Map().delete_many(x for x in [1, 2.5])


def test_out_may_lie_over_the_keys() -> None:
    m = Map()
    m.assign_many([1, 2], [10, 20])
    a = np.array([1, 2, 3])
    assert m.get_many(a, out=a) is a
    assert a.tolist() == [10, 20, 0]
    s = Map("str", "int64")
    s.assign_many(["a", "b"], [1, 2])
    offsets = np.array([0, 1, 2])
    room = offsets[:2]
    assert s.get_many(Strings(offsets, b"ab"), out=room).tolist() == [1, 2]


def test_offsets_that_wrap_around_are_refused() -> None:
    with pytest.raises(ValueError, match="decrease"):
        Strings(np.array([0, 2**63 - 1, -2, 5]), b"hello")
    with pytest.raises(ValueError, match="within"):
        Strings(np.array([0, 2**63 + 1], np.uint64), b"hello")


def test_strings_are_checked_when_they_are_used() -> None:
    m, offsets = Map("str", "int64"), np.array([0, 5])
    strings = Strings(offsets, b"hello")
    offsets[1] = 10**12
    with pytest.raises(ValueError, match="within"):
        m.contains_many(strings)
    with pytest.raises(AttributeError):
        setattr(strings, "offsets", np.array([0, 50]))  # noqa: B010 - the type checker refuses it too


def test_masked_and_structured_arrays_are_refused() -> None:
    with pytest.raises(TypeError, match="masked"):
        Map().contains_many(np.ma.masked_array([1, 2], mask=[True, False]))
    with pytest.raises(TypeError, match="structured"):
        Map("bytes8").contains_many(np.zeros(2, [("a", "i4"), ("b", "i4")]))


def test_offsets_changed_since_they_were_accepted_are_refused() -> None:
    m = Map("str", "int64")
    m.assign_many(["a", "b", "c"], [1, 2, 3])
    offsets = np.array([0, 1, 2])
    strings = Strings(offsets, b"ab")
    assert m.get_many(strings).tolist() == [1, 2]
    offsets[1:] = 10**12, 2 * 10**12
    for call in (m.get_many, m.contains_many, m.delete_many):
        with pytest.raises(ValueError, match="offsets"):
            call(strings)
    with pytest.raises(ValueError, match="offsets"):
        m.assign_many(strings, [1, 2])


def test_memory_views_of_byte_arrays() -> None:
    m = Map("bytes9", "none")
    m.assign_many(memoryview(np.zeros((2, 9), np.uint8)))
    assert list(m) == [bytes(9)]
