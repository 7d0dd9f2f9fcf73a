"""The strategies give valid values only, and keys that really collide."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

import gomap
from gomap import GrowLockMap, Map, MutexMap, RWMutexMap
from gomap.errors import BadValue
from gomap.kinds import key_kind
from gomap.lab import Group, Workload, run
from gomap.testing import Collision, Operation, Step, check_linearizable, colliding_keys, elems, keys, operations, workloads
from gomap.testing.history import History
from gomap.testing.steps import ATOMIC, BASIC, Add, PopItem

KEY_KINDS = ["int32", "uint32", "int64", "float64", "str", "bytes1", "bytes2", "bytes9", "bytes200"]
HASHERS = ["aes", "aes-portable", "memhash"]
COLLIDING = [kind for kind in KEY_KINDS if kind not in ("bytes1", "bytes2")]

# ------------------------------------------------------------------ keys and elems


@pytest.mark.parametrize("kind", KEY_KINDS)
@settings(max_examples=30)
@given(st.data())
def test_keys_fit_their_kind(kind: str, data: st.DataObject) -> None:
    key_kind(kind).pack(data.draw(keys(kind)))


@pytest.mark.parametrize("kind", ["none", "int64", "float64", "bytes136", "object"])
@settings(max_examples=20)
@given(st.data())
def test_elems_fit_their_kind(kind: str, data: st.DataObject) -> None:
    m = Map("int64", kind)
    m[1] = elem = data.draw(elems(kind, nan=False))
    assert m[1] == elem


def test_nan_and_both_zeros_are_drawn() -> None:
    assert np.signbit(find(keys("float64"), lambda key: key == 0 and bool(np.signbit(key))))
    assert np.isnan(find(keys("float64"), lambda key: key != key))
    assert np.isnan(find(elems("float64"), lambda elem: elem != elem))


@settings(max_examples=200)
@given(keys("float64", nan=False) | elems("float64", nan=False))
def test_no_nan_on_demand(value: float) -> None:
    assert value == value


def test_unknown_kinds_are_named() -> None:
    with pytest.raises(BadValue, match="int32, uint32"):
        keys("int16")
    with pytest.raises(BadValue, match="none, int64"):
        elems("str")


# ------------------------------------------------------------------ hashes


@pytest.mark.parametrize("hasher", HASHERS)
@pytest.mark.parametrize("kind", COLLIDING)
def test_hashes_are_those_that_place_the_keys(kind: str, hasher: str) -> None:
    m = Map(kind, "none", hint=200, seed=7, hasher=hasher)
    some = list(colliding_keys(kind, Collision(seed=1, bucket=None, count=150)))
    m.assign_many(some)
    hashes = m.hash_many(some)
    assert hashes.dtype == np.uint64
    placed = {}
    for i in range(1 << m.header.B):
        for bucket in m.chain(i):
            placed |= {key: (i, top) for key, top in zip(bucket.keys, bucket.tophash, strict=True) if top >= 5}
    assert not m.header.growing
    for key, full in zip(some, hashes.tolist(), strict=True):
        top = full >> 56
        assert placed[key] == (full & (1 << m.header.B) - 1, top + 5 if top < 5 else top)


def test_hashes_of_nothing_and_of_nan() -> None:
    m = Map("float64", "none", seed=1)
    assert m.hash_many([]).shape == (0,)
    zero, negative, a, b = m.hash_many([0.0, -0.0, np.nan, np.nan]).tolist()
    assert zero == negative
    assert a != b


# ------------------------------------------------------------------ keys that collide


def where(m: Map, key: Any) -> tuple[int, int]:
    """The bucket and the tophash of a key of the map."""
    for i in range(1 << m.header.B):
        for bucket in m.chain(i):
            for top, found in zip(bucket.tophash, bucket.keys, strict=True):
                if top >= 5 and found == key:
                    return i, top
    raise AssertionError(f"{key!r} is in no bucket")


@pytest.mark.parametrize("hasher", HASHERS)
@pytest.mark.parametrize("kind", COLLIDING)
def test_they_meet_in_one_bucket(kind: str, hasher: str) -> None:
    found = colliding_keys(kind, Collision(seed=11, hasher=hasher, B=4, bucket=5, count=20))
    m = Map(kind, "none", hint=100, hasher=hasher, seed=11)  # 2**4 buckets hold 104
    assert m.header.B == 4
    m.assign_many(list(found))
    assert len(m) == len(set(found)) == 20
    assert [sum(top >= 5 for bucket in m.chain(i) for top in bucket.tophash) for i in range(16)] == [
        20 * (i == 5) for i in range(16)
    ]


@pytest.mark.parametrize("top", [5, 9, 77, 255])
def test_they_have_one_tophash(top: int) -> None:
    found = colliding_keys("int64", Collision(seed=3, bucket=None, tophash=top, count=8))
    m = Map("int64", "none", hint=100, seed=3)
    m.assign_many(list(found))
    assert {where(m, key)[1] for key in found} == {top}
    assert len({where(m, key)[0] for key in found}) > 1


def test_they_have_both_in_the_maps_behind_locks_too() -> None:
    found = colliding_keys("str", Collision(seed=9, B=3, bucket=2, tophash=200, count=9))
    for cls in (MutexMap, RWMutexMap, GrowLockMap):
        m = cls("str", "int64", hint=50, seed=9)
        m.update((key, 1) for key in found)
        inside = gomap.Map._borrowed(gomap.map.lib.gm_cmap_part(m._handle, 0), m)
        inside._key = m._key
        assert inside.header.B == 3
        assert (inside.hash_many(list(found)) & np.uint64(7)).tolist() == [2] * 9
        assert set((inside.hash_many(list(found)) >> np.uint64(56)).tolist()) == {200}


def test_the_elem_does_not_matter() -> None:
    found = colliding_keys("int64", Collision(seed=4, B=2, bucket=3, count=9))
    for elem in ("int64", "bytes136", "object"):
        m = Map("int64", elem, hint=20, seed=4)
        assert m.header.B == 2
        assert (m.hash_many(list(found)) & np.uint64(3)).tolist() == [3] * 9


@settings(max_examples=20)
@given(keys("int64", collide=Collision(seed=1, B=6, bucket=9)))
def test_the_strategy_draws_from_them(key: int) -> None:
    assert Map(seed=1).hash_many([key])[0] % 64 == 9


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(BadValue, match=r"256 bytes1 keys only 0 meet there|of 256 bytes1 keys only \d+ meet there, not 16"):
        colliding_keys("bytes1", Collision(seed=1, B=6, bucket=0))
    for wrong, text in (
        ({"B": 40}, "B must"),
        ({"bucket": 16}, "0 to 15"),
        ({"tophash": 4}, "5 to 255"),
        ({"count": 0}, "count"),
    ):
        with pytest.raises(BadValue, match=text):
            Collision(seed=1, **wrong)


# ------------------------------------------------------------------ calls on a map


@settings(max_examples=60)
@given(operations("str", "int64", atomic=True))
def test_operations_are_answered_alike_by_a_map_and_a_dict(steps: list[Step]) -> None:
    m, model = gomap.ConcurrentMap("str", "int64"), dict[str, int]()
    for step in steps:
        got, right = step.run(m, model)
        assert got == right, str(step)


@settings(max_examples=30)
@given(operations("float64", "object", collide=Collision(seed=1, count=6)))
def test_operations_on_colliding_keys(steps: list[Step]) -> None:
    m, model = Map("float64", "object", seed=1), dict[float, Any]()
    for step in steps:
        got, right = step.run(m, model)
        assert got == right, str(step)


@settings(max_examples=60)
@given(st.from_type(Step))
def test_a_step_is_the_call_that_it_is_written_as(step: Step) -> None:
    begin = {0: 5, 1: 6, 2: 7}
    by_run, by_text = dict(begin), dict(begin)
    step.run(by_run, dict(begin))
    try:
        exec(str(step), {"m": by_text})
    except KeyError:
        assert by_text == begin
    assert by_run == by_text or isinstance(step, PopItem)


def test_an_entry_that_is_not_there_cannot_be_popped() -> None:
    class Liar(dict[int, int]):
        def popitem(self) -> tuple[int, int]:
            return 8, 8

    got, right = PopItem().run(Liar({1: 2}), {1: 2})
    assert got != right


def test_operations_meet_on_the_same_key() -> None:
    def meet(found: list[Step]) -> bool:
        touched = [step.key for step in found if hasattr(step, "key")]
        return len(touched) > len(set(touched))

    assert len(find(operations("int64", max_size=10), meet)) == 2
    drawn = operations_of(operations("int64", "float64", atomic=True))
    assert drawn <= {*BASIC, *ATOMIC} - {Add}
    assert drawn & set(ATOMIC)
    assert not operations_of(operations("int64")) & set(ATOMIC)


def operations_of(strategy: st.SearchStrategy[list[Step]]) -> set[type[Step]]:
    """The kinds of steps that a strategy draws."""
    found: set[type[Step]] = set()

    @settings(max_examples=25, database=None, derandomize=True)
    @given(strategy)
    def draw(steps: list[Step]) -> None:
        found.update(map(type, steps))

    draw()
    return found


# ------------------------------------------------------------------ whole workloads, types


@settings(max_examples=15)
@given(st.from_type(Workload))
def test_workloads_run(w: Workload) -> None:
    r = run(w)
    assert r.total + sum(r.refused.values()) == w.ops
    assert Workload.from_json(w.to_json()) == w


@settings(max_examples=20)
@given(workloads(variants=["lockfree"], most_ops=10, most_threads=1))
def test_workloads_keep_what_was_asked_for(w: Workload) -> None:
    assert w.variant == "lockfree"
    assert w.ops is not None
    assert w.ops <= 10
    assert all(g.threads == 1 for g in w.groups)


@settings(max_examples=30)
@given(st.from_type(Group), st.lists(st.from_type(Operation), max_size=4))
def test_types_are_known_to_hypothesis(g: Group, calls: list[Operation]) -> None:
    assert sum((g.mix or {}).values()) == 100
    assert check_linearizable(History.of(calls)).verdict in ("ok", "violation")


FIND = """
from hypothesis import strategies as st, find
w = find(st.from_type({name}), lambda _: True)
assert isinstance(w, {name}), w
"""


@pytest.mark.parametrize(
    "program",
    [
        "import sys, hypothesis\nassert not {'gomap._core', 'numpy'} & set(sys.modules)",
        "import hypothesis\nfrom gomap.lab import Workload" + FIND.format(name="Workload"),
        "from gomap.lab import Workload\nimport hypothesis" + FIND.format(name="Workload"),
    ],
    ids=["hypothesis alone", "hypothesis first", "gomap first"],
)
def test_hypothesis_and_gomap_find_each_other(program: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
