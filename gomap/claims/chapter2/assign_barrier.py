"""C2.13-assign-barrier: mapassign runs a write barrier on every pointer store."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def assign_barrier() -> Claim:
    return Claim(
        id="C2.13-assign-barrier",
        title="mapassign runs a write barrier on every pointer store",
        section="2.4",
        statement=(
            "mapassign calls gcWriteBarrier when a growth or an evacuation updates pointers, and whenever a pointer "
            "is written into the map's data, even if it points to a stack variable."
        ),
        article_number=None,
        go_words="partly true",
        real_go=(
            "The barrier's code runs only while writeBarrier.enabled is set, in the mark phase; otherwise it is a "
            "compare and a branch not taken. The elem is stored by the caller, after mapassign has returned the "
            "address. Inside the map (runtime/map_noswiss.go) key stores, the two array pointers in hashGrow, "
            "typedmemmove in evacuate and memclrHasPointers on the old bucket use barriers when the type has "
            "pointers. A barrier adds old and new pointer to the P's wbBuf (512 entries in 1.25, 256 in 1.19; "
            "runtime/mwbbuf.go), which its own P flushes when full."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence=(
                "Outside the mark phase no barrier runs; the store is compiled into the caller, behind a compare of "
                "runtime.writeBarrier (G11)."
            ),
            holds="while marking, every pointer store does run one, and evacuation runs dozens.",
        ),
        prediction=(
            "Two entries a pointer update while marking, none otherwise; an evacuated bucket of string to pointer "
            "makes several dozen."
        ),
        knob="gc.wb; elem (int, pointer); map (steady, growing)",
        settings=(Setting("only while marking", go=True), Setting("always", article=True), Setting("off")),
        workload=(
            "Assign existing keys and insert new ones, int and pointer elems; collector off, marking, and with the "
            "barrier always on."
        ),
        measured=(Quantity("barrier entries an assign", ""), Quantity("flushes", ""), Quantity("time in flushes", "ns")),
        criterion=Criterion(
            text=(
                "Confirmed for the mark phase if a pointer update makes 2 entries, and none otherwise; an evacuated "
                "bucket of string to pointer has to make several dozen."
            ),
        ),
        remedy=("elems without pointers",),
        needs=frozenset({"heap"}),
    )
