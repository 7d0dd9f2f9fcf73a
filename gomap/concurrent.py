"""Maps for many threads: Go's map behind the locks that people put around it, Go's sync.Map old and new, and one of our own.

One class a design, one interface: `MutableMapping`, the atomic operations of Go's sync.Map, batches over arrays, `stats()`.
Calls that may wait for another thread release the GIL while they are in C, and so do batches; any number of calls may overlap,
from Python threads and from the engine alike.
Each operation on one key takes effect at one instant between its call and its return (linearizable); what overlapping readers
of many keys may see is told in `gomap.variants.VARIANTS[name].consistency`. One exception: a write of `ConcurrentMap` is no
full barrier, so a thread may load one key before others see what it has stored to another (docs/consistency.md).

Sources: sync/mutex.go and sync/rwmutex.go of Go 1.25; the C code is in csrc/sync.
"""

from __future__ import annotations

import os
from collections.abc import ItemsView, Iterator, MutableMapping, ValuesView
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from gomap._core import ffi, lib
from gomap.errors import CORRUPT, BadValue, InvariantError, MissingKey, OutOfMemory, WrongType, ensure
from gomap.iterator import ELEMS, KEYS, PAIRS, MapItems, MapValues
from gomap.kinds import Batch, Kind, ObjectKind, Strings, StrKind, elem_kind, key_kind
from gomap.map import core_config
from gomap.objects import Objects
from gomap.onekey import ConcurrentBase, ConcurrentCalls, ConcurrentParts, bind_concurrent

__all__ = [
    "WAIT_EDGES_NS",
    "ConcurrentMap",
    "GrowLockMap",
    "HashTrieMap",
    "MutexMap",
    "RWMutexMap",
    "ShardedMap",
    "Stats",
    "SyncMap",
    "Waits",
]

Array = npt.NDArray[Any]
_NOTHING = object()

WAIT_EDGES_NS: Array = np.array([0.0, *(2.0**k for k in range(1, 40)), np.inf])
"""The edges of the 40 bins of `Waits.counts`, in nanoseconds: bin k is from edge k up to, not including, edge k + 1."""
WAIT_EDGES_NS.flags.writeable = False

MOST_SHARDS = 1 << 16


def auto_shards() -> int:
    """How many shards "auto" means: four for each CPU, rounded up to a power of two."""
    return 1 << (4 * (os.cpu_count() or 1) - 1).bit_length()


class Waits(NamedTuple):
    """How long those waited who had to: how many they were, nanoseconds in all and of the longest, and a histogram by powers
    of two of nanoseconds (`WAIT_EDGES_NS`). Spinning counts as waiting. Source: csrc/sync/mutex.c."""

    total: int
    total_ns: int
    longest_ns: int
    counts: tuple[int, ...]

    def array(self) -> npt.NDArray[np.uint64]:
        """The histogram as an array of 40, for use with `WAIT_EDGES_NS`."""
        return np.array(self.counts, np.uint64)

    @classmethod
    def _from_core(cls, w: Any) -> Waits:
        return cls(int(w.count), int(w.total_ns), int(w.longest_ns), tuple(ffi.unpack(w.by_log2, len(w.by_log2))))


class Stats(NamedTuple):
    """Counters since the map was made; those that a design does not have are 0. Times in nanoseconds.

    `locks`: taken by writers, and by readers of a design whose readers lock exclusively. (Readers of an RWMutex that need not
    wait are not counted: that would be a word which all of them write.) `contended`: how often somebody had to wait, a writer
    of an RWMutex for other writers and again for readers; `wait_ns`, `longest_wait_ns`: how long. `spins`: rounds of spinning,
    `handoffs`: locks handed to a waiter, as Go's Mutex does them. `waits` and `read_waits` are the same waits as histograms:
    for exclusive locks, and of readers of an RWMutex. `retries`: of readers that take no lock. `retired`, `freed`: blocks of
    memory given to epochs and freed by them.
    """

    entries: int
    bytes: int
    locks: int
    contended: int
    spins: int
    handoffs: int
    wait_ns: int
    longest_wait_ns: int
    retries: int
    growths: int
    shrinks: int
    evacuated: int
    promotions: int
    misses: int
    retired: int
    freed: int
    waits: Waits
    read_waits: Waits


class _ConcurrentMap(ConcurrentBase, ConcurrentParts, MutableMapping[Any, Any]):
    """What all designs share. key, elem, hint, hasher, seed: as for `Map`. layout: "go" (as a Go program would have them), or
    "padded" (words that different threads write on cache lines of their own); no answer depends on it."""

    __slots__ = ("__weakref__", "_elem", "_handle", "_keep", "_key", "_objects")

    _by_cffi = ConcurrentCalls
    _core_id: ClassVar[int]
    _reads_wait: ClassVar[bool] = True  # for other threads

    def __init__(
        self,
        key: str = "int64",
        elem: str = "int64",
        hint: int = 0,
        hasher: str = "aes",
        seed: int | None = None,
        *,
        layout: str = "go",
        _shards: int = 1,
        _overrides: dict[str, Any] | None = None,
    ) -> None:
        self._key: Kind = key_kind(key)
        self._elem: Kind = elem_kind(elem)
        self._objects = Objects() if isinstance(self._elem, ObjectKind) else None
        config = core_config(self._key, self._elem, hint, hasher, seed, layout)
        guard, handle = ffi.new("gm_guard_config *"), ffi.new("gm_cmap **")
        guard.shards, guard.padded = _shards, config.padded
        self._keep = dict(_overrides or {})  # an allocator must outlive the map
        for name, value in self._keep.items():
            setattr(config, name, value)
        status = lib.gm_cmap_new(self._core_id, config, guard, handle)
        if status == -1:
            raise OutOfMemory(f"no memory for a map with hint {hint}")
        ensure(status)
        self._handle = ffi.gc(handle[0], lib.gm_cmap_free)
        bind_concurrent(self, reads_wait=self._reads_wait or bool(self._keep))

    # ------------------------------------------------------------------ one key: gomap/onekey.py and gomap/native

    def popitem(self) -> tuple[Any, Any]:
        """Deletes some entry and gives it; `MissingKey` if there is none. O(n) for the snapshot that it is chosen from."""
        for key in self:
            elem, found = self.load_and_delete(key)
            if found:
                return key, elem
        raise MissingKey("popitem(): the map is empty")

    def clear(self) -> None:
        """Deletes everything, shard by shard: what others add meanwhile may stay. O(buckets)."""
        if self._objects is None:
            ensure(lib.gm_cmap_clear(self._handle))
            return
        for key in self:
            self.load_and_delete(key)

    # ------------------------------------------------------------------ many keys

    def get_many(self, keys: Any, default: Any = 0) -> Array:
        """The elems of many keys as an array, `default` for those that are not there; not for elem="none". One call into C,
        in which other threads' operations may come between two keys. O(keys)."""
        if self._elem.dtype is None and self._objects is None:
            raise WrongType("a map with elem='none' has no elems to get; use contains_many")
        if self._objects is not None:
            return _objects_array([self._find(k, default) for k in _each(self._key, keys)])
        batch = self._key.batch(keys)
        if default == 0 and self._elem.name.startswith("bytes"):
            default = bytes(self._elem.c_size)
        elems = np.empty(batch.n, self._elem.dtype)
        elems[:] = np.frombuffer(self._elem.pack(default), self._elem.dtype)[0]
        self._get_batch(batch, elems, ffi.NULL)
        return elems

    def _get_batch(self, batch: Batch, elems: Array, found: Any) -> None:
        room = ffi.from_buffer("char[]", elems.view(np.uint8), require_writable=True) if elems.size else ffi.new("char[8]")
        ensure(lib.gm_cmap_get_many(self._handle, batch.data, batch.offsets, batch.n, room, found, ffi.new("size_t *")))

    def contains_many(self, keys: Any) -> npt.NDArray[np.bool_]:
        """Whether each of many keys is there, as a bool array. One call into C. O(keys)."""
        batch = self._key.batch(keys)
        found = np.zeros(batch.n, np.bool_)
        room = ffi.from_buffer("uint8_t[]", found.view(np.uint8), require_writable=True)
        self._get_batch(batch, np.empty(batch.n * max(self._elem.c_size, 8), np.uint8), room)
        return found

    def assign_many(self, keys: Any, elems: Any = None) -> None:
        """Assigns many entries, in order, each for itself. One call into C. keys, elems: as for `Map.assign_many`. O(keys)."""
        if self._objects is not None:
            pairs = zip(_each(self._key, keys), list(elems), strict=True)
            for key, elem in pairs:
                self.swap(key, elem)
            return
        batch = self._key.batch(keys)
        nothing = self._elem.name == "none"
        values = Batch(ffi.new("char[1]"), ffi.NULL, batch.n, None) if nothing else self._elem.batch(elems)
        if values.n != batch.n:
            raise BadValue(f"as many elems as keys expected: {batch.n} keys, {values.n} elems")
        done = ffi.new("size_t *")
        ensure(lib.gm_cmap_assign_many(self._handle, batch.data, batch.offsets, batch.n, values.data, ffi.NULL, done))

    def delete_many(self, keys: Any) -> int:
        """Deletes those of many keys that are there and says how many they were. One call into C. O(keys)."""
        if self._objects is not None:
            return sum(self.load_and_delete(key)[1] for key in _each(self._key, keys))
        batch, done = self._key.batch(keys), ffi.new("size_t *")
        ensure(lib.gm_cmap_delete_many(self._handle, batch.data, batch.offsets, batch.n, ffi.NULL, done))
        return int(done[0])

    # ------------------------------------------------------------------ the whole

    @contextmanager
    def _snapshot(self) -> Iterator[Any]:
        """All entries, collected in one call into C."""
        s = ffi.new("gm_snapshot *")
        try:
            ensure(lib.gm_cmap_snapshot(self._handle, s))
            yield s
        finally:
            lib.gm_snapshot_free(s)

    def _steps(self, form: int) -> Iterator[Any]:
        """An iteration over the keys, elems or pairs of a snapshot that is taken now."""
        with self._snapshot() as s:
            keys = [] if form == ELEMS and self._objects is None else self._loaded_keys(s)
            elems = [] if form == KEYS else self._loaded_elems(s)
        if form == KEYS:
            return iter(keys)
        if self._objects is not None:
            pairs = self._with_objects(keys, elems)
            return pairs if form == PAIRS else (elem for _, elem in pairs)
        return iter(elems) if form == ELEMS else zip(keys, elems, strict=True)

    def _with_objects(self, keys: list[Any], refs: list[int]) -> Iterator[tuple[Any, Any]]:
        """Pairs of keys and objects. Of an object that was replaced since the snapshot, what is there now; a key that was
        deleted since is passed over."""
        assert self._objects is not None
        slots = self._objects.slots
        for key, ref in zip(keys, refs, strict=True):
            elem = slots.get(ref, _NOTHING)
            if elem is _NOTHING:
                elem = self._find(key, _NOTHING)
            if elem is not _NOTHING:
                yield key, elem

    def _loaded_elems(self, s: Any) -> list[Any]:
        """The elems of a snapshot; of objects their numbers."""
        size, n = self._elem.c_size, int(s.n)
        if size == 0 or n == 0:
            return [None] * n
        return _values(ffi.buffer(s.elems, n * size), self._elem.dtype or np.dtype(np.uint64))

    def _loaded_keys(self, s: Any) -> list[Any]:
        n = int(s.n)
        if n == 0:
            return []
        if isinstance(self._key, StrKind):
            offsets = ffi.unpack(s.offsets, n + 1)
            return self._key.from_bytes(ffi.buffer(s.keys, offsets[n])[:], offsets)
        assert self._key.dtype is not None
        return _values(ffi.buffer(s.keys, n * self._key.c_size), self._key.dtype)

    def __iter__(self) -> Iterator[Any]:
        """The keys of a snapshot taken when the iteration begins: each at most once, one that was there throughout that call
        is there. Go's order: from a random place on. O(n) memory."""
        return self._steps(KEYS)

    def items(self) -> ItemsView[Any, Any]:
        """A view of the entries; iterating yields a snapshot's, see `__iter__`: each key with an elem that it had at some
        instant of the iteration. No entry is looked up for itself, but an object that has been replaced since."""
        return MapItems(self)

    def values(self) -> ValuesView[Any]:
        """A view of the elems; iterating yields those that `items` would."""
        return MapValues(self)

    def range(self) -> Iterator[tuple[Any, Any]]:
        """(key, elem) pairs, as sync.Map.Range gives them: what iterating `items` yields."""
        return self._steps(PAIRS)

    def stats(self) -> Stats:
        """Counters: locks, waits, retries, growths, memory. O(shards)."""
        s = ffi.new("gm_stats *")
        lib.gm_cmap_stats(self._handle, s)
        numbers = {name: int(getattr(s, name)) for name in Stats._fields if name not in ("waits", "read_waits")}
        return Stats(**numbers, waits=Waits._from_core(s.waits), read_waits=Waits._from_core(s.read_waits))

    def check(self) -> None:
        """Verifies every invariant of the structure; `InvariantError` names the one that is broken. No other call may overlap.
        O(n)."""
        broken = ffi.new("gm_broken *")
        status = lib.gm_cmap_check(self._handle, broken)
        if status == CORRUPT:
            raise InvariantError(
                f"invariant H{broken.invariant} is broken in bucket {broken.bucket}: {broken.got}, not {broken.want}",
                invariant=f"H{broken.invariant}",
                old=bool(broken.in_old),
                bucket=int(broken.bucket),
                depth=int(broken.depth),
                cell=int(broken.cell),
            )
        ensure(status)

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise WrongType(f"a {type(self).__name__} is not copied or pickled: make a new one and `update` it")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._key.name} to {self._elem.name}, {len(self):,} entries>"


def _values(memory: Any, dtype: np.dtype[Any]) -> list[Any]:
    """Contents side by side as Python objects, void items as bytes."""
    if dtype.kind != "V":
        found: list[Any] = np.frombuffer(memory, dtype).tolist()
        return found
    data, size = memory[:], dtype.itemsize
    return [data[at : at + size] for at in range(0, len(data), size)]


def _objects_array(items: list[Any]) -> Array:
    out = np.empty(len(items), object)
    out[:] = items
    return out


def _each(kind: Kind, keys: Any) -> list[Any]:
    """Many keys as Python objects."""
    if isinstance(keys, Strings):
        assert isinstance(kind, StrKind)
        return kind.from_bytes(keys.data.tobytes(), keys.offsets.tolist())
    return keys.tolist() if isinstance(keys, np.ndarray) else list(keys)


class MutexMap(_ConcurrentMap):
    """Go's map behind one `sync.Mutex` (spinning, starvation mode): readers, too, are alone.

    Consistency: linearizable; an iteration sees one instant. Progress: everybody waits for whoever is inside.
    """

    __slots__ = ()
    _core_id = lib.GM_VARIANT_MUTEX


class RWMutexMap(_ConcurrentMap):
    """Go's map behind one `sync.RWMutex`: readers together, a writer alone; a waiting writer is preferred.

    Consistency: linearizable; an iteration sees one instant. Progress: a reader waits for a writer inside or waiting.
    """

    __slots__ = ()
    _core_id = lib.GM_VARIANT_RWMUTEX


class GrowLockMap(_ConcurrentMap):
    """As `RWMutexMap`, and a growth is carried out whole under the lock: what the article says that Go does (it does not).

    Consistency: linearizable; an iteration sees one instant. Progress: readers wait for whole growths.
    """

    __slots__ = ()
    _core_id = lib.GM_VARIANT_GROWLOCK


class ShardedMap(_ConcurrentMap):
    """n of Go's maps, each behind its `sync.RWMutex`; a hash chooses.

    shards: a power of two up to 65,536, or "auto": four for each CPU, rounded up. Consistency: operations on one key are
    linearizable; an iteration sees one instant of each shard. Progress: as `RWMutexMap`, within a shard.
    """

    __slots__ = ("shards",)
    _core_id = lib.GM_VARIANT_SHARDED

    def __init__(self, *args: Any, shards: int | str = "auto", **kwargs: Any) -> None:
        n = auto_shards() if shards == "auto" else shards
        if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MOST_SHARDS or n & (n - 1):
            raise BadValue(f"shards must be a power of two from 1 to 65,536, or 'auto': {shards!r}")
        super().__init__(*args, _shards=n, **kwargs)
        self.shards = n


class SyncMap(_ConcurrentMap):
    """Go's `sync.Map` up to Go 1.23: a read-only map behind one atomic pointer, a dirty map behind a mutex, promotion when the
    misses reach the dirty map's size.

    Consistency: operations on one key are linearizable; an iteration is weakly consistent, and promotes. Progress: a read of a
    key in the read-only map waits for nobody. Source: sync/map.go of Go 1.23; csrc/sync/syncmap.c.
    """

    __slots__ = ()
    _core_id = lib.GM_VARIANT_SYNCMAP


class HashTrieMap(_ConcurrentMap):
    """Go's `sync.Map` from Go 1.24: a concurrent hash trie, four bits of the hash a level, a mutex a node.

    Consistency: operations on one key are linearizable; an iteration is weakly consistent. Progress: reads wait for nobody.
    Source: internal/sync/hashtriemap.go of Go 1.24; csrc/sync/hashtrie.c.
    """

    __slots__ = ()
    _core_id = lib.GM_VARIANT_HASHTRIE
    _reads_wait = False


class ConcurrentMap(_ConcurrentMap):
    """The one to use: buckets of seven cells in two cache lines, readers that write no shared word and take no lock, a lock for
    each chain of buckets, growth that all writers carry out together, memory given back by epochs.

    Consistency: operations on one key are linearizable; an iteration is weakly consistent: each key at most once, every key
    that is there throughout. Progress: a read waits for nobody, also while the map grows. csrc/sync/lockfree.c.
    """

    __slots__ = ()
    _core_id = lib.GM_VARIANT_LOCKFREE
    _reads_wait = False
