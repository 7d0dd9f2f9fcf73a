"""C2.12-key-straddle: [9]byte keys miss the cache four times as often as int64."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def key_straddle() -> Claim:
    return Claim(
        id="C2.12-key-straddle",
        title="[9]byte keys miss the cache four times as often as int64",
        section="2.3, perf table",
        statement=(
            "Keys that straddle a cache line cost more misses: int64 keys 1.2 % cache-misses and 0.8 % L1 load "
            "misses, [9]byte keys 4.7 % and 3.9 %, in 10 million accesses."
        ),
        article_number="1.2 % / 4.7 %; 0.8 % / 3.9 %",
        go_words="effect real, cause wrong",
        real_go=(
            "One [9]byte key in eight straddles a line (12.5 %), an int64 never. But [9]byte also leaves the fast "
            "path for the generic mapaccess1, with a byte hash and a call of memequal (runtime/map_noswiss.go; the "
            "compiler chooses in cmd/compile/internal/walk: mapfast). A [16]byte key takes the same path and "
            "straddles twice as often (25 %), yet is faster."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence=(
                "1,000 entries: int64 21.0 ns, [9]byte 33.6, [12]byte 33.3, [16]byte 27.5; Swiss 9.4, 27.8, 34.8, "
                "18.0 (G7). Path and key width explain the gap, not alignment. Miss counts cannot be had here."
            ),
            holds="[9]byte keys are slower than int64.",
        ),
        prediction=(
            "int64 through the generic path already shows most of the gap; padding [9]byte to 16 removes less than half of it."
        ),
        knob="key; key_stride (natural, padded to 16); bucket alignment 0 to 63",
        settings=(
            Setting("u64", go=True),
            Setting("u64 through the generic path"),
            Setting("b9", article=True),
            Setting("b9 padded to 16"),
            Setting("b12"),
            Setting("b16"),
        ),
        workload=(
            "Key width crossed with path, at sizes in L1, L2, L3 and beyond. A simulated cache stands in for "
            "hardware counters and is called so."
        ),
        measured=(
            Quantity("get", "ns"),
            Quantity("lines touched a get", ""),
            Quantity("simulated L1 and last-level misses", "%"),
        ),
        criterion=Criterion(
            text=(
                "Confirmed if padding b9 to 16 on the same path removes more than half of the gap between b9 and "
                "u64; refuted if u64 through the generic path already shows most of it."
            ),
        ),
        remedy=("R5",),
    )
