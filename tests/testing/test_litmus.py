"""Litmus tests on every variant; that a wrong outcome is seen; and by Python threads."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from gomap import ConcurrentMap, Map
from gomap.errors import BadValue
from gomap.map import Map as PlainMap
from gomap.testing import LITMUS_TESTS, Litmus, acceptable, forbidden, interesting
from gomap.variants import VARIANTS

CONCURRENT = [name for name, v in VARIANTS.items() if v.cls is not PlainMap]
BY_NAME = {litmus.name: litmus for litmus in LITMUS_TESTS}


@pytest.mark.parametrize("litmus", LITMUS_TESTS, ids=lambda litmus: litmus.name)
@pytest.mark.parametrize("variant", CONCURRENT)
def test_every_variant_passes(variant: str, litmus: Litmus) -> None:
    found = litmus.run(variant, 2000)
    assert found.ok, str(found)
    if litmus.name == "store, then load the other's" and variant != "lockfree":
        assert (0, 0) not in found.counts, str(found)  # their calls have one order for all keys
    assert sum(found.counts.values()) == found.rounds == 2000
    assert 0 <= found.met <= 2000


def test_the_actors_do_meet() -> None:
    """Over so many rounds both orders come."""
    found = BY_NAME["two swaps"].run("lockfree", 30_000)
    assert found.met > 500
    assert len(found.counts) == 2


def every_step(outcomes: dict[tuple[Any, ...], Any]) -> Litmus:
    actor = [
        ("load", "x"), ("store", "x", 5), ("load_or_store", "x", 6), ("load_or_store", "y", 7), ("compare_and_swap", "x", 5, 8),
        ("compare_and_swap", "x", 5, 8), ("compare_and_delete", "x", 1), ("add", "y", -9), ("range",), ("delete", "x"),
        ("compare_and_delete", "y", -2), ("assign", "z", 3),
    ]  # fmt: skip
    return Litmus("all", setup=[("add", "x", 4)], actors=[actor], final=[("range",), ("load", "z")], outcomes=outcomes)


def test_what_each_step_gives() -> None:
    want = (4, 4, 5, None, True, False, False, -2, ("x", "y"), 8, True, ("z",), 3)
    m = ConcurrentMap()
    m[10**9] = 1
    found = every_step({want: acceptable("as it is")}).run(m, 200)
    assert found.counts == {want: 200}
    assert found.ok
    assert dict(m) == {10**9: 1}  # no key of the test is left
    m.check()


def test_the_table_and_what_is_unlisted() -> None:
    x = [("load", "x")]
    litmus = Litmus("t", [x, x], {(1, ...): interesting("one"), (2, None): forbidden("two")}, final=[])
    found = litmus.run("mutex", 10)
    assert (found.ok, found.bad) == (False, {(None, None): 10})
    lines = str(found).splitlines()
    assert lines[0].startswith("t on mutex: FAILED (10 rounds, actors met in ")
    assert lines[2].split() == ["(-,", "-)", "10", "unlisted", "nobody", "has", "thought", "of", "this", "one"]
    assert lines[3].split()[:4] == ["(1,", "...)", "0", "interesting"]
    assert lines[4].split() == ["(2,", "-)", "0", "forbidden", "two"]
    nothing = Litmus("t", [x, x], {(None, None): forbidden("nothing")}).run("mutex", 10)
    assert nothing.bad == {(None, None): 10}


class Racy(dict[int, int]):
    """setdefault looks, waits until the other has looked, and stores; every time."""

    def __init__(self) -> None:
        super().__init__()
        self.both = threading.Barrier(2)

    def setdefault(self, key: int, value: int) -> int:  # type: ignore[override]
        there = self.get(key)
        self.both.wait()
        if there is None:
            self[key] = value
        return value if there is None else there


def test_objects_by_python_threads() -> None:
    twice = BY_NAME["load_or_store twice"]
    good: dict[int, int] = {}
    assert twice.run(good, 300).ok
    assert good == {}
    bad = twice.run(Racy(), 50)
    assert not bad.ok
    assert all(seen[:2] == (None, None) for seen in bad.bad)
    assert sum(bad.bad.values()) == 50
    for name in ("message", "store, then load the other's"):
        assert BY_NAME[name].run({}, 300).ok
    found = BY_NAME["range beside an insert and a delete"].run(ConcurrentlyIterated(), 100)
    assert found.ok, str(found)


class ConcurrentlyIterated(dict[int, int]):
    def __iter__(self) -> Any:
        return iter(self.copy().keys())


def test_an_error_of_the_object_is_raised() -> None:
    class Broken(dict[int, int]):
        def get(self, key: int, default: Any = None) -> Any:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        BY_NAME["message"].run(Broken(), 10)
    assert threading.active_count() == 1


def test_what_is_refused() -> None:
    x = [("load", "x")]
    for more, sentence in (
        ({"actors": [[("peek", "x")]]}, "unknown step"),
        ({"actors": [[("store", "x")]]}, "wrong number of arguments"),
        ({"actors": []}, "1 to 16 actors"),
        ({"actors": [x, x]}, "2 steps give something, but an outcome is"),
    ):
        with pytest.raises(BadValue, match=sentence):
            Litmus("t", outcomes={(1,): acceptable("")}, **more)  # type: ignore[arg-type]
    litmus = Litmus("t", [x], {(None,): acceptable("")})
    with pytest.raises(BadValue, match="a plain Map is not for many threads"):
        litmus.run(Map(), 1)
    with pytest.raises(BadValue, match="int64 to int64 expected"):
        litmus.run(ConcurrentMap("str"), 1)
    with pytest.raises(BadValue, match="rounds must be positive"):
        litmus.run("mutex", 0)
    with pytest.raises(BadValue, match="dict has no way to compare_and_swap"):
        BY_NAME["delete beside compare_and_swap"].run({}, 1)
