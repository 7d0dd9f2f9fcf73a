"""C1.2-one-writer-stalls-readers: one growing write makes hundreds of reads queue."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def one_writer_stalls_readers() -> Claim:
    return Claim(
        id="C1.2-one-writer-stalls-readers",
        title="One growing write makes hundreds of reads queue",
        section="1, global write lock of bucket migration",
        statement=(
            "Even a single goroutine that executes map[slowKey] = value makes hundreds of reads of map[key] queue up and wait."
        ),
        article_number="hundreds of queued reads",
        go_words="false as stated; true of the user's own RWMutex",
        real_go=(
            "There is no queue inside the map. There is one in sync.RWMutex: a pending Lock makes readerCount "
            "negative, and every later RLock sleeps on readerSem until Unlock (sync/rwmutex.go: Lock, RLock). So "
            "one insert that allocates a new bucket array holds everybody up. In the classic map that is at most "
            "one hashGrow and two evacuated buckets an assign; in Swiss maps one rehash of at most 1,024 slots, or "
            "a directory doubling."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="Maps have no lock to queue at (source; no mutex-profile record of a map function, G14).",
            holds="behind the user's own RWMutex a growing write does make readers queue: reads over 10 µs double (G2).",
        ),
        prediction=(
            "The queue behind a growing write is as deep as there are readers with a lock round it, and empty without one."
        ),
        knob=(
            "guard = rwmutex with growlock = none, against guard = none with growlock = global; evacuate "
            "(incremental, whole table)"
        ),
        settings=(Setting("rwmutex, no growth lock", go=True), Setting("no guard, global growth lock", article=True)),
        workload=(
            "One writer that makes exactly one growth at a known instant; 1, 8, 64 and 512 reader goroutines that "
            "wait for it. Two cores cannot run hundreds of readers except as goroutines, so this takes the "
            "scheduler model."
        ),
        measured=(
            Quantity("readers queued at release", ""),
            Quantity("time to drain", "ns"),
            Quantity("get latency by arrival", "ns"),
        ),
        criterion=Criterion(
            text=(
                "Confirmed if the queue at release is at least 100 deep for 512 readers and the time to drain grows "
                "linearly with readers; refuted if it stays below 5."
            ),
        ),
        remedy=("R1", "R3"),
        needs=frozenset({"map", "scheduler"}),
    )
