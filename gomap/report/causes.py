"""What really makes a Go map slow, and which claims measure it. The page opens with these."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CAUSES", "Cause"]


@dataclass(frozen=True)
class Cause:
    """title, and text in plain words. go: what recorded control runs on real Go gave. measured_by: numbers of the claims that
    measure it here, the first one first; each shows the figure that its experiment marks as the headline, or gives first.
    cures: ids of remedies, or words."""

    title: str
    text: str
    go: str
    measured_by: tuple[str, ...]
    cures: tuple[str, ...]


CAUSES = (
    Cause(
        title="Growth makes single writes slow",
        text=(
            "A write that finds the map full allocates a new array, and every later write moves two old buckets. Reads do not "
            "wait for that; they wait for the lock that you hold round the slow write."
        ),
        go=(
            "61 to 134 µs for the write that starts a growth (G3); 39 to 58 % of the CPU goes to evacuation while a map only "
            "grows (G6); behind a sync.RWMutex growth doubles the reads of more than 10 µs (G2)."
        ),
        measured_by=("C2.6", "C2.7", "C1.2"),
        cures=("R1", "R3"),
    ),
    Cause(
        title="A reader without a lock does not wait: it ends the program",
        text=(
            "Go's map notices a write during a read by a flag, and ends the program with a fatal error that cannot be "
            "recovered from. Where it does not notice, the read may be wrong."
        ),
        go="A fatal error after a median of about 100 writes, in less than 0.1 ms (G1).",
        measured_by=("C1.3", "C2.18"),
        cures=("any lock", "R2"),
    ),
    Cause(
        title="A read that loses its processor waits for whole turns of the others",
        text="The read itself is as quick as ever. What takes long is until its goroutine runs again.",
        go="20 ms for each turn of the others (G8, G9), and up to a second beside channel ping-pong (G9).",
        measured_by=("C3.7", "C1.8", "C3.5"),
        cures=("fewer busy goroutines than processors",),
    ),
    Cause(
        title="The size of the table makes a read slow, not its load",
        text=(
            "A full map reads about as quickly as one that has just grown. What costs is when the table no longer fits the "
            "processor's caches."
        ),
        go="20 ns in a map of 64 buckets, 59 to 80 ns in one of 131,072, at any load (G4).",
        measured_by=("C2.5", "C2.11"),
        cures=("smaller keys and elems", "fewer entries"),
    ),
    Cause(
        title="Deletions leave a map that is slow to walk",
        text=(
            "A map never gets smaller. A range visits every bucket that was ever needed, and a get of an absent key still "
            "walks the chains."
        ),
        go="2^20 keys deleted down to 1,000: a range takes 2,966 µs instead of 11, an absent key 69 ns instead of 11.5 (G7).",
        measured_by=("C4.13", "C4.11"),
        cures=("copy what is left into a new map",),
    ),
    Cause(
        title="Two small maps in one cache line slow each other down",
        text=(
            "A map's header is 48 bytes. Two of them may share a line of 64 bytes, and then each write to one map takes the "
            "line away from the readers of the other."
        ),
        go="A get takes 15 to 17 ns instead of 7.4 to 8.0 in Swiss maps, and 13.5 to 15 in Go 1.19 (G12).",
        measured_by=("C4.2",),
        cures=("R5",),
    ),
    Cause(
        title="Growth while the collector marks is dear for the writer",
        text=(
            "Then a write pays for evacuation, for write barriers and for its share of marking, all at once. Readers pay next "
            "to nothing."
        ),
        go="1.15 µs an insert instead of 0.30 presized and without collection (G16).",
        measured_by=("C4.7", "C2.13", "C2.15"),
        cures=("R1", "elems instead of pointers"),
    ),
)
"""In the order of how often they are met."""
