"""R4-no-range: replace range by a loop over a list of keys."""

from __future__ import annotations

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.real import controls, decided_or_read, designs
from gomap.claims.registry import claim
from gomap.claims.scenes import beside_hog, numbers, reading
from gomap.claims.turns import turns, waits_in_a_sample
from gomap.claims.verdict import Finding, Number, decide_pairs, median_interval
from gomap.lab.scheduler import Scheduler
from gomap.realgo.controls import Controls


@claim
def no_range() -> Claim:
    return Claim(
        id="R4-no-range",
        title="Replace range by a loop over a list of keys",
        section="1, root cure",
        statement=(
            "Do not range over the map: keep a list of keys and read m[k] for each, so as to control the grain of "
            "the iteration. (As printed, 'for k := range keys' over a slice yields indices, and over a map is still "
            "a map range.)"
        ),
        article_number=None,
        go_words="does not help",
        real_go=(
            "Both forms are calls with a stack check in the prologue at every element (runtime/map_noswiss.go: "
            "mapiternext, mapaccess1), so both can be preempted at each."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence=(
                "Both forms yield the P after the same 20 ms (G8). With 2^20 entries range takes 13.4 ns an element "
                "and a key list with gets 78.5 (Swiss 11.7 and 66.3) (G15)."
            ),
            holds=(
                "with 1,000 entries the list is quicker, 13 against 20 ns, and after mass deletion it spares the "
                "walk over empty buckets."
            ),
        ),
        prediction="The delay until another goroutine runs is the same; a pass is slower for large maps.",
        knob="pass",
        settings=(Setting("range", go=True), Setting("key list and get")),
        workload="A full pass of both forms, at 1,000 to 2^20 entries and after mass deletion.",
        measured=(
            Quantity("an element", "ns"),
            Quantity("delay until another goroutine runs", "ns"),
            Quantity("memory of the list", "B"),
            Quantity("keys missed or stale when they change", ""),
        ),
        criterion=Criterion(
            text="Helps only if the delay falls; it is not expected to.",
        ),
        needs=frozenset({"map", "scheduler"}),
    )


@no_range.model
def delay_and_price_of_the_model(ctx: Context) -> Finding:
    """How long another goroutine waits for the one P beside each of the two loops on the model's scheduler, and what an element
    costs in them, safe points included."""
    read, waits = numbers(10_000), ctx.scale.pick(test=1, quick=3, full=12)
    prices: dict[str, list[float]] = {"range": [], "gets": []}

    def delay(hog: str, seed: int) -> float:
        r = beside_hog(Scheduler(procs=1, seed=seed), read, hog, waits=waits)
        prices[hog].append(1e9 * r.elapsed_s / max(r.counts["hog_rounds"], 1))
        return reading(r.response)["p50"]

    pairs = ctx.pairs("range", "gets", delay, names=("range", "key list and get"))
    found = decide_pairs(pairs, "wait of another goroutine", rising=False, two_valued=True, unit="ns")
    each = (Number.of_ratio(f"an element by {name}, 10,000 entries", median_interval(ns), "ns") for name, ns in prices.items())
    return found.with_(numbers=(*found.numbers, *each))


@no_range.go
def delay_and_price(ctx: Context) -> Finding:
    """How long another goroutine waits beside each of the two loops, and what an element costs in them."""
    go, waits = controls(designs()[0]), waits_in_a_sample(ctx)
    pairs = ctx.pairs("range", "get", lambda loop, seed: turns(go, loop, waits).median, names=("range", "key list and get"))
    delay = decide_pairs(pairs, "wait of another goroutine", rising=False, two_valued=True, unit="ns")
    large = ctx.scale.pick(test=1 << 14, quick=1 << 17, full=1 << 20)
    prices = [n for size in (1_000, large) for n in _prices(ctx, go, size)]
    return decided_or_read(no_range.claim, delay.with_(numbers=(*delay.numbers, *prices)))


def _prices(ctx: Context, go: Controls, size: int) -> tuple[Number, Number]:
    found = go.run("passes", size=size, rounds=ctx.scale.pick(test=5, quick=10, full=20))
    ranged, listed = (median_interval(found[name]) for name in ("range_ns", "list_ns"))
    return (
        Number.of_ratio(f"an element by range, {size:,} entries", ranged, "ns"),
        Number.of_ratio(f"an element by key list and get, {size:,} entries", listed, "ns"),
    )
