"""C4.1-atomic-buckets-load: h.buckets is loaded atomically and written once."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def atomic_buckets_load() -> Claim:
    return Claim(
        id="C4.1-atomic-buckets-load",
        title="h.buckets is loaded atomically and written once",
        section="4.1",
        statement=(
            "mapaccess1 reads h.buckets by atomic.LoadPointer without a lock. The pointer is write-once: a growth "
            "never changes the old array's address and only updates h.oldbuckets and h.buckets."
        ),
        article_number=None,
        go_words="false",
        real_go=(
            "It is a plain load, and the sentence contradicts itself: hashGrow overwrites h.buckets at every growth "
            "(runtime/map_noswiss.go: mapaccess1, hashGrow). On x86-64 an atomic load would be the same "
            "instruction."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="A plain load in the compiled code (G11), and a pointer that every growth overwrites (source).",
        ),
        prediction=(
            "Plain and acquire loads cost the same on x86-64; a read-modify-write destroys scaling. An unguarded "
            "reader beside a growing writer misses keys."
        ),
        knob="buckets_load",
        settings=(
            Setting("plain", go=True),
            Setting("acquire"),
            Setting("seq_cst", article=True),
            Setting("read-modify-write"),
        ),
        workload=(
            "Gets with each kind of load, 1 to N readers; then unguarded readers beside a growing writer with the "
            "misuse check off."
        ),
        measured=(
            Quantity("get", "ns"),
            Quantity("throughput by readers", "1/s"),
            Quantity("missed keys in a million reads", ""),
        ),
        criterion=Criterion(
            text=(
                "Refuted by disassembly. Expected: plain equals acquire within noise on x86-64, read-modify-write "
                "destroys scaling."
            ),
        ),
    )
