"""C4.1-atomic-buckets-load: h.buckets is loaded atomically and written once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.parts import apart
from gomap.claims.registry import claim
from gomap.claims.verdict import Finding, Number, bars, decide_exact, median_interval
from gomap.inspect import bucket_address
from gomap.lab.machine import allowed_cpus
from gomap.lab.workload import Group, Workload
from gomap.map import Map


@claim
def atomic_buckets_load() -> Claim:
    return Claim(
        id="C4.1-atomic-buckets-load",
        title="h.buckets is loaded atomically and written once",
        section="4.1",
        statement=(
            "mapaccess1 reads h.buckets by atomic.LoadPointer without a lock. The pointer is write-once: a growth "
            "never changes the old array's address and only updates h.oldbuckets and h.buckets."
        ),
        article_number=None,
        go_words="false",
        real_go=(
            "It is a plain load, and the sentence contradicts itself: hashGrow overwrites h.buckets at every growth "
            "(runtime/map_noswiss.go: mapaccess1, hashGrow). On x86-64 an atomic load would be the same "
            "instruction."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="A plain load in the compiled code (G11), and a pointer that every growth overwrites (source).",
        ),
        prediction=(
            "Plain and acquire loads cost the same on x86-64; a read-modify-write destroys scaling. An unguarded "
            "reader beside a growing writer misses keys."
        ),
        knob="buckets_load",
        settings=(
            Setting("plain", go=True),
            Setting("acquire"),
            Setting("seq_cst", article=True),
            Setting("read-modify-write"),
        ),
        workload=(
            "Gets with each kind of load, 1 to N readers; then unguarded readers beside a growing writer with the "
            "misuse check off."
        ),
        measured=(
            Quantity("get", "ns"),
            Quantity("throughput by readers", "1/s"),
            Quantity("missed keys in a million reads", ""),
        ),
        criterion=Criterion(
            text=(
                "Refuted by disassembly. Expected: plain equals acquire within noise on x86-64, read-modify-write "
                "destroys scaling."
            ),
        ),
    )


_LOADS = ("plain", "acquire", "seq_cst", "rmw")
_UNCHECKED = {"check_writing": "off"}


def _arrays(inserts: int, seed: int) -> Iterator[tuple[int, int]]:
    """The address of the bucket array before and after each doubling of a map that is filled."""
    m = Map(seed=seed)
    m[-1] = 0
    before = bucket_address(m, 0)
    for i in range(inserts):
        B = m.header.B
        m[i] = i
        now = bucket_address(m, 0)
        if m.header.B != B:
            yield before, now
        before = now


def _reading(ctx: Context, load: str, readers: int) -> Workload:
    knobs: dict[str, Any] = {"buckets_load": load, "paths": "knobs"}
    gets = ctx.scale.pick(test=50_000, quick=200_000, full=2_000_000)
    group = Group(threads=readers, cpus=allowed_cpus()[:readers])
    return Workload(groups=(group,), size=1_000, ops=gets * readers, knobs=knobs, sample=0, attribution=False)


def _missed(ctx: Context) -> tuple[int, int]:
    """Gets of keys that are there which found nothing, beside a growing writer that they do not look for; and all gets."""
    growing = Group(mix={"assign_new": 100})
    missed = gets = 0
    for seed in ctx.seeds(ctx.scale.pick(test=3, quick=6, full=40)):
        r = ctx.run(Workload(groups=apart(Group(), growing), size=1_000, ops=400_000, knobs=_UNCHECKED, sample=0), seed)
        gets += r.operations["get"]
        missed += r.operations["get"] - r.hits["get"]
    return missed, gets


@atomic_buckets_load.model
def array_and_its_loads(ctx: Context) -> Finding:
    """Whether growth leaves the pointer as it was; what each kind of load costs; what a reader without a lock misses."""
    ctx.say("filling a map, and looking where its array is", 0.0)
    arrays = list(_arrays(ctx.scale.pick(test=2_000, quick=20_000, full=200_000), ctx.seed))
    found = decide_exact("growths after which h.buckets was what it had been", sum(a == b for a, b in arrays), len(arrays))
    missed, gets = _missed(ctx)
    readers = (1, 2)[: len(allowed_cpus())]
    settings = [(load, n) for n in readers for load in _LOADS]
    sweep = ctx.sweep(
        [_reading(ctx, *s) for s in settings],
        lambda w, seed: w.threads * 1e9 / ctx.run(w, seed).throughput,
        names=[f"{load}, {n} reader{'s' * (n > 1)}" for load, n in settings],
    )
    cost = {name: sweep.of(i) for i, name in enumerate(sweep.settings)}
    numbers = [Number.of_ratio(f"get, {name}", median_interval(values), "ns") for name, values in cost.items()]
    told = (
        f"A get takes {numbers[0].value:.3g} ns with a plain load, {numbers[1].value:.3g} with acquire, "
        f"{numbers[2].value:.3g} with seq_cst and {numbers[3].value:.3g} with a read-modify-write. Without a lock "
        f"{missed:,} of {gets:,} gets beside a growing writer missed a key that was there."
    )
    return found.with_(
        reason=f"{found.reason} {told}",
        numbers=(*found.numbers, *numbers, Number("missed keys in a million reads", 1e6 * missed / gets)),
        series=(bars("A get by the load of h.buckets", "ns", cost),),
        settings=_LOADS,
        workload=_reading(ctx, "plain", 1),
    )
