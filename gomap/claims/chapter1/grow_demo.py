"""C1.3-grow-demo: 65,536 inserts into a small map grow it, and a concurrent read waits."""

from __future__ import annotations

from collections import Counter

from gomap.claims.claim import CONFIRMED, REFUTED, UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.real import go_deaths, go_run
from gomap.claims.registry import claim
from gomap.claims.verdict import Finding, Number, Series, decide_exact
from gomap.lab.result import Result
from gomap.lab.workload import Group, Workload
from gomap.map import Map


@claim
def grow_demo() -> Claim:
    return Claim(
        id="C1.3-grow-demo",
        title="65,536 inserts into a small map grow it, and a concurrent read waits",
        section="1, code block",
        statement=(
            "make(map[string]int, 1) with 65,536 inserts passes the load factor of 6.5 and has to grow. A "
            'concurrent read of m["x"] then waits for h.mutex in runtime.mapaccess1_faststr.'
        ),
        article_number="65,536 keys, load factor 6.5",
        go_words="partly true",
        real_go=(
            "The growth is right: from one bucket the classic map doubles 14 times, to B = 14 (16,384 buckets, load "
            "4.0); a hint of up to 8 allocates no buckets (runtime/map_noswiss.go: makemap, hashGrow). The "
            "concurrent read does not wait: it is a data race that ends in a fatal error. Swiss tables double up to "
            "1,024 slots and then split."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence=(
                "The concurrent read dies instead of waiting, after a median of about 100 writes and less than 0.1 ms (G1)."
            ),
            holds="the growth: 14 doublings to B = 14, seen in real Go's header (G3).",
        ),
        prediction=(
            "Fourteen doublings, final B = 14. The reader is refused, never made to wait; with the check off it "
            "misses keys that are there."
        ),
        knob="presize; detect (fatal, count, off)",
        settings=(Setting("1", go=True), Setting("n")),
        workload="The article's loop, exactly: 65,536 string keys into a map with hint 1. Then with a reader beside it.",
        measured=(
            Quantity("doublings", ""),
            Quantity("same-size growths", ""),
            Quantity("evacuated buckets", ""),
            Quantity("overflow buckets", ""),
            Quantity("bytes allocated", "B"),
            Quantity("checks that would have fired", ""),
            Quantity("reads that missed a present key", ""),
        ),
        criterion=Criterion(
            text=(
                "The growth is confirmed by exactly 14 doublings and B = 14 in the end, as in real Go. The waiting "
                "is refuted by G1."
            ),
        ),
        remedy=("R1",),
    )


_INSERTS = 65_536
_DOUBLINGS = 14
_SENTENCE = "concurrent map read and map write"
_LOOP = Workload(ops=_INSERTS, groups=(Group(mix={"assign_new": 100}),), key="str", hint=1, sample=0, attribution=False)


def _with_reader(variant: str, knobs: dict[str, str] | None = None) -> Workload:
    """The loop, going on for a while, and a thread that meanwhile reads keys that are there from before."""
    groups = (Group(mix={"assign_new": 100}), Group(mix={"get": 100}))
    return Workload(variant, groups, size=8, hint=1, duration_s=0.05, key="str", knobs=knobs)


def _loop(ctx: Context) -> tuple[Map, Counter[str], list[tuple[int, int, int]]]:
    """The article's loop: the map, how often each event happened, and of each growth B, B after it and the entries."""
    m = Map("str", hint=1, seed=ctx.seed % 2**63, events="all", event_capacity=1 << 16)
    m.assign_many([f"key{i}" for i in range(_INSERTS)], range(_INSERTS))
    events = m.events()
    starts = [(e.from_B, e.to_B, e.n) for e in events if e.kind == "grow_start"]
    return m, Counter(e.kind for e in events), starts


@grow_demo.model
def loop_and_reader(ctx: Context) -> Finding:
    """The growths of the article's loop, counted; then the fate of a reader beside it."""
    ctx.say("the article's loop", 0.0)
    m, kinds, starts = _loop(ctx)
    doublings = [start for start in starts if start[1] > start[0]]
    grown = (len(doublings), m.header.B) == (_DOUBLINGS, _DOUBLINGS)
    allocated = sum(e.n for e in m.events() if e.kind == "array_alloc")
    reader = _reader(ctx, "plain")
    presized = ctx.run(_LOOP.with_(hint=_INSERTS), ctx.seed)
    told = (
        f"The loop doubles the map {len(doublings)} times, to B = {m.header.B}"
        f"{'' if grown else f' instead of {_DOUBLINGS} times'}; with a hint of n, {presized.counters['growths']} times."
    )
    return reader.with_(
        verdict=reader.verdict if grown else UNDECIDED,
        reason=f"{told} {reader.reason}",
        numbers=(
            Number("doublings", len(doublings)),
            Number("same-size growths", len(starts) - len(doublings)),
            Number("evacuated buckets", kinds["evacuate"]),
            Number("overflow buckets made", kinds["overflow"]),
            Number("bytes of bucket arrays", allocated, "B"),
            *reader.numbers,
        ),
        series=(
            Series(
                "lines",
                "Entries at which the map doubled",
                "entries",
                tuple({"name": f"B = {B}", "x": B, "y": n + 1} for B, _, n in doublings),
            ),
        ),
        settings=("hint 1", "hint n"),
        workload=_with_reader("plain"),
    )


def _reader(ctx: Context, variant: str) -> Finding:
    """What becomes of reads beside the loop: refused, made to wait, or wrong. All keys that are asked for are there."""
    runs = ctx.scale.pick(test=3, quick=12, full=120)
    refused = waited = missed = reads = 0
    waited_ns = 0.0
    for i, seed in enumerate(ctx.seeds(runs)):
        ctx.say(f"the loop with a reader beside it, {i + 1} of {runs}", (i + 1) / (runs + 1))
        r = ctx.run(_with_reader(variant), seed)
        refused += r.refused.get(_SENTENCE, 0)
        reads += r.operations.get("get", 0) + r.refused.get(_SENTENCE, 0)
        waited += r.counters.get("read_waits", {}).get("total", 0)
        waited_ns += r.time_by_cause("get")["lock_wait"] if "get" in r.cause_tables else 0.0
        if variant == "plain":
            missed += _missed(ctx.run(_with_reader(variant, {"check_writing": "off"}), seed))
    return _fate(reads, refused, waited, waited_ns, missed)


def _missed(unchecked: Result) -> int:
    return unchecked.operations.get("get", 0) - unchecked.hits.get("get", 0)


def _fate(reads: int, refused: int, waited: int, waited_ns: float, missed: int) -> Finding:
    """The claim is that the reader waits. It is refuted if readers were caught in the act and none of them waited."""
    if waited_ns > 0:
        verdict, why = CONFIRMED if refused == 0 else UNDECIDED, "they wait"
    else:
        verdict, why = REFUTED if refused else UNDECIDED, "none waits" if refused else "no read met a write"
    return Finding(
        verdict,
        f"Of {reads:,} reads beside the loop {refused:,} were refused ({_SENTENCE}) and {waited:,} waited for a lock: {why}. "
        f"With the check off {missed:,} missed a key that was there.",
        numbers=(
            Number("reads beside the loop", reads),
            Number("reads that the check refused", refused),
            Number("reads that waited for a lock", waited),
            Number("time waited for a lock", waited_ns, "ns"),
            Number("unchecked reads that missed a present key", missed),
        ),
    )


@grow_demo.go
def in_go(ctx: Context) -> Finding:
    """The same loop in a real classic map; and with a reader beside it, in both designs, what the programs died of."""
    loop = go_run(_LOOP, "classic", ctx.seed)
    grown = decide_exact(
        "doublings of the loop in real classic Go that the source foretells",
        int(loop.counters["growths"] == _DOUBLINGS and loop.counters["B"] == _DOUBLINGS),
        1,
    )
    runs = ctx.scale.pick(test=2, quick=5, full=20)
    racy = _with_reader("plain").with_(duration_s=2.0, sample=0, attribution=False)
    outcomes = []
    for i, seed in enumerate(ctx.seeds(runs)):
        for design in ("classic", "swiss"):
            ctx.say(f"a reader beside the loop in {design} Go, {i + 1} of {runs}", i / runs)
            outcomes.append(go_run(racy, design, seed).outcome)
    died = go_deaths(outcomes, _SENTENCE, "a reader beside the loop")
    verdict = {CONFIRMED: REFUTED}.get(died.verdict, UNDECIDED) if grown.verdict == CONFIRMED else UNDECIDED
    return died.with_(
        verdict=verdict,
        reason=f"The loop doubles the map {loop.counters['growths']} times, to B = {loop.counters['B']}. {died.reason} None "
        "waited.",
        numbers=(Number("doublings", loop.counters["growths"]), Number("B", loop.counters["B"]), *died.numbers),
        settings=("hint 1",),
        workload=racy,
    )
