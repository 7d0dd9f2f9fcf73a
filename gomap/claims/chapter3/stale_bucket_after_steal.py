"""C3.1-stale-bucket-after-steal: stolen goroutines hold dangling bucket pointers."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def stale_bucket_after_steal() -> Claim:
    return Claim(
        id="C3.1-stale-bucket-after-steal",
        title="Stolen goroutines hold dangling bucket pointers",
        section="3.1",
        statement=(
            "When a P's local queue runs dry it steals a goroutine. If that one had cached a bucket pointer "
            "(h.buckets, hiter), it dangles on the new P, for the memory may have been collected or used again."
        ),
        article_number=None,
        go_words="false",
        real_go=(
            "The heap is one address space for all Ps. A goroutine's registers, stack and hiter are roots of the "
            "collector; the iterator keeps buckets and overflow lists alive (runtime/map_noswiss.go: hiter.buckets, "
            "overflow, oldoverflow), and evacuation leaves old arrays to the collector. Only runnable goroutines in "
            "a queue are stolen, never a running one (runtime/proc.go: runqsteal). Moving changes nothing about a "
            "pointer."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence=(
                "Real Go under gccheckmark=1 and clobberfree=1, with a growing locked map and Gosched in the loop, "
                "shows no corruption; by source a pointer does not depend on the P."
            ),
        ),
        prediction=(
            "Stale reads appear only where old arrays are freed at once, with or without migration: the cause would "
            "be reclamation."
        ),
        knob="reclaim; migrate (on, off)",
        settings=(Setting("GC / epoch", go=True), Setting("free the old array when evacuation ends", article=True)),
        workload=(
            "Two by two. Every bucket has a generation stamp, freed arrays are poisoned, each dereference checks. "
            "Iterating and getting goroutines are moved between Ps while a writer grows the map."
        ),
        measured=(Quantity("stale dereferences in a million operations", ""),),
        criterion=Criterion(
            text=(
                "Refuted if stale reads are zero in both cells with collection and not in both with immediate "
                "freeing; confirmed only if migration multiplies them."
            ),
        ),
        needs=frozenset({"map", "scheduler"}),
    )
