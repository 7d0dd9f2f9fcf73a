"""The one table of variants: the map designs that tests, benchmarks, the laboratory and the documents go through.

`VARIANTS["plain"].cls` is the class; each entry says what overlapping callers may see and who waits for whom.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gomap._core import lib
from gomap.concurrent import ConcurrentMap, GrowLockMap, HashTrieMap, MutexMap, RWMutexMap, ShardedMap, SyncMap
from gomap.errors import BadValue
from gomap.map import Map

__all__ = ["VARIANTS", "Variant", "variant"]


@dataclass(frozen=True)
class Variant:
    """A map design. `go`: what a Go program would use. `consistency`: what calls that overlap may see. `progress`: who may
    have to wait for whom. `core_id`: its number in the C core (enum gm_variant_id)."""

    name: str
    cls: type[Any]
    summary: str
    go: str
    consistency: str
    progress: str
    core_id: int


VARIANTS: dict[str, Variant] = {
    v.name: v
    for v in (
        Variant(
            name="plain",
            cls=Map,
            summary="Go's map, unguarded, misuse detected",
            go="map[K]V",
            consistency="one writer or many readers; an overlap is detected, counted by the engine and refused elsewhere",
            progress="nobody waits; a write does the growth work of two buckets at most, and allocates when a growth starts",
            core_id=lib.GM_VARIANT_PLAIN,
        ),
        Variant(
            name="mutex",
            cls=MutexMap,
            summary="Go's map behind a sync.Mutex",
            go="map[K]V with sync.Mutex",
            consistency="linearizable; an iteration sees one instant",
            progress="everybody waits for whoever is inside; a waiter of more than 1 ms is next",
            core_id=lib.GM_VARIANT_MUTEX,
        ),
        Variant(
            name="rwmutex",
            cls=RWMutexMap,
            summary="Go's map behind a sync.RWMutex",
            go="map[K]V with sync.RWMutex",
            consistency="linearizable; an iteration sees one instant",
            progress="readers overlap; a reader waits for a writer that is inside or waiting",
            core_id=lib.GM_VARIANT_RWMUTEX,
        ),
        Variant(
            name="growlock",
            cls=GrowLockMap,
            summary="the article's hypothesis: growth holds one lock that readers wait for",
            go="none: no Go map does this",
            consistency="linearizable; an iteration sees one instant",
            progress="as rwmutex, and readers wait for whole growths",
            core_id=lib.GM_VARIANT_GROWLOCK,
        ),
        Variant(
            name="sharded",
            cls=ShardedMap,
            summary="n of Go's maps, each behind a sync.RWMutex, chosen by a hash",
            go="[n]struct{ sync.RWMutex; m map[K]V }",
            consistency="linearizable for one key; an iteration sees one instant of each shard",
            progress="as rwmutex, within a shard",
            core_id=lib.GM_VARIANT_SHARDED,
        ),
        Variant(
            name="syncmap",
            cls=SyncMap,
            summary="Go's sync.Map up to 1.23: read-only map, dirty map, promotion on misses",
            go="sync.Map up to Go 1.23",
            consistency="linearizable for one key; an iteration is weakly consistent",
            progress="a read of a promoted key waits for nobody; all else for the mutex",
            core_id=lib.GM_VARIANT_SYNCMAP,
        ),
        Variant(
            name="hashtrie",
            cls=HashTrieMap,
            summary="Go's sync.Map from 1.24: a concurrent hash trie",
            go="sync.Map from Go 1.24",
            consistency="linearizable for one key; an iteration is weakly consistent",
            progress="reads wait for nobody; a writer for writers of the same node",
            core_id=lib.GM_VARIANT_HASHTRIE,
        ),
        Variant(
            name="lockfree",
            cls=ConcurrentMap,
            summary="ours: readers that write no shared word, cooperative growth, epochs",
            go="none",
            consistency="linearizable for one key; an iteration is weakly consistent: each key at most once, every lasting key",
            progress="reads wait for nobody, also in a growth; a writer for writers of the same chain of buckets",
            core_id=lib.GM_VARIANT_LOCKFREE,
        ),
    )
}
"""By name."""


def variant(name: str) -> Variant:
    """The variant of that name; `BadValue` names those there are."""
    found = VARIANTS.get(name) if isinstance(name, str) else None
    if found is None:
        raise BadValue(f"unknown variant {name!r}, allowed: {', '.join(VARIANTS)}")
    return found
