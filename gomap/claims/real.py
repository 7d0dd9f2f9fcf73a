"""Runs on real Go for experiments: a toolchain that is not there leaves the verdict by source."""

from __future__ import annotations

from gomap.claims.claim import CONFIRMED, REFUTED, UNDECIDED
from gomap.claims.verdict import Finding, Number
from gomap.errors import GoUnavailable, MissingTool
from gomap.lab.result import Result
from gomap.lab.workload import Workload
from gomap.realgo.harness import run_go

__all__ = ["go_deaths", "go_run"]


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
    """A verdict on "what they do makes the program die of that sentence": confirmed if every run did, refuted if none did."""
    died = sum(sentence in outcome for outcome in outcomes)
    verdict = UNDECIDED if not outcomes else CONFIRMED if died == len(outcomes) else REFUTED if died == 0 else UNDECIDED
    return Finding(
        verdict,
        f"{died} of {len(outcomes)} runs of {what} ended with fatal error: {sentence}.",
        numbers=(Number(f"runs that died: {what}", died), Number(f"runs: {what}", len(outcomes))),
    )
