"""C1.4-delete-rehash: deletes trigger a rehash."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def delete_rehash() -> Claim:
    return Claim(
        id="C1.4-delete-rehash",
        title="Deletes trigger a rehash",
        section="1, monitoring table, row 1",
        statement="Growth or deletion of a map triggers a rehash under the global lock h.mutex, seen as p99 > 10 µs.",
        article_number="p99 > 10 µs",
        go_words="partly true",
        real_go=(
            "A delete never starts a growth. mapdelete calls growWork only while one is under way "
            "(runtime/map_noswiss.go: mapdelete), so it may pay for two evacuations. Emptying the map draws a new "
            "hash0 and moves nothing. Deletes leave overflow buckets that can later make an insert start a "
            "same-size growth (tooManyOverflowBuckets). Swiss: delete never rehashes; it may leave a tombstone, and "
            "an insert into a full table may prune tombstones or rehash."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="mapdelete has no call of hashGrow.",
            holds="a delete continues a growth that is under way, and pays for it.",
        ),
        prediction="No growth begins in a delete. Deletes during a growth take at least twice as long at p50 as after it.",
        knob="delete_grows",
        settings=(Setting("continue only", go=True), Setting("start", article=True)),
        workload=(
            "Delete-only phases on a map that (a) does not grow and (b) has just begun to; then churn at constant "
            "size until a same-size growth starts."
        ),
        measured=(
            Quantity("growths started inside a delete", ""),
            Quantity("delete p50 while evacuating, and not", "ns"),
            Quantity("operation that started the same-size growth", ""),
        ),
        criterion=Criterion(
            text=(
                "Refuted if no growth starts inside a delete; that deletes continue one is confirmed if those "
                "during growth are at least twice as slow at p50."
            ),
            threshold=2.0,
        ),
    )
