"""C1.1-grow-global-lock: growth holds a global lock that readers wait for."""

from __future__ import annotations

from gomap.claims.claim import CONFIRMED, REFUTED, UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.real import go_deaths, go_run
from gomap.claims.registry import claim
from gomap.claims.verdict import PAIRS_ASKED, Finding, Number, decide_pairs, percentiles, time_line
from gomap.claims.walk import full
from gomap.errors import MissingTool
from gomap.lab.machine import allowed_cpus
from gomap.lab.result import Result
from gomap.lab.workload import Group, Workload


@claim
def grow_global_lock() -> Claim:
    return Claim(
        id="C1.1-grow-global-lock",
        title="Growth holds a global lock that readers wait for",
        section="1, global write lock of bucket migration",
        statement=(
            "When a map grows (growWork), mapassign holds the global mutex h.mutex. It blocks all writers and, "
            "because iteration has to stay consistent, all readers too."
        ),
        article_number="none (the table of the same section says p99 > 10 µs)",
        go_words="false",
        real_go=(
            "hmap has no mutex (runtime/map_noswiss.go: hmap; Swiss: internal/runtime/maps/map.go: Map). mapassign "
            "flips the flag hashWriting with a plain XOR on entry and clears it on exit. mapaccess1 and its fast "
            'variants load the flags once on entry and, if the bit is set, call fatal("concurrent map read and map '
            'write"): exit status 2, no recovery. mapiternext does the same; assign, delete and clear test on entry '
            "and exit. The test is best effort: a write that starts after it is not seen. A reader never waits: it "
            "runs, reads wrong data, or the program dies. What does stall readers while a map grows is the lock "
            "that the user holds for longer then."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence=(
                "There is no mutex in the source, and in 20 runs a build every unsynchronised reader and writer "
                "ended in a fatal error; none waited (G1)."
            ),
            holds="growth lengthens the time that the user's own lock is held.",
        ),
        prediction=(
            "With the article's lock, p99.9 of reads that overlap a growth is many times that of the others; with "
            "Go's setting nothing waits."
        ),
        knob="growlock; guard (none, rwmutex, sharded)",
        settings=(
            Setting("none", go=True),
            Setting("global while growing"),
            Setting("global on every assign and read", article=True),
            Setting("per bucket"),
        ),
        workload=(
            "One writer inserts new keys at a fixed rate through at least three growths, readers on the other "
            "cores; 2^10 to 2^20 entries at growth, int and string keys. Controls: the same writes as updates, and "
            "as inserts into a presized map."
        ),
        measured=(
            Quantity("get p50 to max, by overlap with a growth step", "ns"),
            Quantity("lock waits", ""),
            Quantity("total wait", "ns"),
            Quantity("longest queue", ""),
            Quantity("hold time", "ns"),
            Quantity("evacuations per assign", ""),
            Quantity("array allocation", "ns"),
        ),
        criterion=Criterion(
            text=(
                "The mechanism is confirmed if with a global lock p99.9 of reads tagged with a growth is at least 5 "
                "times that of untagged ones, and comes back to within 10 % without it. Real Go is refuted by "
                "source and G1."
            ),
            threshold=5.0,
        ),
        remedy=("R1", "R2", "R3"),
    )


# A second. So few that a lock keeps up which the system hands from one to the next, some 50 µs each: beyond that whoever was
# once held up for a millisecond leaves a queue behind that never ends, growth or not. And so many that nobody sleeps, since a
# machine may wake late: the engine spins for the last 100 µs before an operation.
_WRITES, _READS = 10_500.0, 10_500.0
_THRESHOLD = 5.0
_LONGER = 4
_SENTENCE = "concurrent map read and map write"


def _workload(B: int, seconds: float, variant: str, *, presized: bool = False) -> Workload:
    """A writer at a fixed rate takes a map of 2^B full buckets through its growths; a reader keeps to a schedule, so that
    reads that come due while it is held up count. presized: the same inserts, and no growth. Without a lock reads are not
    refused either: what they take is asked here."""
    writer = Group(mix={"assign_new": 100}, rate=_WRITES)
    reader = Group(mix={"get": 100}, rate=_READS)
    size = full(B) - 1
    hint = size + int(2 * _WRITES * seconds) if presized else size
    knobs = {"check_writing": "off"} if variant == "plain" else None
    return Workload(variant, (writer, reader), size=size, hint=hint, duration_s=seconds, knobs=knobs)


@grow_global_lock.model
def with_and_without_the_lock(ctx: Context) -> Finding:
    """Reads beside a growing map, with the lock that the article says growth holds and with none, and with the lock presized.
    The map is so large that a growth at once takes longer than another program keeps a CPU, and most of the run: what it does
    to reads shows in the median, below the percentiles that belong to the machine's noise."""
    return _compare(ctx, "plain", "growlock")


def _compare(ctx: Context, without: str, lock: str) -> Finding:
    if len(allowed_cpus()) < 2:
        raise MissingTool("a reader and a writer at the same time take two CPUs")
    B, seconds, p = ctx.scale.pick(test=(16, 0.1, 50), quick=(17, 0.2, 50), full=(18, 0.35, 50))
    rounds = min(ctx.scale.pairs, PAIRS_ASKED)
    last: dict[str, Result] = {}

    def tail(setting: tuple[str, bool], seed: int) -> dict[str, float]:
        variant, presized = setting
        r = _long_enough(ctx, _workload(B, seconds, variant, presized=presized), p, seed)
        last[f"{variant}{', presized' if presized else ''}"] = r
        waits = r.counters.get("read_waits", {})
        return {
            "tail": r.latency["get"].percentile(p),
            "waited": r.time_by_cause("get")["lock_wait"],
            "waits": float(waits.get("total", 0)),
            "growths": float(r.counters["growths"]),
        }

    growing = ctx.pairs((without, False), (lock, False), tail, rounds, names=(without, lock))
    tagged = ctx.pairs((lock, True), (lock, False), tail, rounds, names=(f"{lock}, presized", lock))
    found = decide_pairs(growing, f"p{p:g} of get while the map grows", threshold=_THRESHOLD, two_valued=True, unit="ns")
    by_growth = decide_pairs(tagged, f"p{p:g} of get", threshold=_THRESHOLD, two_valued=True, unit="ns")
    both = found.verdict if by_growth.verdict == CONFIRMED or found.verdict != CONFIRMED else by_growth.verdict
    figures = {name: sum(growing.samples(i, "waited")) for i, name in enumerate(growing.settings)}
    return found.with_(
        verdict=both,
        reason=f"{found.reason} {by_growth.reason} Reads waited {figures[lock] / 1e6:.3g} ms for it in all, without it "
        f"{figures[without] / 1e6:.3g} ms.",
        numbers=(
            *found.numbers,
            *by_growth.numbers,
            Number("growths in a run", growing.samples(1, "growths")[-1]),
            *(Number(f"reads waited, {name}", ns, "ns") for name, ns in figures.items()),
            *(Number(f"lock waits, {name}", sum(growing.samples(i, "waits"))) for i, name in enumerate(growing.settings)),
        ),
        series=(
            *found.series,
            percentiles("Get beside a growing map", {name: r.latency["get"] for name, r in last.items()}),
            time_line(f"Get and insert with the lock ({lock})", last[lock]),
        ),
        workload=_workload(B, seconds, lock),
    )


def _long_enough(ctx: Context, w: Workload, percent: float, seed: int) -> Result:
    """A run with enough reads for the percentile. On a machine whose CPUs others want, twice or four times as long."""
    for _ in range(_LONGER):
        r = ctx.run(w, seed)
        if r.latency["get"].percentile_or_none(percent) is not None:
            return r
        w = w.with_(duration_s=2 * (w.duration_s or 0))
    return ctx.run(w, seed)


@grow_global_lock.go
def in_go(ctx: Context) -> Finding:
    """A reader beside a writer that grows a real map, with no lock of theirs: they die, and none waits."""
    runs = ctx.scale.pick(test=2, quick=5, full=20)
    w = _workload(10, 2.0, "plain").with_(sample=0, attribution=False, knobs=None)
    outcomes = []
    for i, seed in enumerate(ctx.seeds(runs)):
        for design in ("classic", "swiss"):
            ctx.say(f"reading beside a growth in {design} Go, {i + 1} of {runs}", i / runs)
            outcomes.append(go_run(w, design, seed).outcome)
    died = go_deaths(outcomes, _SENTENCE, "a reader beside a growing map")
    verdict = REFUTED if died.verdict == CONFIRMED else UNDECIDED
    return died.with_(verdict=verdict, reason=f"{died.reason} A reader does not wait.", settings=("none",), workload=w)
