"""`map_machine`: a hypothesis machine that compares anybody's map with a dict, call by call.

A machine draws calls (gomap.testing.steps), makes each on the map and its meaning on the model, and compares the answers; what
the map holds is compared again at the end. Keys come from a bundle, so that calls meet on the same few. Nothing is read between
the calls but what the map's own `check()` reads: a look at all entries after each would hide the mistakes that a look repairs
(as a read of a sync.Map that promotes its dirty map does).

One thread: overlapping calls are for `record_history` and `check_linearizable`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, MutableMapping, Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    get_state_machine_test,
    initialize,
    invariant,
    multiple,
    rule,
)

from gomap.concurrent import _ConcurrentMap
from gomap.errors import BadValue, WrongType
from gomap.map import Map
from gomap.testing import strategies
from gomap.testing.steps import ATOMIC, BASIC, Add, CompareAndDelete, CompareAndSwap, Iterate, Step, Update

__all__ = ["MapMachine", "map_machine"]

Strategy = st.SearchStrategy[Any]
Invariant = Callable[[Any, Any], object]
_rule: Any = rule  # its overloads do not know arguments that are named elsewhere

_NEEDED = ("__getitem__", "__setitem__", "__delitem__", "__iter__", "__len__", "__contains__", "get", "pop", "items")
_MOST_UPDATED = 3


class MapMachine(RuleBasedStateMachine):
    """A map beside its model; made by `map_machine`, which adds the rules.

    map, model: the two. program: the calls made so far, as lines of Python.
    """

    make: ClassVar[Callable[[], Any]]
    make_model: ClassVar[Callable[[], MutableMapping[Any, Any]]]
    maker: ClassVar[str]
    invariants_of_user: ClassVar[tuple[Invariant, ...]]

    def __init__(self) -> None:
        super().__init__()
        cls = type(self)
        self.map, self.model = cls.make(), cls.make_model()
        self.program: list[str] = []
        self._failed = False

    def _fail(self, what: str) -> AssertionError:
        self._failed = True
        lines = [f"m = {self.maker}", *self.program]
        return AssertionError(what + "\n\n" + "\n".join(f"    {line}" for line in lines))

    def take(self, step: Step) -> None:
        """Makes a call on both. `AssertionError` with the program so far if the answers differ or the map raised an error."""
        self.program.append(str(step))
        try:
            got, right = step.run(self.map, self.model)
        except Exception as e:
            raise self._fail(f"{step} raised {type(e).__name__}: {e}, at the end of") from e
        if not (got is right or got == right):
            raise self._fail(f"{step} gave {got!r}, right is {right!r}, at the end of")

    @invariant()
    def holds(self) -> None:
        """The map's own `check()`, if it has one, and the invariants that were given."""
        check = getattr(self.map, "check", None)
        try:
            if callable(check):
                check()
            broken = [i for i in type(self).invariants_of_user if i(self.map, self.model) is False]
        except Exception as e:
            raise self._fail(f"{type(e).__name__}: {e}, after") from e
        if broken:
            raise self._fail(f"{getattr(broken[0], '__name__', broken[0])} is False after")

    def teardown(self) -> None:
        if not self._failed:
            self.take(Iterate())

    @classmethod
    def fuzz_one_input(cls, buffer: bytes) -> bytes | None:
        """Runs the calls that these bytes stand for, as a coverage-guided fuzzer wants it.

        Returns the bytes that were used, or None if they are no sequence of calls; raises the `AssertionError` of a map that
        answers wrongly. What was found is kept in hypothesis's database: the ordinary test then fails too.
        """
        used: bytes | None = _fuzz_target(cls)(buffer)
        return used


@lru_cache(maxsize=16)
def _fuzz_target(cls: type[MapMachine]) -> Callable[[bytes], bytes | None]:
    test: Any = get_state_machine_test(cls)
    target: Callable[[bytes], bytes | None] = test.hypothesis.fuzz_one_input
    return target


# ------------------------------------------------------------------ what is asked of the arguments


def _made(factory: Any) -> Any:
    if not callable(factory):
        raise WrongType(
            f"map_machine: a factory expected, something to call for a new empty map such as a class, not "
            f"{type(factory).__name__} {factory!r:.60}"
        )
    try:
        m, other = factory(), factory()
    except Exception as e:
        raise BadValue(f"map_machine: the factory must make a map when called with no argument, but raised {e!r:.200}") from e
    lacks = [name for name in _NEEDED if not hasattr(m, name)]
    if lacks:
        raise WrongType(f"map_machine: the factory made {type(m).__name__} {m!r:.60}, which has no {', '.join(lacks)}")
    if len(m) != 0:
        raise BadValue(f"map_machine: the factory must make an empty map, not one with {len(m)} entries")
    if m is other:
        raise BadValue("map_machine: the factory must make a new map each time, but gave the same one twice")
    return m


def _checked_strategy(given: Any, name: str) -> Strategy:
    if not isinstance(given, st.SearchStrategy):
        raise WrongType(f"map_machine: {name}: a strategy of hypothesis expected, not {type(given).__name__} {given!r:.60}")
    return given


def _own_kind(m: Any, which: str) -> str | None:
    """The kind of keys or elems of one of gomap's maps."""
    return str(getattr(m, which).name) if isinstance(m, (Map, _ConcurrentMap)) else None


def _default(kind: str | None, of: Callable[..., Strategy]) -> Strategy:
    return of(kind, nan=False) if kind is not None else st.integers(0, 9)


def _steps_of(m: Any, numbers: bool, without: Collection[str]) -> list[type[Step]]:
    """What this map can be asked. `add` only where elems are known to be numbers."""
    there = [step for step in (*BASIC, *ATOMIC) if callable(getattr(m, step.method, None)) and (step is not Add or numbers)]
    unknown = sorted(set(without) - {_rule_name(step) for step in there})
    if unknown:
        raise BadValue(f"map_machine: without: no rule {unknown[0]!r}, there are: {', '.join(map(_rule_name, there))}")
    return [step for step in there if _rule_name(step) not in without]


# ------------------------------------------------------------------ rules


def _rule_name(step: type[Step]) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", step.__name__).lower()


def _update_rule(used: Bundle[Any], of_elem: Strategy) -> Any:
    def update(self: MapMachine, keys: list[Any], elems: list[Any]) -> None:
        self.take(Update(tuple(zip(keys, elems, strict=False))))

    as_many = st.lists(of_elem, min_size=_MOST_UPDATED, max_size=_MOST_UPDATED)
    return rule(keys=st.lists(used, max_size=_MOST_UPDATED), elems=as_many)(update)


def _compare_rule(step: type[Step], used: Bundle[Any], of_elem: Strategy) -> Any:
    """matching: compares with what is there, which elems drawn from many would seldom be."""

    def compare(self: MapMachine, key: Any, matching: bool, old: Any, **new: Any) -> None:
        self.take(step(key, self.model.get(key, old) if matching else old, **new))  # type: ignore[call-arg]

    compare.__name__ = _rule_name(step)
    new: Any = {"new": of_elem} if step is CompareAndSwap else {}
    return _rule(key=used, matching=st.booleans(), old=of_elem, **new)(compare)


def _plain_rule(step: type[Step], used: Bundle[Any], of_elem: Strategy) -> Any:
    by_name: dict[str, Strategy] = {"key": used, "elem": of_elem, "delta": st.integers(-3, 3)}

    def call(self: MapMachine, **arguments: Any) -> None:
        self.take(step(**arguments))

    call.__name__ = _rule_name(step)
    arguments: Any = {f.name: by_name[f.name] for f in fields(step)}
    return _rule(**arguments)(call)


def _rule_of(step: type[Step], used: Bundle[Any], of_elem: Strategy) -> Any:
    if step is Update:
        return _update_rule(used, of_elem)
    if step in (CompareAndSwap, CompareAndDelete):
        return _compare_rule(step, used, of_elem)
    return _plain_rule(step, used, of_elem)


def _key_rules(used: Bundle[Any], of_key: Strategy) -> dict[str, Any]:
    def some_keys(self: MapMachine, keys: list[Any]) -> MultipleResults[Any]:
        return multiple(*keys)

    def another_key(self: MapMachine, key: Any) -> Any:
        return key

    return {
        "some_keys": initialize(target=used, keys=st.lists(of_key, min_size=1, max_size=4))(some_keys),
        "another_key": rule(target=used, key=of_key)(another_key),
    }


def map_machine(
    factory: Callable[[], Any],
    model: Callable[[], MutableMapping[Any, Any]] = dict,
    invariants: Sequence[Invariant] = (),
    keys: Strategy | None = None,
    elems: Strategy | None = None,
    without: Collection[str] = (),
) -> type[MapMachine]:
    """A hypothesis state machine for a map: `TestMine = map_machine(MyMap).TestCase` is a test that pytest and unittest find.

    factory: makes a new empty map, anything with the methods of a `MutableMapping`. Make it repeat itself (gomap's maps: give a
    seed), or hypothesis calls a failure flaky. model: makes the model, which also has the methods of a MutableMapping.
    invariants: called with map and model after each call; they raise, or return False, if something is wrong. keys, elems:
    strategies; None: of the kinds of one of gomap's maps (no NaN), small integers for others. without: rules to leave out.

    Rules: assign, get, subscript, contains, delete, pop, pop_item, set_default, update, clear, length, iterate; and where the
    map has the methods, load_or_store, load_and_delete, swap, compare_and_swap, compare_and_delete and (number elems) add, as
    the concurrent maps of gomap have them. If the map has a `check()`, it is called after each call.

    A failure is an `AssertionError` whose message is the shortest program found, as lines of Python. `WrongType`, `BadValue`:
    the factory or a strategy is not what it should be. For a fuzzer see `MapMachine.fuzz_one_input`.
    """
    m = _made(factory)
    key_kind, elem_kind = _own_kind(m, "_key"), _own_kind(m, "_elem")
    numbers = elems is None and elem_kind in (None, "int64")  # and small, so that sums do not wrap
    of_elem = _default(None if numbers else elem_kind, strategies.elems) if elems is None else _checked_strategy(elems, "elems")
    of_key = _default(key_kind, strategies.keys) if keys is None else _checked_strategy(keys, "keys")
    used: Bundle[Any] = Bundle("keys")
    maker = f"{factory.__name__}()" if getattr(factory, "__name__", "<").isidentifier() else "factory()"
    body: dict[str, Any] = {
        "make": staticmethod(factory),
        "make_model": staticmethod(model),
        "maker": maker,
        "invariants_of_user": tuple(invariants),
        **_key_rules(used, of_key),
        **{_rule_name(step): _rule_of(step, used, of_elem) for step in _steps_of(m, numbers, without)},
    }
    name = re.sub(r"\W", "", type(m).__name__)
    return type(f"{name}Machine", (MapMachine,), {"__doc__": f"Compares a {name} with a model.", **body})
