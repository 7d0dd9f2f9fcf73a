"""C2.16-barrier-starts-assist: the write barrier starts assists."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def barrier_starts_assist() -> Claim:
    return Claim(
        id="C2.16-barrier-starts-assist",
        title="The write barrier starts assists",
        section="2.4, graph",
        statement=(
            "Storing a heap pointer runs the write barrier, which checks the GC's work against a threshold and "
            "starts assist marking; the new object is shaded grey."
        ),
        article_number=None,
        go_words="false",
        real_go=(
            "Assists start in the allocator: mallocgc, deductAssistCredit, gcAssistAlloc (runtime/malloc.go, "
            "mgcmark.go), when gcBlackenEnabled is set and the goroutine's credit is negative. The barrier only "
            "buffers pointers. An object allocated while marking is born black (gcmarknewobject). In a trace of the "
            "article's loop every assist came from deductAssistCredit, below convT64, slicebytetostring and "
            "makeBucketArray: a growth that allocates a large array while marking owes assist work for all of it."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="Updates with ready pointers under back-to-back collections: 0 ms of assist CPU (G5).",
            holds="a growing insert can owe a large assist, for the array it allocates (G16).",
        ),
        prediction="Stores alone start no assist, allocation alone does.",
        knob="gc.assist_site",
        settings=(Setting("malloc", go=True), Setting("barrier", article=True)),
        workload=(
            "Stores of ready pointers without allocation while the collector marks; then allocation without stores. "
            "Assists counted by site."
        ),
        measured=(Quantity("assists by site", ""),),
        criterion=Criterion(
            text="Refuted if stores alone cause no assist and allocation alone causes some.",
        ),
        needs=frozenset({"heap"}),
    )
