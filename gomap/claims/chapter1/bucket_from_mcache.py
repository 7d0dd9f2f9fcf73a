"""C1.5-bucket-from-mcache: since Go 1.21 buckets come from the P's mcache."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def bucket_from_mcache() -> Claim:
    return Claim(
        id="C1.5-bucket-from-mcache",
        title="Since Go 1.21 buckets come from the P's mcache",
        section="1, P-local cache and GC",
        statement="With the p.mcache optimisation of Go 1.21 and later, bucket memory is taken from the P's local cache first.",
        article_number="Go 1.21+",
        go_words="partly true (wrong date)",
        real_go=(
            "The per-P mcache is as old as Ps (Go 1.1) and of the same kind in 1.19 (runtime/runtime2.go: "
            "p.mcache). Single overflow buckets and arrays of up to 32 KB come from it; larger arrays go through "
            "mcache.allocLarge to the page heap under its lock (runtime/malloc.go: mallocgcLarge). With the "
            "144-byte buckets of map[int]int an array passes 32 KB at B = 8: every growth that hurts goes past the "
            "mcache. Swiss tables of up to 1,024 slots mostly do come from it."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence=(
                "The mcache is older than the article says, and large arrays, the ones that hurt, never come from it (source)."
            ),
            holds="small maps and single overflow buckets are served by the mcache.",
        ),
        prediction="Over 95 % of allocations below B = 8 are mcache hits, and no array from B = 8 on is.",
        knob="alloc.path; alloc.large_limit = 32 KB",
        settings=(Setting("mcache + heap", go=True), Setting("always heap"), Setting("always mcache", article=True)),
        workload="Insert 1 to 2^20 int and string keys; count allocations by path, growth by growth.",
        measured=(Quantity("mcache hits, refills, large allocations", ""), Quantity("time of each", "ns")),
        criterion=Criterion(
            text=(
                "Confirmed for small maps if over 95 % of the allocations below B = 8 are mcache hits; refuted for "
                "large ones if no array at B >= 8 is."
            ),
        ),
        remedy=("R1",),
        needs=frozenset({"heap"}),
    )
