"""C2.3-overflow-threshold: A map splits at 2^15 overflow buckets."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def overflow_threshold() -> Claim:
    return Claim(
        id="C2.3-overflow-threshold",
        title="A map splits at 2^15 overflow buckets",
        section="2.1, list of triggers",
        statement="Buckets also split when there are too many overflow buckets: overflow >= 2^15.",
        article_number="2^15",
        go_words="partly true",
        real_go=(
            "tooManyOverflowBuckets (runtime/map_noswiss.go): noverflow >= 2^min(B,15), so the limit is 2^15 only "
            "from B = 15 on; a map of 16 buckets reacts to 16. And it starts a same-size growth, not a split. "
            "noverflow is a uint16, exact below B = 16, above that raised with probability 1/2^(B-15) "
            "(incrnoverflow). Swiss has no overflow buckets; pruneTombstones acts when tombstones reach 10 % of the "
            "capacity and the table is full."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="The limit is 2^min(B,15), and what it starts is a copy to the same size (source).",
            holds="from B = 15 on the limit is 2^15.",
        ),
        prediction=(
            "The first same-size growth comes at noverflow = 2^B for every B below 15. Under the article's rule "
            "small maps grow chains without bound."
        ),
        knob="overflow_limit",
        settings=(Setting("2^min(B,15)", go=True, article=True), Setting("2^15", article=True), Setting("off")),
        workload=(
            "Churn (insert new, delete old) at constant size for B = 4 to 16, with a good hash and with one skewed "
            "to few buckets."
        ),
        measured=(
            Quantity("noverflow at the first same-size growth", ""),
            Quantity("same-size growths", ""),
            Quantity("live overflow buckets", ""),
            Quantity("bytes", "B"),
            Quantity("get p50, p99 over time", "ns"),
        ),
        criterion=Criterion(
            text=(
                "Go's rule is confirmed if the first same-size growth comes at noverflow = 2^B for B < 15. The "
                "article's has to show unbounded chains for small B."
            ),
        ),
    )
