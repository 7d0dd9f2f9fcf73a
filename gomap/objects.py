"""The Python objects of a map with elem="object"."""

from __future__ import annotations

import itertools
import threading
from typing import Any

from gomap.errors import raise_status

__all__ = ["Objects"]


class Objects:
    """The objects of a map with elem="object", under the numbers that the core holds for them.

    A number is never used twice, and every access is one operation of a dict: a finalizer or another thread in between finds
    a whole table, and a number that has just gone is missed, never another object's. Only the drawing of a number is not one
    operation wherever Python has no global lock; the lock around it is reentrant, since a finalizer may run inside.
    """

    __slots__ = ("_drawing", "numbers", "slots")

    def __init__(self) -> None:
        self.slots: dict[int, Any] = {}
        self.numbers = itertools.count(1)
        self._drawing = threading.RLock()

    def put(self, value: Any) -> int:
        with self._drawing:
            ref = next(self.numbers)
        self.slots[ref] = value
        return ref

    def take(self, ref: int) -> Any:
        return self.slots.pop(ref)

    def now(self, ref: int, status: int) -> Any:
        """The object of a number; the misuse that `status` stands for, if another thread has just let it go."""
        try:
            return self.slots[ref]
        except KeyError:
            raise_status(status)
