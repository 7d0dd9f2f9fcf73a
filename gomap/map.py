"""`Map`: Go's classic map as a Python mapping, with batch calls over arrays and a window on its inside.

Source: runtime/map_noswiss.go of Go 1.25 (the design of Go 1.0 to 1.23); the C core in csrc/map tells how it works.

Threads: a call holds the map while it runs. Calls that only read may overlap; any other overlap is refused with
`ConcurrentMisuse`, whose message is the sentence with which a Go program would die, and the refused call has no effect.
"""

from __future__ import annotations

import operator
import os
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, MutableMapping, ValuesView
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gomap import inspect as _inspect
from gomap._core import ffi, lib
from gomap.errors import (
    ARGUMENT,
    CORRUPT,
    MISS,
    READ_WRITE,
    BadValue,
    InvariantError,
    MissingKey,
    OutOfMemory,
    OutOfRange,
    WrongType,
    ensure,
)
from gomap.iterator import MapItems, MapIterator, MapValues
from gomap.kinds import Batch, Kind, ObjectKind, Strings, StrKind, elem_kind, key_kind
from gomap.knobs import KnobCounts, checked_knobs, core_knobs
from gomap.objects import Objects
from gomap.onekey import PlainBase, PlainCalls, PlainParts, bind_plain

if TYPE_CHECKING:
    from gomap.lab.heap import Heap

__all__ = ["Event", "Header", "Map"]

Array = npt.NDArray[Any]

HASHERS = {"aes": lib.GM_HASH_AES, "aes-portable": lib.GM_HASH_AES_PORTABLE, "memhash": lib.GM_HASH_MEM}
LAYOUTS = ("go", "padded")
_REF = ffi.typeof("uint64_t *")
_NOTHING = object()
EVENTS = ("grow_start", "grow_end", "grow_drop", "array_alloc", "evacuate", "overflow", "hash_reset")
RECORDED = {
    "none": 0,
    "growth": sum(1 << EVENTS.index(kind) for kind in ("grow_start", "grow_end", "grow_drop", "array_alloc")),
    "all": sum(1 << k for k in range(len(EVENTS))),
}
PAGES = {"huge": 0, "small": 1}
"""What bucket arrays lie in, and its code in the core."""
"""Which structural events a map keeps. A time stamp per evacuated bucket would cost an insert up to a third of its time."""


class Header(NamedTuple):
    """The header of a map: Go's hmap, and what hangs on it.

    `flags`: 1 iterator, 2 old iterator, 4 writing, 8 same-size growth. `nevacuate`: old buckets below it are evacuated; it
    keeps its last value when a growth ends. `noverflow`: exact below B = 16. `next_preallocated`: the next free bucket of the
    reserve, -1 if none. `buckets`: length of the bucket array with its reserve. `memory`: bytes in use.
    """

    count: int  # type: ignore[assignment]  # Go's name; it hides tuple.count
    flags: int
    B: int
    noverflow: int
    hash0: int
    nevacuate: int
    growing: bool
    same_size_grow: bool
    next_preallocated: int
    buckets: int
    old_buckets: int
    memory: int


class Event(NamedTuple):
    """A structural event. `kind`: one of grow_start, grow_end, grow_drop (a clear threw the growth away), array_alloc,
    evacuate, overflow, hash_reset. `at_ns`: monotonic time. `n`: the number of keys (grow_*), bytes (array_alloc), the old
    bucket (evacuate), 1 from the heap or 0 from the reserve (overflow), the new seed (hash_reset). `took_ns`: array_alloc
    only. `from_B`, `to_B`: equal for a same-size growth. `op`: the operation's number in a replayed trace, else 0."""

    kind: str
    at_ns: int
    op: int
    n: int
    took_ns: int
    from_B: int
    to_B: int


def _checked_hint(hint: Any) -> int:
    try:
        value = operator.index(hint)
    except TypeError:
        raise WrongType(f"hint: an integer expected, not {type(hint).__name__} {hint!r:.60}") from None
    if value < 0:
        raise BadValue(f"hint must not be negative: {value}")
    if value >= 2**63:
        raise OutOfMemory(f"no memory can hold the {value} entries of that hint")
    return value


def _checked_seed(seed: Any) -> int:
    if seed is None:
        return int.from_bytes(os.urandom(8), "little")  # what secrets does, which would load random and hashlib with it
    try:
        value = operator.index(seed)
    except TypeError:
        raise WrongType(f"seed: an integer or None expected, not {type(seed).__name__} {seed!r:.60}") from None
    if not 0 <= value < 2**64:
        raise OutOfRange(f"seed must be from 0 to 2**64 - 1: {value}")
    return value


def core_config(key: Kind, elem: Kind, hint: int, hasher: str, seed: int | None, layout: str) -> Any:
    """A gm_config of these; `BadValue`, `WrongType`, `OutOfRange`, `OutOfMemory` as `Map` says."""
    if not isinstance(layout, str) or layout not in LAYOUTS:
        raise BadValue(f"unknown layout {layout!r}, allowed: {', '.join(LAYOUTS)}")
    if not isinstance(hasher, str) or hasher not in HASHERS:
        raise BadValue(f"unknown hasher {hasher!r}, allowed: {', '.join(HASHERS)}")
    config = ffi.new("gm_config *")
    config.key_kind, config.key_size = key.c_kind, key.c_size
    config.elem_kind, config.elem_size = elem.c_kind, elem.c_size
    config.hint, config.seed = _checked_hint(hint), _checked_seed(seed)
    config.hasher, config.padded = HASHERS[hasher], layout == "padded"
    return config


class Map(PlainBase, PlainParts, MutableMapping[Any, Any]):
    """Go's classic map, typed.

    key: "int32", "uint32", "int64", "float64", "str" or "bytesN". elem: "none" (a set), "int64", "float64", "bytesN" or
    "object" (any Python object). hint: room for that many keys at once, as in `make(map[K]V, hint)`. hasher: "aes" (Go's
    AES hash; by AES-NI where the CPU has it), "aes-portable" (the same values in portable C) or "memhash" (Go's fallback).
    seed: 0 to 2**64 - 1 fixes the hash seeds and every other random choice; None draws one. layout: "go" (the header's words
    on one cache line) or "padded" (what writes change on a line apart from what reads need); no answer depends on it.
    events: which structural events are kept, "none", "growth" (a few per doubling) or "all" (one per evacuated bucket too:
    an insert costs up to a third more); event_capacity: how many of the newest. knobs: settings that real Go does not have,
    by name (`gomap.knobs.KNOBS`), such as {"load_limit": 8.0}; None: Go's. heap: a `gomap.lab.Heap` that the buckets, and what
    they point to, come from, and whose collector takes them back; None: the C library's memory, freed by the map.
    pages: "huge" (arrays of 2 MB and more lie in huge pages where the system gives them: filling a large map takes fewer
    page faults) or "small" (as Go's runtime, which does not ask for them); no answer depends on it, and with a heap nothing.

    Unlike dict, keys are typed: asking for a key of another type is a `TypeError`, for an integer that does not fit an
    `OverflowError`. float64 keys are Go's: NaN is never found, every assignment to it adds an entry, and only `clear`
    removes them; +0 and -0 are one key.

    Errors: `WrongType`, `OutOfRange`, `BadValue` (unknown kind, hasher or knob, negative hint), `OutOfMemory` (absurd hint).
    """

    __slots__ = (
        "__weakref__",
        "_elem",
        "_elem_type",
        "_events",
        "_handle",
        "_hasher",
        "_heap",
        "_keep",
        "_key",
        "_knobs",
        "_layout",
        "_load",
        "_objects",
        "_pack",
        "_pack_elem",
    )

    _by_cffi = PlainCalls

    def __init__(
        self,
        key: str = "int64",
        elem: str = "int64",
        hint: int = 0,
        hasher: str = "aes",
        seed: int | None = None,
        *,
        layout: str = "go",
        events: str = "growth",
        event_capacity: int = 1024,
        knobs: Mapping[str, Any] | None = None,
        heap: Heap | None = None,
        pages: str = "huge",
        _overrides: Mapping[str, Any] | None = None,
    ) -> None:
        self._key: Kind = key_kind(key)
        self._elem: Kind = elem_kind(elem)
        config = core_config(self._key, self._elem, hint, hasher, seed, layout)
        if not isinstance(events, str) or events not in RECORDED:
            raise BadValue(f"unknown events {events!r}, allowed: {', '.join(RECORDED)}")
        if not isinstance(event_capacity, int) or not 0 < event_capacity < 2**32:
            raise BadValue(f"event_capacity must be an integer from 1 to 2**32 - 1: {event_capacity!r}")
        self._hasher, self._layout, self._events = hasher, layout, (events, event_capacity)
        self._objects = Objects() if isinstance(self._elem, ObjectKind) else None
        self._pack, self._pack_elem = self._key.pack, self._elem.pack
        self._load, self._elem_type = self._elem.load, self._elem.ctype
        config.events, config.event_kinds = (0 if events == "none" else event_capacity), RECORDED[events]
        self._knobs = checked_knobs(knobs)
        config.knobs = kept_knobs = core_knobs(self._knobs)
        if heap is not None:
            config.collector = heap.collector
        self._heap = heap  # outlives the map
        if not isinstance(pages, str) or pages not in PAGES:
            raise BadValue(f"unknown pages {pages!r}, allowed: {', '.join(PAGES)}")
        config.pages = PAGES[pages]
        self._keep = dict(_overrides or {})  # an allocator or generator must outlive the map
        for name, value in self._keep.items():
            setattr(config, name, value)
        handle = ffi.new("gm_map **")
        status = lib.gm_map_new(config, handle)
        if status == -1:
            raise OutOfMemory(f"no memory for a map with hint {hint}")
        if status == ARGUMENT and self._knobs.get("bucket_stride") == "192":
            raise BadValue(f"knob bucket_stride: a bucket of {key} keys and {elem} elems is larger than 192 bytes")
        if status == ARGUMENT and heap is not None:
            raise BadValue("heap: it has maps of 255 shapes already, or bucket_stride='aligned 64' was asked for with it")
        ensure(status)
        del kept_knobs  # the map has a copy
        self._handle = ffi.gc(handle[0], lib.gm_map_free)
        bind_plain(self, waits=heap is not None or bool(self._keep))

    @classmethod
    def _borrowed(cls, handle: Any, owner: Any) -> Map:
        """A window on a map of the core's that belongs to `owner`: for header, events, digest and check."""
        m = cls.__new__(cls)
        m._handle, m._keep = handle, {"owner": owner}
        return m

    # ------------------------------------------------------------------ one key: gomap/onekey.py and gomap/native

    def popitem(self) -> tuple[Any, Any]:
        """Deletes an entry where a random iteration begins and gives it. NaN cannot be deleted and is passed over.

        `MissingKey` if there is none. O(1) in a full map, O(buckets) in an emptied one.
        """
        it: MapIterator | None = MapIterator(self)
        while it is not None and (step := it.next()) is not None:
            if step[0] == step[0]:
                it = None  # or what is deleted would stay in memory
                return step[0], self.pop(step[0])
        raise MissingKey("popitem(): the map is empty" if len(self) == 0 else "popitem(): only NaN keys, see clear()")

    def clear(self) -> None:
        """Deletes everything and keeps the bucket array. O(buckets) (mapclear)."""
        if self._objects is None:
            ensure(lib.gm_map_clear(self._handle, ffi.NULL, 0, ffi.NULL))
            return
        n = ffi.new(_REF, len(self))
        status = MISS
        while status == MISS:  # once more if the map has grown in between
            refs = np.empty(n[0], np.uint64)
            room = ffi.from_buffer("uint64_t[]", refs, require_writable=True)
            status = ensure(lib.gm_map_clear(self._handle, room, refs.size, n))
        gone = [self._objects.take(r) for r in refs[: n[0]].tolist()]
        del gone

    # ------------------------------------------------------------------ many keys

    def get_many(self, keys: Any, default: Any = 0, out: Array | None = None) -> Array:
        """The elems of many keys, `default` for those that are not there. One call into C, the GIL released.

        keys: anything `assign_many` takes. Returns an array of the elem kind's dtype (object elems: an object array), or
        `out` if given (right dtype and length, C-contiguous, writable). Not for elem="none": see `contains_many`. O(keys).
        """
        batch = self._key.batch(keys)
        if self._elem.name == "none":
            raise WrongType("a map with elem='none' has no elems to get; use contains_many")
        elems = self._room(batch.n, out)
        done = ffi.new("size_t *")
        if self._objects is not None:
            refs = np.zeros(batch.n, np.uint64)
            self._get_batch(batch, refs, done)
            objects = self._objects
            elems[:] = _object_array([objects.now(r, READ_WRITE) if r else default for r in refs.tolist()])
            return elems
        if out is not None and _overlap(out, batch.keep):
            batch = self._key.batch(_copied(batch.keep))
        elems[:] = np.frombuffer(self._default(default), self._elem.dtype)[0]
        self._get_batch(batch, elems, done)
        return elems

    def _default(self, default: Any) -> bytes:
        if default == 0 and self._elem.name.startswith("bytes") and not isinstance(default, (bytes, bytearray, memoryview)):
            return bytes(self._elem.c_size)
        return self._elem.pack(default)

    def _room(self, n: int, out: Array | None) -> Array:
        dtype = np.dtype(object) if self._objects is not None else self._elem.dtype
        if out is None:
            return np.empty(n, dtype)
        if not isinstance(out, np.ndarray) or out.dtype != dtype:
            raise WrongType(f"out: an array of {dtype} expected, not {getattr(out, 'dtype', type(out).__name__)}")
        if out.shape != (n,) or not out.flags.c_contiguous or not out.flags.writeable:
            raise BadValue(f"out: a writable C-contiguous array of {n} expected, not of shape {out.shape}")
        return out

    def _get_batch(self, batch: Batch, elems: Array, done: Any) -> None:
        room = ffi.from_buffer("char[]", elems.view(np.uint8), require_writable=True) if batch.n else ffi.NULL
        ensure(lib.gm_map_get_many(self._handle, batch.data, batch.offsets, batch.n, room, ffi.NULL, done))

    def contains_many(self, keys: Any) -> npt.NDArray[np.bool_]:
        """Whether each of many keys is there, as a bool array. One call into C, the GIL released. O(keys)."""
        batch = self._key.batch(keys)
        found = np.zeros(batch.n, np.bool_)
        room = ffi.from_buffer("uint8_t[]", found.view(np.uint8), require_writable=True)
        ensure(lib.gm_map_get_many(self._handle, batch.data, batch.offsets, batch.n, ffi.NULL, room, ffi.new("size_t *")))
        return found

    def hash_many(self, keys: Any) -> npt.NDArray[np.uint64]:
        """The hashes of many keys under the map's present seed (`header.hash0`): the low B bits choose the bucket, the top
        byte is the tophash (0 to 4 become 5 to 9).

        keys: anything `assign_many` takes; they need not be in the map. Every NaN gets a new random hash. The seed is drawn
        anew where a delete or a clear empties the map. One call into C, the GIL released; a reader. O(bytes of the keys).
        Source: the `hasher` of runtime/map_noswiss.go's maptype.
        """
        batch = self._key.batch(keys)
        hashes = np.empty(batch.n, np.uint64)
        room = ffi.from_buffer("uint64_t[]", hashes, require_writable=True)
        ensure(lib.gm_map_hash_many(self._handle, batch.data, batch.offsets, batch.n, room))
        return hashes

    def assign_many(self, keys: Any, elems: Any = None) -> None:
        """Assigns many entries, in order. One call into C, the GIL released.

        keys, elems: arrays of the kind's dtype (used as they lie, without a copy), other arrays that convert without loss,
        buffers, lists; for str also numpy string arrays and `Strings`. As many elems as keys; none for elem="none".
        If memory runs out, the entries before the one that failed are in the map. O(keys).
        """
        batch = self._key.batch(keys)
        done = ffi.new("size_t *")
        if self._objects is not None:
            self._assign_objects(batch, self._object_elems(elems), done)
            return
        if self._elem.name == "none":
            if elems is not None and any(e is not None for e in elems):
                raise WrongType("a map with elem='none' takes no elems")
            values = Batch(ffi.NULL, ffi.NULL, batch.n, None)
        else:
            if elems is None:
                raise WrongType(f"elems are missing: {batch.n} of kind {self._elem.name}")
            values = self._elem.batch(elems)
        if values.n != batch.n:
            raise BadValue(f"as many elems as keys expected: {batch.n} keys, {values.n} elems")
        ensure(lib.gm_map_assign_many(self._handle, batch.data, batch.offsets, batch.n, values.data, ffi.NULL, done))

    @staticmethod
    def _object_elems(elems: Any) -> list[Any]:
        if not isinstance(elems, Iterable):
            raise WrongType(f"many elems expected, not one {type(elems).__name__}")
        return list(elems)

    def _assign_objects(self, batch: Batch, elems: list[Any], done: Any) -> None:
        objects = self._objects
        assert objects is not None
        if len(elems) != batch.n:
            raise BadValue(f"as many elems as keys expected: {batch.n} keys, {len(elems)} elems")
        refs = np.array([objects.put(e) for e in elems], np.uint64)
        old = np.zeros(batch.n, np.uint64)
        status = lib.gm_map_assign_many(
            self._handle,
            batch.data,
            batch.offsets,
            batch.n,
            ffi.from_buffer("char[]", refs.view(np.uint8)),
            ffi.from_buffer("uint64_t[]", old, require_writable=True),
            done,
        )
        gone = [objects.take(r) for r in old.tolist() if r]
        gone += [objects.take(r) for r in refs[done[0] :].tolist()]
        del gone
        ensure(status)

    def delete_many(self, keys: Any) -> int:
        """Deletes those of many keys that are there and says how many they were. One call into C. O(keys)."""
        batch = self._key.batch(keys)
        done = ffi.new("size_t *")
        old = np.zeros(batch.n if self._objects is not None else 0, np.uint64)
        room = ffi.NULL if self._objects is None else ffi.from_buffer("uint64_t[]", old, require_writable=True)
        status = lib.gm_map_delete_many(self._handle, batch.data, batch.offsets, batch.n, room, done)
        if self._objects is not None:
            gone = [self._objects.take(r) for r in old.tolist() if r]
            del gone
        ensure(status)
        return int(done[0])

    def to_arrays(self) -> tuple[Array, Array]:
        """All keys and all elems, in bucket order, as two arrays of the same length (str and object: object arrays).

        elem="none": the elems are an object array of None. Leaves the iterator flags alone. O(buckets + n).
        """
        string = isinstance(self._key, StrKind)
        n, size = ffi.new(_REF, len(self)), ffi.new(_REF)
        status = MISS
        while status == MISS:  # the first time strings tell their size; then only if the map has changed in between
            keys = np.empty(size[0], np.uint8) if string else np.empty(n[0], self._key.dtype)
            offsets = np.zeros(n[0] + 1, np.int64)
            elems = np.empty(n[0], np.uint64 if self._objects is not None else self._elem.dtype or np.dtype("V1"))
            status = ensure(
                lib.gm_map_collect(
                    self._handle,
                    ffi.from_buffer("char[]", keys.view(np.uint8), require_writable=True) if keys.size else ffi.NULL,
                    ffi.from_buffer("int64_t[]", offsets, require_writable=True) if string else ffi.NULL,
                    ffi.from_buffer("char[]", elems.view(np.uint8), require_writable=True)
                    if elems.size and self._elem.c_size
                    else ffi.NULL,
                    n,
                    size,
                )
            )
        if isinstance(self._key, StrKind):
            keys = _object_array(self._key.from_bytes(keys.tobytes(), offsets.tolist()))
        if self._objects is not None:
            objects = self._objects
            elems = _object_array([objects.now(r, READ_WRITE) for r in elems.tolist()])
        elif self._elem.dtype is None:
            elems = _object_array([None] * n[0])
        return keys, elems

    # ------------------------------------------------------------------ iteration

    def iterator(self, start_bucket: int | None = None, offset: int | None = None) -> MapIterator:
        """Go's hiter. `start_bucket` (below 2**B) and `offset` (0 to 7) fix where it begins; None: at random.

        It may be mixed with writes: each key present throughout is yielded exactly once, a key added meanwhile once or not
        at all, a key deleted before it is reached not at all. It begins at its first `next`.
        """
        return MapIterator(self, start_bucket, offset)

    def keys(self) -> KeysView[Any]:
        """A view of the keys."""
        return KeysView(self)

    def items(self) -> ItemsView[Any, Any]:
        """A view of the entries; iterating yields what Go's range yields, NaN entries with their elems too."""
        return MapItems(self)

    def values(self) -> ValuesView[Any]:
        """A view of the elems."""
        return MapValues(self)

    # ------------------------------------------------------------------ whole maps

    def __eq__(self, other: object) -> bool:
        """Equal if both hold equal entries, whatever the kinds; a NaN key is never equal. O(n)."""
        if not isinstance(other, Mapping):
            return NotImplemented
        if len(self) != len(other):
            return False
        lookup = dict(other._entries()) if isinstance(other, Map) else other
        for key, elem in self._entries():
            found = lookup.get(key, _NOTHING)
            if key != key or found is _NOTHING or not (found is elem or found == elem):
                return False
        return True

    def _entries(self) -> Iterator[tuple[Any, Any]]:
        """The entries as they are now, as Python objects, without touching the iterator flags."""
        keys, elems = self.to_arrays()
        return zip(_python(keys), _python(elems), strict=True)

    __hash__ = None  # type: ignore[assignment]

    def _alike(self, hint: int) -> Map:
        """An empty map of the same kinds, hasher, layout and knobs."""
        kinds = self._key.name, self._elem.name
        return Map(*kinds, hint=hint, hasher=self._hasher, layout=self._layout, knobs=self._knobs)

    def copy(self) -> Map:
        """A map of the same kinds, hasher, layout and knobs with the same entries (NaN too) and a seed of its own. O(n)."""
        new = self._alike(len(self))
        new._fill(*self.to_arrays())
        return new

    __copy__ = copy

    def _fill(self, keys: Array, elems: Array) -> None:
        self.assign_many(keys, None if self._elem.name == "none" else elems)

    def update(self, other: Any = (), /, **more: Any) -> None:
        """Assigns all entries of a mapping or of an iterable of pairs, NaN entries of a `Map` too. O(entries)."""
        entries = list(other.items()) if isinstance(other, Map) else other  # a list: other may be this map
        super().update(entries, **more)

    def __reduce__(self) -> tuple[Any, ...]:
        recipe = (type(self), self._key.name, self._elem.name, self._hasher, self._events, self._layout, self._knobs)
        return _rebuild, recipe, (*self.to_arrays(), getattr(self, "__dict__", None))

    def __setstate__(self, state: tuple[Array, Array, dict[str, Any] | None]) -> None:
        keys, elems, attributes = state
        self._fill(keys, elems)
        if attributes:
            self.__dict__.update(attributes)

    @classmethod
    def fromkeys(cls, iterable: Iterable[Any], value: Any = None, **kinds: Any) -> Map:
        """A map with those keys, all with the elem `value`. `kinds`: the arguments of `Map`."""
        new = cls(**kinds)
        for key in iterable:
            new[key] = value
        return new

    def __or__(self, other: object) -> Map:
        if not isinstance(other, Mapping):
            return NotImplemented
        new = self.copy()
        new.update(other)
        return new

    def __ror__(self, other: object) -> Map:
        if not isinstance(other, Mapping):
            return NotImplemented
        new = self._alike(len(self) + len(other))
        new.update(other)
        new.update(self)
        return new

    def __ior__(self, other: Any) -> Map:  # type: ignore[misc]  # as with dict: |= takes pairs too, | does not
        self.update(other)
        return self

    def __repr__(self) -> str:
        return f"<gomap.Map {self._key.name} -> {self._elem.name}, {len(self)} entries>"

    def __sizeof__(self) -> int:
        return object.__sizeof__(self) + self.header.memory

    # ------------------------------------------------------------------ the inside

    @property
    def header(self) -> Header:
        """The header. O(1); a reader."""
        h = ffi.new("gm_header *")
        ensure(lib.gm_map_header(self._handle, h))
        return Header(
            h.count,
            h.flags,
            h.B,
            h.noverflow,
            h.hash0,
            h.nevacuate,
            bool(h.growing),
            bool(h.flags & 8),
            h.next_prealloc,
            h.nbuckets,
            h.nold,
            h.bytes,
        )

    @property
    def knobs(self) -> dict[str, Any]:
        """The knobs that were given when the map was made; those that are not there are Go's."""
        return dict(self._knobs)

    @property
    def knob_counts(self) -> KnobCounts:
        """What the knobs did since the map was made. O(1), may overlap anything."""
        c = ffi.new("gm_knob_counts *")
        lib.gm_map_knob_counts(self._handle, c)
        return KnobCounts(int(c.unlinked), int(c.stale_reads), int(c.entered))

    def chain(self, i: int, old: bool = False) -> list[_inspect.Bucket]:
        """Bucket i of the current (or old) array and its overflow buckets, as `Bucket(tophash, keys, elems, preallocated)`.

        keys and elems have eight places each, None where the cell holds nothing live. `BadValue` if there is no such bucket.
        O(length of the chain).
        """
        return _inspect.chain(self, i, old)

    def digest(self, raw: bool = True) -> str:
        """32 hex digits over the whole state, equal for equal states of a real Go map (vectors/FORMAT.md).

        raw: with what deleted and evacuated cells leave behind, and where overflow buckets came from. Of an object elem only
        its presence counts. O(buckets).
        """
        from hashlib import sha256  # OpenSSL is slow to load, and few maps are asked for a digest

        size, state = -1, ffi.NULL
        while size != (needed := ensure(lib.gm_map_serialise(self._handle, raw, state, max(size, 0)))):
            size, state = needed, ffi.new("uint8_t[]", needed)
        return sha256(ffi.buffer(state)).hexdigest()[:32]

    def check(self) -> None:
        """Verifies the invariants H1 to H12 of csrc/map/check.c; `InvariantError` says which broke, and draws where. O(n)."""
        at = ffi.new("gm_broken *")
        status = lib.gm_map_check(self._handle, at)
        if status == CORRUPT:
            raise self._broken(at)
        ensure(status)

    def _broken(self, at: Any) -> InvariantError:
        place = f"{'old ' if at.in_old else ''}bucket {at.bucket}, chain position {at.depth}, cell {at.cell}"
        lines = [f"H{at.invariant} broken at {place}: {at.got} instead of {at.want}", f"  {self.header}"]
        if at.invariant > 2:
            lines += _inspect.draw_chain(self, int(at.bucket), bool(at.in_old))
        return InvariantError(
            "\n".join(lines),
            invariant=f"H{at.invariant}",
            old=bool(at.in_old),
            bucket=int(at.bucket),
            depth=int(at.depth),
            cell=int(at.cell),
        )

    def events(self) -> list[Event]:
        """The newest structural events of the kinds that `events=` says, oldest first, at most `event_capacity`. O(events)."""
        cap = ensure(lib.gm_map_events(self._handle, ffi.NULL, 0, ffi.NULL))
        room = ffi.new("gm_event[]", cap)
        n = min(cap, ensure(lib.gm_map_events(self._handle, room, cap, ffi.NULL)))
        return [Event(EVENTS[e.kind], e.at_ns, e.op, e.n, e.took_ns, e.from_B, e.to_B) for e in room[0:n]]

    def draw(self) -> str:
        """The map as text: header, buckets, chains, and a growth in progress. Large maps are elided."""
        return _inspect.draw(self)

    def freeze_growth(self, at: int | None = None) -> None:
        """Holds the evacuation mark at old bucket `at` (None: where it is, and later growths at 0), so that no growth ends by
        itself.

        Writes still evacuate the bucket they need. `evacuate` moves on by hand, `thaw_growth` lets it run again.
        """
        if at is not None and not 0 <= at < 2**63:
            raise BadValue(f"at: an old bucket's number expected, not {at}")
        ensure(lib.gm_map_freeze(self._handle, -1 if at is None else at))

    def thaw_growth(self) -> None:
        """Undoes `freeze_growth`."""
        ensure(lib.gm_map_freeze(self._handle, -2))

    def evacuate(self, n: int = 1) -> int:
        """Evacuates the old bucket at the mark, n times or until the growth ends, frozen or not; returns `nevacuate`."""
        if not 0 <= n < 2**63:
            raise BadValue(f"n must be from 0 to 2**63 - 1: {n}")
        ensure(lib.gm_map_evacuate(self._handle, n))
        return self.header.nevacuate


def _object_array(items: list[Any]) -> Array:
    a = np.empty(len(items), dtype=object)
    a[:] = items
    return a


def _python(a: Array) -> list[Any]:
    """An array's values as Python objects (void items as bytes)."""
    return [v.tobytes() for v in a] if a.dtype.kind == "V" else a.tolist()


def _overlap(out: Array, keep: object) -> bool:
    """Whether an output array lies over the keys that are still to be looked up."""
    sources = (keep.data, keep.offsets) if isinstance(keep, Strings) else (keep,)
    return any(isinstance(a, np.ndarray) and np.may_share_memory(out, a) for a in sources)


def _copied(keep: Any) -> Any:
    return Strings(keep.offsets.copy(), keep.data.copy()) if isinstance(keep, Strings) else keep.copy()


def _rebuild(
    cls: type[Map],
    key: str,
    elem: str,
    hasher: str,
    events: tuple[str, int],
    layout: str = "go",
    knobs: Mapping[str, Any] | None = None,
) -> Map:
    """Unpickles a Map: the same kinds, hasher, layout, knobs and (in its state) entries, with a seed of its own."""
    m = cls.__new__(cls)
    Map.__init__(m, key, elem, hasher=hasher, layout=layout, events=events[0], event_capacity=events[1], knobs=knobs)
    return m
