"""C4.9-get-touches-markbits: A get races the collector on mark bits."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def get_touches_markbits() -> Claim:
    return Claim(
        id="C4.9-get-touches-markbits",
        title="A get races the collector on mark bits",
        section="4.3",
        statement=(
            "While runtime.scanobject marks a map's values, a user goroutine's mapaccess1 of the same values "
            "touches the same mark bits and competes with it."
        ),
        article_number=None,
        go_words="false",
        real_go=(
            "Go has a write barrier and no read barrier: a get reads the value and nothing else "
            "(runtime/map_noswiss.go: mapaccess1). scanobject reads the bucket array in pieces of 128 KB and marks "
            "what it points to (runtime/mgcmark.go); both share lines only for reading. gcmarknewobject marks fresh "
            "allocations, not scanned values."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence=(
                "A get writes no mark bit (source); with collections back to back p99 of get goes from 484 to 523 ns (G10)."
            ),
        ),
        prediction="No write of a mark bit by a get, and p99 within 10 to 15 % of that without GC.",
        knob="gc.get_marks",
        settings=(Setting("off", go=True), Setting("every get marks its value while marking", article=True)),
        workload="Gets during marking under both settings, with each gc.markbits.",
        measured=(Quantity("mark-bit writes by gets", ""), Quantity("get p99", "ns"), Quantity("lost bits", "")),
        criterion=Criterion(
            text="Refuted if Go's setting shows no mark-bit write from gets and get p99 within 10 to 15 % of no GC.",
        ),
        needs=frozenset({"map", "heap"}),
    )
