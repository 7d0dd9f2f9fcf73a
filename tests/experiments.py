"""What the tests of experiments on claims have in common: the smallest scale, and what a finding is whatever it says."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from gomap.claims import SCALES, Context, Finding, entry
from gomap.claims.runner import ClaimResult, Results
from gomap.claims.verdict import Pairs
from gomap.errors import GoUnavailable
from gomap.lab.machine import allowed_cpus
from gomap.realgo.toolchain import find_go

__all__ = ["context", "decided", "number", "pairs_of", "skip_without_go", "two_cpus", "whole"]

two_cpus = pytest.mark.skipif(len(allowed_cpus()) < 2, reason="two threads at once need two CPUs")


def context() -> Context:
    """At the smallest scale there is."""
    return Context(SCALES["test"])


def number(f: Finding, name: str) -> float:
    """The number of that name."""
    return next(n.value for n in f.numbers if n.name == name)


def decided(claim_id: str, *, go: bool = False) -> Finding:
    """What the claim's experiment finds, on the model or on real Go."""
    experiment = entry(claim_id).on_go if go else entry(claim_id).on_model
    assert experiment is not None
    return experiment(context())


def whole(claim_id: str, f: Finding, verdicts: Collection[str]) -> None:
    """One of those verdicts, all that a report shows of it, and the same after a file was written and read."""
    assert f.verdict in verdicts, f.reason
    assert f.reason.endswith(".")
    assert f.numbers
    assert all(s.rows for s in f.series)
    read = Results.from_json(Results("test", {}, {}, [ClaimResult(claim_id, f, f)]).to_json()).claims[0]
    assert read.model == read.go == f


def skip_without_go() -> None:
    """Skips a test where there is no Go that builds both of its maps."""
    try:
        if find_go().designs != ("classic", "swiss"):
            pytest.skip("this Go does not build both designs")
    except GoUnavailable as e:
        pytest.skip(str(e))


def pairs_of(a: float, b: float, rounds: int = 3) -> Pairs:
    """Rounds without any noise in which "x" was a and b."""
    first, second = ({"x": a},) * rounds, ({"x": b},) * rounds
    return Pairs(("a", "b"), first, second, first, second, "test run")
