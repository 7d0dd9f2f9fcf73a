"""What an object does when one call comes after the other: the right answers, of which a history has to be an order.

`Register` (a map), `Counter` and `Members` (a set) are decided by the core. One's own are a few lines:

    class Stack(Spec):
        def init(self):
            return ()

        def step(self, state, op, args):
            if op == "push":
                return (*state, *args), None
            return (state[:-1], state[-1]) if state else (state, None)
"""

from __future__ import annotations

import copy
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from gomap.errors import MISS, OK, BadValue
from gomap.testing.calls import UNTOLD, Call, Calls
from gomap.testing.history import KINDS, History, Operation

__all__ = ["Counter", "Members", "Register", "Spec"]


class Spec:
    """A sequential object. States are hashable and compared by `==`; `step` must not change the one that it is given.

    A subclass gives `init` and `step`; `accepts` instead of `step` where more than one answer is right; `partition` where calls
    fall into parts that have nothing to do with each other, and `reads`, the operations that never change the state: both make
    the search as much shorter.
    """

    reads: ClassVar[frozenset[str]] = frozenset()

    def init(self) -> Hashable:
        """The state at first, of every part."""
        raise NotImplementedError

    def step(self, state: Any, op: str, args: tuple[Any, ...]) -> tuple[Hashable, Any]:
        """The state after a call, and its result. Raise `BadValue` for an operation that there is not."""
        raise NotImplementedError

    def accepts(self, state: Any, call: Call) -> tuple[bool, Hashable]:
        """Whether the call's result is right in that state, and the state after it; UNTOLD always is."""
        then, result = self.step(state, call.op, call.args)
        return call.result is UNTOLD or bool(call.result == result), then

    def partition(self, op: str, args: tuple[Any, ...]) -> Hashable:
        """The part that a call belongs to; None for all: there is one."""
        return None

    def resumed(self, state: Hashable) -> Spec:
        """The same object, but in that state at first."""
        other = copy.copy(self)
        object.__setattr__(other, "init", lambda: state)
        return other

    def _core(self, history: History | Calls) -> tuple[History, int | None] | None:
        """The same question in the core's terms: calls of a register one by one in the same places, and what each key holds at
        first. None: it has no such terms."""
        return None

    def _state(self, held: int | None) -> Hashable:
        """What a state of the core is here."""
        return held


@dataclass(frozen=True)
class Register(Spec):
    """What a map is: each key by itself holds a value or nothing. initial: what each holds at first; None: nothing.

    Operations are those of `KINDS`: load(key), store(key, value) and delete(key) give what was there, load_or_store(key, value)
    what it loaded or None if it stored, compare_and_swap(key, old, new) and compare_and_delete(key, old) whether it was done,
    add(key, delta) the sum.
    """

    initial: Any = None
    reads: ClassVar[frozenset[str]] = frozenset({"load"})

    def init(self) -> Any:
        return self.initial

    def partition(self, op: str, args: tuple[Any, ...]) -> Any:
        return args[0]

    def resumed(self, state: Any) -> Register:
        return Register(state)

    def step(self, state: Any, op: str, args: tuple[Any, ...]) -> tuple[Any, Any]:
        if op == "load":
            return state, state
        if op == "store":
            return args[1], state
        if op == "delete":
            return None, state
        if op == "load_or_store":
            return (args[1] if state is None else state), state
        if op in ("compare_and_swap", "compare_and_delete"):
            done = state is not None and state == args[1]
            return ((args[2] if op == "compare_and_swap" else None) if done else state), done
        if op == "add":
            total = (state or 0) + args[1]
            return total, total
        raise BadValue(f"unknown operation {op!r}, allowed: {', '.join(KINDS)}")

    def _core(self, history: History | Calls) -> tuple[History, int | None] | None:
        return (history, self.initial) if isinstance(history, History) else None


def _only(history: History, spec: str, kinds: tuple[str, ...]) -> None:
    others = sorted(set(history.counts()) - set(kinds))
    if others:
        raise BadValue(f"a {spec} has {', '.join(kinds)}, not {others[0]}")


@dataclass(frozen=True)
class Counter(Spec):
    """A number: add(n) gives the sum, load() the number. Of a map's `History`, one for each key, absent is 0, by load and add.
    initial: what it is at first."""

    initial: int = 0
    reads: ClassVar[frozenset[str]] = frozenset({"load"})

    def init(self) -> int:
        return self.initial

    def resumed(self, state: Any) -> Counter:
        return Counter(state)

    def step(self, state: Any, op: str, args: tuple[Any, ...]) -> tuple[Any, Any]:
        if op == "add":
            return state + args[0], state + args[0]
        if op == "load":
            return state, state
        raise BadValue(f"a counter has load and add, not {op}")

    def _operation(self, call: Call) -> Operation:
        if call.op not in ("load", "add") or call.result is UNTOLD:
            raise BadValue(f"a counter has load and add, and both tell what it is: not {call}")
        delta: Any = call.args[0] if call.op == "add" else 0
        return Operation(call.op, 0, call.start, call.end, True, delta, answer=call.result, untold=call.op == "add")

    def _core(self, history: History | Calls) -> tuple[History, int | None]:
        if isinstance(history, Calls):
            return History.of(map(self._operation, history.calls)), self.initial
        _only(history, "counter", ("load", "add"))
        events = history.events.copy()
        events["answer"][(events["op"] == KINDS["load"]) & (events["status"] == MISS)] = 0
        events["status"] = np.minimum(events["status"], OK)
        events["untold"] = events["op"] == KINDS["add"]
        return replace(history, events=events), self.initial


_OF_MEMBERS = {"insert": "load_or_store", "remove": "delete", "contains": "load"}


@dataclass(frozen=True)
class Members(Spec):
    """A set: insert(x) says whether x is new, remove(x) and contains(x) whether it was in. Empty at first; or, `full`, with
    everything in it. Of a map's `History`, the set of its keys, by load, store, delete and load_or_store."""

    full: bool = False
    reads: ClassVar[frozenset[str]] = frozenset({"contains"})

    def init(self) -> bool:
        return self.full

    def partition(self, op: str, args: tuple[Any, ...]) -> Any:
        return args[0]

    def resumed(self, state: Any) -> Members:
        return Members(bool(state))

    def step(self, state: Any, op: str, args: tuple[Any, ...]) -> tuple[bool, bool]:
        if op == "insert":
            return True, not state
        if op == "remove":
            return False, state
        if op == "contains":
            return state, state
        raise BadValue(f"a set has {', '.join(_OF_MEMBERS)}, not {op}")

    def _core(self, history: History | Calls) -> tuple[History, int | None]:
        initial = 1 if self.full else None
        if isinstance(history, Calls):
            return History.of(self._operations(history)), initial
        _only(history, "set of keys", ("load", "store", "delete", "load_or_store"))
        events = history.events.copy()
        events["value"] = events["answer"] = 1
        return replace(history, events=events), initial

    def _operations(self, history: Calls) -> list[Operation]:
        numbers: dict[Hashable, int] = {}
        made = []
        for call in history.calls:
            if call.op not in _OF_MEMBERS or not isinstance(call.result, bool):
                raise BadValue(f"a set has {', '.join(_OF_MEMBERS)}, and each says whether: not {call}")
            was_in = call.result != (call.op == "insert")
            key = numbers.setdefault(call.args[0], len(numbers))
            made.append(Operation(_OF_MEMBERS[call.op], key, call.start, call.end, was_in, 1, answer=1))
        return made

    def _state(self, held: int | None) -> bool:
        return held is not None
