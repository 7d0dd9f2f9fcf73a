"""C2.15-assist-cost: an assist every 5 to 10 writes makes 85 ns of 3."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def assist_cost() -> Claim:
    return Claim(
        id="C2.15-assist-cost",
        title="An assist every 5 to 10 writes makes 85 ns of 3",
        section="2.4, table",
        statement=(
            "Assigning to map[int]int takes about 3 ns without assists; to map[string]*struct{} about 85 ns, with "
            "an assist every 5 to 10 writes."
        ),
        article_number="3 ns / 85 ns; 1 in 5 to 10",
        go_words="false",
        real_go=(
            "Assists are rare and long, not frequent and short: each has to earn at least 64 KB of scan credit "
            "(runtime/mgcmark.go: gcAssistAlloc, gcOverAssistWork) and takes background credit first. They belong "
            "to the tail of an insert, not to its mean. The active barrier costs about 22 ns a pointer store; in "
            "the article's loop Sprintf and the new object alone take 120 to 140 ns, with no map at all."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence=(
                "300,000 writes of the article's loop (240-360 ns each) saw 0 to 147 assists, one in 2,000 writes "
                "or rarer, of 0.05 to 0.4 ms in the median and 7 ms at most. Updates take 14 ns (int) and 18.6 ns "
                "(string to ready pointer); while marking 13.6 and 40.7 (G5)."
            ),
        ),
        prediction="Assists are rarer than one in 1,000 writes at the normal pace of the collector.",
        knob="gc.assist; elem (int, ready pointer, fresh pointer); key (ready, formatted)",
        settings=(
            Setting("by bytes allocated, with credit", go=True),
            Setting("every k-th pointer store, k = 5 to 10", article=True),
            Setting("off"),
        ),
        workload=(
            "Key kind x elem kind x collector (off, normal, marking all the time) x assist rule, with 10^3 and 10^6 "
            "live objects. Split ns a write into hash and probe, key formatting, object, barrier, assist."
        ),
        measured=(
            Quantity("ns a write by part", "ns"),
            Quantity("assists a write", ""),
            Quantity("inserts over 100 µs that contain an assist", "%"),
        ),
        criterion=Criterion(
            text=(
                "Confirmed if at normal pace assists a write lie in 0.1 to 0.2 and make more than half of the "
                "difference between int and pointer; refuted if they are rarer than 1 in 1,000."
            ),
        ),
        remedy=("elems instead of pointers", "R1", "reuse of keys"),
        needs=frozenset({"heap"}),
    )
