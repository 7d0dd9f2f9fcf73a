"""C1.1-grow-global-lock: growth holds a global lock that readers wait for."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def grow_global_lock() -> Claim:
    return Claim(
        id="C1.1-grow-global-lock",
        title="Growth holds a global lock that readers wait for",
        section="1, global write lock of bucket migration",
        statement=(
            "When a map grows (growWork), mapassign holds the global mutex h.mutex. It blocks all writers and, "
            "because iteration has to stay consistent, all readers too."
        ),
        article_number="none (the table of the same section says p99 > 10 µs)",
        go_words="false",
        real_go=(
            "hmap has no mutex (runtime/map_noswiss.go: hmap; Swiss: internal/runtime/maps/map.go: Map). mapassign "
            "flips the flag hashWriting with a plain XOR on entry and clears it on exit. mapaccess1 and its fast "
            'variants load the flags once on entry and, if the bit is set, call fatal("concurrent map read and map '
            'write"): exit status 2, no recovery. mapiternext does the same; assign, delete and clear test on entry '
            "and exit. The test is best effort: a write that starts after it is not seen. A reader never waits: it "
            "runs, reads wrong data, or the program dies. What does stall readers while a map grows is the lock "
            "that the user holds for longer then."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence=(
                "There is no mutex in the source, and in 20 runs a build every unsynchronised reader and writer "
                "ended in a fatal error; none waited (G1)."
            ),
            holds="growth lengthens the time that the user's own lock is held.",
        ),
        prediction=(
            "With the article's lock, p99.9 of reads that overlap a growth is many times that of the others; with "
            "Go's setting nothing waits."
        ),
        knob="growlock; guard (none, rwmutex, sharded)",
        settings=(
            Setting("none", go=True),
            Setting("global while growing"),
            Setting("global on every assign and read", article=True),
            Setting("per bucket"),
        ),
        workload=(
            "One writer inserts new keys at a fixed rate through at least three growths, readers on the other "
            "cores; 2^10 to 2^20 entries at growth, int and string keys. Controls: the same writes as updates, and "
            "as inserts into a presized map."
        ),
        measured=(
            Quantity("get p50 to max, by overlap with a growth step", "ns"),
            Quantity("lock waits", ""),
            Quantity("total wait", "ns"),
            Quantity("longest queue", ""),
            Quantity("hold time", "ns"),
            Quantity("evacuations per assign", ""),
            Quantity("array allocation", "ns"),
        ),
        criterion=Criterion(
            text=(
                "The mechanism is confirmed if with a global lock p99.9 of reads tagged with a growth is at least 5 "
                "times that of untagged ones, and comes back to within 10 % without it. Real Go is refuted by "
                "source and G1."
            ),
            threshold=5.0,
        ),
        remedy=("R1", "R2", "R3"),
    )
