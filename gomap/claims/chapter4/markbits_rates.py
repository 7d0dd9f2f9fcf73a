"""C4.10-markbits-rates: 12.7 % of marks conflict, and the live heap is 8.3 % off."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def markbits_rates() -> Claim:
    return Claim(
        id="C4.10-markbits-rates",
        title="12.7 % of marks conflict, and the live heap is 8.3 % off",
        section="4.3, table",
        statement=(
            "With GOGC=100 about 12.7 % of markings conflict and heap live bytes are off by +8.3 % through wrong "
            "reclamation; with GOGC=off it is 0 %."
        ),
        article_number="12.7 %; +8.3 %; 0 %",
        go_words="false",
        real_go=(
            "Zero by construction: marks are atomic (runtime/mbitmap.go: setMarked). The direction is wrong too: "
            "reclaiming live objects would lower the live heap, not raise it. And with GOGC=off nothing is marked, "
            "so that zero there proves nothing."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence=(
                "Marks are atomic (source). A probe in C with two threads and plain instructions lost at most 0.015 "
                "% of marks, in lock step on one byte."
            ),
        ),
        prediction="No setting comes near 10 %; the highest rate found is well under 1 %.",
        knob="gc.markbits, as in C4.8; a conflict is two markers on one byte within one access time",
        settings=(
            Setting("test, then atomic or", go=True),
            Setting("atomic or"),
            Setting("plain or on a byte", article=True),
            Setting("plain load, modify, store"),
        ),
        workload=(
            "Vary object size (bits in use of a byte), markers and order of the graph; count apart what the article "
            "runs together."
        ),
        measured=(
            Quantity("same-byte coincidences", ""),
            Quantity("lost bits", "%"),
            Quantity("objects wrongly freed", ""),
            Quantity("error of live bytes", "%"),
        ),
        criterion=Criterion(
            text=(
                "Reached only if some setting gives 10 to 15 % lost marks; otherwise the highest rate and its "
                "setting are reported."
            ),
        ),
        needs=frozenset({"heap"}),
    )
