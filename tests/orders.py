"""The oracle of the tests of linearizability: every order of a few calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["orderable"]


def orderable(calls: tuple[Any, ...], accepts: Callable[[Any, Any], tuple[bool, Any]], state: Any) -> bool:
    """Tries every order in which no call comes before one that ended before it started.

    accepts: of a state and a call, whether its answer is right, and the state after it.
    """
    if not calls:
        return True
    for i, call in enumerate(calls):
        rest = calls[:i] + calls[i + 1 :]
        if all(other.end >= call.start for other in rest):
            right, then = accepts(state, call)
            if right and orderable(rest, accepts, then):
                return True
    return False
