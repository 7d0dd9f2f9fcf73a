"""C2.4-grow-test-code: the growth test adds overflow buckets to the count."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def grow_test_code() -> Claim:
    return Claim(
        id="C2.4-grow-test-code",
        title="The growth test adds overflow buckets to the count",
        section="2.1, code block",
        statement=(
            "The test in runtime/map.go is: if the map is not growing and h.count + h.extra.noverflow >= 1 << (h.B "
            "+ 3), then growWork(h, bucket)."
        ),
        article_number="8 x 2^B",
        go_words="false",
        real_go=(
            "There is no such line. noverflow is a field of hmap, not of extra; the two tests (overLoadFactor, "
            "tooManyOverflowBuckets) are separate; the action is hashGrow, and growWork runs only when a growth is "
            "already under way (runtime/map_noswiss.go: mapassign). The quoted formula would let the load rise to "
            "about 7.6 (7.64 entries and 0.36 overflow buckets make 8)."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="The quoted code is not in Go's source.",
        ),
        prediction=(
            "Under the article's test a map grows at a load of about 7.6, with an overflow share of about 35 %: the "
            "article's own 34 % (C2.5)."
        ),
        knob="grow_test",
        settings=(Setting("go", go=True), Setting("article", article=True)),
        workload="The same stream of inserts under both tests.",
        measured=(
            Quantity("load at growth", ""),
            Quantity("buckets with an overflow bucket", "%"),
            Quantity("hit and miss", "ns"),
            Quantity("bytes", "B"),
        ),
        criterion=Criterion(
            text="Refuted by source. The run shows what the article's 34 % could mean.",
        ),
    )
