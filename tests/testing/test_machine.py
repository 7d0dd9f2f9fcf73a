"""`map_machine` passes right maps, finds planted mistakes in a wrong one, and says in a few lines how."""

from __future__ import annotations

import random
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

import gomap
from gomap import Map
from gomap.errors import BadValue, GomapError, WrongType
from gomap.testing import Collision, MapMachine, keys, map_machine
from gomap.testing.steps import MISSING

QUICK = settings(max_examples=6, stateful_step_count=20, database=None)
SEARCH = settings(
    max_examples=400,
    stateful_step_count=12,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink],
)

# ------------------------------------------------------------------ a concurrent dict, and mistakes to plant in it


class Cell:
    """A value that the read-only dict and the dirty one share; `gone`: deleted."""

    def __init__(self, value: Any) -> None:
        self.value, self.gone = value, False


class SyncDict(MutableMapping[Any, Any]):
    """A small sync.Map in Python: reads of a snapshot without a lock; a dirty dict that replaces it after enough misses.

    dirty is None, or has all cells of read that are not gone, and the new ones.
    """

    mistake = ""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.read: dict[Any, Cell] = {}
        self.dirty: dict[Any, Cell] | None = None
        self.misses = 0

    def _missed(self) -> None:
        assert self.dirty is not None
        self.misses += 1
        if self.misses >= len(self.dirty):
            self.read, self.dirty, self.misses = self.dirty, None, 0

    def _cell(self, key: Any) -> Cell | None:
        """Under the lock."""
        cell = self.read.get(key)
        if cell is None and self.dirty is not None:
            cell = self.dirty.get(key)
            self._missed()
        return None if cell is None or cell.gone else cell

    def __getitem__(self, key: Any) -> Any:
        cell = self.read.get(key)
        if cell is not None and not cell.gone:
            return cell.value
        with self.lock:
            cell = self._cell(key)
        if cell is None:
            raise KeyError(key)
        return cell.value

    def _make_dirty(self) -> dict[Any, Cell]:
        if self.dirty is None:
            self.dirty = {k: c for k, c in self.read.items() if not c.gone or self.mistake == "resurrection"}
            if self.mistake == "resurrection":
                for cell in self.dirty.values():
                    cell.gone = False
        return self.dirty

    def __setitem__(self, key: Any, value: Any) -> None:
        with self.lock:
            cell = self._cell(key)
            if cell is not None and self.mistake == "stale read" and self.dirty is not None:
                self.dirty[key] = Cell(value)
            elif cell is not None:
                cell.value = value
            else:
                self.read.pop(key, None)
                self._make_dirty()[key] = Cell(value)

    def __delitem__(self, key: Any) -> None:
        with self.lock:
            cell = self._cell(key)
            if cell is None:
                raise KeyError(key)
            cell.gone = True
            if self.dirty is not None:
                self.dirty.pop(key, None)

    def add(self, key: Any, delta: int) -> int:
        with self.lock:
            cell = self._cell(key)
            if cell is not None and self.mistake == "lost update" and self.dirty is not None:
                cell = Cell(cell.value)
            if cell is None:
                self.read.pop(key, None)
                cell = self._make_dirty()[key] = Cell(0)
            cell.value += delta
            return int(cell.value)

    def _live(self) -> dict[Any, Any]:
        with self.lock:
            return {k: c.value for k, c in {**self.read, **(self.dirty or {})}.items() if not c.gone}

    def __iter__(self) -> Iterator[Any]:
        return iter(self._live())

    def __len__(self) -> int:
        return len(self._live())


MISTAKES = ["lost update", "stale read", "resurrection"]


AS_FOUND = settings(SEARCH, phases=[Phase.generate])


def planted(mistake: str) -> type[SyncDict]:
    return type("SyncDict", (SyncDict,), {"mistake": mistake})


def failure(machine: type[MapMachine], how: settings = SEARCH) -> str:
    with pytest.raises(AssertionError) as caught:
        run_state_machine_as_test(machine, settings=how)
    return str(caught.value)


def program_of(message: str) -> list[str]:
    return re.findall(r"^    (.*)$", message, re.M)


def answers(lines: list[str], factory: Callable[[], Any]) -> Any:
    """What the last line of a program gives."""
    scope: dict[str, Any] = {"m": factory(), "KeyError": MISSING}
    answer: Any = None
    for line in lines[1:]:
        try:
            answer = eval(line, scope)
        except SyntaxError:
            try:
                exec(line, scope)
            except KeyError:
                answer = MISSING
        except KeyError:
            answer = MISSING
    return answer


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_found_and_told_in_a_few_lines(mistake: str) -> None:
    wrong = planted(mistake)
    others = ("subscript", "contains", "pop", "pop_item", "set_default", "update", "clear", "length", "iterate")
    message = failure(map_machine(wrong, keys=st.integers(0, 2), without=others))
    lines = program_of(message)
    assert lines[0] == "m = SyncDict()"
    assert 3 <= len(lines) <= 8, message
    assert " gave " in message
    assert "right is" in message
    if "list(m)" in lines[-1]:
        lines[-1] = "dict(m.items())"
    assert answers(lines, wrong) != answers(lines, SyncDict)


def test_the_dict_without_a_mistake_passes() -> None:
    run_state_machine_as_test(map_machine(SyncDict), settings=settings(QUICK, max_examples=25))


@pytest.mark.parametrize("name", [*gomap.variants.VARIANTS])
def test_every_design_passes(name: str) -> None:
    cls = gomap.variants.VARIANTS[name].cls
    run_state_machine_as_test(map_machine(lambda: cls("str", "int64", seed=1)), settings=QUICK)


@pytest.mark.parametrize(("key", "elem"), [("float64", "object"), ("bytes9", "float64"), ("uint32", "none")])
def test_kinds_are_known(key: str, elem: str) -> None:
    run_state_machine_as_test(map_machine(lambda: gomap.ConcurrentMap(key, elem, seed=1)), settings=QUICK)


def test_keys_that_collide() -> None:
    collide = keys("int64", collide=Collision(seed=3, B=0, tophash=9, count=30))
    run_state_machine_as_test(map_machine(lambda: Map(seed=3), keys=collide), settings=QUICK)


def test_a_dict_itself_passes() -> None:
    TestDict = map_machine(dict).TestCase
    TestDict.settings = QUICK
    TestDict("runTest").runTest()


def test_rules_are_those_that_the_map_has() -> None:
    def rules(factory: Callable[[], Any], **options: Any) -> set[str]:
        return set(vars(map_machine(factory, **options)))

    assert {"assign", "pop_item", "update"} <= rules(dict)
    assert "add" not in rules(dict)
    concurrent = rules(gomap.ConcurrentMap)
    assert {"add", "swap", "compare_and_swap", "compare_and_delete", "load_or_store", "load_and_delete"} <= concurrent
    assert concurrent - rules(gomap.ConcurrentMap, without=["add", "clear"]) == {"add", "clear"}
    assert concurrent - rules(lambda: gomap.ConcurrentMap("int64", "object")) == {"add"}


# ------------------------------------------------------------------ what a failure says


class Forgetful(dict[int, int]):
    def check(self) -> None:
        if len(self) == 2:
            raise GomapError("two is too many")

    def items(self) -> Any:
        """Wrong from then on, too: the end of the run must not hide what came first."""
        return () if len(self) == 2 else super().items()


def test_the_map_s_own_check_is_called() -> None:
    message = failure(map_machine(Forgetful, keys=st.integers(0, 2)), AS_FOUND)
    assert message.startswith("GomapError: two is too many, after")
    assert answers([*program_of(message), "len(m)"], Forgetful) == 2


def test_invariants_are_called_with_map_and_model() -> None:
    def small(m: Any, model: Any) -> bool:
        return len(m) == len(model) < 2

    message = failure(map_machine(dict, invariants=[small]), AS_FOUND)
    assert message.startswith("small is False after")
    assert program_of(message)[0] == "m = dict()"


def test_an_error_of_the_map_is_told_with_its_program() -> None:
    class Picky(dict[int, int]):
        def __setitem__(self, key: int, elem: int) -> None:
            if elem == 7:
                raise RuntimeError("not seven")
            super().__setitem__(key, elem)

    message = failure(map_machine(Picky), AS_FOUND)
    assert re.match(r"m.* raised RuntimeError: not seven, at the end of\n", message)
    assert "7" in program_of(message)[-1]
    assert message.startswith(program_of(message)[-1])


def test_the_model_can_be_another() -> None:
    class Rounded(dict[float, int]):
        def __setitem__(self, key: float, elem: int) -> None:
            super().__setitem__(key, elem - elem % 2)

    run_state_machine_as_test(
        map_machine(Rounded, model=Rounded, keys=st.sampled_from([0.5, 1.5]), elems=st.integers(0, 3)), settings=QUICK
    )
    assert re.search(r"m\[0\.5\] = \d", failure(map_machine(Rounded, keys=st.just(0.5), without=["update"]), AS_FOUND))


@pytest.mark.parametrize(
    ("factory", "error", "text"),
    [
        ({}, WrongType, "a factory expected.* not dict"),
        (lambda x: {}, BadValue, "called with no argument, but raised TypeError"),
        (lambda: [], WrongType, r"the factory made list \[\], which has no .*get"),
        (lambda: {1: 2}, BadValue, "an empty map, not one with 1 entries"),
        ((lambda shared: lambda: shared)({}), BadValue, "the same one twice"),
    ],
)
def test_a_wrong_factory_is_told(factory: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        map_machine(factory)


def test_wrong_arguments_are_told() -> None:
    with pytest.raises(WrongType, match="keys: a strategy of hypothesis expected, not list"):
        map_machine(dict, keys=[1, 2])  # type: ignore[arg-type]
    with pytest.raises(BadValue, match="no rule 'swap', there are: assign"):
        map_machine(dict, without=["swap"])


# ------------------------------------------------------------------ under a fuzzer


def test_bytes_of_a_fuzzer_are_calls() -> None:
    """What a fuzzer does, without its guidance: bytes in, until the map answers wrongly."""
    rng = random.Random(1)
    right, wrong = map_machine(SyncDict), map_machine(planted("resurrection"))
    for machine in (right, wrong):
        machine.TestCase.settings = settings(QUICK)
    inputs = [rng.randbytes(600) for _ in range(60)]
    used = [right.fuzz_one_input(buffer) for buffer in inputs]
    assert sum(u is not None for u in used) > 10
    with pytest.raises(AssertionError, match="right is"):
        deque((wrong.fuzz_one_input(buffer) for buffer in inputs), maxlen=0)
