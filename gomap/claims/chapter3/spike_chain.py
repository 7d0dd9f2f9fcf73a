"""C3.6-spike-chain: hash conflict and queue spin amplify each other."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def spike_chain() -> Claim:
    return Claim(
        id="C3.6-spike-chain",
        title="Hash conflict and queue spin amplify each other",
        section="3.2, graph",
        statement=(
            "A hash conflict makes the get walk a bucket chain, which meets globrunqput spinning, which invalidates "
            "cache lines, which makes the spike of the map access worse."
        ),
        article_number=None,
        go_words="false",
        real_go=(
            "The steps are independent: a get holds nothing that an operation of the scheduler waits for, nor the "
            "reverse (runtime/map_noswiss.go: mapaccess1; runtime/proc.go: globrunqput). A longer get is more "
            "likely to contain an interrupt or a preemption, in proportion to its length, and that is all."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence=(
                "Neither side holds anything that the other waits for (source); a storm on the queue does not move "
                "p99 of get (G9), chains move it by their length alone (G4)."
            ),
        ),
        prediction="No interaction beyond length times rate of interruption.",
        knob="chain length by a skewed hash, with storm intensity",
        settings=(Setting("1", go=True), Setting("2"), Setting("4"), Setting("8"), Setting("16")),
        workload="Chain length x storm intensity; fit p99 = f(chain) + g(storm) + h(chain x storm).",
        measured=(Quantity("get p99", "ns"), Quantity("interaction term", "ns")),
        criterion=Criterion(
            text="Refuted if the interaction term is zero within noise, or equal to length x rate of interruption.",
        ),
        needs=frozenset({"map", "scheduler"}),
    )
