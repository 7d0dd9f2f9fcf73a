"""Bad input: the right type of error, naming what was wrong and what is allowed; nothing happened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gomap
from gomap import Map, Strings

CASES: list[tuple[str, Callable[[], Any], type[Exception], str]] = [
    ("negative hint", lambda: Map(hint=-1), ValueError, "-1"),
    ("fractional hint", lambda: Map(hint=1.5), TypeError, "1.5"),
    ("absurd hint", lambda: Map(hint=2**62), MemoryError, str(2**62)),
    ("more absurd hint", lambda: Map(hint=2**63), MemoryError, str(2**63)),
    ("still absurd hint", lambda: Map(hint=2**100), MemoryError, str(2**100)),
    ("petabytes", lambda: Map(hint=10**14), MemoryError, str(10**14)),
    ("petabytes of large slots", lambda: Map("bytes128", "bytes128", hint=10**13), MemoryError, str(10**13)),
    ("negative seed", lambda: Map(seed=-1), OverflowError, "-1"),
    ("large seed", lambda: Map(seed=2**64), OverflowError, str(2**64)),
    ("text seed", lambda: Map(seed="x"), TypeError, "'x'"),
    ("unknown key kind", lambda: Map("int16"), ValueError, "int32, uint32, int64, float64, str, bytesN"),
    ("unknown elem kind", lambda: Map("int64", "str"), ValueError, "none, int64, float64, object, bytesN"),
    ("bytes0", lambda: Map("bytes0"), ValueError, "bytesN"),
    ("huge bytesN", lambda: Map("bytes999999999"), ValueError, "bytesN"),
    ("kind of the wrong type", lambda: Map(5), TypeError, "5"),
    ("unknown hasher", lambda: Map(hasher="md5"), ValueError, "aes, aes-portable, memhash"),
    ("unknown events", lambda: Map(events="some"), ValueError, "none, growth, all"),
    ("no event capacity", lambda: Map(event_capacity=0), ValueError, "0"),
    ("text key in int64", lambda: Map()["a"], TypeError, "'a'"),
    ("float key in int64", lambda: Map()[1.0], TypeError, "1.0"),
    ("None key in int64", lambda: Map()[None], TypeError, "None"),
    ("text asked for in int64", lambda: "a" in Map(), TypeError, "'a'"),
    ("int64 overflow", lambda: Map()[2**63], OverflowError, str(2**63)),
    ("int64 underflow", lambda: Map()[-(2**63) - 1], OverflowError, "-9223372036854775808 to"),
    ("int32 overflow", lambda: Map("int32")[2**31], OverflowError, str(2**31)),
    ("uint32 negative", lambda: Map("uint32")[-1], OverflowError, "-1"),
    ("int key in str", lambda: Map("str")[1], TypeError, "int"),
    ("bytes key in str", lambda: Map("str")[b"a"], TypeError, "bytes"),
    ("lone surrogate", lambda: Map("str")["\ud800"], ValueError, "surrogate"),
    ("short bytes9", lambda: Map("bytes9")[b"abc"], ValueError, "exactly 9 bytes expected, not 3"),
    ("text in bytes9", lambda: Map("bytes9")["abcdefghi"], TypeError, "str"),
    ("text key in float64", lambda: Map("float64")["1"], TypeError, "'1'"),
    ("inexact int in float64", lambda: Map("float64")[2**53 + 1], OverflowError, str(2**53 + 1)),
    ("huge int in float64", lambda: Map("float64")[10**400], OverflowError, "1000"),
    ("text elem", lambda: Map().__setitem__(1, "a"), TypeError, "'a'"),
    ("elem overflow", lambda: Map().__setitem__(1, 2**70), OverflowError, str(2**70)),
    ("elem in a set", lambda: Map("int64", "none").__setitem__(1, 5), TypeError, "5"),
    ("batch of floats", lambda: Map().get_many([1.5]), TypeError, "1.5"),
    ("batch of whole floats", lambda: Map().get_many(np.array([1.0])), TypeError, "float64"),
    ("batch with one float", lambda: Map().get_many([1, 2.0]), TypeError, "2.0"),
    ("batch with a huge int", lambda: Map().get_many([1, 2**70]), OverflowError, str(2**70)),
    ("uint64 array beyond int64", lambda: Map().get_many(np.array([2**63], np.uint64)), OverflowError, str(2**63)),
    ("int64 array beyond int32", lambda: Map("int32").get_many(np.array([2**31])), OverflowError, str(2**31)),
    ("mixed signs beyond int64", lambda: Map().get_many([2**63, -1]), OverflowError, str(2**63)),
    ("int64 array below int32", lambda: Map("int32").get_many(np.array([-(2**31) - 1])), OverflowError, str(-(2**31) - 1)),
    ("negative array in uint32", lambda: Map("uint32").get_many(np.array([-1, 5])), OverflowError, "-1"),
    ("inexact int beside a float", lambda: Map("float64").get_many([2**53 + 1, 1.0]), OverflowError, str(2**53 + 1)),
    ("one int as many keys", lambda: Map().get_many(3), TypeError, "int"),
    ("Strings in int64", lambda: Map().get_many(Strings([0, 1], b"a")), TypeError, "Strings"),
    ("text as data of Strings", lambda: Strings([0, 1], "a"), TypeError, "str"),
    ("offsets whose steps wrap around", lambda: Strings([0, 2**63 - 1, -(2**63), -1, 0], b"ab"), ValueError, "offsets"),
    ("more elems than keys", lambda: Map().assign_many([1], [1, 2]), ValueError, "1 keys, 2 elems"),
    ("one elem for many keys", lambda: Map().assign_many([1, 2], 3), TypeError, "int"),
    ("short out of objects", lambda: Map("int64", "object").get_many([1, 2], out=np.empty(1, object)), ValueError, "(1,)"),
    ("int64 out for objects", lambda: Map("int64", "object").get_many([1], out=np.empty(1, np.int64)), TypeError, "int64"),
    ("list as hasher", lambda: Map(hasher=[]), ValueError, "aes, aes-portable, memhash"),
    ("list as events", lambda: Map(events=[]), ValueError, "none, growth, all"),
    ("text event capacity", lambda: Map(event_capacity="x"), ValueError, "'x'"),
    ("long bytes9", lambda: Map("bytes9")[bytes(10)], ValueError, "exactly 9 bytes expected, not 10"),
    ("S10 in bytes9", lambda: Map("bytes9").get_many(np.array([b"0123456789"])), TypeError, "S10"),
    ("flat bytes as many bytes9", lambda: Map("bytes9").get_many(bytearray(18)), TypeError, "(n, 9)"),
    ("two dimensions", lambda: Map().get_many(np.zeros((2, 2), np.int64)), ValueError, "(2, 2)"),
    ("one str as many keys", lambda: Map("str").get_many("abc"), TypeError, "str"),
    ("one bytes as many keys", lambda: Map("bytes1").get_many(b"abc"), TypeError, "bytes"),
    ("ints as strings", lambda: Map("str").get_many(["a", 1]), TypeError, "1"),
    ("int array as strings", lambda: Map("str").get_many(np.array([1])), TypeError, "int64"),
    ("too few elems", lambda: Map().assign_many([1, 2], [1]), ValueError, "2 keys, 1 elems"),
    ("too few objects", lambda: Map("int64", "object").assign_many([1, 2], [1]), ValueError, "2 keys, 1 elems"),
    ("no elems", lambda: Map().assign_many([1, 2]), TypeError, "elems are missing"),
    ("elems for a set", lambda: Map("int64", "none").assign_many([1], [1]), TypeError, "takes no elems"),
    ("get_many of a set", lambda: Map("int64", "none").get_many([1]), TypeError, "contains_many"),
    ("out of another type", lambda: Map().get_many([1], out=np.zeros(1, np.int32)), TypeError, "int32"),
    ("out of another length", lambda: Map().get_many([1], out=np.zeros(2, np.int64)), ValueError, "(2,)"),
    ("out with gaps", lambda: Map().get_many([1, 2], out=np.zeros(4, np.int64)[::2]), ValueError, "contiguous"),
    ("out a list", lambda: Map().get_many([1], out=[0]), TypeError, "list"),
    ("default of another type", lambda: Map().get_many([1], default="a"), TypeError, "'a'"),
    ("decreasing offsets", lambda: Strings([0, 3, 2], b"abc"), ValueError, "decrease"),
    ("offsets beyond the data", lambda: Strings([0, 4], b"abc"), ValueError, "3 bytes"),
    ("negative offsets", lambda: Strings([-1, 2], b"abc"), ValueError, "within"),
    ("no offsets", lambda: Strings([], b"abc"), ValueError, "n + 1"),
    ("no such bucket", lambda: Map().chain(0), ValueError, "no bucket 0"),
    ("negative bucket", lambda: Map().chain(-1), ValueError, "-1"),
    ("no old bucket", lambda: Map(hint=100).chain(0, old=True), ValueError, "old"),
    ("start bucket", lambda: Map(hint=100).iterator(16, 0).next(), ValueError, "below 2**B = 16"),
    ("offset", lambda: Map().iterator(0, 8), ValueError, "0 to 7"),
    ("negative start", lambda: Map().iterator(-1, 0), ValueError, "-1"),
    ("bucket beyond 64 bits", lambda: Map().chain(2**64), ValueError, str(2**64)),
    ("freeze beyond 63 bits", lambda: Map().freeze_growth(2**63), ValueError, str(2**63)),
    ("evacuate beyond 63 bits", lambda: Map().evacuate(2**64), ValueError, str(2**64)),
    ("text capacity", lambda: Map(event_capacity="x"), ValueError, "'x'"),
    ("list hasher", lambda: Map(hasher=[]), ValueError, "[]"),
    ("text as string data", lambda: Strings([0, 1], "a"), TypeError, "str"),
    ("huge start bucket", lambda: Map(hint=100).iterator(2**70, 0).next(), ValueError, str(2**70)),
    ("negative freeze", lambda: Map().freeze_growth(-1), ValueError, "-1"),
    ("negative evacuate", lambda: Map().evacuate(-1), ValueError, "-1"),
]


@pytest.mark.parametrize(("act", "builtin", "words"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_bad_input(act: Callable[[], Any], builtin: type[Exception], words: str) -> None:
    with pytest.raises(builtin) as caught:
        act()
    assert isinstance(caught.value, gomap.GomapError)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_refused_batch_changes_nothing() -> None:
    m = Map("int64", "object")
    m.assign_many([1, 2], ["a", "b"])
    before = m.digest()
    for keys, elems in (([1, 2.5], [3, 4]), ([1, 2**80], [3, 4]), ([1], [3, 4])):
        with pytest.raises(gomap.GomapError):
            m.assign_many(keys, elems)
    assert m.digest() == before
    assert m == {1: "a", 2: "b"}


def test_every_error_is_a_builtin_too() -> None:
    for name in gomap.errors.__all__:
        error = getattr(gomap.errors, name)
        assert issubclass(error, gomap.GomapError)
        if error is not gomap.GomapError:
            assert any(
                base.__module__ == "builtins" for base in error.__mro__ if base not in (Exception, BaseException, object)
            )
