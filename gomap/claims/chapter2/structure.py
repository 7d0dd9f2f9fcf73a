"""C2.1-structure: open addressing, 8 pairs a bucket, overflow chains."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def structure() -> Claim:
    return Claim(
        id="C2.1-structure",
        title="Open addressing, 8 pairs a bucket, overflow chains",
        section="2.1",
        statement=(
            "The map is a hash table with open addressing and pointer jumps. Every bucket holds exactly 8 pairs, "
            "and overflow buckets hang off bmap.overflow."
        ),
        article_number="8 pairs a bucket",
        go_words="partly true",
        real_go=(
            "The classic map is separate chaining in units of 8-cell buckets: tophash[8], 8 keys, 8 elems, an "
            "overflow pointer (runtime/map_noswiss.go: bmap). Nothing probes linearly. The Swiss map, default since "
            "Go 1.24, does use open addressing: groups of 8 slots with an 8-byte control word, triangular probing, "
            "tables of at most 1,024 slots, extendible hashing above (internal/runtime/maps/map.go)."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="The classic map is chained, not open addressing (source).",
            holds=(
                "8 pairs a bucket and overflow buckets: at load 6.5, 20.8 % of the buckets have one and a hit looks "
                "at 4.25 cells (G4; Go's own table says 20.90 % and 4.25)."
            ),
        ),
        prediction=(
            "At load 6.5, 20.8 % (within 0.5) of the buckets have an overflow bucket and a hit looks at 4.25 "
            "(within 0.05) cells."
        ),
        knob="map.impl",
        settings=(Setting("classic", go=True), Setting("swiss")),
        workload=(
            "Build one key set and walk it: buckets, chains, cells compared a hit. This gate comes before every "
            "other experiment."
        ),
        measured=(
            Quantity("buckets with an overflow bucket", "%"),
            Quantity("cells compared a hit", ""),
            Quantity("chain lengths", ""),
        ),
        criterion=Criterion(
            text="The model is accepted only if both figures agree with real Go within sampling error.",
        ),
    )
