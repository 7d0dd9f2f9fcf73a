"""C4.2-header-false-sharing: count, flags and buckets share a cache line."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def header_false_sharing() -> Claim:
    return Claim(
        id="C4.2-header-false-sharing",
        title="count, flags and buckets share a cache line",
        section="4.1",
        statement=(
            "hmap.buckets is in one 64-byte cache line with count and flags, which are read and written often, so "
            "that concurrent reads and writes of a map cause false sharing."
        ),
        article_number="64 B",
        go_words="partly true, and truer than the article knew",
        real_go=(
            "All hot fields do share the header's line (runtime/map_noswiss.go: hmap): a read loads count, flags, "
            "B, hash0, buckets and oldbuckets; a write flips flags twice and an insert raises count. But readers "
            "and writers of one map have to be ordered by a lock, so that this line moves together with the lock's "
            "own. The true case is two different maps: headers of 48 bytes (Go 1.19, and Swiss in 1.25) are packed "
            "so that neighbours share a line. The 1.25 classic header takes a slot of 64 bytes and is immune."
        ),
        go_by_source=SourceVerdict(
            "confirmed",
            evidence=(
                "A get goes from 7.5 to 15-17 ns (Swiss) and from 7.0 to 14-15 ns (1.19) when another core writes "
                "the neighbouring map (G12; one earlier run 34-36 and 21)."
            ),
            limits="Between two maps, not within one; not in 1.25 classic, whose headers lie 64 bytes apart.",
        ),
        prediction=(
            "Get time at least doubles beside a writer on the same line and is back to within 10 % with a stride of 64 bytes."
        ),
        knob="hdr_stride; hdr_layout (go119, go125, hot-cold split, count last); writer (same map, neighbouring, far)",
        settings=(Setting("64", go=True), Setting("48"), Setting("128")),
        workload=(
            "One reader and one writer, pinned. Header layouts x stride x what is written. The same-map case "
            "updates only, so that nothing but the header is shared."
        ),
        measured=(Quantity("get mean, p99", "ns"), Quantity("throughput by threads", "1/s")),
        criterion=Criterion(
            text="Confirmed if get time at least doubles with a shared line and returns to within 10 % with a 64-byte stride.",
            threshold=2.0,
        ),
        remedy=("R5", "R3"),
    )
