"""The errors of gomap: one hierarchy rooted at `GomapError`, each also the matching builtin.

`except KeyError` and `except gomap.GomapError` both work. A message names the offending value and what is allowed.
"""

from __future__ import annotations

from typing import NoReturn

__all__ = [
    "BadValue",
    "ConcurrentMisuse",
    "GoFailed",
    "GoUnavailable",
    "GomapError",
    "InvariantError",
    "MissingKey",
    "MissingTool",
    "OutOfMemory",
    "OutOfRange",
    "TraceError",
    "WrongType",
]


class GomapError(Exception):
    """Root of all errors that gomap raises on purpose."""


class MissingKey(GomapError, KeyError):
    """The key is not in the map; `args[0]` is the key, as with dict."""


class WrongType(GomapError, TypeError):
    """A key or elem of a type that the map does not hold."""


class BadValue(GomapError, ValueError):
    """An argument outside what is allowed."""


class OutOfRange(GomapError, OverflowError):
    """A number that does not fit the map's kind."""


class OutOfMemory(GomapError, MemoryError):
    """An allocation failed; the map holds what it held."""


class ConcurrentMisuse(GomapError, RuntimeError):
    """Two calls overlapped that may not; the message is Go's, and the refused call had no effect."""


class MissingTool(GomapError, RuntimeError):
    """An optional package or program is needed and absent; the message names how to get it."""


class GoUnavailable(GomapError, RuntimeError):
    """There is no Go toolchain, or none that can build the design of map asked for."""


class GoFailed(GomapError, RuntimeError):
    """A Go program could not be built, or did not end as it should; the message says which and how."""


class InvariantError(GomapError, RuntimeError):
    """`Map.check()` found a broken invariant.

    Attributes: `invariant` (its letter and number in csrc/map/check.c, "H7"), `old` (in the old array), `bucket`, `depth`
    (position in the chain), `cell`.
    """

    def __init__(self, message: str, *, invariant: str, old: bool, bucket: int, depth: int, cell: int) -> None:
        super().__init__(message)
        self.invariant = invariant
        self.old = old
        self.bucket = bucket
        self.depth = depth
        self.cell = cell


class TraceError(GomapError, ValueError):
    """A trace that cannot be read; `path`, and `line` where one line (or record, from 1) is at fault."""

    def __init__(self, message: str, path: str | None = None, line: int | None = None) -> None:
        place = "" if path is None else f"{path}: " if line is None else f"{path}:{line}: "
        super().__init__(place + message)
        self.path = path
        self.line = line


# enum gm_status of csrc/gomap.h; a test compares the two.
OK, MISS, END = 0, 1, 2
NOMEM, READ_WRITE, WRITES, ITERATE, ARGUMENT, CORRUPT, THREAD, PIN, DEADLOCK = -1, -2, -3, -4, -5, -6, -7, -8, -9

_MISUSE = {
    READ_WRITE: "concurrent map read and map write",
    WRITES: "concurrent map writes",
    ITERATE: "concurrent map iteration and map write",
}


def misuse_sentences() -> dict[int, str]:
    """What Go says of overlaps that it finds, by the status of the C core."""
    return dict(_MISUSE)


def raise_status(status: int) -> NoReturn:
    """Raises the error that a negative status of the C core stands for."""
    if status in _MISUSE:
        raise ConcurrentMisuse(_MISUSE[status])
    if status == NOMEM:
        raise OutOfMemory("out of memory: the map is as it was")
    raise BadValue(f"the core refused an argument (status {status})")


def ensure(status: int) -> int:
    """Passes a status of the C core through, or raises the error that it stands for."""
    if status < 0:
        raise_status(status)
    return status
