"""Ctrl-C as a request to end a run, not as an exception in the middle of it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["ctrl_c_calls"]


@contextmanager
def ctrl_c_calls(cancel: Callable[[], object]) -> Iterator[None]:
    """While it lasts, Ctrl-C calls `cancel` instead of raising KeyboardInterrupt. A handler of the caller's own stays, and
    outside of the main thread nothing changes."""
    here = threading.current_thread() is threading.main_thread()
    if not here or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, lambda number, frame: cancel())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
