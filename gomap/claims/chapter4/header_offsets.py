"""C4.3-header-offsets: Go 1.22 moved count to the end of hmap."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def header_offsets() -> Claim:
    return Claim(
        id="C4.3-header-offsets",
        title="Go 1.22 moved count to the end of hmap",
        section="4.1, table and optimisation",
        statement=(
            "The offsets are count 0, buckets 24, oldbuckets 32, all in one line; since Go 1.22 count is at the end "
            "of the struct, to lower the risk of conflicts."
        ),
        article_number="0 / 24 / 32; Go 1.22+",
        go_words="false",
        real_go=(
            "count 0, flags 8, B 9, noverflow 10, hash0 12, buckets 16, oldbuckets 24, nevacuate 32, then extra at "
            "40 (1.19, 48 bytes) or clearSeq at 40 and extra at 48 (1.25 classic, 56 bytes) "
            "(runtime/map_noswiss.go: hmap). count has to be first, for the compiler's len() reads it there, in "
            "every version and in Swiss too (field used)."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="Offsets by disassembly and unsafe; count is first in every version (source).",
            holds="count is at offset 0.",
        ),
        prediction="Moving count helps nobody: flags stays in the line that reads need.",
        knob="hdr_layout",
        settings=(Setting("count first", go=True), Setting("count last", article=True), Setting("hot-cold split")),
        workload="Reads beside a writer that inserts, count in the first line and in another.",
        measured=(Quantity("get", "ns"),),
        criterion=Criterion(
            text="Refuted by source; the layouts say whether the invented move would have helped.",
        ),
    )
