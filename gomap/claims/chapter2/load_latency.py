"""C2.5-load-latency: high load makes a get go from 12 to 87 ns."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def load_latency() -> Claim:
    return Claim(
        id="C2.5-load-latency",
        title="High load makes a get go from 12 to 87 ns",
        section="2.1, table",
        statement=(
            "An average lookup takes 12 ns at low load with no overflow buckets, and 87 ns at high load before "
            "splitting, with 34 % overflow buckets; the flame graph then shows mapaccess1 -> evacuate."
        ),
        article_number="12 ns to 87 ns; 0 % to 34 %",
        go_words="false as a cause",
        real_go=(
            "At Go's limit of 6.5 the share is 20.8 %, never 34 %; 34.03 % is the row for load 7.50 in the comment "
            "at the head of Go's map source, and 41.10 % that for 8.00. mapaccess1 never calls evacuate: only "
            "mapassign and mapdelete do (runtime/map_noswiss.go: growWork). The way from about 20 to 70-80 ns is "
            "table size, that is cache misses. One load effect is large, but in Swiss maps and for absent keys: 8 "
            "to 27 ns in cache."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence=(
                "Load 3.25 to 6.5 costs 1 to 4 ns on a hit. At the same load of 6.5, 416 entries take 21.3 ns and "
                "851,968 take 67 ns (G4)."
            ),
            holds="gets do go from about 20 to 70-80 ns: by table size.",
        ),
        prediction=(
            "At fixed size, load moves the mean by less than a fifth of the way from 12 to 87 ns; size moves it "
            "over most of it."
        ),
        knob="load limit; hash (good, skewed to chains of 1 to 16); table size",
        settings=(Setting("6.5", go=True), Setting("3.25"), Setting("5"), Setting("7.5"), Setting("8"), Setting("unlimited")),
        workload=(
            "Load (3.25, 5, 6.5, 7.5) x size (in L1, L2, L3, beyond) x chain length. Hits and misses apart; "
            "independent and dependent key streams. Fit: ns = base + a x lines touched + b x cells compared."
        ),
        measured=(
            Quantity("get, hit and miss", "ns"),
            Quantity("buckets with an overflow bucket", "%"),
            Quantity("lines touched", ""),
            Quantity("cells compared", ""),
        ),
        criterion=Criterion(
            text=(
                "Confirmed if load alone, at fixed size and a good hash, moves the mean by more than 5 times; "
                "refuted if load explains less than 20 % of the range from 12 to 87 ns while size explains most."
            ),
            threshold=5.0,
        ),
        remedy=("R1", "smaller entries"),
    )
