"""Go's hiter as a Python object, and the views that iterate by it (runtime/map_noswiss.go; csrc/map/iterator.c)."""

from __future__ import annotations

import threading
from collections.abc import Callable, ItemsView, Iterator, ValuesView
from typing import TYPE_CHECKING, Any

from gomap._core import ffi, lib
from gomap.errors import ARGUMENT, ITERATE, OK, BadValue, ensure, raise_status

if TYPE_CHECKING:
    from gomap.concurrent import _ConcurrentMap
    from gomap.map import Map

__all__ = ["MapItems", "MapIterator", "MapValues"]

KEYS, ELEMS, PAIRS = 0, 1, 2
"""What an iteration yields; step_form of gomap/native/keyed.h."""
EXHAUSTED = object()
"""What a step gives at the end where None may be an elem."""


class MapIterator:
    """Go's hiter over a `Map`, see `Map.iterator`. Also a Python iterator over (key, elem) pairs.

    An unfinished iterator keeps deleted memory of its map alive until it is dropped. One step at a time: a
    second thread that finds one under way gets `ConcurrentMisuse`.
    """

    __slots__ = ("_elem_out", "_iter", "_key_out", "_map", "_offset", "_start", "_started", "_stepping")

    def __init__(self, m: Map, start_bucket: int | None = None, offset: int | None = None) -> None:
        if start_bucket is not None and start_bucket < 0:
            raise BadValue(f"start_bucket must not be negative: {start_bucket}")
        if offset is not None and not 0 <= offset < 8:
            raise BadValue(f"offset must be from 0 to 7: {offset}")
        handle = ffi.new("gm_iter **")
        ensure(lib.gm_iter_new(m._handle, handle))
        self._iter = ffi.gc(handle[0], lib.gm_iter_free)
        self._map = m
        self._key_out, self._elem_out = ffi.new(m._key.ctype), ffi.new(m._elem.ctype)
        self._start, self._offset, self._started = start_bucket, offset, False
        self._stepping = threading.Lock()  # a step is more than its call into C: what it found is still to be read

    def _advance(self) -> bool:
        if self._started:
            return ensure(lib.gm_iter_next(self._iter, self._key_out, self._elem_out)) == OK
        start = -1 if self._start is None else min(self._start, 1 << 62)
        offset = -1 if self._offset is None else self._offset
        status = lib.gm_iter_init(self._iter, start, offset, self._key_out, self._elem_out)
        if status == ARGUMENT:
            raise BadValue(f"start_bucket must be below 2**B = {1 << self._map.header.B}: {self._start}")
        ensure(status)
        self._started = True
        return bool(status == OK)

    def _key(self) -> Any:
        return self._map._key.load(self._key_out)

    def _elem(self) -> Any:
        elem = self._map._elem.load(self._elem_out)
        objects = self._map._objects
        return elem if objects is None else objects.now(elem, ITERATE)

    def _step(self, found: Callable[[], Any], end: Any) -> Any:
        """One step, and what `found` reads of it; `end` if there is none."""
        if not self._stepping.acquire(blocking=False):
            raise_status(ITERATE)
        try:
            return found() if self._advance() else end
        finally:
            self._stepping.release()

    def _pair(self) -> tuple[Any, Any]:
        return self._key(), self._elem()

    def next(self) -> tuple[Any, Any] | None:
        """The next (key, elem), or None at the end. The first call is mapiterinit, the others mapiternext."""
        step: tuple[Any, Any] | None = self._step(self._pair, None)
        return step

    def __iter__(self) -> MapIterator:
        return self

    def __next__(self) -> tuple[Any, Any]:
        step = self.next()
        if step is None:
            raise StopIteration
        return step

    @property
    def fields(self) -> tuple[int, int, int, bool, int] | None:
        """(B, bucket, i, wrapped, check_bucket) of the hiter; None before the start or if the map was empty then."""
        f = ffi.new("int64_t[5]")
        if lib.gm_iter_fields(self._iter, f) != OK:
            return None
        return f[0], f[1], f[2], bool(f[3]), f[4]


class MapItems(ItemsView[Any, Any]):
    """A map's entries, in one iteration: of a `Map` as Go's range yields them, of the others of a snapshot."""

    _mapping: Map | _ConcurrentMap

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return self._mapping._steps(PAIRS)


class MapValues(ValuesView[Any]):
    """A map's elems, as `MapItems` yields them."""

    _mapping: Map | _ConcurrentMap

    def __iter__(self) -> Iterator[Any]:
        return self._mapping._steps(ELEMS)

    def __contains__(self, value: object) -> bool:
        return any(v is value or v == value for v in self)
