"""C2.11-bucket-lines: lookups often cross cache lines."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def bucket_lines() -> Claim:
    return Claim(
        id="C2.11-bucket-lines",
        title="Lookups often cross cache lines",
        section="2.3",
        statement=(
            "A bmap is usually aligned to 64 bytes; bucket shift and tophash lookup often cause accesses across cache lines."
        ),
        article_number="64 B",
        go_words="partly true",
        real_go=(
            "Buckets are not aligned to lines: one of map[int]int has 144 bytes (runtime/map_noswiss.go: bmap, "
            "add), so that buckets begin at every multiple of 16 within a line. tophash is 8 bytes at a multiple of "
            "8 and never straddles. A get touches the header's line, the tophash's, mostly a second for the key and "
            "a third for the elem. The bucket shift is arithmetic and touches nothing."
        ),
        go_by_source=SourceVerdict(
            "undecided",
            evidence="Real Go gives only times here; lines touched would need hardware counters.",
            holds="buckets do span lines: 144 bytes are at least two and mostly three.",
        ),
        prediction=(
            "A hit touches more than 2.5 lines at the natural stride; padding to 192 bytes changes time beyond L2 "
            "by more than 5 %, either way, for it makes the table larger."
        ),
        knob="bucket_stride; layout (keys then elems, pairs)",
        settings=(Setting("natural (144)", go=True), Setting("padded to 192"), Setting("aligned to 64", article=True)),
        workload=(
            "Distinct lines a get touches, counted exactly from addresses, and hit times over table sizes for each "
            "stride and layout. Independent check: the same program under a cache simulator."
        ),
        measured=(Quantity("lines touched a hit", ""), Quantity("hit", "ns"), Quantity("bytes", "B")),
        criterion=Criterion(
            text=(
                "Confirmed if the mean of lines a hit is over 2.5 at the natural stride and padding changes time by "
                "more than 5 % beyond L2."
            ),
            threshold=1.05,
        ),
        remedy=("R5",),
    )
