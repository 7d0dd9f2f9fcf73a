"""C3.3-steal-path: work stealing goes through runqget."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from gomap.claims.claim import UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.real import controls, decided_or_read, designs
from gomap.claims.registry import claim
from gomap.claims.scenes import played
from gomap.claims.verdict import Finding, Number, bars, decide_exact, median_interval
from gomap.lab.compare import bootstrap_ratio
from gomap.lab.scheduler import Scheduler


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


_GOROUTINES, _GETS = 100, 100  # the second is what each makes
_TIMES = {
    "moved_first_ns": "first gets, taken over",
    "moved_later_ns": "the same gets again",
    "stayed_first_ns": "first gets, not taken over",
}


@steal_path.go
def gets_after_moving(ctx: Context) -> Finding:
    """Goroutines that are all born on one of two Ps: how many the other takes over, and what their first gets take beside later
    ones. How many go at once, and in which order it looks for them, cannot be seen from outside: these are numbers."""
    go, n = controls(designs()[0]), ctx.scale.pick(test=5, quick=60, full=500)
    runs = [go.run("steals", goroutines=_GOROUTINES) for _ in range(n)]
    return decided_or_read(steal_path.claim, _told(runs))


def _told(runs: Sequence[Mapping[str, list[int] | None]]) -> Finding:
    """A run's median is a sample: its goroutines had one weather."""
    moved, stayed = (sum(len(r[name] or ()) for r in runs) for name in ("moved_first_ns", "stayed_first_ns"))
    born = moved + stayed
    shares = (Number("goroutines taken over by the other P", 100 * moved / born, "%"), Number("goroutines born", born))
    told = f"Of {born:,} goroutines born on one P, another ran {moved:,} first."
    samples = {name: [statistics.median(r[key] or ()) / _GETS for r in runs if r[key]] for key, name in _TIMES.items()}
    if not all(samples.values()):
        return Finding(UNDECIDED, told, numbers=shares)
    taken, again, kept = samples.values()
    by_kept = bootstrap_ratio(taken, kept)
    return Finding(
        UNDECIDED,
        f"{told} Their first gets took {by_kept} times those of goroutines that stayed.",
        numbers=(
            Number.of_ratio("first gets of goroutines taken over, by those of others", by_kept),
            Number.of_ratio("first gets of goroutines taken over, by the same again", bootstrap_ratio(taken, again)),
            *(Number.of_ratio(f"a get: {name}", median_interval(ns), "ns") for name, ns in samples.items()),
            *shares,
        ),
        series=(bars("A get", "ns", samples),),
        settings=tuple(samples),
    )


_BURST, _BATCH, _EVERY = 600, 129, 61
_MOST_STOLEN = 128  # half of a ring


@steal_path.model
def batches_and_order(ctx: Context, steal: str = "half") -> Finding:
    """Goroutines that are all born on one of two Ps: how many go at once, by the setting; what a full queue sheds; how
    often the global queue comes first. All of it is counted."""
    rounds = ctx.scale.pick(test=2, quick=5, full=20)
    found: dict[str, list[Mapping[str, int]]] = {}
    waits: dict[str, list[float]] = {}
    for name in dict.fromkeys((steal, "half", "one", "off")):
        ctx.say(f"stealing {name}")
        plays = [
            played(Scheduler(steal=name, seed=seed), spawners=1, burst=_BURST, duration_s=0.03) for seed in ctx.seeds(rounds)
        ]
        found[name] = [p.scheduler for p in plays]
        waits[name] = [float(p.waits.value_at(50)) for p in plays if p.waits is not None]
    shed = played(Scheduler(procs=1, steal="off"), spawners=1, burst=_BURST, duration_s=0.02).scheduler
    first = played(Scheduler(procs=1), yielders=200, duration_s=0.02).scheduler
    inherited = played(Scheduler(procs=1, runnext="off"), pairs=2, duration_s=0.01).scheduler["inherited"]
    return _ruled(steal, found, waits, shed, first, inherited)


def _ruled(
    steal: str,
    found: Mapping[str, Sequence[Mapping[str, int]]],
    waits: Mapping[str, Sequence[float]],
    shed: Mapping[str, int],
    first: Mapping[str, int],
    inherited: int,
) -> Finding:
    sums = {
        name: {key: sum(r[key] for r in runs) for key in ("steals", "stolen", "next_steals")} for name, runs in found.items()
    }
    yielded = shed["yields"] + shed["preempted_sync"] + shed["preempted_async"]  # these go to the global queue one by one
    batches = shed["global_gets"] - yielded
    go, one, off, ticks = sums[steal], sums["one"], sums["off"], first["runs"] - first["inherited"]
    rules = {
        "an idle P takes several at once, and no more than half a ring": go["steals"]
        < go["stolen"]
        <= _MOST_STOLEN * go["steals"],
        "set to one it takes one": 0 < one["stolen"] == one["steals"],
        "switched off it takes none": off["steals"] == off["next_steals"] == 0,
        f"a full queue sheds {_BATCH}": 0 < _BATCH * shed["overflows"] == batches,
        f"every {_EVERY}st tick looks at the global queue first": abs(first["global_ticks"] - ticks / _EVERY)
        <= 2 + 0.02 * ticks / _EVERY,
        "without runnext no slice is inherited": inherited == 0,
    }
    gate = decide_exact("rules of Go's that hold in the model", sum(rules.values()), len(rules))
    broken = "; ".join(rule for rule, holds in rules.items() if not holds)
    sizes = {name: [r["stolen"] / r["steals"] for r in runs if r["steals"]] for name, runs in found.items()}
    seen = go["steals"] and one["steals"]
    return gate.with_(
        verdict=gate.verdict if seen else UNDECIDED,
        reason=f"{gate.reason} {f'Broken: {broken}.' if broken else 'They are: ' + '; '.join(rules) + '.'}",
        numbers=(
            *gate.numbers,
            *(Number(f"steals, {name}", s["steals"]) for name, s in sums.items()),
            *(Number.of_ratio(f"goroutines a steal, {name}", median_interval(v), "") for name, v in sizes.items() if v),
            *(Number.of_ratio(f"from ready to running, {name}", median_interval(v), "ns") for name, v in waits.items()),
            Number("moves of a queue's head that failed", sum(r["queue_retries"] for r in found[steal])),
            Number("thefts of runnext", go["next_steals"]),
            Number("goroutines shed by full queues", batches),
        ),
        series=(bars("Goroutines a steal", "", {name: v for name, v in sizes.items() if v}),),
        settings=tuple(found),
    )
