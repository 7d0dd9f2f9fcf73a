"""The registry: a claim is a file that makes a `Claim` and, where there is one, its experiments.

    @claim
    def load_factor() -> Claim:
        return Claim(id="C2.2-load-factor", ...)

    @load_factor.model
    def reads_behind_growth(ctx: Context) -> Finding:
        w = Workload(ops=ctx.scale.pick(test=10_000, quick=100_000, full=1_000_000), ...)
        def p99(w: Workload, seed: int) -> float:
            return ctx.run(w, seed).latency["get"].percentile(99)
        pairs = ctx.pairs(w, w.with_(variant="growlock"), p99, names=("no lock", "growth lock"))
        return decide_pairs(pairs, "p99 of get", threshold=5, two_valued=True, unit="ns").with_(workload=w)

An experiment on real Go has the decorator `go`; where there is no toolchain it raises `MissingTool`, and the verdict by source
stands. Everything goes through `ctx` (gomap/claims/context.py): sizes, seeds, runs, progress and the deadline; verdicts come
from gomap/claims/verdict.py.

A file in one of the folders of `gomap/claims` is found by itself; nothing else has to be changed to add a claim.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from gomap.claims.claim import Claim
from gomap.errors import BadValue

if TYPE_CHECKING:
    from gomap.claims.context import Context
    from gomap.claims.verdict import Finding

__all__ = ["Entry", "Experiment", "claim", "entries", "entry", "load"]

Experiment = Callable[["Context"], "Finding"]
_FOLDERS = ("chapter1", "chapter2", "chapter3", "chapter4", "remedies")
_entries: dict[str, Entry] = {}


class Entry:
    """A registered claim and its experiments: `on_model`, `on_go`, None where there is none."""

    def __init__(self, made: Claim) -> None:
        self.claim = made
        self.on_model: Experiment | None = None
        self.on_go: Experiment | None = None

    def model(self, experiment: Experiment) -> Experiment:
        """Decorator: this function decides the claim in the model."""
        if self.on_model is not None:
            raise BadValue(f"{self.claim.id} has two experiments on the model")
        self.on_model = experiment
        return experiment

    def go(self, experiment: Experiment) -> Experiment:
        """Decorator: this function decides the claim on real Go. It may raise `MissingTool` where there is no toolchain."""
        if self.on_go is not None:
            raise BadValue(f"{self.claim.id} has two experiments on real Go")
        self.on_go = experiment
        return experiment


def claim(make: Callable[[], Claim]) -> Entry:
    """Decorator: registers the claim that the function makes. `BadValue` for an id, or an id's number, that is taken."""
    made = make()
    taken = [e.claim.id for e in _entries.values() if e.claim.number == made.number]
    if taken:
        raise BadValue(f"{made.id}: the number is taken by {taken[0]}")
    _entries[made.id] = Entry(made)
    return _entries[made.id]


def load(folders: Iterable[str] = _FOLDERS) -> None:
    """Imports every claim file, once."""
    for folder in folders:
        package = importlib.import_module(f"gomap.claims.{folder}")
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package.__name__}.{module.name}")


def entries() -> tuple[Entry, ...]:
    """All registered claims, in the order of the catalogue."""
    return tuple(sorted(_entries.values(), key=lambda e: e.claim.order))


def entry(name: str) -> Entry:
    """The claim of that id, or of its number alone ("C2.2"). `BadValue` suggests ids that are like it."""
    wanted = name.casefold()
    for e in _entries.values():
        if wanted in (e.claim.id.casefold(), e.claim.number.casefold()):
            return e
    known = [e.claim.id for e in entries()]
    raise BadValue(f"unknown claim {name!r}{_suggestion(wanted, known)} (gomap claims list shows all)")


def _suggestion(wanted: str, known: Sequence[str]) -> str:
    by_fold = {i.casefold(): i for i in known} | {i.casefold().partition("-")[2]: i for i in known}
    like = difflib.get_close_matches(wanted, by_fold, n=6, cutoff=0.5)
    found = list(dict.fromkeys(by_fold[i] for i in like)) or [i for i in known if i.casefold().startswith(wanted[:4])]
    return f"; did you mean {', '.join(found[:3])}?" if wanted and found else ""
