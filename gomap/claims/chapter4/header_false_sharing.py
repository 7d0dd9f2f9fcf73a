"""C4.2-header-false-sharing: count, flags and buckets share a cache line."""

from __future__ import annotations

from gomap.claims.claim import UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context, Measure
from gomap.claims.headers import FAR, ONE_MAP, Beside, get_beside
from gomap.claims.parts import all_of, no_dearer
from gomap.claims.real import controls, decided_or_read, designs
from gomap.claims.registry import claim
from gomap.claims.timing import gets
from gomap.claims.verdict import BACK_WITHIN, Finding, Number, bars, decide_pairs, median_interval
from gomap.errors import GoFailed, MissingTool
from gomap.lab.machine import allowed_cpus
from gomap.realgo.controls import Controls


@claim
def header_false_sharing() -> Claim:
    return Claim(
        id="C4.2-header-false-sharing",
        title="count, flags and buckets share a cache line",
        section="4.1",
        statement=(
            "hmap.buckets is in one 64-byte cache line with count and flags, which are read and written often, so "
            "that concurrent reads and writes of a map cause false sharing."
        ),
        article_number="64 B",
        go_words="partly true, and truer than the article knew",
        real_go=(
            "All hot fields do share the header's line (runtime/map_noswiss.go: hmap): a read loads count, flags, "
            "B, hash0, buckets and oldbuckets; a write flips flags twice and an insert raises count. But readers "
            "and writers of one map have to be ordered by a lock, so that this line moves together with the lock's "
            "own. The true case is two different maps: headers of 48 bytes (Go 1.19, and Swiss in 1.25) are packed "
            "so that neighbours share a line. The 1.25 classic header takes a slot of 64 bytes and is immune."
        ),
        go_by_source=SourceVerdict(
            "confirmed",
            evidence=(
                "A get goes from 7.5 to 15-17 ns (Swiss) and from 7.0 to 14-15 ns (1.19) when another core writes "
                "the neighbouring map (G12; one earlier run 34-36 and 21)."
            ),
            limits="Between two maps, not within one; not in 1.25 classic, whose headers lie 64 bytes apart.",
        ),
        prediction=(
            "Get time at least doubles beside a writer on the same line and is back to within 10 % with a stride of 64 bytes."
        ),
        knob="hdr_stride; hdr_layout (go119, go125, hot-cold split, count last); writer (same map, neighbouring, far)",
        settings=(Setting("64", go=True), Setting("48"), Setting("128")),
        workload=(
            "One reader and one writer, pinned. Header layouts x stride x what is written. The same-map case "
            "updates only, so that nothing but the header is shared."
        ),
        measured=(Quantity("get mean, p99", "ns"), Quantity("throughput by threads", "1/s")),
        criterion=Criterion(
            text="Confirmed if get time at least doubles with a shared line and returns to within 10 % with a 64-byte stride.",
            threshold=2.0,
        ),
        remedy=("R5", "R3"),
    )


_NEIGHBOURS = {"64 bytes apart": Beside(apart=64), "48 bytes apart": Beside(apart=48), "far apart": Beside(apart=FAR)}
_OTHERS = {
    "no writer": Beside(writes="nothing"),
    "128 bytes apart": Beside(apart=128),
    "one map": Beside(apart=ONE_MAP),
    "one map, hot and cold apart": Beside("hot and cold apart", ONE_MAP),
    "one map, inserts": Beside(apart=ONE_MAP, writes="inserts"),
    "one map, inserts, hot and cold apart": Beside("hot and cold apart", ONE_MAP, "inserts"),
}


@header_false_sharing.model
def gets_beside_a_writer(ctx: Context, measure: Measure[Beside] = get_beside) -> Finding:
    """Gets of one map while another core writes to its neighbour, whose header shares a line with that of the first or does
    not; and, in numbers, while it writes to the same map, which only here two threads can do without a lock."""
    own, shared, far = _NEIGHBOURS
    what = "get beside a writer of the neighbouring map"
    doubled = ctx.pairs(_NEIGHBOURS[own], _NEIGHBOURS[shared], measure, names=(own, shared))
    back = ctx.pairs(_NEIGHBOURS[far], _NEIGHBOURS[own], measure, names=(far, own))
    found = all_of(
        [
            decide_pairs(doubled, what, threshold=header_false_sharing.claim.criterion.threshold, two_valued=True, unit="ns"),
            no_dearer(back, f"{what}, no line shared", BACK_WITHIN),
        ]
    )
    others = ctx.sweep([*_OTHERS.values()], measure, names=[*_OTHERS])
    taken = {own: doubled.samples(0), shared: doubled.samples(1), far: back.samples(0)}
    taken |= {name: others.of(i) for i, name in enumerate(_OTHERS)}
    return found.with_(
        numbers=(
            *found.numbers,
            *(Number.of_ratio(f"get, {name}", median_interval(ns), "ns") for name, ns in taken.items()),
            Number.of_ratio("batches with a writer beside them", median_interval(doubled.samples(1, "at once")), "%"),
            Number("gets that missed a present key", sum(doubled.samples(0, "missed") + doubled.samples(1, "missed"))),
        ),
        series=(bars("Get by where the writer's header lies", "ns", taken),),
        workload=gets(200, 100_000),
    )


_APART, _SHARED = "headers far apart", "headers in one line"


@header_false_sharing.go
def gets_beside_a_neighbour(ctx: Context) -> Finding:
    """Gets of one map while another core updates another, whose header lies far off, or in the same line: where Go's allocator
    put them. In the design whose headers do share lines."""
    if len(allowed_cpus()) < 2:
        raise MissingTool("a get and a write at the same time take two CPUs")
    counts = {design: controls(design).run("neighbours", shared=True, ms=1)["in_one_line"] for design in designs()}
    packed = max(counts, key=lambda design: counts[design])
    facts = tuple(Number(f"neighbouring headers in one line, of 511, {design}", n) for design, n in counts.items())
    if counts[packed] == 0:
        found = Finding(UNDECIDED, "Of 511 neighbouring headers none shares a line with the next.", numbers=facts)
    else:
        found = _compared(ctx, controls(packed))
        found = found.with_(numbers=(*found.numbers, *facts))
    return decided_or_read(header_false_sharing.claim, found)


def _compared(ctx: Context, go: Controls) -> Finding:
    ms, cpus = ctx.scale.pick(test=10, quick=80, full=300), allowed_cpus()[:2]

    def get(shared: bool, seed: int) -> dict[str, float]:
        found = go.run("neighbours", shared=shared, ms=ms, cpus=cpus)
        if found["at_once"] == 0:
            raise GoFailed("the reader and the writer were never at work at the same time")
        return {"get": found["get_ns"], "writes": 1e9 * found["writes"] / found["took_ns"]}

    pairs = ctx.pairs(False, True, get, names=(_APART, _SHARED))
    what = f"get beside a writer of another map, {go.design}"
    decided = decide_pairs(pairs, what, threshold=2.0, two_valued=True, unit="ns")
    metrics = (("get", "get beside a writer", "ns"), ("writes", "writes to the other map", "1/s"))
    return decided.with_(
        numbers=(
            *decided.numbers,
            *(
                Number.of_ratio(f"{name}, {setting}", median_interval(pairs.samples(i, metric)), unit)
                for metric, name, unit in metrics
                for i, setting in enumerate(pairs.settings)
            ),
        )
    )
