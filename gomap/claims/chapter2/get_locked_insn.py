"""C2.9-get-locked-insn: mapaccess1 contains lock cmpxchg."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def get_locked_insn() -> Claim:
    return Claim(
        id="C2.9-get-locked-insn",
        title="mapaccess1 contains lock cmpxchg",
        section="2.2, assembly and graph",
        statement=(
            "The ordinary path, runtime.mapaccess1_fast64, contains lock cmpxchg; a map that is written anywhere "
            "falls back to a locked mapaccess."
        ),
        article_number=None,
        go_words="false",
        real_go=(
            "mapaccess1_fast64 (runtime/map_fast64_noswiss.go) is some 100 to 150 instructions, none of them "
            "LOCK-prefixed, in the three builds looked at."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="Zero LOCK-prefixed instructions in mapaccess1_fast64 of Go 1.19, 1.25 classic and 1.25 Swiss (G11).",
        ),
        prediction=(
            "A locked instruction costs about 20 cycles a get alone; on a line that all readers share, reads stop scaling."
        ),
        knob="get.entry",
        settings=(
            Setting("plain loads", go=True),
            Setting("one uncontended lock cmpxchg", article=True),
            Setting("lock xadd on a shared counter"),
        ),
        workload="Gets with each entry, from one reader up to one a core, with a private and a shared counter.",
        measured=(Quantity("get", "ns"), Quantity("throughput by readers", "1/s")),
        criterion=Criterion(
            text="Refuted by disassembly. The knob shows what a locked read would cost.",
        ),
    )
