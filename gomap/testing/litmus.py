"""Litmus tests: a few calls of several threads, every outcome that there may be with a sentence, and how often each comes.

A linearizability check judges long histories of drawn calls; a litmus test asks one question that a reader understands. It is
run many times, each with keys of its own: of gomap's maps natively and in one call (csrc/lab/litmus.c), of other objects by
Python threads. An outcome that is not listed is a failure, as one that is forbidden. (The idea of the table is jcstress's.)

    message = Litmus(
        "message",
        setup=[("assign", "data", 0), ("assign", "flag", 0)],
        actors=[[("assign", "data", 1), ("assign", "flag", 1)], [("load", "flag"), ("load", "data")]],
        outcomes={(1, 0): forbidden("the flag without the data"), (..., ...): acceptable("all else")},
    )
    print(message.run("lockfree", 10_000))
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gomap._core import ffi, lib
from gomap.concurrent import _ConcurrentMap
from gomap.errors import ARGUMENT, NOMEM, PIN, THREAD, BadValue, OutOfMemory, raise_status
from gomap.lab.calls import EngineError
from gomap.lab.machine import allowed_cpus
from gomap.map import Map
from gomap.testing.history import KINDS
from gomap.testing.threads import SWITCH_S, Method, Stopped, methods_of, together
from gomap.variants import variant

__all__ = ["LITMUS_TESTS", "Litmus", "LitmusResult", "Outcome", "acceptable", "forbidden", "interesting"]

_ARGUMENTS = {"load": 0, "delete": 0, "compare_and_swap": 2, "range": -1}
_OPS = {**KINDS, "assign": lib.GM_LITMUS_ASSIGN, "range": lib.GM_LITMUS_RANGE}
_NOTHING = -(2**63)

Step = tuple[Any, ...]


class Outcome(NamedTuple):
    """What is thought of an outcome: kind ("acceptable", "interesting", "forbidden") and why."""

    kind: str
    sentence: str


def acceptable(sentence: str) -> Outcome:
    """An outcome that is right."""
    return Outcome("acceptable", sentence)


def interesting(sentence: str) -> Outcome:
    """An outcome that is right, and shows something when it comes."""
    return Outcome("interesting", sentence)


def forbidden(sentence: str) -> Outcome:
    """An outcome that must never come."""
    return Outcome("forbidden", sentence)


_UNLISTED = Outcome("unlisted", "nobody has thought of this one")


@dataclass(frozen=True)
class LitmusResult:
    """What came of a litmus test: how often each outcome. target: what it was run on. met: of `rounds`, those in which the
    actors were seen to begin together; if they are few, little has been shown."""

    litmus: Litmus
    target: str
    rounds: int
    met: int
    counts: Mapping[tuple[Any, ...], int]

    @property
    def bad(self) -> dict[tuple[Any, ...], int]:
        """The outcomes that came and should not have: forbidden ones, and unlisted ones."""
        return {seen: n for seen, n in self.counts.items() if self.litmus.judge(seen).kind in ("forbidden", "unlisted")}

    @property
    def ok(self) -> bool:
        """Whether nothing came that should not have."""
        return not self.bad

    def __str__(self) -> str:
        """A table: outcomes that came, most frequent first, then those that were listed and did not come."""
        rows = [(seen, n, self.litmus.judge(seen)) for seen, n in sorted(self.counts.items(), key=lambda of: -of[1])]
        rows += [(listed, 0, o) for listed, o in self.litmus.outcomes.items() if not any(_fits(listed, s) for s in self.counts)]
        texts = [_as_text(seen) for seen, _, _ in rows]
        width = max(len("outcome"), *map(len, texts))
        head = f"{self.litmus.name} on {self.target}: {'ok' if self.ok else 'FAILED'}"
        lines = [f"{head} ({self.rounds:,} rounds, actors met in {self.met:,})", f"  {'outcome':{width}}  {'times':>10}  "]
        lines += [f"  {text:{width}}  {n:10,}  {o.kind:10}  {o.sentence}" for text, (_, n, o) in zip(texts, rows, strict=True)]
        return "\n".join(line.rstrip() for line in lines)


def _as_text(outcome: tuple[Any, ...]) -> str:
    return "(" + ", ".join("..." if part is ... else "-" if part is None else str(part) for part in outcome) + ")"


def _fits(listed: tuple[Any, ...], seen: tuple[Any, ...]) -> bool:
    return len(listed) == len(seen) and all(want is ... or want == got for want, got in zip(listed, seen, strict=True))


@dataclass(frozen=True)
class Litmus:
    """A question in a few calls.

    setup, final: steps before the actors begin, and when all are done. actors: by thread, its steps. A step is an operation,
    the name of its key, and values (ints, not equal ones where it matters which it was): load(k), delete(k), store(k, v) and
    load_or_store(k, v) give what was there or None; assign(k, v) gives nothing; compare_and_swap(k, old, new) and
    compare_and_delete(k, old) whether it was done; add(k, n) the sum; range() the names of the keys that came, sorted.
    outcomes: by what the steps gave, actor by actor and then `final`, what is thought of it; `...` stands for anything, and the
    first that fits counts.
    """

    name: str
    actors: Sequence[Sequence[Step]]
    outcomes: Mapping[tuple[Any, ...], Outcome]
    setup: Sequence[Step] = ()
    final: Sequence[Step] = ()

    def __post_init__(self) -> None:
        for step in self._all():
            if not step or step[0] not in _OPS:
                raise BadValue(f"{self.name}: unknown step {step!r}, allowed: {', '.join(_OPS)}")
            if len(step) != 2 + _ARGUMENTS.get(step[0], 1):
                raise BadValue(f"{self.name}: wrong number of arguments: {step!r}")
        if not 1 <= len(self.actors) <= 16 or not 1 <= len(self.keys) <= 16:
            raise BadValue(f"{self.name}: 1 to 16 actors and as many keys, not {len(self.actors)} and {len(self.keys)}")
        wide = sum(step[0] != "assign" for step in self._answering())
        for outcome in self.outcomes:
            if len(outcome) != wide:
                raise BadValue(f"{self.name}: {wide} steps give something, but an outcome is {_as_text(outcome)}")

    def _answering(self) -> list[Step]:
        return [step for steps in (*self.actors, self.final) for step in steps]

    def _all(self) -> list[Step]:
        return [*self.setup, *self._answering()]

    @property
    def keys(self) -> tuple[str, ...]:
        """The names of the keys, sorted."""
        return tuple(sorted({str(step[1]) for step in self._all() if step[0] != "range"}))

    def judge(self, seen: tuple[Any, ...]) -> Outcome:
        """What is thought of an outcome; of kind "unlisted" if none fits."""
        return next((outcome for listed, outcome in self.outcomes.items() if _fits(listed, seen)), _UNLISTED)

    def run(
        self,
        target: Any = "lockfree",
        rounds: int = 10_000,
        *,
        calls: Mapping[str, Method] | None = None,
        switch_interval_s: float = SWITCH_S,
    ) -> LitmusResult:
        """Runs it so many times and counts the outcomes.

        target: the name of a variant, or a concurrent map of int64 to int64: native threads, one to a CPU if there are as many;
        about a microsecond a round. Any other object: Python threads, `calls` and `switch_interval_s` as for `record_history`;
        about 100 microseconds a round. Its keys are ints, which are deleted afterwards.
        Raises `BadValue`, `OutOfMemory`, `EngineError` (no thread, or no CPU), and what the object raises.
        """
        if rounds < 1:
            raise BadValue(f"rounds must be positive: {rounds}")
        name, m = (target, variant(target).cls()) if isinstance(target, str) else (type(target).__name__, target)
        if isinstance(m, Map):
            raise BadValue("a plain Map is not for many threads: its calls may not overlap")
        if not isinstance(m, _ConcurrentMap):
            counts = _by_python(self, m, rounds, methods_of(m, calls), switch_interval_s)
            return LitmusResult(self, name, rounds, rounds, counts)
        if calls:
            raise BadValue("maps of gomap are called by native threads: no calls")
        counts, met = _by_core(self, m, rounds)
        return LitmusResult(self, name, rounds, met, counts)


# ------------------------------------------------------------------ natively


def _steps(litmus: Litmus, steps: Sequence[Step], actors: Sequence[int]) -> Any:
    made = ffi.new("gm_litmus_step[]", max(1, len(steps)))
    for to, step, actor in zip(made, steps, actors, strict=False):
        op, values = step[0], step[2:]
        to.actor, to.op, to.key = actor, _OPS[op], 0 if op == "range" else litmus.keys.index(step[1])
        if op.startswith("compare"):
            to.expected, values = values[0], values[1:]
        to.value = values[0] if values else 0
    return made


def _given(litmus: Litmus, step: Step, answer: int) -> Any:
    """What a step gave, from the core's number."""
    if step[0].startswith("compare"):
        return bool(answer)
    if step[0] == "range":
        return tuple(key for i, key in enumerate(litmus.keys) if answer >> i & 1)
    return None if answer == _NOTHING and step[0] != "add" else answer


def _raise(status: int) -> None:
    if status in (THREAD, PIN):
        raise EngineError("the system gives no more threads" if status == THREAD else "a thread may not run on its CPU")
    if status == NOMEM:
        raise OutOfMemory("no memory for this litmus test")
    if status == ARGUMENT:
        raise BadValue("the core refused the litmus test: too many rounds or steps")
    raise_status(status)


def _by_core(litmus: Litmus, m: Any, rounds: int) -> tuple[dict[tuple[Any, ...], int], int]:
    if m._elem.name != "int64" or m._key.name != "int64":
        raise BadValue(f"a concurrent map of int64 to int64 expected, not {m!r:.60}")
    c, met, cpus = ffi.new("gm_litmus_config *"), ffi.new("uint64_t *"), allowed_cpus()
    acting = [step for steps in litmus.actors for step in steps]
    numbers = [i for i, steps in enumerate(litmus.actors) for _ in steps]
    none = [0] * len(litmus._all())
    keep = (
        _steps(litmus, litmus.setup, none),
        _steps(litmus, acting, numbers),
        _steps(litmus, litmus.final, none),
    )
    c.setup, c.steps, c.final = keep
    c.setup_n, c.steps_n, c.final_n = len(litmus.setup), len(acting), len(litmus.final)
    c.actors, c.keys, c.rounds = len(litmus.actors), len(litmus.keys), rounds
    c.variant, c.target = m._core_id, lib.gm_cmap_target(m._handle)
    c.key_kind, c.key_size = m._key.c_kind, m._key.c_size
    pins = ffi.new("int32_t[]", list(cpus[: len(litmus.actors)]))
    c.cpus = pins if len(pins) == len(litmus.actors) else ffi.NULL
    steps = litmus._answering()
    answers: npt.NDArray[np.int64] = np.zeros((rounds, len(steps)), np.int64)
    status = int(lib.gm_litmus_run(c, ffi.from_buffer("int64_t[]", answers, require_writable=True), met))
    if status < 0:
        _raise(status)
    telling = [i for i, step in enumerate(steps) if step[0] != "assign"]
    rows, times = np.unique(answers[:, telling], axis=0, return_counts=True)
    outcomes = [tuple(_given(litmus, steps[i], a) for i, a in zip(telling, row, strict=True)) for row in rows.tolist()]
    return dict(zip(outcomes, times.tolist(), strict=True)), int(met[0])


# ------------------------------------------------------------------ by Python threads


def _does(litmus: Litmus, obj: Any, methods: Mapping[str, Method], step: Step) -> Callable[[int], Any]:
    """From a round to what the step gives."""
    op, names, n = step[0], litmus.keys, len(litmus.keys)
    if op == "range":
        return lambda r: tuple(name for name, there in zip(names, _there(obj, r * n, n), strict=True) if there)
    method = methods.get("store" if op == "assign" else op)
    if method is None:
        raise BadValue(f"{type(obj).__name__} has no way to {op}: give one in calls")
    at, values = names.index(step[1]), step[2:]
    if op == "load_or_store":  # tells the value that is there now
        return lambda r: None if (there := method(obj, r * n + at, *values)) == values[0] else there
    return lambda r: method(obj, r * n + at, *values)


def _there(obj: Any, first: int, n: int) -> list[bool]:
    came = {key for key in obj if first <= key < first + n}
    return [first + i in came for i in range(n)]


def _by_python(
    litmus: Litmus, obj: Any, rounds: int, methods: Mapping[str, Method], interval_s: float
) -> dict[tuple[Any, ...], int]:
    def ready(steps: Sequence[Step]) -> list[tuple[Callable[[int], Any], bool]]:
        return [(_does(litmus, obj, methods, step), step[0] != "assign") for step in steps]

    setup, final, parts = ready(litmus.setup), ready(litmus.final), [ready(steps) for steps in litmus.actors]
    barrier, counts = threading.Barrier(len(parts)), Counter[tuple[Any, ...]]()
    given: list[list[Any]] = [[] for _ in parts]

    def do(steps: Sequence[tuple[Callable[[int], Any], bool]], r: int) -> list[Any]:
        return [answer for step, telling in steps for answer in [step(r)] if telling]

    def play(actor: int, go_on: Callable[[], None]) -> None:
        for r in range(rounds):
            go_on()
            if actor == 0:
                do(setup, r)
            barrier.wait()
            given[actor] = do(parts[actor], r)
            barrier.wait()
            if actor == 0:
                counts[tuple(answer for answers in (*given, do(final, r)) for answer in answers)] += 1
                for key in range(r * len(litmus.keys), (r + 1) * len(litmus.keys)):
                    methods["delete"](obj, key)

    def body(actor: int) -> Callable[[Callable[[], None]], None]:
        def run(go_on: Callable[[], None]) -> None:
            try:
                play(actor, go_on)
            except threading.BrokenBarrierError:
                raise Stopped from None
            except BaseException:
                barrier.abort()
                raise

        return run

    together([body(actor) for actor in range(len(parts))], interval_s)
    return dict(counts)


# ------------------------------------------------------------------ those that every map has to pass

LITMUS_TESTS: tuple[Litmus, ...] = (
    Litmus(
        "two swaps",
        setup=[("assign", "x", 0)],
        actors=[[("store", "x", 1)], [("store", "x", 2)]],
        final=[("load", "x")],
        outcomes={
            (0, 1, 2): acceptable("the second pushed out what the first had stored"),
            (2, 0, 1): acceptable("the first pushed out what the second had stored"),
            (0, 0, ...): forbidden("both pushed out the same value: one store was lost"),
        },
    ),
    Litmus(
        "message",
        setup=[("assign", "data", 0), ("assign", "flag", 0)],
        actors=[[("assign", "data", 1), ("assign", "flag", 1)], [("load", "flag"), ("load", "data")]],
        outcomes={
            (0, 0): acceptable("too early"),
            (0, 1): interesting("the data is there, and the flag was not yet"),
            (1, 1): acceptable("the flag, and the data"),
            (1, 0): forbidden("the flag was seen, and what was stored before it was not"),
        },
    ),
    Litmus(
        "store, then load the other's",
        setup=[("assign", "x", 0), ("assign", "y", 0)],
        actors=[[("assign", "x", 1), ("load", "y")], [("assign", "y", 1), ("load", "x")]],
        outcomes={
            (1, 0): acceptable("the second was first"),
            (0, 1): acceptable("the first was first"),
            (1, 1): interesting("both had stored before either loaded"),
            (0, 0): interesting("neither saw the other's store: calls of two keys have no common order"),
        },
    ),
    Litmus(
        "load_or_store twice",
        actors=[[("load_or_store", "x", 1)], [("load_or_store", "x", 2)]],
        final=[("load", "x")],
        outcomes={
            (None, 1, 1): acceptable("the first stored, the second loaded that"),
            (2, None, 2): acceptable("the second stored, the first loaded that"),
            (None, None, ...): forbidden("both stored"),
        },
    ),
    Litmus(
        "delete beside compare_and_swap",
        setup=[("assign", "x", 1)],
        actors=[[("delete", "x")], [("compare_and_swap", "x", 1, 2)]],
        final=[("load", "x")],
        outcomes={
            (1, False, None): acceptable("deleted first; there was nothing to compare with"),
            (2, True, None): acceptable("swapped first; what was swapped in was deleted"),
            (1, True, ...): forbidden("what had been deleted was swapped: it is back, or the new value is lost"),
        },
    ),
    Litmus(
        "two adds",
        actors=[[("add", "x", 1)], [("add", "x", 10)]],
        final=[("load", "x")],
        outcomes={
            (1, 11, 11): acceptable("the first was first"),
            (11, 10, 11): acceptable("the second was first"),
            (1, 10, ...): forbidden("both began with nothing: one addition was lost"),
        },
    ),
    Litmus(
        "range beside an insert and a delete",
        setup=[("assign", "a", 1), ("assign", "b", 1), ("assign", "gone", 1)],
        actors=[[("assign", "new", 1), ("delete", "gone")], [("range",)]],
        outcomes={
            (1, ("a", "b", "gone")): acceptable("before both"),
            (1, ("a", "b", "gone", "new")): acceptable("between them"),
            (1, ("a", "b", "new")): acceptable("after both"),
            (1, ("a", "b")): interesting("not one instant: the old key had gone already, the new one was missed"),
            (1, ...): forbidden("a key was missed that was there all the time"),
        },
    ),
)
"""Tests that every map of gomap passes. A range need not be of one instant, but misses nothing that stays. Calls of two keys
need not be in one order for all, as the third test shows: "lockfree" stores with release, not with a full fence, so a thread's
load of another key may be done before its store is seen."""
