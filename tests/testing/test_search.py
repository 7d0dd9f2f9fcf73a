"""The search for any specification: against all orders of short histories and the core, and what it leaves of a violation."""

from __future__ import annotations

import random
from collections import Counter as Count
from collections.abc import Callable

import numpy as np
import pytest
from orders import orderable

from gomap.errors import BadValue
from gomap.testing import (
    KINDS,
    UNTOLD,
    Call,
    Calls,
    Counter,
    History,
    Members,
    Operation,
    Register,
    Spec,
    check_linearizable,
)


class Queue(Spec):
    """First in, first out; takes nothing (None) out of an empty one."""

    def init(self) -> tuple[int, ...]:
        return ()

    def step(self, state, op, args):  # type: ignore[no-untyped-def]
        if op == "put":
            return (*state, *args), None
        return (state[1:], state[0]) if state else (state, None)


class Plain(Spec):
    """Another specification without what the core or parts make easy: one state, by search."""

    def __init__(self, of: Spec, state: object) -> None:
        self.of, self.state = of, state

    def init(self):  # type: ignore[no-untyped-def]
        return self.state

    def step(self, state, op, args):  # type: ignore[no-untyped-def]
        return self.of.step(state, op, args)


def queue_call(rng: random.Random, i: int) -> tuple[str, tuple[int, ...]]:
    return ("put", (i,)) if rng.random() < 0.5 else ("take", ())


def counter_call(rng: random.Random, i: int) -> tuple[str, tuple[int, ...]]:
    return ("add", (rng.randint(1, 3),)) if rng.random() < 0.6 else ("load", ())


def set_call(rng: random.Random, i: int) -> tuple[str, tuple[int, ...]]:
    return rng.choice(["insert", "remove", "contains"]), (5,)


def register_call(rng: random.Random, i: int) -> tuple[str, tuple[int, ...]]:
    op = rng.choice(["load", "store", "delete", "load_or_store", "compare_and_swap", "compare_and_delete"])
    return op, (0, *(rng.randint(1, 3) for _ in range({"load": 0, "delete": 0, "compare_and_swap": 2}.get(op, 1))))


OBJECTS: list[tuple[Spec, Callable[[random.Random, int], tuple[str, tuple[int, ...]]]]] = [
    (Queue(), queue_call),
    (Counter(), counter_call),
    (Members(), set_call),
    (Register(), register_call),
]


def overlapping(
    rng: random.Random, spec: Spec, draw: Callable[..., tuple[str, tuple[int, ...]]], n: int, by: int
) -> list[Call]:
    """Right answers, one call after the other, but their starts and ends moved apart so that they overlap."""
    state, calls = spec.init(), []
    for i in range(n):
        op, args = draw(rng, i)
        state, result = spec.step(state, op, args)
        at = 100 + 10 * i
        calls.append(Call(op, args, result, at - rng.randint(0, by), at + rng.randint(0, by), rng.randint(0, 3)))
    return calls


def lie(rng: random.Random, calls: list[Call]) -> None:
    """One answer is that of another call, or the opposite."""
    i = rng.randrange(len(calls))
    other = rng.choice(calls).result
    calls[i] = calls[i]._replace(result=not calls[i].result if isinstance(calls[i].result, bool) else other)


@pytest.mark.parametrize(("spec", "draw"), OBJECTS, ids=lambda o: type(o).__name__)
def test_short_histories_against_all_orders(spec: Spec, draw: Callable[..., tuple[str, tuple[int, ...]]]) -> None:
    rng, verdicts = random.Random(1), Count[str]()
    for _ in range(500):
        calls = overlapping(rng, spec, draw, rng.randint(1, 7), 25)
        if rng.random() < 0.6:
            lie(rng, calls)
        rng.shuffle(calls)
        want = "ok" if orderable(tuple(calls), spec.accepts, spec.init()) else "violation"
        for asked in (spec, Plain(spec, spec.init())):  # by the core where it can, and by search
            found = check_linearizable(Calls.of(calls), asked)
            assert found.verdict == want, calls
            if want == "violation":
                assert set(found.operations) <= set(calls)
                assert not orderable(found.operations, spec.accepts, found.held), (calls, found)
                again = check_linearizable(Calls.of(found.operations), asked.resumed(found.held))
                assert again.verdict == "violation", (calls, found)
        verdicts[want] += 1
    assert min(verdicts["ok"], verdicts["violation"]) > 50, verdicts


def test_100_000_calls_by_search() -> None:
    rng = random.Random(2)
    calls = overlapping(rng, Queue(), lambda r, i: ("put", (i,)) if i % 2 == 0 else ("take", ()), 100_000, 15)
    assert check_linearizable(Calls.of(calls), Queue()).verdict == "ok"
    calls[60_001] = calls[60_001]._replace(result=7)
    found = check_linearizable(Calls.of(calls), Queue())
    assert found.verdict == "violation"
    assert calls[60_001] in found.operations
    assert len(found.operations) < 12


def test_parts_are_searched_by_themselves() -> None:
    """Forty keys with five calls each that overlap: together they would be more than anybody can search."""

    class Queues(Queue):
        def step(self, state, op, args):  # type: ignore[no-untyped-def]
            return super().step(state, op, args[1:])

        def partition(self, op: str, args: tuple[object, ...]) -> object:
            return args[0]

    calls = [Call("put", (key, i), None, 0, 100) for key in range(40) for i in range(5)]
    calls += [Call("take", (key,), 4 - i, 200 + i, 200 + i) for key in range(40) for i in range(5)]
    assert check_linearizable(Calls.of(calls), Queues()).verdict == "ok"
    calls[-1] = calls[-1]._replace(result=3)
    found = check_linearizable(Calls.of(calls), Queues())
    assert (found.verdict, found.key) == ("violation", 39)
    assert str(found).startswith("violation: in the state ")


def test_a_call_that_tells_nothing_may_have_done_anything_right() -> None:
    put, take = Call("put", (1,), None, 0, 1), Call("take", (), UNTOLD, 2, 3)
    assert check_linearizable(Calls.of([put, take, Call("take", (), None, 4, 5)]), Queue()).verdict == "ok"
    found = check_linearizable(Calls.of([put, take, Call("take", (), 1, 4, 5)]), Queue())
    assert found.verdict == "violation"
    assert take.sentence == "take()"


def test_the_search_says_when_it_gives_up() -> None:
    calls = [Call("put", (i,), None, 0, 100) for i in range(14)]
    calls += [Call("take", (), 99, 200, 201)]
    found = check_linearizable(Calls.of(calls), Queue(), budget=5000)
    assert (found.verdict, found.operations) == ("unknown", ())


def test_nothing_is_looked_at_twice() -> None:
    """Twelve adds that overlap: all subsets of them, not all orders."""
    calls = [Call("add", (1,), UNTOLD, 0, 100) for _ in range(12)] + [Call("load", (), 13, 200, 201)]
    found = check_linearizable(Calls.of(calls), Plain(Counter(), 0))
    assert found.verdict == "violation"
    assert found.configurations <= 2**12 * 12


def test_equal_stamps_overlap_and_slack_is_in_nanoseconds() -> None:
    put, take = Call("put", (1,), None, 0, 100), Call("take", (), None, 100, 200)
    assert check_linearizable(Calls.of([put, take]), Queue()).verdict == "ok"
    apart = Calls((put, take._replace(start=110)), 1.0, "os")
    assert check_linearizable(apart, Queue()).verdict == "ok"
    found = check_linearizable(apart, Queue(), slack_ns=5)
    assert (found.held, found.operations) == ((1,), apart.calls[1:])


def test_what_is_left_begins_where_all_is_certain() -> None:
    """The queue's first calls and looks at nothing have no part in the take that is wrong; and thirty of those that overlap
    cost no more than one, since they only look."""

    class Seen(Queue):
        reads = frozenset({"len"})

        def step(self, state, op, args):  # type: ignore[no-untyped-def]
            return (state, len(state)) if op == "len" else super().step(state, op, args)

    calls = [Call("put", (i,), None, 10 * i, 10 * i + 5) for i in range(3)]
    calls += [Call("take", (), i, 100 + 10 * i, 105 + 10 * i) for i in range(3)]
    late = Call("put", (7,), None, 195, 400)
    calls += [*(Call("len", (), 0, 200 + i, 260 + i) for i in range(30)), late]
    wrong = Call("take", (), 8, 250, 300)
    found = check_linearizable(Calls.of([*calls, wrong]), Seen())
    assert (found.held, found.operations) == ((), (late, wrong))
    assert "take() -> 8" in str(found)


def test_what_is_left_begins_as_late_as_it_can() -> None:
    """As long as the last take counts there are two orders when the wrong one ends; without it there is one before."""
    calls = [
        Call("put", (0,), None, 0, 2),
        Call("take", (), 0, 1, 6),
        Call("put", (2,), None, 3, 7),
        Call("take", (), 0, 4, 8),
        Call("take", (), None, 5, 9),
    ]
    found = check_linearizable(Calls.of(calls), Queue())
    assert (found.held, found.operations) == ((2,), (calls[3],))


# ------------------------------------------------------------------ counters and sets in the core


def many(kind: str, n: int) -> History:
    """A history by hand, as an array: n calls of one thread on 16 keys, all right."""
    rng = np.random.default_rng(3)
    events = np.zeros(n, History.of([]).events.dtype)
    events["start"], events["end"] = 10 * np.arange(n), 10 * np.arange(n) + 9
    events["key"], order = rng.integers(0, 16, n), np.arange(n)
    if kind == "counter":
        events["op"] = np.where(rng.random(n) < 0.5, KINDS["add"], KINDS["load"])
        events["value"] = np.where(events["op"] == KINDS["add"], 1 + order % 7, 0)
        for key in range(16):
            mine = events["key"] == key
            events["answer"][mine] = np.cumsum(events["value"][mine])
        events["status"] = (events["answer"] == events["value"]) | (events["answer"] == 0)
    else:
        for key in range(16):  # stored, loaded, deleted, loaded, ..
            mine = np.flatnonzero(events["key"] == key)
            turn = np.arange(len(mine)) % 4
            events["op"][mine] = np.array([KINDS[k] for k in ("load_or_store", "load", "delete", "load")], np.uint8)[turn]
            events["status"][mine] = np.isin(turn, (0, 3))
        events["value"] = events["answer"] = order  # a set does not look at values
    return History(events)


@pytest.mark.parametrize(("kind", "spec"), [("counter", Counter()), ("set", Members())])
def test_many_calls_in_the_core(kind: str, spec: Spec) -> None:
    h = many(kind, 200_000)
    assert check_linearizable(h, spec).verdict == "ok"
    i = int(np.flatnonzero(h.events["op"] == KINDS["load"])[60_000])
    h.events["answer"][i] += 1
    h.events["status"][i] ^= kind == "set"
    found = check_linearizable(h, spec)
    assert (found.verdict, found.key) == ("violation", int(h.events["key"][i]))
    assert h.operation(i) in found.operations
    assert found.held is not None


def test_what_is_not_of_a_counter_or_a_set_is_refused() -> None:
    store = History.of([Operation("store", 1, 0, 1, False, value=7)])
    with pytest.raises(BadValue, match="a counter has load, add, not store"):
        check_linearizable(store, Counter())
    with pytest.raises(BadValue, match="a set of keys has load, store"):
        check_linearizable(History.of([Operation("add", 1, 0, 1, False, value=7, answer=7)]), Members())
    with pytest.raises(BadValue, match="a History is of a map"):
        check_linearizable(store, Queue())
    for spec in (Counter(), Members(), Register()):
        with pytest.raises(BadValue, match=r"not|unknown"):
            check_linearizable(Calls.of([Call("peek", (1,), 1, 0, 1)]), spec)
    with pytest.raises(BadValue, match="ends before it starts"):
        Calls.of([Call("peek", (), 1, 5, 4)])


@pytest.mark.parametrize("kind", ["store", "delete", "add"])
def test_what_a_caller_was_not_told(kind: str) -> None:
    """A store may have been over anything; a delete is only told whether; an add only the sum."""
    before = Operation("store", 1, 0, 1, False, value=7)
    untold = {
        "store": Operation("store", 1, 2, 3, False, value=8, untold=True),
        "delete": Operation("delete", 1, 2, 3, True, untold=True),
        "add": Operation("add", 1, 2, 3, False, value=1, answer=8, untold=True),
    }[kind]
    assert check_linearizable(History.of([before, untold])).verdict == "ok"
    assert check_linearizable(History.of([before, untold._replace(untold=False)])).verdict == "violation"
    stale = Operation("load", 1, 4, 5, True, answer=7)
    found = check_linearizable(History.of([before, untold, stale]))
    assert found.verdict == "violation"
    assert found.operations[-1] == stale
    if kind == "delete":
        assert check_linearizable(History.of([before, untold._replace(found=False)])).verdict == "violation"
    with pytest.raises(BadValue):
        check_linearizable(History.of([stale._replace(untold=True)]))
