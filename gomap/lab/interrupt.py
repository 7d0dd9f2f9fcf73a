"""Ctrl-C as a request to end a run, not as an exception in the middle of it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["ctrl_c_calls"]


@contextmanager
def ctrl_c_calls(cancel: Callable[[], object]) -> Iterator[list[int]]:
    """While it lasts, Ctrl-C calls `cancel` instead of raising KeyboardInterrupt. A handler of the caller's own stays, and
    outside of the main thread nothing changes.

    Gives a list that is not empty afterwards if there was one: it may have come when the run was just over, and a Ctrl-C
    must not be lost."""
    asked: list[int] = []

    def handle(number: int, frame: object) -> None:
        asked.append(number)
        cancel()

    here = threading.current_thread() is threading.main_thread()
    if not here or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield asked
        return
    signal.signal(signal.SIGINT, handle)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
