"""Runs and controls on real Go for experiments: a toolchain that is not there leaves the verdict by source."""

from __future__ import annotations

from gomap.claims.claim import CONFIRMED, REFUTED, UNDECIDED, Claim
from gomap.claims.runner import go_by_reading
from gomap.claims.verdict import Finding, Number
from gomap.errors import GoUnavailable, MissingTool
from gomap.lab.result import DONE, Result
from gomap.lab.workload import Workload
from gomap.realgo.controls import Controls, go_controls
from gomap.realgo.harness import run_go
from gomap.realgo.toolchain import find_go

__all__ = ["controls", "decided_or_read", "designs", "go_deaths", "go_run"]


def controls(design: str = "classic") -> Controls:
    """The controls on a design of map. `MissingTool` if there is no toolchain that can build them."""
    try:
        return go_controls(design)
    except GoUnavailable as e:
        raise MissingTool(str(e)) from None


def designs() -> tuple[str, ...]:
    """The designs that the toolchain here can build. `MissingTool` if there is none."""
    try:
        return find_go().designs
    except GoUnavailable as e:
        raise MissingTool(str(e)) from None


def decided_or_read(c: Claim, found: Finding) -> Finding:
    """A finding that decides stands. One that does not leaves the verdict by source, and its numbers stand beside that."""
    if found.verdict in (CONFIRMED, REFUTED):
        return found
    read = go_by_reading(c)
    return found.with_(verdict=read.verdict, reason=f"{read.reason} Measured here: {found.reason}", by="source and numbers")


def go_run(workload: Workload, design: str, seed: int) -> Result:
    """A run on a real map ("classic" or "swiss"). `MissingTool` if there is no toolchain that can build it; Ctrl-C ends the
    experiment."""
    try:
        r = run_go(workload.with_(seed=seed), design)
    except GoUnavailable as e:
        raise MissingTool(str(e)) from None
    if r.interrupted:
        raise KeyboardInterrupt
    return r


def go_deaths(outcomes: list[str], sentence: str, what: str) -> Finding:
    """A verdict on "what they do makes the program die of that sentence": confirmed if every run died and most of it, refuted
    if none did of it. Go's test may come too late: then a run dies of what it read."""
    died = sum(outcome != DONE for outcome in outcomes)
    of_it = sum(sentence in outcome for outcome in outcomes)
    verdict = UNDECIDED
    if outcomes and of_it == 0:
        verdict = REFUTED
    elif died == len(outcomes) and 2 * of_it > died:
        verdict = CONFIRMED
    others = f", {died - of_it} with a panic over what was read" if died > of_it else ""
    return Finding(
        verdict,
        f"{of_it} of {len(outcomes)} runs of {what} ended with fatal error: {sentence}{others}.",
        numbers=(Number(f"runs that died: {what}", died, headline=True), Number(f"runs: {what}", len(outcomes))),
    )
