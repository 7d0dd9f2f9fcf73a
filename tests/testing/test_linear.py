"""Histories and the check of them: against all orders of short ones, on recorded ones with a lie put in, on every variant."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orders import orderable

from gomap import ConcurrentMap, Map
from gomap.errors import BadValue
from gomap.lab import Group, Workload, Zipf
from gomap.map import Map as PlainMap
from gomap.testing import KINDS, MIX, History, Linearizability, Operation, Register, check_linearizable, record_history
from gomap.variants import VARIANTS

CONCURRENT = [name for name, v in VARIANTS.items() if v.cls is not PlainMap]

# ------------------------------------------------------------------ every order of a few calls


def after(held: int | None, o: Operation) -> tuple[bool, int | None]:
    """What a register does: whether o's answer is right, and what it holds then."""
    there = held is not None
    if o.kind in ("compare_and_swap", "compare_and_delete"):
        done = there and held == o.expected
        to = (o.value if o.kind == "compare_and_swap" else None) if done else held
        return done == o.found, to
    if o.kind == "add":
        total = (held or 0) + o.value
        return there == o.found and total == o.answer, total
    right = there == o.found and (not there or held == o.answer)
    if o.kind == "store" or (o.kind == "load_or_store" and not there):
        return right, o.value
    return right, None if o.kind == "delete" else held


def agrees(calls: list[Operation], initial: int | None) -> str:
    """Compares the two on one history; what the verdict is."""
    by_key = {o.key: tuple(p for p in calls if p.key == o.key) for o in calls}
    bad = {key for key, mine in by_key.items() if not orderable(mine, after, initial)}
    found = check_linearizable(History.of(calls), Register(initial))
    assert found.verdict == ("violation" if bad else "ok"), (calls, initial)
    if bad:
        assert found.key == min(bad), (calls, initial)
        assert set(found.operations) <= set(by_key[min(bad)])
        assert not orderable(found.operations, after, found.held), (calls, initial, found)
        assert str(found).startswith(f"violation: key {min(bad)} holds ")
    return found.verdict


numbers = st.integers(1, 3)


@st.composite
def operations(draw: st.DrawFn) -> Operation:
    start = draw(st.integers(0, 12))
    return Operation(
        kind=draw(st.sampled_from(list(KINDS))),
        key=draw(st.sampled_from([5, 5, 5, -7])),
        start=start,
        end=start + draw(st.integers(0, 6)),
        found=draw(st.booleans()),
        value=draw(numbers),
        expected=draw(numbers),
        answer=draw(numbers),
    )


@settings(max_examples=400)
@given(st.lists(operations(), max_size=6), st.none() | numbers)
def test_any_short_history(calls: list[Operation], initial: int | None) -> None:
    agrees(calls, initial)


def answered(rng: random.Random, kind: str, held: int | None, at: int) -> tuple[Operation, int | None]:
    """A call that takes effect at an instant, with the right answer, and what is held then."""
    value, expected = rng.randint(1, 4), rng.randint(1, 4)
    there = held is not None
    blank = Operation(kind, 5, at - rng.randint(0, 9), at + rng.randint(0, 9), there, value, expected, held or 0)
    if kind.startswith("compare"):
        blank = blank._replace(found=held == expected, answer=0)
    elif kind == "add":
        blank = blank._replace(answer=(held or 0) + value)
    right, then = after(held, blank)
    assert right
    return blank, then


def with_lies(rng: random.Random, lies: int, n: int) -> tuple[list[Operation], int | None]:
    """Calls answered one after the other, their ends moved apart so that they overlap; then some answers are changed. And what
    is held before them."""
    initial = held = rng.choice([None, 1, 2])
    calls = []
    for i in range(n):
        call, held = answered(rng, rng.choice(list(KINDS)), held, 10 + 4 * i)
        calls.append(call)
    for _ in range(lies):
        i = rng.randrange(len(calls))
        changed = calls[i]._replace(answer=rng.randint(0, 4)) if rng.random() < 0.5 else calls[i]
        calls[i] = changed if changed != calls[i] else calls[i]._replace(found=not calls[i].found)
    rng.shuffle(calls)
    return calls, initial


@pytest.mark.parametrize("lies", [0, 1, 2])
def test_true_histories_with_so_many_lies(lies: int) -> None:
    rng = random.Random(lies)
    verdicts = Counter(agrees(*with_lies(rng, lies, rng.randint(3, 6))) for _ in range(2500))
    assert verdicts == {"ok": 2500} if lies == 0 else min(verdicts["ok"], verdicts["violation"]) > 250, verdicts


def at_different_times(rng: random.Random, calls: list[Operation]) -> list[Operation]:
    """No two stamps are equal: what has equal ones may be reported in two ways."""
    stamps = sorted((at, rng.random(), i, end) for i, o in enumerate(calls) for end, at in enumerate((o.start, o.end)))
    place = {(i, end): n for n, (_, _, i, end) in enumerate(sorted(stamps, key=lambda s: (s[0], s[3], s[1])))}
    return [o._replace(start=place[i, 0], end=place[i, 1]) for i, o in enumerate(calls)]


def test_what_is_reported_is_as_small_as_it_gets() -> None:
    """Checked again, it is reported as it is."""
    rng, violations, left_out = random.Random(1), 0, 0
    for _ in range(3000):
        calls, initial = with_lies(rng, 1, rng.randint(3, 12))
        found = check_linearizable(History.of(at_different_times(rng, calls)), Register(initial))
        if found.verdict == "violation":
            violations += 1
            left_out += len(calls) - len(found.operations)
            again = check_linearizable(History.of(found.operations), Register(found.held))
            assert (again.operations, again.held) == (found.operations, found.held), (calls, initial)
    assert violations > 1000
    assert left_out > 3000


def test_many_calls_under_way_at_once() -> None:
    """Fifty stores that overlap, in the order of the answers that they got; then one that cannot be."""
    calls = [Operation("store", 1, 0, 100, i > 0, value=i + 1, answer=i) for i in range(50)]
    random.Random(3).shuffle(calls)
    assert check_linearizable(History.of(calls)).verdict == "ok"
    calls.append(Operation("load", 1, 200, 201, True, answer=49))
    assert check_linearizable(History.of(calls)).verdict == "violation"


def test_what_is_reported_begins_as_late_as_it_can() -> None:
    """As long as the comparison counts there are two orders when the wrong store ends; without it there is one before."""
    calls = [
        Operation("compare_and_swap", 1, 0, 3, True, value=2, expected=1),
        Operation("store", 1, 1, 5, True, value=1, answer=1),
        Operation("store", 1, 2, 7, True, value=1, answer=2),
        Operation("delete", 1, 4, 10, False),
        Operation("compare_and_delete", 1, 6, 13, False, expected=1),
        Operation("store", 1, 8, 9, False, value=4),
    ]
    found = check_linearizable(History.of(calls), Register(1))
    assert (found.operations, found.held) == ((calls[-1],), 1)


# ------------------------------------------------------------------ the edges of the verdict


def stored_then_loaded(gap: int) -> History:
    return History.of([Operation("store", 1, 0, 100, False, value=7), Operation("load", 1, 100 + gap, 200, False)])


def test_equal_stamps_overlap() -> None:
    assert check_linearizable(stored_then_loaded(0)).verdict == "ok"
    assert check_linearizable(stored_then_loaded(1)).verdict == "violation"


def test_slack_is_in_nanoseconds() -> None:
    late = replace(stored_then_loaded(30), ns_per_stamp=0.5, clock="cpu")
    assert check_linearizable(late).verdict == "ok"  # 15 ns are not shown to be in order
    assert check_linearizable(late, slack_ns=14).verdict == "violation"
    assert check_linearizable(late, slack_ns=16).verdict == "ok"
    assert check_linearizable(replace(late, clock="counter")).verdict == "violation"


def hard(n: int) -> History:
    """Stores of values that nobody sees pushed out: all orders of all subsets are to be looked at."""
    return History.of([Operation("compare_and_swap", 1, 0, 100 + i, True, value=1, expected=1) for i in range(n)])


def test_unknown_when_the_budget_is_used_up() -> None:
    found = check_linearizable(hard(16), Register(1), budget=1000)
    assert (found.verdict, found.key, found.operations) == ("unknown", 1, ())
    assert str(found).startswith("unknown (key 1): ")
    assert check_linearizable(hard(16), Register(1)).verdict == "ok"
    two = hard(16).events.copy()
    two["key"] = 0
    both = History(np.concatenate([hard(16).events, two]))
    assert check_linearizable(both, Register(1), budget=1000).key == 0  # the first


def test_no_configuration_is_looked_at_twice() -> None:
    """All subsets of those under way, then of one less, and so on."""
    assert check_linearizable(hard(10), Register(1)).configurations == 2**11 - 2


def test_unknown_with_more_calls_under_way_than_it_can_tell_apart() -> None:
    calls = [Operation("load", 1, 0, 100, False) for _ in range(65)]
    assert check_linearizable(History.of(calls[:64])).verdict == "ok"
    assert check_linearizable(History.of(calls)).verdict == "unknown"


def test_a_violation_outweighs_what_is_unknown() -> None:
    other = Operation("load", 2, 0, 1, True, answer=3)
    calls = [Operation("load", 1, 0, 100, False) for _ in range(65)]
    assert check_linearizable(History.of([*calls, other])).key == 2


def test_refused_calls_did_nothing() -> None:
    history = History.of([Operation("store", 1, 0, 1, False, value=7), Operation("load", 1, 2, 3, False)])
    assert check_linearizable(history).verdict == "violation"
    history.events["status"][0] = -1
    assert check_linearizable(history).verdict == "ok"


@pytest.mark.parametrize("field", ["end", "op", "status"])
def test_nonsense_is_refused(field: str) -> None:
    history = History.of([Operation("load", 1, 5, 6, False)])
    history.events[field] = 4 if field == "end" else 7
    with pytest.raises(BadValue, match="a call that ends before it starts"):
        check_linearizable(history)


def test_an_empty_history_is_in_order() -> None:
    assert check_linearizable(History.of([])).verdict == "ok"
    with pytest.raises(BadValue, match="unknown operation 'peek'"):
        History.of([Operation("peek", 1, 0, 1, False)])
    with pytest.raises(BadValue, match="budget must be positive"):
        check_linearizable(History.of([]), budget=0)


def test_what_is_left_of_a_violation() -> None:
    """A stale read among loads that have nothing to do with it."""
    calls = [
        Operation("store", 1, 0, 10, False, value=7, thread=0),
        Operation("store", 1, 20, 90, True, value=8, answer=7, thread=1),
        *(Operation("load", 1, 95, 101 + i, True, answer=8, thread=2 + i) for i in range(40)),
        Operation("load", 1, 100, 140, True, answer=7, thread=0),
    ]
    found = check_linearizable(History.of(calls))
    assert found.verdict == "violation"
    assert (found.key, found.held, found.operations) == (1, 8, (calls[-1],))
    assert found.origins == (calls[0], calls[1])
    text = str(found)
    assert "key 1 holds 8" in text
    assert "load -> 7" in text
    assert "store 8 -> 7 before" in text


def test_it_begins_where_all_is_certain() -> None:
    """After the second store nobody knows whether the first, which changes 5 to 5, has been before it. So what is left begins
    before both; what had taken effect by then, and loads that fit, are left out."""
    was = Operation("store", 1, 0, 50, False, value=5)
    seen = Operation("load", 1, 10, 20, True, answer=5)
    same = Operation("store", 1, 25, 100, True, value=5, answer=5)
    other = Operation("store", 1, 26, 40, True, value=7, answer=5)
    fitting = [Operation("load", 1, 30 + i, 55 + i, True, answer=7) for i in range(9)]
    bad = Operation("load", 1, 80, 90, True, answer=9)
    found = check_linearizable(History.of([was, seen, same, other, *fitting, bad]))
    assert (found.verdict, found.held, found.operations) == ("violation", 5, (same, other, bad))


# ------------------------------------------------------------------ recorded histories


def recorded(variant: str = "lockfree", threads: int = 4, keys: int = 4, ops: int = 20_000, **more: object) -> History:
    groups = [Group(threads=threads, mix=MIX)]
    w = Workload(variant=variant, size=keys, ops=ops, groups=groups, oversubscribe=True, seed=7)
    return record_history(None, w, **more)


def test_what_is_recorded() -> None:
    h = recorded(ops=20_001, ballast=500, waves=100)
    assert len(h) == 20_005
    assert h.threads == (0, 1, 2, 3, 4)
    assert h.keys == (0, 1, 2, 3)
    assert Counter(h.events["thread"].tolist()) == {0: 5001, 1: 5000, 2: 5000, 3: 5000, 4: 4}
    counts = h.counts()
    assert counts["load"][0] + sum(n for kind, (n, _) in counts.items() if kind != "load") == len(h)
    for kind in set(KINDS) - {"add"}:  # both outcomes of each
        n, found = counts[kind]
        assert n > 1000
        assert n // 50 < found < n - n // 50, kind
    values = h.events["value"][h.events["value"] != 0]
    assert len(np.unique(values)) == len(values)
    assert (h.events["start"] < h.events["end"]).all()
    for thread in h.threads:
        mine = h.events[h.events["thread"] == thread]
        assert (mine["start"][1:] >= mine["end"][:-1]).all()
    assert h.counters["waves"] >= 99  # the threads wait for them
    assert h.operation(0) == Operation(
        "store", 0, int(h.events["start"][0]), int(h.events["end"][0]), False, 5 << 40 | 1, thread=4
    )


def test_the_same_seed_draws_the_same_operations() -> None:
    a, b = recorded(ops=4000), recorded(ops=4000)
    assert all((a.events[field] == b.events[field]).all() for field in ("thread", "key", "op"))


def test_stamps_of_a_counter() -> None:
    h = recorded(stamps="counter")
    stamps = np.concatenate([h.events["start"], h.events["end"]])
    assert sorted(stamps.tolist()) == list(range(2 * len(h)))
    assert (h.clock, h.ns_per_stamp) == ("counter", 0)
    assert check_linearizable(h).verdict == "ok"


def test_a_map_of_ones_own() -> None:
    m = ConcurrentMap("str", "int64")
    m["kept"] = m["0000000000000003"] = 1  # the other is the key with number 3
    w = Workload(key="str", keyspace=8, ops=8000, variant="lockfree", groups=[Group(mix={"get": 50, "add": 50}, keys=Zipf())])
    h = record_history(m, w, compare=0, ballast=0)
    assert check_linearizable(h).verdict == "ok"
    assert set(h.counts()) == {"load", "add"}
    assert len(m) == 9
    assert m["kept"] == 1
    assert h.variant is None
    m.check()


def test_saved_and_loaded(tmp_path: Path) -> None:
    h = recorded(ops=2000)
    h.save(tmp_path / "h.npz")
    back = History.load(tmp_path / "h.npz")
    assert (back.events == h.events).all()
    assert replace(back, events=h.events) == h
    (tmp_path / "bad.npz").write_bytes(b"nothing")
    with pytest.raises(BadValue, match="not a history"):
        History.load(tmp_path / "bad.npz")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"variant": "plain"}, "plain is not for many threads"),
        ({"ops": None, "duration_s": 1}, "give ops"),
        ({"warmup": 10}, "no warmup"),
        ({"groups": [Group(mix={"iterate": 100})]}, "not iterate"),
        ({"groups": [Group(mix=MIX, rate=10)]}, "no rate"),
        ({"keyspace": 70_000}, "1 to 65,536 keys"),
        ({"keyspace": 2}, "of which size are stored first"),
    ],
)
def test_workloads_that_are_not_recorded(change: dict[str, object], sentence: str) -> None:
    w = Workload(variant="mutex", size=4, ops=100, groups=[Group(mix=MIX)])
    with pytest.raises(BadValue, match=sentence):
        record_history(None, w.with_(**change))


def test_arguments_that_are_refused() -> None:
    w = Workload(variant="mutex", size=4, ops=100, groups=[Group(mix=MIX)])
    for more in ({"compare": 101}, {"ballast": -1}, {"waves": -1}, {"stamps": "sun"}):
        with pytest.raises(BadValue):
            record_history(None, w, **more)
    for m in (Map(), ConcurrentMap("str"), ConcurrentMap("int64", "float64")):
        with pytest.raises(BadValue, match="a concurrent map of int64 to int64 expected"):
            record_history(m, w)


# ------------------------------------------------------------------ a lie in a recorded history


def middle(h: History, kind: str, status: int) -> int:
    """The call of a kind, and with that outcome, that began in the middle of them all."""
    found = np.flatnonzero((h.events["op"] == KINDS[kind]) & (h.events["status"] == status))
    assert len(found) > 100
    return int(found[np.argsort(h.events["start"][found], kind="stable")[len(found) // 2]])


def pushed_out_before(h: History, i: int) -> int:
    """A value that a store had pushed out before call i began: it cannot come back."""
    e = h.events
    mine = (e["op"] == KINDS["store"]) & (e["status"] == 0) & (e["key"] == e["key"][i])
    before = np.flatnonzero(mine & (e["end"] + 10_000 < e["start"][i]))
    return int(e["answer"][before[np.argmax(e["end"][before])]])


def stale_read(h: History) -> None:
    """A load gives a value that had been pushed out."""
    i = middle(h, "load", 0)
    h.events["answer"][i] = pushed_out_before(h, i)


def lost_update(h: History) -> None:
    """A store pushes out what an earlier one had pushed out: that one's value was lost."""
    i = middle(h, "store", 0)
    h.events["answer"][i] = pushed_out_before(h, i)


def duplicate_insert(h: History) -> None:
    """A load_or_store claims to have stored where there was something."""
    i = middle(h, "load_or_store", 0)
    h.events["status"][i], h.events["answer"][i] = 1, h.events["value"][i]


def done_twice(h: History) -> None:
    """A comparison that failed claims to have been done."""
    h.events["status"][middle(h, "compare_and_delete", 1)] = 0


@pytest.mark.parametrize("lie", [stale_read, lost_update, duplicate_insert, done_twice])
@pytest.mark.parametrize("variant", ["lockfree", "mutex"])
def test_a_lie_is_found(lie: Callable[[History], None], variant: str) -> None:
    h = recorded(variant, ops=40_000)
    assert check_linearizable(h).verdict == "ok"
    lie(h)
    found = check_linearizable(h)
    assert found.verdict == "violation", lie.__name__
    again = check_linearizable(History.of(found.operations), Register(found.held))
    assert again.verdict == "violation"
    assert again.operations == found.operations  # as small as it gets
    assert len(found.operations) < 20
    assert len(str(found).splitlines()) >= 3


# ------------------------------------------------------------------ every variant


def changed_shape(variant: str, h: History) -> bool:
    """Whether the table became another one while it was looked at."""
    c = h.counters
    if variant == "lockfree":
        return c["growths"] > 0 and c["shrinks"] > 0 and c["evacuated"] > 0
    if variant == "hashtrie":
        return c["growths"] > 100 and c["shrinks"] > 100
    return c["promotions"] > 0 if variant == "syncmap" else c["growths"] > 0


def in_order(found: Linearizability) -> None:
    assert found.verdict == "ok", str(found)


@pytest.mark.parametrize("threads", [2, 4, 8])
@pytest.mark.parametrize("variant", CONCURRENT)
def test_every_variant_is_linearizable(variant: str, threads: int, pytestconfig: pytest.Config) -> None:
    ops = pytestconfig.getoption("--linear-ops")
    for keys, stamps in ((1, "clock"), (4, "counter"), (64, "clock")):
        h = recorded(variant, threads, keys, ops // 3 + 1, stamps=stamps)
        assert changed_shape(variant, h), h.counters
        in_order(check_linearizable(h))
