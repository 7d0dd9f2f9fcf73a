"""Calls of anything: what went in, what came out, and the times around it.

`History` is the same for maps, as an array; this is for counters, sets, queues and whatever a user has a `Spec` for.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from gomap.errors import BadValue

__all__ = ["UNTOLD", "Call", "Calls"]


class _Untold:
    def __repr__(self) -> str:
        return "UNTOLD"


UNTOLD: Final = _Untold()
"""The result of a call that did not tell it: any is right."""


class Call(NamedTuple):
    """One call of `op(*args)` that gave `result`, between two stamps."""

    op: str
    args: tuple[Hashable, ...]
    result: Any
    start: int
    end: int
    thread: int = 0

    @property
    def sentence(self) -> str:
        result = "" if self.result is UNTOLD else f" -> {self.result!r}"
        return f"{self.op}({', '.join(map(repr, self.args))}){result}"


@dataclass(frozen=True)
class Calls:
    """A history of `Call`s, in any order. ns_per_stamp: 0 if stamps are no times. clock: as for `History`."""

    calls: tuple[Call, ...]
    ns_per_stamp: float = 0.0
    clock: str = "given"

    def __len__(self) -> int:
        return len(self.calls)

    def operation(self, i: int) -> Call:
        return self.calls[i]

    @classmethod
    def of(cls, calls: Iterable[Call]) -> Calls:
        """A history made by hand. `BadValue`: a call that ends before it starts."""
        kept = tuple(calls)
        for call in kept:
            if call.start > call.end:
                raise BadValue(f"a call that ends before it starts: {call}")
        return cls(kept)
