"""C1.3-grow-demo: 65,536 inserts into a small map grow it, and a concurrent read waits."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def grow_demo() -> Claim:
    return Claim(
        id="C1.3-grow-demo",
        title="65,536 inserts into a small map grow it, and a concurrent read waits",
        section="1, code block",
        statement=(
            "make(map[string]int, 1) with 65,536 inserts passes the load factor of 6.5 and has to grow. A "
            'concurrent read of m["x"] then waits for h.mutex in runtime.mapaccess1_faststr.'
        ),
        article_number="65,536 keys, load factor 6.5",
        go_words="partly true",
        real_go=(
            "The growth is right: from one bucket the classic map doubles 14 times, to B = 14 (16,384 buckets, load "
            "4.0); a hint of up to 8 allocates no buckets (runtime/map_noswiss.go: makemap, hashGrow). The "
            "concurrent read does not wait: it is a data race that ends in a fatal error. Swiss tables double up to "
            "1,024 slots and then split."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence=(
                "The concurrent read dies instead of waiting, after a median of about 100 writes and less than 0.1 ms (G1)."
            ),
            holds="the growth: 14 doublings to B = 14, seen in real Go's header (G3).",
        ),
        prediction=(
            "Fourteen doublings, final B = 14. The reader is refused, never made to wait; with the check off it "
            "misses keys that are there."
        ),
        knob="presize; detect (fatal, count, off)",
        settings=(Setting("1", go=True), Setting("n")),
        workload="The article's loop, exactly: 65,536 string keys into a map with hint 1. Then with a reader beside it.",
        measured=(
            Quantity("doublings", ""),
            Quantity("same-size growths", ""),
            Quantity("evacuated buckets", ""),
            Quantity("overflow buckets", ""),
            Quantity("bytes allocated", "B"),
            Quantity("checks that would have fired", ""),
            Quantity("reads that missed a present key", ""),
        ),
        criterion=Criterion(
            text=(
                "The growth is confirmed by exactly 14 doublings and B = 14 in the end, as in real Go. The waiting "
                "is refuted by G1."
            ),
        ),
        remedy=("R1",),
    )
