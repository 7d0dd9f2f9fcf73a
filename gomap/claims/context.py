"""What an experiment is given: sizes, time, seeds, and the ways to measure. An experiment keeps to it and stays small."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from gomap.claims.verdict import PAIRS_ASKED, PAIRS_LEAST, Counted, Pairs, Sweep
from gomap.errors import BadValue
from gomap.lab.engine import run
from gomap.lab.result import Result
from gomap.lab.workload import Workload

__all__ = ["SCALES", "Context", "Measure", "Scale"]

T = TypeVar("T")
S = TypeVar("S")
Measure = Callable[[S, int], "float | Mapping[str, float]"]
"""Measures a setting with a seed: one number, or several by name. The first is the one that decides."""


@dataclass(frozen=True)
class Scale:
    """How much an experiment may spend. pairs: rounds of A B A' B'; sweeps: rounds over an independent variable. claim_s:
    seconds for one verdict; afterwards no new round is begun. all_s: for all claims together; where it runs short, a verdict's
    part of what is left is shorter too."""

    name: str
    pairs: int
    sweeps: int
    claim_s: float
    all_s: float

    def share(self, left_s: float, verdicts: int) -> float:
        """Seconds for the next of so many verdicts: twice its part of what is left, because most need less than theirs."""
        return min(self.claim_s, max(0.0, 2 * left_s / max(1, verdicts)))

    @property
    def reduced(self) -> str:
        """What a reason says of a scale that makes fewer pairs than the rules ask for; empty for the full one."""
        return "" if self.pairs >= PAIRS_ASKED else f"{self.name} run"

    def pick(self, *, test: T, quick: T, full: T) -> T:
        """The value for this scale."""
        return {"test": test, "quick": quick, "full": full}[self.name]


SCALES = {
    s.name: s
    for s in (
        Scale("test", pairs=3, sweeps=2, claim_s=60.0, all_s=math.inf),
        Scale("quick", pairs=4, sweeps=2, claim_s=5.0, all_s=150.0),
        Scale("full", pairs=12, sweeps=5, claim_s=75.0, all_s=1650.0),
    )
}
"""By name. On two cores quick ends within three minutes and full within thirty."""


class Context:
    """Handed to `model(ctx)` and `go(ctx)`.

    scale: sizes. say: called with the part done (0 to 1) and what is being done, for the progress line. seed: fixes all random
    choices. allowed_s: seconds from the start to the deadline, `scale.claim_s` otherwise. now: the clock, for tests.
    """

    def __init__(
        self,
        scale: Scale,
        *,
        seed: int = 1,
        say: Callable[[float, str], None] | None = None,
        allowed_s: float | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.scale, self.seed = scale, seed
        self._say, self._now, self._part = say, now, 0.0
        self.started = now()
        self.deadline = self.started + (scale.claim_s if allowed_s is None else allowed_s)

    @property
    def out_of_time(self) -> bool:
        return self._now() > self.deadline

    @property
    def seconds(self) -> float:
        """Used so far."""
        return self._now() - self.started

    def say(self, what: str, part: float | None = None) -> None:
        """Tells what is being done; part: how much of it, from 0 to 1."""
        self._part = self._part if part is None else part
        if self._say is not None:
            self._say(self._part, what)

    def seeds(self, n: int) -> list[int]:
        """One for each round; the same for the same context seed."""
        return [int(s.generate_state(1, np.uint64)[0]) for s in np.random.SeedSequence(self.seed).spawn(n)]

    def run(self, workload: Workload, seed: int | None = None, **options: Any) -> Result:
        """Runs a workload, as `gomap.lab.run`. Ctrl-C ends the experiment: what is half measured is no evidence."""
        r = run(workload if seed is None else workload.with_(seed=seed), **options)
        if r.interrupted:
            raise KeyboardInterrupt
        return r

    def pairs(
        self,
        setting_a: S,
        setting_b: S,
        measure: Measure[S],
        repeats: int | None = None,
        *,
        names: tuple[str, str] | None = None,
    ) -> Pairs:
        """Rounds of A B A' B', each with a seed of its own, so that noise and effect are measured under the same weather.

        names: of the settings; their `str` otherwise. repeats: rounds, the scale's otherwise. Past the deadline no further
        round is begun, but for the least that can be judged.
        """
        rounds = self.scale.pairs if repeats is None else repeats
        order: tuple[S, ...] = (setting_a, setting_b, setting_a, setting_b)
        labels = names or (str(setting_a), str(setting_b))
        found: list[list[Mapping[str, float]]] = [[], [], [], []]
        for i, seed in enumerate(self.seeds(rounds)):
            if self.out_of_time and i >= PAIRS_LEAST:
                break
            for j, setting in enumerate(order):
                self.say(f"{labels[j % 2]}, pair {i + 1} of {rounds}", (i + j / 4) / rounds)
                found[j].append(_sample(measure(setting, seed)))
        a, b, a2, b2 = map(tuple, found)
        return Pairs(labels, a, b, a2, b2, self.scale.reduced)

    def sweep(
        self,
        settings: Sequence[S],
        measure: Measure[S],
        repeats: int | None = None,
        *,
        names: Sequence[str] | None = None,
    ) -> Sweep:
        """Every value of an independent variable in rising order, round by round. Past the deadline one round remains."""
        rounds = self.scale.sweeps if repeats is None else repeats
        labels = tuple(names or map(str, settings))
        if len(settings) < 2 or len(labels) != len(settings):
            raise BadValue(f"a sweep needs two values at least, and a name for each: {len(settings)} and {len(labels)}")
        found: list[list[Mapping[str, float]]] = [[] for _ in settings]
        for i, seed in enumerate(self.seeds(rounds)):
            if self.out_of_time and i >= 1:
                break
            for j, setting in enumerate(settings):
                self.say(f"{labels[j]}, sweep {i + 1} of {rounds}", (i + j / len(settings)) / rounds)
                found[j].append(_sample(measure(setting, seed)))
        return Sweep(labels, tuple(map(tuple, found)))

    def counted(self, what: str, events: int, opportunities: int) -> Counted:
        """An event that was counted instead of timed."""
        return Counted(what, events, opportunities)


def _sample(measured: float | Mapping[str, float]) -> Mapping[str, float]:
    return dict(measured) if isinstance(measured, Mapping) else {"value": float(measured)}
