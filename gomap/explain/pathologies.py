"""The ways in which a map gets slow: one entry a pathology. Adding one is adding an entry to `PATHOLOGIES`.

An entry has a detector, which looks at counted facts and says what it counted, and a claim: which part of an operation's time
by cause is this pathology's, if it is there. Claims are made in the order of the table, each on what those before it have
left, so that the shares of all add up to no more than 1. Two kinds of claim:

    counted   the core charged the time to this cause while it happened
    at most   the core cannot tell this time from the work that an operation has to do anyway: the claim is all of the time
              in which the pathology was at work, and only a cure can show how much of it goes
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gomap.explain.facts import READS, STORES, WRITES, Facts, Spent

__all__ = ["PATHOLOGIES", "Cite", "Pathology", "pathology"]

Evidence = dict[str, "int | float | str"]
Parts = Mapping[str, float]
_NOTHING: Parts = {}
_MOVED = ("evacuation", "second_evacuation")
_IN_A_GROWTH = ("array_allocation", *_MOVED, "page_fault", "reclamation", "allocation")
_FOR_MARKING = ("assist", "barrier_flush")
_OWN_WORK = ("rest", "overflow_walk")
_SPARSE = 0.85  # of the buckets not needed: 8 times as many as needed, or more
_HOT = 0.2
_SHARING_WRITES = 0.05
_STALLED = 0.25


@dataclass(frozen=True)
class Cite:
    """An issue of the Go project: golang/go#number."""

    number: int
    title: str

    @property
    def url(self) -> str:
        return f"https://github.com/golang/go/issues/{self.number}"


@dataclass(frozen=True)
class Pathology:
    """name: as results have it. maps: whether it is of the map's doing. detect: what was counted, or None if it is not there.
    claims: the parts, from 0 to 1 by cause, of some time that are its own. at_most: see above. cures: names of `CURES`."""

    name: str
    title: str
    sentence: str
    detect: Callable[[Facts], Evidence | None]
    claims: Callable[[Facts, Spent], Parts]
    cures: tuple[str, ...] = ()
    cites: tuple[Cite, ...] = ()
    at_most: bool = False
    maps: bool = True


def _all(causes: tuple[str, ...], part: float = 1.0) -> Parts:
    return dict.fromkeys(causes, part)


# ------------------------------------------------------------------ growth


def _growths(f: Facts) -> int:
    return int(f.counters.get("growths") or 0)


def _spent_on(f: Facts, *causes: str) -> float:
    return sum(f.guard.time_by_cause(kind)[cause] for kind in f.guard.cause_tables for cause in causes)


def _arrays(f: Facts) -> Evidence | None:
    events = [e for e in f.guard.timeline.events if e.kind == "array_alloc"]
    if _spent_on(f, "array_allocation") == 0:
        return None
    found: Evidence = {"growths": _growths(f)}
    if events:
        found |= {"arrays": len(events), "largest array, bytes": max(e.n for e in events)}
        found["longest allocation, ns"] = max(e.took_ns for e in events)
    return found


def _array_claims(f: Facts, s: Spent) -> Parts:
    if s.at_ns is None:
        return {"array_allocation": 1.0}
    return _all(_IN_A_GROWTH) if s.causes.get("array_allocation") else _NOTHING


def _evacuation(f: Facts) -> Evidence | None:
    spent = _spent_on(f, *_MOVED)
    moving = sum(1 for own, _ in f.tail.parts if any(own.causes.get(cause) for cause in _MOVED))
    return {"growths": _growths(f), "operations of the tail that moved buckets": moving} if spent else None


def _evacuation_claims(f: Facts, s: Spent) -> Parts:
    if s.at_ns is None:
        return _all(_MOVED)
    return _all(_IN_A_GROWTH) if any(s.causes.get(cause) for cause in _MOVED) else _NOTHING


def _stalled(f: Facts) -> Evidence | None:
    if f.open_share < _STALLED or f.done(READS) < f.done(WRITES):
        return None
    old = 1 << max(0, int(f.counters["B"]) - (0 if f.counters.get("same_size_grow") else 1))
    return {
        "old buckets": old,
        "of them moved": int(f.counters["nevacuate"]),
        "operations while it stood, %": round(100 * f.open_share, 1),
    }


def _stalled_claims(f: Facts, s: Spent) -> Parts:
    if s.kind not in READS and s.kind != "iterate":
        return _NOTHING
    return _all(_OWN_WORK, f.open_share if s.growing is None else float(s.growing))


# ------------------------------------------------------------------ the collector


def _heap(f: Facts) -> Mapping[str, Any]:
    """What the heap of the map counted; nothing for a map that does not live on one."""
    return f.counters.get("heap") or {}


def _is_marking(f: Facts, at_ns: int) -> bool:
    """Whether the collector marked at that time; of long runs, the end of it is known only."""
    return any(begin <= at_ns < end for begin, end in _heap(f).get("marking_ns", ()))


def _grew_while_marking(f: Facts) -> Evidence | None:
    heap = _heap(f)
    if not heap.get("cycles") or not _spent_on(f, *_MOVED):
        return None
    moving = [own for own, _ in f.tail.parts if any(own.causes.get(cause) for cause in _MOVED)]
    return {
        "growths": _growths(f),
        "collections": heap["cycles"],
        "operations of the tail that moved buckets": len(moving),
        "of them while the collector marked": sum(own.at_ns is not None and _is_marking(f, own.at_ns) for own in moving),
        "pointers told to the write barrier": heap["barrier_entries"],
    }


def _grew_while_marking_claims(f: Facts, s: Spent) -> Parts:
    """All of an operation that moved buckets meanwhile: of one that did not, growth or the collector alone can be meant."""
    moved = any(s.causes.get(cause) for cause in (*_MOVED, "array_allocation"))
    if s.at_ns is None or not moved or not _is_marking(f, s.at_ns):
        return _NOTHING
    return _all((*_IN_A_GROWTH, *_FOR_MARKING, "refill", "sweep"))


def _assists(f: Facts) -> Evidence | None:
    heap = _heap(f)
    if not _spent_on(f, "assist"):
        return None
    return {
        "assists": heap["assists_in_malloc"] + heap["assists_in_barrier"],
        "collections": heap["cycles"],
        "assisted in all, ns": heap["assist_ns"],
    }


def _assist_claims(f: Facts, s: Spent) -> Parts:
    return {"assist": 1.0}


# ------------------------------------------------------------------ a map larger than its entries


def _size(f: Facts) -> Evidence:
    return {"buckets": f.buckets or 0, "entries": f.entries, "buckets not needed, %": round(100 * f.empty, 1)}


def _sparse_range(f: Facts) -> Evidence | None:
    ranges = f.guard.operations.get("iterate", 0)
    return {"iterations": ranges, **_size(f)} if ranges and f.empty >= _SPARSE else None


def _sparse_claims(f: Facts, s: Spent) -> Parts:
    return _all(_OWN_WORK, f.empty) if s.kind == "iterate" and _is_sparse(f, s) else _NOTHING


def _deletion(f: Facts) -> Evidence | None:
    if f.empty < _SPARSE or f.deleted < 4 * max(1, f.entries):
        return None
    return {"deleted": f.deleted, "most entries": f.peak, **_size(f)}


def _is_sparse(f: Facts, s: Spent) -> bool:
    return s.at_ns is None or s.at_ns >= f.sparse_from_ns


def _deletion_claims(f: Facts, s: Spent) -> Parts:
    return _all(_OWN_WORK, f.empty) if _is_sparse(f, s) else _NOTHING


# ------------------------------------------------------------------ sync.Map


def _promotion(f: Facts) -> Evidence | None:
    promotions = int(f.counters.get("promotions") or 0)
    if f.variant != "syncmap" or not promotions:
        return None
    return {"promotions": promotions, "misses": int(f.counters["misses"]), "stores": f.done(STORES)}


def _shortest_copy(f: Facts) -> float:
    """Each promotion is followed by one copy at most, and nothing else that a store does takes as long."""
    stores = sorted((own.causes.get("rest", 0.0) for own, _ in f.tail.parts if own.kind in STORES), reverse=True)
    return stores[min(len(stores), int(f.counters["promotions"])) - 1] if stores else float("inf")


def _promotion_claims(f: Facts, s: Spent) -> Parts:
    if s.at_ns is None:
        return _NOTHING
    shortest = _shortest_copy(f)
    if s.kind in STORES and s.causes.get("rest", 0.0) >= shortest:
        return {"rest": 1.0, "allocation": 1.0, "page_fault": 1.0, "reclamation": 1.0}
    return {"lock_wait": 1.0} if s.causes.get("lock_wait", 0.0) >= shortest / 2 else _NOTHING


# ------------------------------------------------------------------ threads in each other's way


def _waited(f: Facts) -> int:
    return int(f.counters.get("contended") or 0) + int(f.counters.get("retries") or 0)


def _hot_key(f: Facts) -> Evidence | None:
    if f.hottest < _HOT or f.threads < 2 or not _waited(f):
        return None
    return {
        "operations on the hottest key, %": round(100 * f.hottest, 1),
        "keys": f.distinct,
        "waits and retries": _waited(f),
        "of the waits, those that a lock for each key would leave, %": round(100 * f.same_lock, 1),
    }


def _hot_claims(f: Facts, s: Spent) -> Parts:
    """Where threads meet, the line of the key and its lock travels between the CPUs even when nobody has to wait."""
    return {"lock_wait": f.same_lock, "retry": f.same_lock, "rest": f.hottest**2}


def _lock(f: Facts) -> Evidence | None:
    if not f.counters.get("contended"):
        return None
    c = f.counters
    return {
        "waits": int(c["contended"]),
        "of them readers behind a writer": int(c["read_waits"]["total"]),
        "handed over": int(c["handoffs"]),
        "waited in all, ns": int(c["wait_ns"]),
        "longest wait, ns": int(c["longest_wait_ns"]),
        "half of the waits were below, ns": _median_wait(f),
    }


def _median_wait(f: Facts) -> int:
    counts = [a + b for a, b in zip(f.counters["waits"]["counts"], f.counters["read_waits"]["counts"], strict=True)]
    left = (sum(counts) + 1) // 2
    for k, n in enumerate(counts):
        left -= n
        if left <= 0:
            return int(2 ** (k + 1))
    return 0


def _lock_claims(f: Facts, s: Spent) -> Parts:
    return {"lock_wait": 1.0, "retry": 1.0}


def _header(f: Facts) -> Evidence | None:
    """Which designs have words of several threads on a line is told in csrc/map/hmap.h, csrc/sync/locked.c and lockfree.c.
    Behind one lock the header's line moves with the lock's own, whose waits are told apart: nothing is left to share. And where
    threads meet at a key, what they share is shared for good reason."""
    if f.hottest >= _HOT or f.workload.layout != "go" or f.threads < 2 or f.variant not in ("plain", "sharded", "lockfree"):
        return None
    writes = f.done(WRITES)
    if writes < _SHARING_WRITES * f.guard.total:
        return None
    return {"threads": f.threads, "writes": writes, "reads": f.done(READS)}


def _header_claims(f: Facts, s: Spent) -> Parts:
    return _NOTHING if s.kind == "iterate" else {"rest": 1.0}


# ------------------------------------------------------------------ the scheduler of the goroutines

_WAITED = ("run_queue_wait", "preempted_by_sysmon", "stolen", "global_queue_lock")
_CHAINED = 0.5  # of the runs, in slices that they inherited


def _scheduler(f: Facts) -> Evidence | None:
    s = f.guard.scheduler
    if s is None or _spent_on(f, *_WAITED) == 0:
        return None
    c = s.counters
    return {
        "goroutines": sum(g.goroutines or 0 for g in f.workload.groups),
        "Ps": s.procs,
        "longest wait of an operation, ns": max(h.max_ns for h in f.guard.delay.values()),
        "preempted by sysmon": c["preempted_sync"] + c["preempted_async"],
        "runs in an inherited slice, %": round(100 * c["inherited"] / max(1, c["runs"]), 1),
        "most goroutines in the global queue": max(s.timeline.global_queue),
    }


def _chained(f: Facts) -> bool:
    c = f.guard.scheduler.counters if f.guard.scheduler else {"inherited": 0, "runs": 0}
    return c["inherited"] > _CHAINED * c["runs"]


def _chain(f: Facts) -> Evidence | None:
    return _scheduler(f) if _chained(f) else None


def _slices(f: Facts) -> Evidence | None:
    return None if _chained(f) else _scheduler(f)


def _waiting_claims(f: Facts, s: Spent) -> Parts:
    return _all(_WAITED)


# ------------------------------------------------------------------ not the map


def _faults(f: Facts) -> Evidence | None:
    if not _spent_on(f, "page_fault"):
        return None
    return {"page faults": sum(t.page_faults for t in f.guard.threads), "one takes, ns": f.guard.clock.page_fault_ns}


def _fault_claims(f: Facts, s: Spent) -> Parts:
    return {"page_fault": 1.0}


def _outside(f: Facts) -> Evidence | None:
    threads = f.guard.threads
    return {
        "taken off the CPU": sum(t.involuntary for t in threads),
        "behind the schedule at the end, ns": round(f.guard.behind_s * 1e9),
    }


def _outside_claims(f: Facts, s: Spent) -> Parts:
    return {"preempted": 1.0, "backlog": 1.0, "stop_the_world": 1.0}


# ------------------------------------------------------------------ the table

_SHRINK = Cite(20135, "maps do not shrink after elements removal (delete)")
_RWMUTEX = Cite(17973, "sync: RWMutex scales poorly with CPU count")
_TRIE = Cite(70683, "sync: replace Map implementation with HashTrieMap")
_SWISS = Cite(54766, "runtime: use SwissTable")
_PRESIZING = Cite(64703, "runtime: online slice/map pre-sizing")

PATHOLOGIES: dict[str, Pathology] = {
    p.name: p
    for p in (
        Pathology(
            name="growth_while_marking",
            title="A growth while the collector marks",
            sentence=(
                "Every pointer that a growth moves is told to the write barrier while the collector marks, dozens a bucket, "
                "and the array that it allocates has to be paid for with marking: the write that grows does all three."
            ),
            detect=_grew_while_marking,
            claims=_grew_while_marking_claims,
            cures=("presize",),
            cites=(_PRESIZING,),
        ),
        Pathology(
            name="assists",
            title="Marking for the collector",
            sentence=(
                "Who allocates while the collector marks has to help when it is behind, 64 KB of marking at the least: rare "
                "and long, in the tail of writes."
            ),
            detect=_assists,
            claims=_assist_claims,
            cures=("presize",),
        ),
        Pathology(
            name="growth_array_allocation",
            title="Starting a growth",
            sentence=(
                "An insert that finds the map full allocates the array of twice the size (or of the same, if overflow buckets "
                "have piled up) and moves the first two buckets before it may go on."
            ),
            detect=_arrays,
            claims=_array_claims,
            cures=("presize", "sharded", "lockfree", "swiss"),
            cites=(_PRESIZING, _SWISS),
        ),
        Pathology(
            name="evacuation",
            title="Evacuation",
            sentence=(
                "After a growth has begun, each write moves two old buckets to the new array, which nobody has touched yet: it "
                "takes the page faults too."
            ),
            detect=_evacuation,
            claims=_evacuation_claims,
            cures=("presize", "sharded", "hashtrie", "lockfree", "swiss"),
            cites=(_PRESIZING, Cite(56182, "proposal: language: expand capacity of map by more than 1 at a time?"), _SWISS),
        ),
        Pathology(
            name="sparse_range",
            title="Range over a sparse map",
            sentence=(
                "An iteration walks all buckets, and most of them are empty: its time depends on how large the map was made, "
                "or has once been, and not on its entries."
            ),
            detect=_sparse_range,
            claims=_sparse_claims,
            cures=("rebuild", "hashtrie", "lockfree", "swiss"),
            cites=(_SHRINK, Cite(70617, "runtime: clear() is slow for maps with big capacity and small number of items")),
            at_most=True,
        ),
        Pathology(
            name="stalled_growth",
            title="A growth that nobody finishes",
            sentence=(
                "A growth has begun and the writes have stopped. Only writes move buckets, so every read goes on looking in "
                "two arrays."
            ),
            detect=_stalled,
            claims=_stalled_claims,
            cures=("presize", "swiss"),
            cites=(Cite(51410, "runtime: consider growing map on iteration"),),
            at_most=True,
        ),
        Pathology(
            name="mass_deletion",
            title="Mass deletion",
            sentence=(
                "Most entries were deleted and the map kept its array: what is left lies thinly over many cache lines, and "
                "what is not there is looked for in chains that deletions left behind."
            ),
            detect=_deletion,
            claims=_deletion_claims,
            cures=("rebuild", "hashtrie", "lockfree", "swiss"),
            cites=(_SHRINK, Cite(54454, "proposal: x/exp/maps: Shrink")),
            at_most=True,
        ),
        Pathology(
            name="syncmap_promotion",
            title="Promotion in sync.Map",
            sentence=(
                "Reads that miss make the dirty map the new read map; the next store of a new key then copies all entries into "
                "a new dirty map, while whoever needs its mutex waits."
            ),
            detect=_promotion,
            claims=_promotion_claims,
            cures=("hashtrie", "lockfree", "sharded"),
            cites=(Cite(21032, "sync: reduce (*Map).Load penalty for Stores with new keys"), _TRIE),
        ),
        Pathology(
            name="hot_key",
            title="A hot key",
            sentence=(
                "One key gets so many of the operations that threads meet at it: more locks do not part them, for they would "
                "all want the same one."
            ),
            detect=_hot_key,
            claims=_hot_claims,
            cures=("sharded", "syncmap", "hashtrie", "lockfree"),
            cites=(Cite(18802, "proposal: sync: support for sharded values"),),
            at_most=True,
        ),
        Pathology(
            name="lock_handoff",
            title="Waiting for the lock",
            sentence=(
                "Operations wait for the lock around the map. A writer that waits for an RWMutex stops every reader that comes "
                "after it, and going to sleep and being woken takes longer than what the lock protects."
            ),
            detect=_lock,
            claims=_lock_claims,
            cures=("sharded", "syncmap", "hashtrie", "lockfree"),
            cites=(
                _RWMUTEX,
                Cite(76808, "sync: RWMutex Readers can starve writers for many seconds"),
                Cite(33747, "sync: Mutex performance collapses with high concurrency"),
            ),
        ),
        Pathology(
            name="header_sharing",
            title="Hot words on one cache line",
            sentence=(
                "Words that one thread writes lie on the cache line of words that another needs (count and flags beside the "
                "bucket pointer, or the locks or counters of neighbours): the line travels between the CPUs for nothing."
            ),
            detect=_header,
            claims=_header_claims,
            cures=("padding",),
            cites=(Cite(25203, "x/sys/cpu: add type CacheLinePad"),),
            at_most=True,
        ),
        Pathology(
            name="page_faults",
            title="Memory that nobody has touched yet",
            sentence=(
                "The first touch of each page of an array, or of what is allocated, has the operating system find it and fill "
                "it with zeros. Making the map larger from the beginning moves that, and takes nothing of it away."
            ),
            detect=_faults,
            claims=_fault_claims,
            maps=False,
        ),
        Pathology(
            name="ping_pong",
            title="Goroutines that wake each other",
            sentence=(
                "Goroutines that wake each other in turn run in one time slice, which each hands to the next: whoever else is "
                "ready on their P waits until sysmon stops one, and the global queue is looked at even more rarely."
            ),
            detect=_chain,
            claims=_waiting_claims,
            maps=False,
        ),
        Pathology(
            name="scheduler",
            title="Waiting for a P",
            sentence=(
                "The goroutine was ready and did not run: others had the Ps, each for a slice of 10 ms that sysmon ends after "
                "20. No operation took longer; the next one began later."
            ),
            detect=_slices,
            claims=_waiting_claims,
            cites=(Cite(10958, "runtime: tight loops should be preemptible"),),
            maps=False,
        ),
        Pathology(
            name="outside",
            title="None of the map's doing",
            sentence=(
                "The operating system gave the CPU to others, the collector stopped the world, or the schedule asked for more "
                "than there was time for. No other map would change that."
            ),
            detect=_outside,
            claims=_outside_claims,
            maps=False,
        ),
    )
}
"""By name, in the order in which they claim."""


def pathology(name: str) -> Pathology:
    """The entry of that name."""
    return PATHOLOGIES[name]
