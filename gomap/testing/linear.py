"""Whether the calls of a history can be put in an order in which every answer is right .

Maps, counters and sets by the core (csrc/lab/linear.c), others by a search in Python (gomap/testing/search.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from gomap._core import ffi, lib
from gomap.errors import ARGUMENT, OK, BadValue, OutOfMemory, ensure
from gomap.testing.calls import Call, Calls
from gomap.testing.history import KINDS, History, Operation, shown
from gomap.testing.picture import as_html
from gomap.testing.search import search, what_is_left
from gomap.testing.specs import Register, Spec

__all__ = ["Linearizability", "check_linearizable"]

_VERDICTS = {lib.GM_VERDICT_OK: "ok", lib.GM_VERDICT_VIOLATION: "violation", lib.GM_VERDICT_UNKNOWN: "unknown"}
_CLOCK_SLACK_NS = 20.0
_WIDTH = 44
_MOST_ORIGINS = 8
_Operation = TypeVar("_Operation", Operation, Call)
_WRITES = ("store", "delete", "load_or_store", "compare_and_swap", "compare_and_delete")


def _bar(o: Operation | Call, first: int, last: int) -> str:
    """Where an operation lies between two stamps, as characters."""
    scale = (_WIDTH - 1) / max(1, last - first)
    left = min(_WIDTH - 1, int((o.start - first) * scale))
    right = min(_WIDTH - 1, max(left, int((o.end - first) * scale)))
    inner = "-" * max(0, right - left - 1)
    return (" " * left + ("|" + inner + "|" if right > left else "|")).ljust(_WIDTH)


@dataclass(frozen=True)
class Linearizability:
    """What `check_linearizable` has found.

    verdict: "ok", "violation", or "unknown" (the budget was used up, or more than 64 calls of a key overlapped in the core).
    key: the part (of a map: the key) of the violation, or the first that is unknown.
    operations: at a violation, calls that cannot be put in order if the part is in the state `held` before them (of a map: the
    key's value, None: nothing). They are a violation by themselves, a minimal one: they begin at the last instant at which all
    is certain, and no call that changes nothing can be left out; those that change something stay, since others' answers may
    rest on them. `check_linearizable(History.of(operations), spec.resumed(held))` says the same again (`Calls.of` for `Call`s).
    origins: of a map, earlier calls that put in, or took out, the values that the operations speak of.
    configurations: how many were looked at (without the core: transitions tried).
    """

    verdict: str
    key: Any = None
    held: Any = None
    operations: tuple[Any, ...] = ()
    origins: tuple[Operation, ...] = ()
    configurations: int = 0
    ns_per_stamp: float = 0.0

    @property
    def headline(self) -> str:
        """What is wrong, in a line."""
        if self.verdict != "violation":
            about = "" if self.key is None else f" (key {self.key})"
            return f"{self.verdict}{about}: {self.configurations:,} configurations"
        of_map = isinstance(self.operations[0], Operation)
        where = f"key {self.key} holds {shown(self.held)}" if of_map else f"in the state {self.held!r}"
        return f"violation: {where}; these calls cannot be put in order:"

    def _row(self, o: Operation | Call, first: int, bar: str) -> str:
        unit = self.ns_per_stamp or 1
        start, takes = (o.start - first) * unit, (o.end - o.start) * unit
        return f"  {bar}  thread {o.thread:<3} {start:+12,.0f} {takes:8,.0f}  {o.sentence}"

    def to_html(self) -> str:
        """A violation as a page: its calls on a time line, by thread, and all about them in a table. Self-contained."""
        return as_html(self)

    def __str__(self) -> str:
        """A violation as a small time line: each operation as a bar, its start and how long it took."""
        if self.verdict != "violation":
            return self.headline
        first, last = self.operations[0].start, min(o.end for o in self.operations)
        last = max(last, *(o.start for o in self.operations)) + (last - first) // 8 + 1
        unit = "ns" if self.ns_per_stamp else "stamps"
        lines = [self.headline, f"  {'':{_WIDTH}}  {'':10} {'from ' + unit:>12} {'takes':>8}"]
        lines += [self._row(o, first, _bar(o, first, last)) for o in self.operations]
        if self.origins:
            lines.append("earlier calls, whose values they saw or that was held:")
            lines += [self._row(o, first, " " * _WIDTH) for o in self.origins]
        return "\n".join(lines)


def _values_seen(operations: tuple[Operation, ...], held: int | None) -> list[int]:
    """Those that were there, by the answers."""
    seen = {o.expected if o.kind.startswith("compare") else o.answer for o in operations if o.found}
    return list(seen if held is None else seen | {held})


def _origins(history: History, key: int, held: int | None, operations: tuple[Operation, ...]) -> tuple[Operation, ...]:
    """The last calls that stored one of these values, or took it away again, and are not among the operations."""
    e, values = history.events, _values_seen(operations, held)
    done = e["status"] == OK
    is_store, is_delete, is_optional, is_swap, is_compare_delete = (e["op"] == KINDS[kind] for kind in _WRITES)
    compares = (is_swap | is_compare_delete) & done
    puts = (is_store | (is_optional & ~done) | (is_swap & done)) & np.isin(e["value"], values)
    takes = ((is_store | is_delete) & done & np.isin(e["answer"], values)) | (compares & np.isin(e["expected"], values))
    last = max(o.end for o in operations)
    found = np.flatnonzero((e["key"] == key) & (e["status"] >= 0) & (e["start"] < last) & (puts | takes))
    found = found[np.argsort(e["start"][found], kind="stable")]
    calls = (history.operation(int(i)) for i in found)
    return tuple(o for o in calls if o not in operations)[-_MOST_ORIGINS:]


def _slack_of(history: History | Calls, slack_ns: float | None) -> int:
    """In stamps."""
    slack = (_CLOCK_SLACK_NS if history.clock in ("cpu", "os") else 0.0) if slack_ns is None else slack_ns
    return int(slack / history.ns_per_stamp) if history.ns_per_stamp else 0


def _check_in_core(history: History, initial: int | None, budget: int, slack: int) -> tuple[Any, npt.NDArray[np.uint64]]:
    """The core's result, and which calls a violation is made of."""
    c, out = ffi.new("gm_linear_config *"), ffi.new("gm_linear_result *")
    c.budget, c.slack = budget, slack
    c.present, c.value = initial is not None, initial or 0
    events, n = np.ascontiguousarray(history.events), len(history)
    which = np.empty(max(n, 1), np.uint64)
    room = ffi.from_buffer("uint64_t[]", which, require_writable=True)
    status = int(lib.gm_linear_check(c, ffi.from_buffer("gm_history_event[]", events), n, room, out))
    if status == ARGUMENT:
        raise BadValue("a call that ends before it starts, or an operation or a status that there is not")
    if status == -1:
        raise OutOfMemory(f"no memory to check a history of {n:,} calls")
    ensure(status)
    return out, which[: int(out.n)]


def _in_time(operations: Iterable[_Operation]) -> tuple[_Operation, ...]:
    return tuple(sorted(operations, key=lambda o: (o.start, o.end)))


def _by_core(
    history: History | Calls, spec: Spec, asked: tuple[History, int | None], budget: int, slack: int
) -> Linearizability:
    out, which = _check_in_core(*asked, budget, slack)
    verdict, looked_at = _VERDICTS[int(out.verdict)], int(out.configurations)
    if verdict == "ok":
        return Linearizability(verdict, configurations=looked_at)
    key, held = int(out.key), int(out.value) if out.present else None
    if verdict == "unknown":
        return Linearizability(verdict, key, configurations=looked_at)
    about: dict[str, Any] = {"held": spec._state(held), "configurations": looked_at, "ns_per_stamp": history.ns_per_stamp}
    if isinstance(history, Calls):
        calls = _in_time(history.operation(int(i)) for i in which)
        return Linearizability(verdict, spec.partition(calls[0].op, calls[0].args), operations=calls, **about)
    operations = _in_time(history.operation(int(i)) for i in which)
    origins = _origins(history, key, held, operations) if isinstance(spec, Register) else ()
    return Linearizability(verdict, key, operations=operations, origins=origins, **about)


def _later(call: Call, slack: int) -> Call:
    return call._replace(end=call.end + slack)


def _by_search(history: Calls, spec: Spec, budget: int, slack: int) -> Linearizability:
    parts: dict[Any, list[Call]] = {}
    for call in history.calls:
        parts.setdefault(spec.partition(call.op, call.args), []).append(_later(call, slack))
    tried, unknown = 0, None
    for part, calls in parts.items():
        found = search(spec, spec.init(), calls, budget)
        tried += found.tried
        if found.verdict == "violation":
            state, left = what_is_left(spec, calls, found, budget)
            operations = tuple(_later(call, -slack) for call in left)
            return Linearizability("violation", part, state, operations, (), tried, history.ns_per_stamp)
        if found.verdict == "unknown" and unknown is None:
            unknown = (part,)
    return (
        Linearizability("unknown", unknown[0], configurations=tried) if unknown else Linearizability("ok", configurations=tried)
    )


def check_linearizable(
    history: History | Calls,
    spec: Spec | None = None,
    *,
    budget: int = 10_000_000,
    slack_ns: float | None = None,
) -> Linearizability:
    """Whether a history's calls can be put in an order, within their stamps, in which every answer is right.

    spec: what was called; None: a map, a `Register` that holds nothing at first. `Register` of a History, `Counter` and
    `Members` are decided by the core, near O(n log n), about a second for a million calls of a map (csrc/lab/linear.c); `Calls`
    with a `Spec` of one's own by a search in Python (gomap/testing/search.py), 100,000 calls in seconds if few overlap, and
    exponential in those that do. Both are exact.
    budget: configurations (the search: transitions) to look at for one part; if they do not suffice the verdict is "unknown".
    slack_ns: by how much stamps of different threads may be wrong; None: 20 ns for stamps of a clock, else nothing.

    Raises `BadValue` (a call that ends before it starts, an operation that there is not), `OutOfMemory`.
    """
    spec = spec or Register()
    if budget < 1:
        raise BadValue(f"budget must be positive: {budget}")
    slack, asked = _slack_of(history, slack_ns), spec._core(history)
    if asked is not None:
        return _by_core(history, spec, asked, budget, slack)
    if not isinstance(history, Calls):
        raise BadValue(
            f"a History is of a map: Register, Counter or Members, not {type(spec).__name__}; record_calls gives Calls"
        )
    return _by_search(history, spec, budget, slack)
