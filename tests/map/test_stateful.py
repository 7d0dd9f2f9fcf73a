"""A hypothesis machine: a Map beside a dict, check() after every step, iterators open across writes.

NaN keys have no place in a dict: the model keeps their elems in a list. What an open iterator may yield is Go's rule: every
key present throughout exactly once, nothing that is not there, with its current elem.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gomap import Map

SMALL = st.integers(0, 70)
KEYS: dict[str, st.SearchStrategy[Any]] = {
    "int64": SMALL | st.integers(-(2**63), 2**63 - 1),
    "str": SMALL.map(lambda i: "x" * (i % 7) + str(i)) | st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    "bytes9": SMALL.map(lambda i: i.to_bytes(9, "big")) | st.binary(min_size=9, max_size=9),
    "float64": SMALL.map(float) | st.sampled_from([math.nan, math.nan, 0.0, -0.0, math.inf]) | st.floats(),
}
ELEMS: dict[str, st.SearchStrategy[Any]] = {
    "int64": st.integers(-(2**63), 2**63 - 1),
    "str": st.none() | st.integers(0, 9) | st.text(max_size=3),
    "bytes9": st.binary(min_size=136, max_size=136) | st.sampled_from([b"a" * 136, b"b" * 136]),
    "float64": st.integers(0, 1000),
}
ELEM_KINDS = {"int64": "int64", "str": "object", "bytes9": "bytes136", "float64": "int64"}


class Follower:
    """An open iterator and what the rules demand of it."""

    def __init__(self, machine: MapMachine) -> None:
        self.it = machine.map.iterator()
        self.throughout: set[Any] | None = None  # known once it has begun
        self.seen: set[Any] = set()
        self.nans: Counter[Any] = Counter()

    def step(self, machine: MapMachine) -> bool:
        if self.throughout is None:
            self.throughout = set(machine.model)
        entry = self.it.next()
        if entry is None:
            assert self.throughout <= self.seen, "a key present throughout was not yielded"
            return False
        key, elem = entry
        if key != key:
            self.nans[elem] += 1
            assert self.nans[elem] <= machine.nans.count(elem), "a NaN entry came twice"
            return True
        assert key in machine.model, "a key was yielded that is not there"
        assert elem == machine.model[key], "an old elem was yielded"
        assert key not in self.seen or key not in self.throughout, "a key present throughout came twice"
        self.seen.add(key)
        return True

    def deleted(self, keys: Any) -> None:
        if self.throughout is not None:
            self.throughout -= set(keys)


class MapMachine(RuleBasedStateMachine):
    kind = "int64"

    @initialize(
        hint=st.sampled_from([0, 9, 30, 100]), hasher=st.sampled_from(["aes", "memhash"]), seed=st.integers(0, 2**64 - 1)
    )
    def begin(self, hint: int, hasher: str, seed: int) -> None:
        self.map = Map(self.kind, ELEM_KINDS[self.kind], hint, hasher, seed)
        self.model: dict[Any, Any] = {}
        self.nans: list[Any] = []
        self.followers: list[Follower] = []

    def draw_key(self, data: st.DataObject) -> Any:
        if self.model and data.draw(st.booleans()):
            return data.draw(st.sampled_from(list(self.model)))
        return data.draw(KEYS[self.kind])

    def remember(self, key: Any, elem: Any) -> None:
        if key != key:
            self.nans.append(elem)
        else:
            self.model.pop(key, None) if key == 0 else None  # an overwritten zero takes the new sign
            self.model[key] = elem

    def forget(self, keys: list[Any]) -> None:
        for key in keys:
            self.model.pop(key, None)
        for follower in self.followers:
            follower.deleted(keys)

    @rule(data=st.data())
    def assign(self, data: st.DataObject) -> None:
        key, elem = self.draw_key(data), data.draw(ELEMS[self.kind])
        self.map[key] = elem
        self.remember(key, elem)

    @rule(data=st.data(), n=st.integers(0, 60))
    def assign_batch(self, data: st.DataObject, n: int) -> None:
        first, elem = data.draw(SMALL), data.draw(ELEMS[self.kind])
        make = {"int64": int, "str": str, "bytes9": lambda i: i.to_bytes(9, "little"), "float64": float}[self.kind]
        keys = [make(i) for i in range(first, first + n)]
        self.map.assign_many(keys, [elem] * n)
        for key in keys:
            self.remember(key, elem)

    @rule(data=st.data())
    def get(self, data: st.DataObject) -> None:
        key = self.draw_key(data)
        assert self.map.get(key, "none") == self.model.get(key, "none")
        assert (key in self.map) == (key in self.model)

    @rule(data=st.data())
    def pop(self, data: st.DataObject) -> None:
        key = self.draw_key(data)
        assert self.map.pop(key, "none") == self.model.get(key, "none")
        self.forget([key])

    @rule(data=st.data())
    def delete_batch(self, data: st.DataObject) -> None:
        keys = [self.draw_key(data) for _ in range(data.draw(st.integers(0, 20)))]
        distinct = {k for k in keys if k in self.model}
        assert self.map.delete_many(keys) == len(distinct)
        self.forget(keys)

    @rule()
    def delete_most(self) -> None:
        gone = list(self.model)[3:]
        self.map.delete_many(gone)
        self.forget(gone)

    @rule(data=st.data())
    def popitem(self, data: st.DataObject) -> None:
        if self.model:
            key, elem = self.map.popitem()
            assert self.model[key] == elem
            self.forget([key])

    @precondition(lambda self: not self.followers)  # after a clear, Go may yield a reinserted key twice
    @rule()
    def clear(self) -> None:
        self.map.clear()
        self.model.clear()
        self.nans.clear()

    @precondition(lambda self: len(self.followers) < 3)
    @rule()
    def open_iterator(self) -> None:
        self.followers.append(Follower(self))

    @precondition(lambda self: self.followers)
    @rule(data=st.data(), steps=st.integers(1, 30))
    def iterate(self, data: st.DataObject, steps: int) -> None:
        follower = data.draw(st.sampled_from(self.followers))
        for _ in range(steps):
            if not follower.step(self):
                self.followers.remove(follower)
                return

    @rule(data=st.data())
    def iterate_all(self, data: st.DataObject) -> None:
        start = data.draw(st.none() | st.integers(0, (1 << self.map.header.B) - 1))
        entries = list(self.map.iterator(start, data.draw(st.none() | st.integers(0, 7))))
        assert len(entries) == len(self.map)
        assert {k: v for k, v in entries if k == k} == self.model
        assert Counter(v for k, v in entries if k != k) == Counter(self.nans)

    @rule(at=st.integers(0, 20))
    def freeze(self, at: int) -> None:
        self.map.freeze_growth(at)

    @rule()
    def thaw(self) -> None:
        self.map.thaw_growth()

    @rule(n=st.integers(0, 10))
    def evacuate(self, n: int) -> None:
        if self.map.header.growing:
            self.map.evacuate(n)

    @rule()
    def compare_all(self) -> None:
        keys, elems = self.map.to_arrays()
        values = [e.tobytes() for e in elems] if elems.dtype.kind == "V" else elems.tolist()
        names = [k.tobytes() for k in keys] if keys.dtype.kind == "V" else keys.tolist()
        entries = list(zip(names, values, strict=True))
        assert {k: v for k, v in entries if k == k} == self.model
        assert Counter(v for k, v in entries if k != k) == Counter(self.nans)

    @invariant()
    def holds(self) -> None:
        if hasattr(self, "map"):
            self.map.check()
            assert len(self.map) == len(self.model) + len(self.nans)

    def teardown(self) -> None:
        for follower in list(getattr(self, "followers", [])):
            while follower.step(self):
                pass


@pytest.mark.parametrize("kind", list(KEYS))
def test_machine(kind: str) -> None:
    machine = type(f"{kind.title()}Machine", (MapMachine,), {"kind": kind})
    case = machine.TestCase
    case.settings = settings(settings.default, stateful_step_count=50)
    case().runTest()
