"""C4.7-grow-gc-pause: growth makes the GC pause 100 to 500 µs and gets 3 to 8 times slower."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def grow_gc_pause() -> Claim:
    return Claim(
        id="C4.7-grow-gc-pause",
        title="Growth makes the GC pause 100 to 500 µs and gets 3 to 8 times slower",
        section="4.2, table",
        statement=(
            "So the pause of the mark phase takes 100 to 500 µs, and map reads spike to 3 to 8 times their base at that moment."
        ),
        article_number="100 to 500 µs; 3 to 8 times",
        go_words="false as a map effect",
        real_go=(
            "Marking is concurrent and has no pause of its own; the two stop-the-world phases (runtime/mgc.go: "
            "gcStart, gcMarkTermination) took 50 µs a cycle together. The tail of gets above 1 ms comes from GC "
            "workers and the kernel taking the processor. A factor of that size exists in the inserting goroutine "
            "(assists, barriers and evacuation together), and whoever holds a lock meanwhile passes it on to "
            "readers."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="Gets during marking: p50 x 1.4, p99 x 1.08, p99.9 x 1.06, 50 µs of pause a cycle over 99 cycles (G10).",
            holds=(
                "growing a map[string]*T while marking, against presized without GC, costs the inserter x 3.9 in "
                "the mean, x 4.8 at p99, x 4.4 at p99.9 (G16)."
            ),
        ),
        prediction="Growth and marking together cost gets no more than the sum of both.",
        knob="gc.wbbuf_flush as in C4.5; map (growing, steady)",
        settings=(Setting("own P when full", go=True), Setting("all Ps on every growWork", article=True)),
        workload="Growth and marking on one clock; gets in windows with growth only, marking only, both, neither.",
        measured=(Quantity("get mean in each window", "ns"), Quantity("pause", "ns")),
        criterion=Criterion(
            text=(
                "Confirmed if both together exceed each alone by 3 times in mean get latency; refuted if they are "
                "no more than the sum."
            ),
            threshold=3.0,
        ),
        remedy=("R1",),
        needs=frozenset({"map", "heap"}),
    )
