"""Python threads at work on any object: for the histories and litmus tests of what is not a map of gomap.

The threads wait for each other at a barrier, and the interpreter is made to switch between them often (on a build without a
GIL they run at once anyway). Stamps are those of `time.perf_counter_ns`, read before the call and after it.

What a method is called with and gives, by kind; `calls` of one's own do the same:

    load(obj, key)                          what is there, or None
    store(obj, key, value)                  what was there, or None; or UNTOLD
    delete(obj, key)                        what was there, or None; or UNTOLD: something was
    load_or_store(obj, key, value)          what is there now
    compare_and_swap(obj, key, old, new)    whether it was done
    compare_and_delete(obj, key, old)       whether it was done
    add(obj, key, delta)                    the sum

A `KeyError` of a load or a delete says None, too. Any other error ends all threads and is raised.
"""

from __future__ import annotations

import operator
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from gomap.errors import MISS, OK, BadValue
from gomap.testing.calls import UNTOLD, Call, Calls

__all__ = ["Method", "Stopped", "methods_of", "record_calls", "switching", "together"]

Method = Callable[..., Any]

SWITCH_S = 1e-6
"""How long the interpreter lets a thread go on, in seconds: as short as it can."""


def _store(obj: Any, key: Any, value: Any) -> Any:
    obj[key] = value
    return UNTOLD


def _delete(obj: Any, key: Any) -> Any:
    del obj[key]
    return UNTOLD


_BY_NAME: dict[str, tuple[tuple[str, Method], ...]] = {
    "load": (("get", lambda obj, key: obj.get(key)), ("__getitem__", operator.getitem)),
    "store": (("__setitem__", _store),),
    "delete": (("pop", lambda obj, key: obj.pop(key, None)), ("__delitem__", _delete)),
    "load_or_store": (("setdefault", lambda obj, key, value: obj.setdefault(key, value)),),
    "compare_and_swap": (("compare_and_swap", lambda obj, key, old, new: obj.compare_and_swap(key, old, new)),),
    "compare_and_delete": (("compare_and_delete", lambda obj, key, old: obj.compare_and_delete(key, old)),),
    "add": (("add", lambda obj, key, delta: obj.add(key, delta)),),
}
"""How an object is called: by the first of these methods that it has."""


def _absent(method: Method) -> Method:
    def called(obj: Any, key: Any) -> Any:
        try:
            return method(obj, key)
        except KeyError:
            return None

    return called


def methods_of(obj: Any, calls: Mapping[str, Method] | None) -> dict[str, Method]:
    """How to do each kind of operation on that object; kinds that it cannot do are left out."""
    unknown = sorted(set(calls or ()) - set(_BY_NAME))
    if unknown:
        raise BadValue(f"calls has {unknown[0]!r}, allowed: {', '.join(_BY_NAME)}")
    found = {kind: method for kind, ways in _BY_NAME.items() for name, method in reversed(ways) if hasattr(obj, name)}
    found.update(calls or {})
    return {kind: _absent(method) if kind in ("load", "delete") else method for kind, method in found.items()}


class Stopped(Exception):
    """Another thread has failed: this one need not go on."""


@contextmanager
def switching(interval_s: float) -> Iterator[None]:
    """The interpreter switches threads so often meanwhile."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(interval_s)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def together(bodies: Sequence[Callable[[Callable[[], None]], None]], interval_s: float = SWITCH_S) -> None:
    """Runs each body in a thread of its own, all from the same moment on. A body is given a function to call now and then: it
    raises `Stopped` when another body has failed. The first error is raised when all have ended."""
    barrier, errors = threading.Barrier(len(bodies)), list[BaseException]()

    def go_on() -> None:
        if errors:
            raise Stopped

    def run(body: Callable[[Callable[[], None]], None]) -> None:
        try:
            barrier.wait()
            body(go_on)
        except (Stopped, threading.BrokenBarrierError):
            pass
        except BaseException as e:
            errors.append(e)
            barrier.abort()

    threads = [threading.Thread(target=run, args=(body,)) for body in bodies]
    with switching(interval_s):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if errors:
        raise errors[0]


def record_calls(
    obj: Any,
    plans: Sequence[Sequence[tuple[str, tuple[Any, ...]]]],
    *,
    calls: Mapping[str, Method] | None = None,
    switch_interval_s: float = SWITCH_S,
) -> Calls:
    """Lets one Python thread for each plan call the object's methods, and records all calls.

    plans: by thread, the operations in their order: the method's name, and its arguments. calls: what to call instead of the
    method of that name, with the object first. O(calls). An error of a call ends all threads and is raised.
    """
    made: list[list[Call]] = [[] for _ in plans]

    def body(thread: int) -> Callable[[Callable[[], None]], None]:
        todo = [(op, args, (calls or {}).get(op)) for op, args in plans[thread]]
        steps = [
            (op, args, getattr(obj, op) if way is None else way, args if way is None else (obj, *args))
            for op, args, way in todo
        ]
        keep, now = made[thread].append, time.perf_counter_ns

        def run(go_on: Callable[[], None]) -> None:
            for op, args, method, given in steps:
                go_on()
                start = now()
                result = method(*given)
                keep(Call(op, args, result, start, now(), thread))

        return run

    together([body(thread) for thread in range(len(plans))], switch_interval_s)
    return Calls(tuple(call for of in made for call in of), 1.0, "os")


# ------------------------------------------------------------------ histories of maps


def _told(kind: str, value: int, result: Any) -> tuple[int, int, int]:
    """Of a call's result: the answer, the status, and whether it is untold, as csrc/lab/history.c writes them."""
    if kind.startswith("compare"):
        return 0, OK if result else MISS, 0
    if kind == "add":
        return result, MISS, 1
    if result is UNTOLD:
        return 0, OK if kind == "delete" else MISS, 1
    if result is None or (kind == "load_or_store" and result == value):
        return 0, MISS, 0
    return result, OK, 0


class Recorder:
    """One thread's operations on an object, in the terms of R1 to R4 of csrc/lab/history.c. codes: of each kind. key_of: from a
    key's number to the key."""

    def __init__(
        self, obj: Any, methods: Mapping[str, Method], codes: Mapping[str, int], key_of: Callable[[int], Any], thread: int
    ) -> None:
        self.obj, self.methods, self.codes, self.key_of, self.thread = obj, methods, codes, key_of, thread
        self.stored, self.seen = 0, dict[int, int]()
        self.events: list[tuple[int, ...]] = []

    def operate(self, kind: str, key: int) -> None:
        value = expected = 0
        arguments: tuple[Any, ...] = (self.key_of(key),)
        if kind.startswith("compare"):
            expected = self.seen.get(key, 0)
            arguments += (expected,)
        if kind not in ("load", "delete", "compare_and_delete"):
            self.stored += 1
            value = (self.thread + 1) << 40 | self.stored
            arguments += (value,)
        method, obj, now = self.methods[kind], self.obj, time.perf_counter_ns
        start = now()
        result = method(obj, *arguments)
        end = now()
        answer, status, untold = _told(kind, value, result)
        if not isinstance(answer, int):
            raise BadValue(f"{kind} gave {answer!r:.60}, which nobody stored: values are ints here")
        self.events.append((start, end, key, value, expected, answer, self.thread, self.codes[kind], status, untold))
        self.learn(kind, key, value, answer, status)

    def learn(self, kind: str, key: int, value: int, answer: int, status: int) -> None:
        if kind == "store" or (kind in ("load_or_store", "compare_and_swap") and (status == MISS) == (kind == "load_or_store")):
            self.seen[key] = value
        elif kind == "add" or (kind in ("load", "load_or_store") and status == OK):
            self.seen[key] = answer

    def run(self, kinds: Sequence[str], keys: Sequence[int], go_on: Callable[[], None]) -> None:
        for kind, key in zip(kinds, keys, strict=True):
            go_on()
            self.operate(kind, key)


def draw_kinds(percent: Mapping[str, float], n: int, seed: int) -> list[str]:
    """So many operations of a mix."""
    return random.Random(seed).choices(list(percent), list(percent.values()), k=n)


def as_events(recorders: Sequence[Recorder], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    return np.array([event for r in recorders for event in r.events], dtype)
