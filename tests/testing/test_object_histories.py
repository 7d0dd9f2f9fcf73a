"""Histories of objects that are not gomap's: a dict that is right, the same with mistakes planted, and others.

The dict hands its turn over at given places, in the middle of an operation or beside it, so a mistake shows by counting, not by
luck: a thread that comes to such a place goes on only when another thread has come to one, too, or none is left that could.
"""

from __future__ import annotations

import operator
import random
import sys
import threading
from collections import deque
from dataclasses import replace
from typing import Any

import pytest

from gomap import Map
from gomap.errors import BadValue
from gomap.lab import Group, Workload
from gomap.testing import (
    UNTOLD,
    Calls,
    Counter,
    History,
    Linearizability,
    Members,
    Register,
    Spec,
    check_linearizable,
    record_calls,
    record_history,
)
from gomap.testing.threads import Recorder

MIX = {"get": 40, "assign": 20, "delete": 20, "load_or_store": 20}
THREADS = 3


class Turns:
    """`hand_over` waits, one time in two, until another thread hands over or ends. Only those count that have entered."""

    def __init__(self, seed: int) -> None:
        self.changed, self.rng, self.turn, self.waiting = threading.Condition(), random.Random(seed), 0, 0
        self.threads = 0

    def enter(self) -> None:
        with self.changed:
            self.threads += 1

    def hand_over(self) -> None:
        with self.changed:
            self.turn += 1
            self.changed.notify_all()
            if self.rng.random() > 0.5 or self.waiting + 1 >= self.threads:
                return
            mine = self.turn
            self.waiting += 1
            self.changed.wait_for(lambda: self.turn != mine)
            self.waiting -= 1

    def leave(self) -> None:
        """A thread has ended: nobody is to wait for it."""
        with self.changed:
            self.threads -= 1
            self.turn += 1
            self.changed.notify_all()


class Right:
    """A dict whose operations are done under a lock, compared and set in one step."""

    def __init__(self, turns: Turns) -> None:
        self.turns, self.lock, self.data = turns, threading.Lock(), dict[Any, Any]()

    def get(self, key: Any) -> Any:
        self.turns.hand_over()
        with self.lock:
            return self.data.get(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.turns.hand_over()
        with self.lock:
            self.data[key] = value

    def pop(self, key: Any, default: Any) -> Any:
        self.turns.hand_over()
        with self.lock:
            return self.data.pop(key, default)

    def setdefault(self, key: Any, value: Any) -> Any:
        self.turns.hand_over()
        with self.lock:
            return self.data.setdefault(key, value)

    def compare_and_swap(self, key: Any, old: Any, new: Any) -> bool:
        self.turns.hand_over()
        with self.lock:
            done = key in self.data and self.data[key] == old
            if done:
                self.data[key] = new
            return done

    def compare_and_delete(self, key: Any, old: Any) -> bool:
        self.turns.hand_over()
        with self.lock:
            done = key in self.data and self.data[key] == old
            if done:
                del self.data[key]
            return done


class LostUpdate(Right):
    """Compares, lets others in, then sets: what they stored meanwhile is lost."""

    def compare_and_swap(self, key: Any, old: Any, new: Any) -> bool:
        done = key in self.data and self.data[key] == old
        self.turns.hand_over()
        if done:
            self.data[key] = new
        return done


class StaleRead(Right):
    """Keeps what each thread has read last, and sometimes gives that."""

    def __init__(self, turns: Turns) -> None:
        super().__init__(turns)
        self.own = threading.local()

    def get(self, key: Any) -> Any:
        kept = self.own.__dict__.setdefault("kept", {})
        self.own.n = self.own.__dict__.get("n", 0) + 1
        if self.own.n % 4 == 0 and key in kept:
            return kept[key]
        kept[key] = super().get(key)
        return kept[key]


class Resurrection(Right):
    """A setdefault reads, lets others in, and writes back what it read: what was deleted meanwhile is there again."""

    def setdefault(self, key: Any, value: Any) -> Any:
        there = self.data.get(key, value)
        self.turns.hand_over()
        self.data[key] = there
        return there


def workload(seed: int, ops: int = 6000) -> Workload:
    return Workload(size=1, keyspace=2, ops=ops, seed=seed, groups=[Group(threads=THREADS, mix=MIX)], oversubscribe=True)


def recorded(kind: type[Right], seed: int, monkeypatch: pytest.MonkeyPatch) -> tuple[History, Linearizability]:
    """The recorder's threads enter, and leave when they are done."""
    turns, run = Turns(seed), Recorder.run

    def counted(self: Recorder, *args: Any) -> None:
        turns.enter()
        try:
            run(self, *args)
        finally:
            turns.leave()

    monkeypatch.setattr(Recorder, "run", counted)
    h = record_history(kind(turns), workload(seed))
    return h, check_linearizable(h)


@pytest.mark.parametrize("kind", [LostUpdate, StaleRead, Resurrection])
def test_a_mistake_in_a_dict_is_found_and_made_small(kind: type[Right], monkeypatch: pytest.MonkeyPatch) -> None:
    """In each of three histories of 6,000 calls; what is left is a violation by itself, mostly of one or two calls."""
    sizes = []
    for seed in range(3):
        with monkeypatch.context() as m:
            h, found = recorded(kind, seed, m)
        assert found.verdict == "violation", (kind.__name__, seed)
        again = replace(h, events=History.of(found.operations).events)
        assert check_linearizable(again, Register(found.held)).verdict == "violation"
        sizes.append(len(found.operations))
    assert min(sizes) <= 6, sizes


@pytest.mark.parametrize("seed", range(2))
def test_a_dict_without_a_mistake(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    h, found = recorded(Right, seed, monkeypatch)
    assert found.verdict == "ok", found
    counts = h.counts()
    assert set(counts) == {"load", "store", "delete", "load_or_store", "compare_and_swap", "compare_and_delete"}
    assert all(0 < done < n for kind, (n, done) in counts.items() if kind != "store")
    first, last = h.events["start"], h.events["end"]
    overlap = sum(int(((first < e) & (last > s)).sum()) - 1 for s, e in zip(first, last, strict=True))
    assert overlap > len(h) // 4  # they did meet


def test_what_is_recorded() -> None:
    """A dict subclass as it is: what is called, with values that are told apart, and the same operations for the same seed."""

    class Logged(dict[Any, Any]):
        pass

    w = Workload(key="str", size=3, keyspace=4, ops=400, seed=5, groups=[Group(threads=2, mix=MIX)])
    obj = Logged({"0000000000000003": 1, "other": 2})
    a, b = record_history(obj, w), record_history(obj, w)
    assert check_linearizable(a).verdict == "ok"
    assert obj["other"] == 2
    assert len(a) == 403
    assert a.threads == (0, 1, 2)
    assert (a.clock, a.seed, a.ns_per_stamp) == ("os", 5, 1.0)
    assert all((a.events[name] == b.events[name]).all() for name in ("thread", "key", "op", "value"))
    values = a.events["value"][a.events["value"] != 0]
    assert len(set(values.tolist())) == len(values)
    assert (a.events["untold"][a.events["op"] == 1] == 1).all()  # []= does not tell what was there


def test_calls_of_ones_own() -> None:
    class Odd:
        """Nothing but methods with other names."""

        def __init__(self) -> None:
            self.data: dict[int, int] = {}

        def plus(self, key: int, n: int) -> int:
            self.data[key] = self.data.get(key, 0) + n
            return self.data[key]

        def __delitem__(self, key: int) -> None:
            del self.data[key]

    def put(obj: Odd, key: int, value: int) -> object:
        obj.data[key] = value
        return UNTOLD

    ways = {"load": lambda obj, key: operator.getitem(obj.data, key), "store": put, "add": Odd.plus}
    w = Workload(size=2, ops=300, seed=1, groups=[Group(mix={"get": 30, "assign": 10, "add": 30, "delete": 30})])
    h = record_history(Odd(), w, calls=ways)
    assert check_linearizable(h).verdict == "ok"
    counts = h.counts()
    assert counts["load"][0] > counts["load"][1] > 0
    assert h.events["untold"][h.events["op"] == 6].all()
    only = Workload(size=2, ops=300, seed=1, groups=[Group(mix={"get": 50, "add": 50})])
    h = record_history(Odd(), only, calls=ways)
    assert check_linearizable(History(h.events[2:]), Counter()).verdict == "violation"  # it did not begin with 0


def test_what_cannot_be_recorded() -> None:
    w = workload(0)
    with pytest.raises(BadValue, match="object has no way to"):
        record_history(object(), w)
    with pytest.raises(BadValue, match="dict has no way to compare_and_delete"):
        record_history({}, w, compare=30)
    with pytest.raises(BadValue, match="calls has 'peek'"):
        record_history({}, w, calls={"peek": operator.getitem})
    with pytest.raises(BadValue, match="a concurrent map of int64 to int64 expected"):
        record_history(Map(), w)
    with pytest.raises(BadValue, match="keys of an object are int64 or str"):
        record_history({}, w.with_(key="int32"))
    with pytest.raises(BadValue, match="load gave 'x', which nobody stored"):
        record_history({}, w, calls={"load": lambda obj, key: "x"})


def test_an_error_of_the_object_ends_all_threads() -> None:
    class Broken(dict[Any, Any]):
        left = 50

        def get(self, key: Any, default: Any = None) -> Any:
            self.left -= 1
            if self.left == 0:
                raise ZeroDivisionError("the fiftieth")
            return super().get(key)

    before = sys.getswitchinterval()
    with pytest.raises(ZeroDivisionError, match="the fiftieth"):
        record_history(Broken(), workload(1, 100_000))
    assert sys.getswitchinterval() == before
    assert threading.active_count() == 1


def test_calls_of_any_object() -> None:
    class Queue(Spec):
        def init(self) -> Any:
            return ()

        def step(self, state: Any, op: str, args: tuple[Any, ...]) -> tuple[Any, Any]:
            if op == "append":
                return (*state, *args), None
            return state[1:], state[0]

    full: deque[Any] = deque()
    takes = [("append", (i,)) if i % 2 == 0 else ("popleft", ()) for i in range(400)]
    h = record_calls(full, [takes[:200]])
    assert check_linearizable(h, Queue()).verdict == "ok"
    assert [call.op for call in h.calls] == [op for op, _ in takes[:200]]
    members: set[int] = set()

    def insert(obj: set[int], x: int) -> bool:
        new = x not in obj
        obj.add(x)
        return new

    h = record_calls(
        members,
        [[("insert", (1,)), ("contains", (1,)), ("insert", (1,))]],
        calls={"insert": insert, "contains": operator.contains},
    )
    assert [call.result for call in h.calls] == [True, True, False]
    assert check_linearizable(h, Members()).verdict == "ok"
    assert check_linearizable(Calls.of(h.calls[2:]), Members()).verdict == "violation"
