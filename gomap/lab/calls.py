"""What runs and scenes have in common: numbers and names for the core, one long call into it, and what its refusals say."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gomap._core import ffi
from gomap.errors import ARGUMENT, NOMEM, THREAD, BadValue, GomapError, OutOfMemory
from gomap.lab.interrupt import ctrl_c_calls

__all__ = ["EngineError", "core_choice", "core_whole", "counters", "ensure_call", "long_call", "nanoseconds"]

_POLL_S = 0.1


class EngineError(GomapError, RuntimeError):
    """The system refused what a run needs: a thread, or a CPU to pin one to. Nothing was measured."""


def core_choice(name: str, given: Any, choices: Mapping[str, int]) -> int:
    """The core's code of a setting. `BadValue` names what is allowed."""
    if not isinstance(given, str) or given not in choices:
        raise BadValue(f"{name}: {given!r} is not allowed, allowed: {', '.join(choices)}")
    return choices[given]


def core_whole(name: str, given: Any, least: int = 0, most: int = 2**32 - 1) -> int:
    """A whole number, numpy's too. `BadValue` names what is allowed."""
    if isinstance(given, bool) or not isinstance(given, (int, np.integer)) or not least <= given <= most:
        raise BadValue(f"{name}: {given!r} is not allowed, allowed: a whole number from {least} to {most}")
    return int(given)


def nanoseconds(name: str, given: Any, unit_ns: float) -> int:
    """A length of time above 0, of at most an hour, in units of so many nanoseconds. `BadValue` otherwise."""
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not 1 <= given * unit_ns <= 3.6e12:
        raise BadValue(f"{name}: {given!r} is not allowed, allowed: a number above 0, of at most an hour")
    return int(given * unit_ns)


def counters(of: Any) -> dict[str, int]:
    """The fields of a struct of numbers, by name."""
    return {name: int(getattr(of, name)) for name, _ in ffi.typeof(of).item.fields}


def long_call(
    name: str,
    call: Callable[[Any], int],
    cancel: Callable[[Any], object],
    handle: Any,
    keep: Any,
    poll: Callable[[], None] | None = None,
) -> tuple[int, bool]:
    """One call into the core, on a thread of its own with that name, so that this one can answer Ctrl-C and tell of progress:
    `poll` is called about ten times a second. keep: what the core works on, beside the handle. The call's status, and whether
    there was a Ctrl-C. `EngineError` if there is no thread."""
    status: list[int] = []

    def go(kept: Any = (handle, keep)) -> None:  # whatever happens outside, what the core works on stays
        status.append(int(call(kept[0])))

    caller = threading.Thread(target=go, name=name)
    with ctrl_c_calls(lambda: cancel(handle)) as asked:
        try:
            caller.start()
        except RuntimeError as e:
            raise EngineError(f"{e}; nothing was measured") from None
        try:
            while caller.is_alive():
                caller.join(_POLL_S)
                if poll is not None:
                    poll()
        finally:
            if caller.is_alive():  # an exception of poll's, or of a signal handler's
                cancel(handle)
                caller.join()
    return status[0], bool(asked)


def ensure_call(status: int, *, memory: str, refused: str, threads: str = "") -> None:
    """Raises what a status below 0 means: `OutOfMemory` and `BadValue` with these sentences, `EngineError` otherwise."""
    if status == NOMEM:
        raise OutOfMemory(memory)
    if status == ARGUMENT:
        raise BadValue(refused)
    if status == THREAD:
        raise EngineError(f"the system gives no more threads{threads}; nothing was measured")
    if status < 0:
        raise EngineError(f"the core failed (status {status}); nothing was measured")
