"""C3.2-mcache-view: buckets are reached through the P's mcache."""

from __future__ import annotations

from gomap.claims.claim import UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.heaps import play
from gomap.claims.registry import claim
from gomap.claims.verdict import Counted, Finding, Number, bars, decide_count, decide_exact
from gomap.lab.heap_scene import HeapActor, HeapScene, HeapSceneResult


@claim
def mcache_view() -> Claim:
    return Claim(
        id="C3.2-mcache-view",
        title="Buckets are reached through the P's mcache",
        section="3.1",
        statement=(
            "h.buckets is reached by the path P.mcache -> span -> page. Migration does not refresh the mcache, so "
            "that an old pointer leads to a span that was released."
        ),
        article_number=None,
        go_words="false",
        real_go=(
            "The mcache is a cache for allocation (runtime/mcache.go). A load goes straight to memory; no P, mcache "
            "or span is asked. Whether a span is released depends on mark bits, not on which P runs."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="The compiled read path loads from the bucket's address and calls nothing of the allocator (G11).",
        ),
        prediction="A span lookup on every get would cost several ns, and change no result.",
        knob="get.via_span",
        settings=(Setting("off", go=True), Setting("look up the span on every get", article=True)),
        workload="Gets with and without a span lookup; correctness while goroutines move, with both.",
        measured=(Quantity("get", "ns"), Quantity("wrong results", "")),
        criterion=Criterion(
            text="Refuted by source; the knob reports what such a lookup would cost.",
        ),
        needs=frozenset({"map", "heap"}),
    )


@mcache_view.model
def gets_through_the_span(ctx: Context) -> Finding:
    """Gets by threads that change their P after each, beside a writer and collections back to back; with a look for the span in
    the P's cache, and without. Every elem that is found is compared with what was assigned."""
    n = ctx.scale.pick(test=50_000, quick=100_000, full=600_000)
    names = ("off", "look up the span on every get")
    found: list[list[HeapSceneResult]] = [[], []]

    def get_ns(via_span: str, seed: int) -> float:
        r = _moving(n, via_span)
        found[via_span == "on"].append(r)
        return r.actors[0].latency.value_at(50)

    pairs = ctx.pairs("off", "on", get_ns, ctx.scale.pick(test=3, quick=3, full=5), names=names)
    plain, looked = ([a for r in rs for a in r.actors[:2]] for rs in found)
    wrong, gets = (sum(getattr(a, what) for a in (*plain, *looked)) for what in ("wrong", "ops"))
    hits, looks = (sum(r.counts[what] for r in found[1]) for what in ("get_span_hits", "get_spans"))
    judged = _judged(wrong, gets, hits, looks)
    return judged.with_(
        reason=f"{judged.reason} Such a look makes a get {pairs.effect()} times as long.",
        numbers=(
            Number.of_ratio("get, with a look for the span by without", pairs.effect()),
            *judged.numbers,
            Number("changes of the P", sum(a.moved for a in (*plain, *looked))),
        ),
        series=(bars("Get", "ns", {name: pairs.samples(i) for i, name in enumerate(names)}),),
        settings=names,
    )


def _moving(n: int, via_span: str) -> HeapSceneResult:
    readers = (HeapActor(entries=20_000, moves=True, ops=n),) * 2
    writer = HeapActor(does="inserts", key="str", elem="new", entries=10_000)
    return play(HeapScene(actors=(*readers, writer), live=10_000, collecting=True, duration_s=60), via_span=via_span)


def _judged(wrong: int, gets: int, hits: int, looks: int) -> Finding:
    """That buckets are reached through the P's cache says where each of them is to be found: one exception is enough. And no
    get may be led astray on a P that never had the span."""
    there = decide_exact("buckets that a get was about to read and that lay in a span of its P's cache", hits, looks)
    astray = decide_count(Counted("wrong results of gets on a P that was changed", wrong, gets))
    return there.with_(
        verdict=UNDECIDED if wrong else there.verdict,
        reason=f"{there.reason} {astray.reason}",
        numbers=(*there.numbers, *astray.numbers),
    )
