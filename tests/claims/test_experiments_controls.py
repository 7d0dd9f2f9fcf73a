"""Experiments on real Go by its controls: the finding's form, what is counted, and that a contrary answer turns the verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from gomap.claims import CONFIRMED, REFUTED, SCALES, UNDECIDED, Context, Finding, entry
from gomap.claims import real as real_module
from gomap.claims.chapter4 import header_false_sharing, header_offsets
from gomap.claims.runner import ClaimResult, Results, go_by_reading
from gomap.errors import GoFailed, GoUnavailable, MissingTool
from gomap.lab.machine import allowed_cpus
from gomap.realgo.controls import Controls
from gomap.realgo.toolchain import find_go

two_cpus = pytest.mark.skipif(len(allowed_cpus()) < 2, reason="takes two CPUs")

# What no noise can turn a verdict into, at the smallest scale.
EXPECTED = {
    "C4.2": {CONFIRMED},
    "C4.3": {REFUTED},
}


def ctx() -> Context:
    return Context(SCALES["test"])


def number(f: Finding, name: str) -> float:
    return next(n.value for n in f.numbers if n.name == name)


def decided(claim_id: str) -> Finding:
    experiment = entry(claim_id).on_go
    assert experiment is not None
    return experiment(ctx())


@pytest.mark.parametrize("claim_id", EXPECTED)
@two_cpus
def test_real_go_decides_or_is_read(claim_id: str) -> None:
    try:
        if find_go().designs != ("classic", "swiss"):
            pytest.skip("this Go does not build both designs")
    except GoUnavailable as e:
        pytest.skip(str(e))
    f = decided(claim_id)
    assert f.verdict in EXPECTED[claim_id], f.reason
    assert f.by in ("experiment", "source and numbers")
    assert f.reason.endswith(".")
    assert f.numbers
    assert all(s.rows for s in f.series)
    results = Results("test", {}, {}, [ClaimResult(claim_id, f, f)])
    assert Results.from_json(results.to_json()).claims[0].go == f


@pytest.mark.parametrize("claim_id", EXPECTED)
def test_no_toolchain_leaves_the_verdict_by_source(claim_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOMAP_GO", "/nowhere/go")
    with pytest.raises(MissingTool, match="GOMAP_GO"):
        decided(claim_id)


# ------------------------------------------------------------------ answers that are made up

Answer = Callable[..., Mapping[str, Any]]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], None]:
    """Has an experiment's controls answer so, without any Go."""

    def plant(answer: Answer) -> None:
        monkeypatch.setattr(real_module, "find_go", lambda: type("Go", (), {"designs": ("classic", "swiss")}))
        monkeypatch.setattr(real_module, "go_controls", lambda design: Controls("nowhere", design))  # type: ignore[arg-type]
        monkeypatch.setattr(Controls, "run", lambda self, name, **settings: answer(self.design, **settings))

    return plant


def test_what_does_not_decide_is_read_with_its_numbers() -> None:
    c = entry("C4.2").claim
    undecided = Finding(UNDECIDED, "It was too loud.")
    f = real_module.decided_or_read(c, undecided)
    assert (f.verdict, f.by) == (go_by_reading(c).verdict, "source and numbers")
    assert f.reason.startswith(go_by_reading(c).reason)
    assert f.reason.endswith("Measured here: It was too loud.")
    assert real_module.decided_or_read(c, undecided.with_(verdict=REFUTED)).by == "experiment"


@pytest.mark.parametrize(
    ("shared_ns", "verdict", "by"),
    [(20.0, CONFIRMED, "experiment"), (8.0, REFUTED, "experiment"), (12.0, CONFIRMED, "source and numbers")],
)
@two_cpus
def test_the_verdict_on_neighbouring_headers(answers: Any, shared_ns: float, verdict: str, by: str) -> None:
    def answer(design: str, shared: bool, **_: Any) -> Mapping[str, Any]:
        n = 383 if design == "swiss" else 0
        return {"in_one_line": n, "get_ns": shared_ns if shared else 8.0, "at_once": 1.0, "writes": 5, "took_ns": 5}

    answers(answer)
    f = header_false_sharing.gets_beside_a_neighbour(ctx())
    assert (f.verdict, f.by) == (verdict, by)
    assert number(f, "neighbouring headers in one line, of 511, classic") == 0


@two_cpus
def test_headers_that_share_no_line_are_read(answers: Any) -> None:
    answers(lambda design, **_: {"in_one_line": 0})
    assert header_false_sharing.gets_beside_a_neighbour(ctx()).by == "source and numbers"


@two_cpus
def test_two_that_never_met_say_nothing(answers: Any) -> None:
    answers(lambda design, **_: {"in_one_line": 9, "get_ns": 0, "at_once": 0, "writes": 0, "took_ns": 5})
    with pytest.raises(GoFailed, match="never at work at the same time"):
        header_false_sharing.gets_beside_a_neighbour(ctx())


@pytest.mark.parametrize(
    ("count", "arrays", "verdict"),
    [
        ([0], [[16, 24]], REFUTED),
        ([0], [[24, 32]], UNDECIDED),  # as the article says, and nothing to refute
        ([48], [[24, 32]], REFUTED),
        ([], [], UNDECIDED),
        ([0], [[16, 24], [8, 16]], UNDECIDED),
    ],
)
def test_the_verdict_on_offsets(count: list[int], arrays: list[list[int]], verdict: str) -> None:
    assert header_offsets._judged({"classic": {"count": count, "arrays": arrays}}).verdict == verdict
