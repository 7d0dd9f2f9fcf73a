"""C2.18-iter-write-check: mapiternext notices a concurrent write and throws."""

from __future__ import annotations

from gomap.claims.claim import CONFIRMED, REFUTED, UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.real import go_deaths, go_run
from gomap.claims.registry import claim
from gomap.claims.verdict import Finding, Number, bars
from gomap.lab.workload import Group, Workload


@claim
def iter_write_check() -> Claim:
    return Claim(
        id="C2.18-iter-write-check",
        title="mapiternext notices a concurrent write and throws",
        section="2.5, code block",
        statement=(
            "mapiternext tests hashWriting and throws 'concurrent map iteration and map write'; the check does not block."
        ),
        article_number=None,
        go_words="true",
        real_go=(
            "Exact (runtime/map_noswiss.go: mapiternext; Swiss: Iter.Next), but that it is fatal and not throw "
            "since Go 1.19, that it happens on every next, and that it leads to no safe point."
        ),
        go_by_source=SourceVerdict(
            "confirmed",
            evidence="Every run with a range and a writer died of that sentence; range beside gets survived (G1).",
            limits="The check is best effort: a write that begins after it goes unnoticed.",
        ),
        prediction="Every racy iteration beside a busy writer is noticed within some hundred writes.",
        knob="detect",
        settings=(Setting("fatal", go=True), Setting("count"), Setting("off")),
        workload=(
            "An iterator and an unsynchronised writer; with detect = count, the share of racy iterations that go unnoticed."
        ),
        measured=(
            Quantity("writes until noticed", ""),
            Quantity("time until noticed", "ns"),
            Quantity("racy iterations unnoticed", "%"),
        ),
        criterion=Criterion(
            text="Confirmed if racy iterations are noticed, with Go's sentence, and none waits.",
        ),
        remedy=("locking, or copying before the range",),
    )


_SENTENCE = "concurrent map iteration and map write"


def _racing(variant: str) -> Workload:
    """Iterations over 1,000 entries beside a thread that overwrites them, with nothing between the two but the variant."""
    groups = (Group(mix={"iterate": 100}, scan=0), Group(mix={"assign": 100}))
    return Workload(variant, groups, size=1_000, duration_s=0.1)


@iter_write_check.model
def iterator_and_writer(ctx: Context) -> Finding:
    """Iterations beside a writer: how many were refused, how many went unnoticed, and whether one waited."""
    return _race(ctx, "plain")


def _race(ctx: Context, variant: str) -> Finding:
    runs = ctx.scale.pick(test=3, quick=15, full=120)
    noticed = whole = writes = 0
    waited_ns = 0.0
    each = []
    for i, seed in enumerate(ctx.seeds(runs)):
        ctx.say(f"iterating beside a writer, {i + 1} of {runs}", i / runs)
        r = ctx.run(_racing(variant), seed)
        refused = r.refused.get(_SENTENCE, 0)
        noticed += refused
        whole += r.operations.get("iterate", 0)
        writes += r.operations.get("assign", 0)
        waited_ns += r.time_by_cause("iterate")["lock_wait"] if "iterate" in r.cause_tables else 0.0
        each.append(100.0 * refused / max(refused + r.operations.get("iterate", 0), 1))
    return _judged(noticed, whole, writes, waited_ns).with_(
        series=(bars("Iterations beside a writer that were refused", "%", {variant: each}),),
        settings=("count" if variant == "plain" else variant,),
        workload=_racing(variant),
    )


def _judged(noticed: int, whole: int, writes: int, waited_ns: float) -> Finding:
    """Confirmed if iterations were refused with Go's sentence and none waited; refuted if one waited."""
    verdict = REFUTED if waited_ns > 0 else CONFIRMED if noticed else UNDECIDED
    rest = "none waited" if waited_ns == 0 else f"they waited {waited_ns / 1e6:.3g} ms for a lock"
    numbers = (
        Number("iterations refused", noticed),
        Number("iterations unnoticed", 100 * whole / max(noticed + whole, 1), "%"),
        Number("time waited for a lock", waited_ns, "ns"),
        Number("writes beside them", writes),
    )
    return Finding(
        verdict,
        f"Of {noticed + whole:,} iterations beside {writes:,} writes {noticed:,} were refused with Go's sentence "
        f"({_SENTENCE}); {rest}.",
        numbers=numbers,
    )


@iter_write_check.go
def in_go(ctx: Context) -> Finding:
    """The same race in real Go: every program has to die of that sentence."""
    runs = ctx.scale.pick(test=2, quick=6, full=20)
    w = _racing("plain").with_(duration_s=2.0, sample=0, attribution=False)
    outcomes = []
    for i, seed in enumerate(ctx.seeds(runs)):
        for design in ("classic", "swiss"):
            ctx.say(f"a range beside a writer in {design} Go, {i + 1} of {runs}", i / runs)
            outcomes.append(go_run(w, design, seed).outcome)
    return go_deaths(outcomes, _SENTENCE, "a range beside a writer").with_(settings=("fatal",), workload=w)
