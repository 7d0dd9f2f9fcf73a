"""The calls of maps on one key: by cffi here, and by the extension `gomap._fast` where there is one.

`PlainCalls` and `ConcurrentCalls` do by cffi what the types of gomap/native do in C: the classes of gomap.map and
gomap.concurrent have the one or the other as a base. The extension hands over to them what is not plain to see (a key of
another type, a keyword argument), and they alone tell what is wrong with an argument. `by_cffi` makes a class that goes by
cffi whatever there is.

The extension is not built for PyPy and free-threaded CPython. Where there is one, GOMAP_NO_EXTENSION=1 in the environment, when
gomap is imported, does without.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator, MutableMapping
from typing import TYPE_CHECKING, Any, cast, overload

from gomap._core import ffi, lib
from gomap.errors import MISS, OK, READ_WRITE, MissingKey, WrongType, ensure, raise_status
from gomap.iterator import EXHAUSTED, KEYS, PAIRS, MapIterator
from gomap.kinds import Kind
from gomap.objects import Objects

if TYPE_CHECKING:
    from gomap.map import Map

__all__ = [
    "ConcurrentBase",
    "ConcurrentCalls",
    "ConcurrentParts",
    "PlainBase",
    "PlainCalls",
    "PlainParts",
    "bind_concurrent",
    "bind_plain",
    "by_cffi",
    "native",
]

_REF = ffi.typeof("uint64_t *")
_NOTHING = object()
_NULL = ffi.NULL
_new, _map_get, _map_assign = ffi.new, lib.gm_map_get, lib.gm_map_assign  # looked up once: the per-key calls feel it


def _extension() -> Any:
    """The module, or None: it is not there, or not wanted. One that is there and cannot be loaded is an error."""
    if os.environ.get("GOMAP_NO_EXTENSION") == "1":
        return None
    try:
        return importlib.import_module("gomap._fast")
    except ModuleNotFoundError:
        return None


native = _extension()


class PlainParts:
    """What the calls by cffi are made of; a `Map` has it whatever does its calls."""

    __slots__ = ()

    _elem: Kind
    _elem_type: Any
    _handle: Any
    _key: Kind
    _load: Any
    _objects: Objects | None
    _pack: Any
    _pack_elem: Any

    def _find(self, key: Any, default: Any) -> Any:
        content = self._pack(key)
        out = _new(self._elem_type)
        status = _map_get(self._handle, content, len(content), out)
        if status == OK:
            elem = self._load(out)
            return elem if self._objects is None else self._objects.now(elem, READ_WRITE)
        ensure(status)
        return default

    def _assign_object(self, content: bytes, elem: Any) -> None:
        objects = self._objects
        assert objects is not None
        ref, old = objects.put(elem), ffi.new(_REF)
        value = self._elem.pack(ref)
        status = lib.gm_map_assign(self._handle, content, len(content), value, 8, old)
        if status < 0:
            objects.take(ref)
            raise_status(status)
        if old[0]:
            objects.take(old[0])  # what it held is dropped only now: its __del__ may use the map

    def _pop(self, key: Any) -> tuple[bool, Any]:
        content = self._key.pack(key)
        out = ffi.new(self._elem.ctype)
        if ensure(lib.gm_map_delete(self._handle, content, len(content), out)) == MISS:
            return False, None
        elem = self._elem.load(out)
        return True, elem if self._objects is None else self._objects.take(elem)


def _parts(it: MapIterator, part: Callable[[], Any]) -> Iterator[Any]:
    while (found := it._step(part, EXHAUSTED)) is not EXHAUSTED:
        yield found


class PlainCalls(PlainParts):
    """The calls of `gomap.Map` on one key."""

    __slots__ = ()

    def __len__(self) -> int:
        """The number of entries. O(1), may overlap anything."""
        return int(lib.gm_map_len(self._handle))

    def __getitem__(self, key: Any) -> Any:
        """The elem of a key; `MissingKey` if it is not there. O(1); a reader (mapaccess1)."""
        elem = self._find(key, _NOTHING)
        if elem is _NOTHING:
            raise MissingKey(key)
        return elem

    def __contains__(self, key: Any) -> bool:
        """Whether a key is there. O(1); a reader (mapaccess2)."""
        content = self._pack(key)
        return bool(ensure(_map_get(self._handle, content, len(content), _NULL)) == OK)

    @overload
    def get(self, key: Any) -> Any: ...
    @overload
    def get(self, key: Any, default: Any) -> Any: ...
    def get(self, key: Any, default: Any = None) -> Any:
        """The elem of a key, or `default`. O(1); a reader."""
        return self._find(key, default)

    def __setitem__(self, key: Any, elem: Any) -> None:
        """Assigns. O(1) and up to two old buckets' evacuation while growing; O(n) zeroing where a growth starts (mapassign)."""
        content = self._pack(key)
        if self._objects is not None:
            self._assign_object(content, elem)
            return
        value = self._pack_elem(elem)
        status = _map_assign(self._handle, content, len(content), value, len(value), _NULL)
        if status < 0:
            raise_status(status)

    def __delitem__(self, key: Any) -> None:
        """Deletes; `MissingKey` if it is not there (Go's delete would say nothing). O(1) and growth work (mapdelete)."""
        if not self._pop(key)[0]:
            raise MissingKey(key)

    @overload
    def pop(self, key: Any) -> Any: ...
    @overload
    def pop(self, key: Any, default: Any) -> Any: ...
    def pop(self, key: Any, default: Any = _NOTHING) -> Any:
        """Deletes a key and gives its elem, in one step; `default`, or `MissingKey`, if it is not there. O(1)."""
        found, elem = self._pop(key)
        if found:
            return elem
        if default is _NOTHING:
            raise MissingKey(key)
        return default

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """The elem of a key, assigned first if it is not there. O(1)."""
        return MutableMapping.setdefault(cast("Map", self), key, default)

    def _steps(self, form: int) -> Iterator[Any]:
        """An iteration as Go's range, over keys, elems or pairs."""
        it = MapIterator(cast("Map", self))
        return it if form == PAIRS else _parts(it, it._key if form == KEYS else it._elem)

    def __iter__(self) -> Iterator[Any]:
        """The keys, as Go's range: from a random place on; the map may be changed meanwhile (see `iterator`)."""
        return PlainCalls._steps(self, KEYS)


class ConcurrentParts:
    """What the calls by cffi are made of; the maps for many threads have it whatever does their calls."""

    __slots__ = ()

    _elem: Kind
    _handle: Any
    _key: Kind
    _objects: Objects | None

    def _room(self) -> Any:
        return ffi.new(self._elem.ctype)

    def _find(self, key: Any, default: Any) -> Any:
        content, out = self._key.pack(key), self._room()
        while ensure(lib.gm_cmap_get(self._handle, content, len(content), out)) == OK:
            elem = self._elem.load(out)
            if self._objects is None:
                return elem
            found = self._objects.slots.get(elem, _NOTHING)
            if found is not _NOTHING:  # else another thread has just replaced it: ask again
                return found
        return default

    def _content(self, elem: Any) -> bytes:
        return self._elem.pack(elem if self._objects is None else self._objects.put(elem))

    def _withdraw(self, content: bytes) -> None:
        """An object that was to go in did not."""
        if self._objects is not None:
            self._objects.take(int.from_bytes(content, "little"))

    def _out(self, room: Any) -> Any:
        """An elem that the map has let go of."""
        elem = self._elem.load(room)
        return elem if self._objects is None else self._objects.take(elem)

    def _compare_and_set(self, key: Any, old: Any, new: Any) -> bool:
        packed = self._key.pack(key)
        if self._objects is not None:
            return self._compare_objects(packed, old, new)
        content = ffi.NULL if new is _NOTHING else self._elem.pack(new)
        return bool(ensure(self._core_compare(packed, self._elem.pack(old), content)) == OK)

    def _core_compare(self, packed: bytes, old: bytes, new: Any) -> int:
        return int(lib.gm_cmap_compare_and_swap(self._handle, packed, len(packed), old, new))

    def _compare_objects(self, packed: bytes, old: Any, new: Any) -> bool:
        objects, room = self._objects, self._room()
        assert objects is not None
        content = ffi.NULL if new is _NOTHING else self._content(new)
        try:
            while ensure(lib.gm_cmap_get(self._handle, packed, len(packed), room)) == OK:
                ref = self._elem.load(room)
                found = objects.slots.get(ref, _NOTHING)
                if found is _NOTHING:
                    continue
                if found is not old and found != old:
                    break
                if ensure(self._core_compare(packed, self._elem.pack(ref), content)) == OK:
                    content = ffi.NULL
                    objects.take(ref)
                    return True
            return False
        finally:
            if content != ffi.NULL:
                self._withdraw(content)


class ConcurrentCalls(ConcurrentParts):
    """The calls of the maps for many threads on one key."""

    __slots__ = ()

    def __len__(self) -> int:
        """The number of entries. O(1); of several shards O(shards), and between the least and the largest that there was."""
        n = ffi.new("uint64_t *")
        ensure(lib.gm_cmap_len(self._handle, n))
        return int(n[0])

    def __getitem__(self, key: Any) -> Any:
        """The elem of a key; `MissingKey` if it is not there. O(1)."""
        elem = self._find(key, _NOTHING)
        if elem is _NOTHING:
            raise MissingKey(key)
        return elem

    def get(self, key: Any, default: Any = None) -> Any:
        """The elem of a key, or `default`. O(1)."""
        return self._find(key, default)

    def __contains__(self, key: Any) -> bool:
        """Whether a key is there. O(1)."""
        content = self._key.pack(key)
        return bool(ensure(lib.gm_cmap_get(self._handle, content, len(content), self._room())) == OK)

    def swap(self, key: Any, elem: Any) -> tuple[Any, bool]:
        """Assigns and gives (what was there, True), or (None, False). Atomic (sync.Map.Swap). O(1)."""
        packed, content, old = self._key.pack(key), self._content(elem), self._room()
        status = lib.gm_cmap_assign(self._handle, packed, len(packed), content, old)
        if status < 0:
            self._withdraw(content)
            raise_status(status)
        return (self._out(old), True) if status == OK else (None, False)

    def __setitem__(self, key: Any, elem: Any) -> None:
        """Assigns. Atomic. O(1), and growth work."""
        if self._objects is not None:
            self.swap(key, elem)
            return
        packed = self._key.pack(key)
        ensure(lib.gm_cmap_assign(self._handle, packed, len(packed), self._elem.pack(elem), ffi.NULL))

    def load_and_delete(self, key: Any) -> tuple[Any, bool]:
        """Deletes and gives (what was there, True), or (None, False). Atomic (sync.Map.LoadAndDelete). O(1)."""
        packed, old = self._key.pack(key), self._room()
        status = ensure(lib.gm_cmap_delete(self._handle, packed, len(packed), old))
        return (self._out(old), True) if status == OK else (None, False)

    def __delitem__(self, key: Any) -> None:
        """Deletes; `MissingKey` if it is not there. Atomic. O(1)."""
        if not self.load_and_delete(key)[1]:
            raise MissingKey(key)

    def pop(self, key: Any, default: Any = _NOTHING) -> Any:
        """Deletes a key and gives its elem, in one step; `default`, or `MissingKey`, if it is not there. O(1)."""
        elem, found = self.load_and_delete(key)
        if found:
            return elem
        if default is _NOTHING:
            raise MissingKey(key)
        return default

    def load_or_store(self, key: Any, elem: Any) -> tuple[Any, bool]:
        """(What is there, True); else stores elem and gives (elem, False). Atomic (sync.Map.LoadOrStore). O(1)."""
        packed, content, actual = self._key.pack(key), self._content(elem), self._room()
        while True:
            status = lib.gm_cmap_load_or_store(self._handle, packed, len(packed), content, actual)
            if status == MISS:
                return elem, False
            if status < 0:
                self._withdraw(content)
                raise_status(status)
            found = self._elem.load(actual)
            if self._objects is not None:
                found = self._objects.slots.get(found, _NOTHING)
            if found is not _NOTHING:
                self._withdraw(content)
                return found, True

    def compare_and_swap(self, key: Any, old: Any, new: Any) -> bool:
        """Assigns `new` if the key is there with an elem equal to `old`; says whether it did. Atomic. O(1).

        Elems are compared as Go compares them: by their bytes (float64: NaN with the same bits is equal here). Objects are
        compared by `==`, outside the map's lock; the swap happens only if the very object that was compared is still there.
        """
        return self._compare_and_set(key, old, new)

    def compare_and_delete(self, key: Any, old: Any) -> bool:
        """Deletes the key if it is there with an elem equal to `old`; says whether it did. Atomic. O(1)."""
        return self._compare_and_set(key, old, _NOTHING)

    def add(self, key: Any, delta: int = 1) -> int:
        """Adds to an int64 elem and gives the sum; an absent key counts as 0. Atomic; wraps like Go's int64. O(1)."""
        if self._elem.name != "int64":
            raise WrongType(f"add is for elem='int64', not {self._elem.name!r}")
        packed, total = self._key.pack(key), ffi.new("int64_t *")
        step = int.from_bytes(self._elem.pack(delta), "little", signed=True)
        ensure(lib.gm_cmap_add(self._handle, packed, len(packed), step, total))
        return int(total[0])

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """The elem of a key, stored first if it is not there. Atomic, unlike dict's over threads. O(1)."""
        return self.load_or_store(key, default)[0]


if TYPE_CHECKING:
    PlainBase = PlainCalls
    ConcurrentBase = ConcurrentCalls
else:
    PlainBase = PlainCalls if native is None else native.Plain
    ConcurrentBase = ConcurrentCalls if native is None else native.Concurrent


def by_cffi(cls: type[Any]) -> type[Any]:
    """A subclass of a map's class whose calls go by cffi; the class itself where they do anyhow."""
    return cls if native is None else type(f"{cls.__name__}ByCffi", (cls._by_cffi, cls), {"__slots__": ()})


def _bind(m: Any, addresses: tuple[Any, ...], waits: tuple[bool, bool]) -> None:
    numbers = (int(ffi.cast("uintptr_t", address)) for address in addresses)
    native.bind(m, m._handle, *numbers, m._key.name, m._key.c_size, m._elem.name, m._elem.c_size, m._objects, *waits)


def bind_plain(m: Any, waits: bool) -> None:
    """Tells the extension, if there is one, where a `Map` has its map. waits: its memory comes from somewhere that may wait."""
    if native is not None:
        _bind(m, (m._handle, lib.gm_map_variant(), lib.gm_map_iter_calls()), (waits, waits))


def bind_concurrent(m: Any, reads_wait: bool) -> None:
    """The same for a map for many threads. reads_wait: a read of its design may wait for another thread."""
    if native is not None:
        _bind(m, (lib.gm_cmap_target(m._handle), lib.gm_cmap_variant(m._handle), ffi.NULL), (reads_wait, True))
