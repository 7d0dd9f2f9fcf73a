"""C2.17-iter-get-contention: iterator and get contend under a shared lock."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def iter_get_contention() -> Claim:
    return Claim(
        id="C2.17-iter-get-contention",
        title="Iterator and get contend under a shared lock",
        section="2.5",
        statement=(
            "Iterator and get compete for the same bucket memory. Hot spots lie where GC pauses and mutex waits "
            "overlap; pprof -mutexes finds a lock that hiter.next and mapaccess1 share."
        ),
        article_number=None,
        go_words="false",
        real_go=(
            "Both only read (runtime/map_noswiss.go: mapiternext, mapaccess1), and reading one line from several "
            "cores costs nothing. pprof has no flag -mutexes. A get never grows or writes. One true drop of "
            "contention: the first range after a growth sets two flag bits in the header by an atomic OR "
            "(mapiterinit), which dirties the line once."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="With one goroutine ranging and three getting, no mutex-profile record had a map function in it (G14).",
            holds="the first range after a growth writes to the header's line, once.",
        ),
        prediction="Get p50 and p99 with iterators beside are within 5 % of those without.",
        knob="iter.flag_or; readers 1 to N",
        settings=(Setting("once", go=True), Setting("on every next", article=True), Setting("off")),
        workload=(
            "Gets with 0 to N iterators beside and no writer; then one iterator and one writer behind a lock. "
            "Control: threads that stream through memory that is no map."
        ),
        measured=(Quantity("get p50, p99", "ns"), Quantity("throughput", "1/s")),
        criterion=Criterion(
            text=(
                "Refuted if get p50 and p99 with iterators are within 5 % of those without, memory bandwidth "
                "accounted for by the control."
            ),
        ),
        remedy=("R4",),
    )
