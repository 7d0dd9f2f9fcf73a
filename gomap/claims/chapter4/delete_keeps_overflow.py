"""C4.11-delete-keeps-overflow: delete leaves overflow buckets in place."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def delete_keeps_overflow() -> Claim:
    return Claim(
        id="C4.11-delete-keeps-overflow",
        title="Delete leaves overflow buckets in place",
        section="4.4",
        statement=(
            "delete does not free the memory of overflow buckets at once: it clears key and value and keeps the "
            "bmap.overflow pointer."
        ),
        article_number=None,
        go_words="true (classic)",
        real_go=(
            "Exact. mapdelete writes emptyOne or runs emptyRest back, clears the elem (and a key with pointers) and "
            "lowers count (runtime/map_noswiss.go: mapdelete). Buckets are given up only by evacuation (a later "
            "growth, or one to the same size once overflow buckets reach the limit) or by clear; the main array "
            "never shrinks. Swiss: tables never shrink; a slot of a full group becomes a tombstone."
        ),
        go_by_source=SourceVerdict(
            "confirmed",
            evidence=(
                "mapdelete writes no overflow pointer (source). A map of 2^20 keys deleted down to 1,000 still "
                "ranges over all its buckets: 2,966 against 11 µs (G7)."
            ),
            limits="The Swiss map has no overflow buckets.",
        ),
        prediction="The number of overflow buckets is the same before and after any deletes.",
        knob="delete",
        settings=(Setting("go", go=True), Setting("unlink empty overflow buckets"), Setting("shrink at 1/8 load")),
        workload="Fill to 2^20, delete down to 1,000; count overflow buckets; then insert and see when they are cleaned up.",
        measured=(
            Quantity("overflow buckets before and after", ""),
            Quantity("bytes", "B"),
            Quantity("get, hit and miss", "ns"),
            Quantity("range", "ns"),
        ),
        criterion=Criterion(
            text="Confirmed if the number of overflow buckets is unchanged by deletes.",
        ),
        remedy=("rebuild the map", "R4"),
    )
