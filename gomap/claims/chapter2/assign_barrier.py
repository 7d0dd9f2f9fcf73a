"""C2.13-assign-barrier: mapassign runs a write barrier on every pointer store."""

from __future__ import annotations

from gomap.claims.claim import CONFIRMED, REFUTED, UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.heaps import Did, did_while_marking, play
from gomap.claims.parts import all_of
from gomap.claims.real import controls, decided_or_read, designs
from gomap.claims.registry import claim
from gomap.claims.verdict import Finding, Number, Sweep, bars, decide_exact, median_interval
from gomap.lab.compare import bootstrap_ratio
from gomap.lab.heap_scene import HeapActor, HeapScene


@claim
def assign_barrier() -> Claim:
    return Claim(
        id="C2.13-assign-barrier",
        title="mapassign runs a write barrier on every pointer store",
        section="2.4",
        statement=(
            "mapassign calls gcWriteBarrier when a growth or an evacuation updates pointers, and whenever a pointer "
            "is written into the map's data, even if it points to a stack variable."
        ),
        article_number=None,
        go_words="partly true",
        real_go=(
            "The barrier's code runs only while writeBarrier.enabled is set, in the mark phase; otherwise it is a "
            "compare and a branch not taken. The elem is stored by the caller, after mapassign has returned the "
            "address. Inside the map (runtime/map_noswiss.go) key stores, the two array pointers in hashGrow, "
            "typedmemmove in evacuate and memclrHasPointers on the old bucket use barriers when the type has "
            "pointers. A barrier adds old and new pointer to the P's wbBuf (512 entries in 1.25, 256 in 1.19; "
            "runtime/mwbbuf.go), which its own P flushes when full."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence=(
                "Outside the mark phase no barrier runs; the store is compiled into the caller, behind a compare of "
                "runtime.writeBarrier (G11)."
            ),
            holds="while marking, every pointer store does run one, and evacuation runs dozens.",
        ),
        prediction=(
            "Two entries a pointer update while marking, none otherwise; an evacuated bucket of string to pointer "
            "makes several dozen."
        ),
        knob="gc.wb; elem (int, pointer); map (steady, growing)",
        settings=(Setting("only while marking", go=True), Setting("always", article=True), Setting("off")),
        workload=(
            "Assign existing keys and insert new ones, int and pointer elems; collector off, marking, and with the "
            "barrier always on."
        ),
        measured=(Quantity("barrier entries an assign", ""), Quantity("flushes", ""), Quantity("time in flushes", "ns")),
        criterion=Criterion(
            text=(
                "Confirmed for the mark phase if a pointer update makes 2 entries, and none otherwise; an evacuated "
                "bucket of string to pointer has to make several dozen."
            ),
        ),
        remedy=("elems without pointers",),
        needs=frozenset({"heap"}),
    )


_WRITES = {
    "int, no collection": ("update int", "off"),
    "int, marking": ("update int", "marking"),
    "pointer, no collection": ("update pointer", "off"),
    "pointer, marking": ("update pointer", "marking"),
}


@assign_barrier.go
def updates_while_marking(ctx: Context) -> Finding:
    """What an update costs, of an int and of a pointer to a ready object, while the collector marks and while it does nothing.
    The barrier's entries cannot be counted from outside: these are numbers, no verdict."""
    go = controls(designs()[0])
    n = ctx.scale.pick(test=50_000, quick=400_000, full=3_000_000)
    live = ctx.scale.pick(test=20_000, quick=200_000, full=500_000)

    def mean_write(setting: tuple[str, str], seed: int) -> float:
        writer, collector = setting
        return float(go.run("assigns", writer=writer, collector=collector, n=n, live=live)["ns"])

    sweep = ctx.sweep([*_WRITES.values()], mean_write, ctx.scale.pairs, names=[*_WRITES])
    return decided_or_read(assign_barrier.claim, _told(sweep))


def _told(sweep: Sweep) -> Finding:
    ints, pointers = (bootstrap_ratio(sweep.of(i + 1), sweep.of(i)) for i in (0, 2))
    return Finding(
        UNDECIDED,
        f"An update while marking, by one without a collection: of an int {ints}, of a pointer {pointers}.",
        numbers=(
            Number.of_ratio("an update of a pointer, while marking by without", pointers),
            Number.of_ratio("an update of an int, while marking by without", ints),
            *(Number.of_ratio(f"an update, {n}", median_interval(sweep.of(i)), "ns") for i, n in enumerate(sweep.settings)),
        ),
        series=(bars("An update", "ns", {n: sweep.of(i) for i, n in enumerate(sweep.settings)}),),
        settings=sweep.settings,
    )


_A_BUCKET = 24
"""Entries that make "several dozen": two dozen at the least."""


@assign_barrier.model
def entries_by_phase(ctx: Context, wb: str = "marking") -> Finding:
    """Pointers told to the barrier, counted: by updates of ints and of ready pointers in each phase of the collector, and by
    the evacuation of buckets while a map of string to pointer grows."""
    n = ctx.scale.pick(test=100_000, quick=500_000, full=5_000_000)
    ints, pointers = (_updates(ctx, n, elem, wb) for elem in ("int64", "ready"))
    parts = (
        _told_twice(pointers["marking"]),
        _told_nothing("updates of a pointer outside of marking", [pointers["off"], pointers["sweeping"]]),
        _told_nothing("updates of an int", [*ints.values()]),
        _buckets(_growth(ctx, ctx.scale.pick(test=1 << 13, quick=1 << 16, full=1 << 18), wb)),
    )
    whole = all_of(parts)
    during = " For the mark phase, that is; outside of it no store runs a barrier." if whole.verdict == CONFIRMED else ""
    return whole.with_(
        reason=whole.reason + during,
        settings=("only while marking" if wb == "marking" else wb,),
        series=(
            bars(
                "Barrier entries an update",
                "",
                {
                    f"{kind}, {phase}": [p.entries / p.ops]
                    for kind, phases in (("int", ints), ("pointer", pointers))
                    for phase, p in phases.items()
                    if p.ops
                },
            ),
        ),
    )


def _updates(ctx: Context, n: int, elem: str, wb: str) -> dict[str, Did]:
    """Updates beside collections back to back; and as many without any."""
    actor = HeapActor(does="updates", key="str", elem=elem, entries=1000, ops=n // 2)
    scene = HeapScene(actors=(actor,), live=100_000, collecting=True, duration_s=60)
    marking = did_while_marking(ctx, lambda: play(scene, gogc=None, wb=wb), n // 10)
    quiet = play(HeapScene(actors=(actor,), live=1000, duration_s=60), gogc=None, wb=wb).actors[0].phases["off"]
    return {**marking, "off": Did(*map(sum, zip(marking["off"], (quiet.ops, quiet.entries, 0), strict=True)))}


def _told_twice(p: Did) -> Finding:
    """Entries too many are exceptions as entries too few are."""
    right = max(0, 2 * p.ops - abs(p.entries - 2 * p.ops))
    return decide_exact("entries by updates of a pointer while marking, two of each", right, 2 * p.ops)


def _told_nothing(what: str, parts: list[Did]) -> Finding:
    ops, entries = (sum(getattr(p, name) for p in parts) for name in ("ops", "entries"))
    return decide_exact(f"{what} that told the barrier nothing", ops - min(entries, ops), ops)


def _growth(ctx: Context, entries: int, wb: str) -> Did:
    """Inserts of ready pointers into a map that grows while the collector marks."""
    actor = HeapActor(does="inserts", key="str", elem="ready", entries=entries, ops=entries)
    scene = HeapScene(actors=(actor,), live=100_000, collecting=True, duration_s=60)
    return did_while_marking(ctx, lambda: play(scene, gogc=None, wb=wb), entries // 2)["marking"]


def _buckets(p: Did) -> Finding:
    """What an insert tells by itself, its key and its elem, is taken off: what is left was told by evacuations."""
    evacuating = max(0, p.entries - 4 * p.ops)
    each = evacuating / max(p.evacuated, 1)
    verdict = UNDECIDED if p.evacuated == 0 else CONFIRMED if each >= _A_BUCKET else REFUTED
    return Finding(
        verdict,
        f"While marking, {p.evacuated:,} evacuated buckets of string to pointer made {each:.3g} entries each.",
        numbers=(Number("entries by an evacuated bucket", each), Number("buckets evacuated while marking", p.evacuated)),
    )
