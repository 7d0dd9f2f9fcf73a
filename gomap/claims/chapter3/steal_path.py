"""C3.3-steal-path: work stealing goes through runqget."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def steal_path() -> Claim:
    return Claim(
        id="C3.3-steal-path",
        title="Work stealing goes through runqget",
        section="3.1, code block and table",
        statement=(
            "findrunnable calls runqget, which steals when the local queue is empty; the goroutine goes _Grunning, "
            "_Gwaiting, _Grunnable, _Grunning across Ps."
        ),
        article_number=None,
        go_words="partly true",
        real_go=(
            "The order of findRunnable (runtime/proc.go): at every 61st schedtick the global queue; the local one "
            "(runqget, which never steals); the global one in a batch; the network poller; then stealWork, four "
            "passes over the other Ps in random order, half of the victim's queue (n - n/2), runnext only in the "
            "last pass and after a 3 µs pause if the victim runs. Stolen goroutines are _Grunnable before and "
            "after. Local queue: a ring of 256 and runnext."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence=(
                "runqget only takes from its own P; stealing is runqsteal, called by stealWork, and the goroutine "
                "is runnable throughout (source)."
            ),
            holds="an idle P does steal, half of a victim's queue.",
        ),
        prediction="Batches and order as in the source; the first gets after a move are slower, with a cold cache.",
        knob="steal; runq_len = 256; runnext (on, off)",
        settings=(Setting("half", go=True), Setting("one"), Setting("off")),
        workload="Unequal load: all goroutines are born on one P.",
        measured=(
            Quantity("steals", ""),
            Quantity("goroutines a steal", ""),
            Quantity("CAS failures on runqhead", ""),
            Quantity("time to balance", "ns"),
            Quantity("get before and after moving", "ns"),
        ),
        criterion=Criterion(
            text=(
                "Gate of the model: batch sizes and order match. Effect of moving: first gets after a steal against later ones."
            ),
        ),
        needs=frozenset({"scheduler"}),
    )
