"""Whether the calls of a history can be put in an order in which every answer is right (csrc/lab/linear.c)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gomap._core import ffi, lib
from gomap.errors import ARGUMENT, OK, BadValue, OutOfMemory, ensure
from gomap.testing.history import KINDS, History, Operation

__all__ = ["Linearizability", "Register", "check_linearizable"]

_VERDICTS = {lib.GM_VERDICT_OK: "ok", lib.GM_VERDICT_VIOLATION: "violation", lib.GM_VERDICT_UNKNOWN: "unknown"}
_CLOCK_SLACK_NS = 20.0
_WIDTH = 44
_VALUE_BITS = 40
_MOST_ORIGINS = 8
_WRITES = ("store", "delete", "load_or_store", "compare_and_swap", "compare_and_delete")


@dataclass(frozen=True)
class Register:
    """What a map is: each key by itself holds a value or nothing. initial: what each holds at first; None: nothing."""

    initial: int | None = None


def _shown(value: int | None) -> str:
    """A recorded value is a thread's number and a counter (R1 in history.c)."""
    if value is None:
        return "nothing"
    thread, count = value >> _VALUE_BITS, value & (1 << _VALUE_BITS) - 1
    return f"t{thread - 1}.{count}" if 0 < thread <= 1025 else str(value)


def _sentence(o: Operation) -> str:
    was = _shown(o.answer) if o.found else "nothing"
    if o.kind == "load":
        return f"load -> {was}"
    if o.kind == "delete":
        return f"delete -> {was}"
    if o.kind == "store":
        return f"store {_shown(o.value)} -> {was} before"
    if o.kind == "load_or_store":
        return f"load_or_store {_shown(o.value)} -> {'loaded ' + was if o.found else 'stored'}"
    if o.kind == "add":
        return f"add {_shown(o.value)} -> {_shown(o.answer)}, {'there' if o.found else 'nothing'} before"
    to = f" to {_shown(o.value)}" if o.kind == "compare_and_swap" else ""
    return f"{o.kind} {_shown(o.expected)}{to} -> {'done' if o.found else 'not done'}"


def _bar(o: Operation, first: int, last: int) -> str:
    """Where an operation lies between two stamps, as characters."""
    scale = (_WIDTH - 1) / max(1, last - first)
    left = min(_WIDTH - 1, int((o.start - first) * scale))
    right = min(_WIDTH - 1, max(left, int((o.end - first) * scale)))
    inner = "-" * max(0, right - left - 1)
    return (" " * left + ("|" + inner + "|" if right > left else "|")).ljust(_WIDTH)


@dataclass(frozen=True)
class Linearizability:
    """What `check_linearizable` has found.

    verdict: "ok", "violation", or "unknown" (the budget was used up, or more than 64 calls of a key overlapped).
    key: that of the violation, or the first that is unknown.
    operations: at a violation, calls that cannot be put in order if the key holds `held` before them (None: nothing). They are
    a violation by themselves: `check_linearizable(History.of(operations), Register(held))`.
    origins: earlier calls that put in, or took out, the values that the operations speak of.
    configurations: how many were looked at.
    """

    verdict: str
    key: int | None = None
    held: int | None = None
    operations: tuple[Operation, ...] = ()
    origins: tuple[Operation, ...] = ()
    configurations: int = 0
    ns_per_stamp: float = 0.0

    def _row(self, o: Operation, first: int, bar: str) -> str:
        unit = self.ns_per_stamp or 1
        return (
            f"  {bar}  thread {o.thread:<3} {(o.start - first) * unit:+12,.0f} {(o.end - o.start) * unit:8,.0f}  {_sentence(o)}"
        )

    def __str__(self) -> str:
        """A violation as a small time line: each operation as a bar, its start and how long it took."""
        if self.verdict != "violation":
            about = "" if self.key is None else f" (key {self.key})"
            return f"{self.verdict}{about}: {self.configurations:,} configurations"
        first, last = self.operations[0].start, min(o.end for o in self.operations)
        last = max(last, *(o.start for o in self.operations)) + (last - first) // 8 + 1
        unit = "ns" if self.ns_per_stamp else "stamps"
        lines = [f"violation: key {self.key} holds {_shown(self.held)}; these calls cannot be put in order:"]
        lines.append(f"  {'':{_WIDTH}}  {'':10} {'from ' + unit:>12} {'takes':>8}")
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


def check_linearizable(
    history: History,
    spec: Register | None = None,
    *,
    budget: int = 10_000_000,
    slack_ns: float | None = None,
) -> Linearizability:
    """Whether a history's calls can be put in an order, within their stamps, in which every answer is right.

    spec: what a key is; None: a `Register` that holds nothing at first. budget: configurations to look at for one key; if they
    do not suffice the verdict is "unknown". slack_ns: by how much stamps of different threads may be wrong; None: 20 ns for
    stamps of a clock, else nothing.

    Near O(n log n), about a second for a million calls. Exact (N1 in linear.c). Raises `BadValue` (a call that ends before it
    starts, an operation that there is not), `OutOfMemory`.
    """
    spec = spec or Register()
    c, out = ffi.new("gm_linear_config *"), ffi.new("gm_linear_result *")
    if budget < 1:
        raise BadValue(f"budget must be positive: {budget}")
    slack = (_CLOCK_SLACK_NS if history.clock in ("cpu", "os") else 0.0) if slack_ns is None else slack_ns
    c.budget, c.slack = budget, int(slack / history.ns_per_stamp) if history.ns_per_stamp else 0
    c.present, c.value = spec.initial is not None, spec.initial or 0
    events, n = np.ascontiguousarray(history.events), len(history)
    which = np.empty(max(n, 1), np.uint64)
    room = ffi.from_buffer("uint64_t[]", which, require_writable=True)
    status = int(lib.gm_linear_check(c, ffi.from_buffer("gm_history_event[]", events), n, room, out))
    if status == ARGUMENT:
        raise BadValue("a call that ends before it starts, or an operation or a status that there is not")
    if status == -1:
        raise OutOfMemory(f"no memory to check a history of {n:,} calls")
    ensure(status)
    verdict, looked_at = _VERDICTS[int(out.verdict)], int(out.configurations)
    if verdict == "ok":
        return Linearizability(verdict, configurations=looked_at)
    key, held = int(out.key), int(out.value) if out.present else None
    if verdict == "unknown":
        return Linearizability(verdict, key, configurations=looked_at)
    operations = tuple(sorted((history.operation(int(i)) for i in which[: int(out.n)]), key=lambda o: (o.start, o.end)))
    origins = _origins(history, key, held, operations)
    return Linearizability(verdict, key, held, operations, origins, looked_at, history.ns_per_stamp)
