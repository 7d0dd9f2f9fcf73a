"""The model gate: that its figures are what they claim to be, that each row can fail, and that it runs beside real Go."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from gomap._core import lib

from gomap.cli import main
from gomap.errors import GoFailed, GoUnavailable
from gomap.lab.compare import Ratio
from gomap.realgo import build_go, gate
from gomap.realgo.child import Child
from gomap.realgo.oracle import Oracle


@pytest.fixture(scope="module")
def of_model() -> gate.Structure:
    return gate.model_structure()


@pytest.fixture(scope="module")
def gate_binary(go_cache: Path) -> Path:
    try:
        return build_go("gate", "classic")
    except GoUnavailable as e:
        pytest.skip(str(e))


def verdicts(*sides: gate.Structure) -> list[bool]:
    return [ok for *_, ok in gate.structure_rows(sides)]


def test_the_model_has_the_structure(of_model: gate.Structure) -> None:
    assert verdicts(of_model) == [True] * 5


def test_real_go_has_the_structure(oracle_binary: Path, of_model: gate.Structure) -> None:
    with Oracle(oracle_binary, "fallback") as oracle:
        real = gate.go_structure(oracle)
    assert verdicts(of_model, real) == [True] * 5
    assert real.grew_at == of_model.grew_at
    assert real.moved == of_model.moved


@pytest.mark.parametrize(
    ("row", "field", "value"),
    [
        (0, "grew_at", (9,) * 13),
        (1, "grew_at", tuple(range(14))),
        (2, "overflow_share", 0.214),
        (3, "slots_per_hit", 4.31),
        (4, "moved", (2, 2, 1)),
    ],
)
def test_each_row_of_the_structure_can_fail(row: int, field: str, value: object, of_model: gate.Structure) -> None:
    other = dataclasses.replace(of_model, **{field: value})
    assert not verdicts(of_model, other)[row]
    assert not verdicts(other)[row]


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.8, 1.2, "pass"), (0.5, 0.7, "FAIL"), (1.3, 1.4, "FAIL"), (0.7, 0.9, "undecided"), (1.2, 1.3, "undecided")],
)
def test_a_verdict_needs_the_whole_interval(low: float, high: float, verdict: str) -> None:
    row = gate.TimeRow("hit", 1, 1.0, 1.0, Ratio((low + high) / 2, low, high), 1.0, 1.0)
    assert row.verdict == verdict


@pytest.mark.parametrize("search", [lib.GM_SEARCH_VECTOR, lib.GM_SEARCH_SCALAR])
def test_the_timed_gets_find_what_is_there(search: int) -> None:
    present, hits, misses = gate._keys(3_000)
    m = gate._ModelMap(present, search)
    assert m.time(hits)[1] == len(hits)
    assert m.time(misses)[1] == 0
    half = np.concatenate([hits[:500], misses[:700]])
    assert m.time(half)[1] == m.time_batch(half, np.zeros(1200, np.int64))[1] == 500


def test_time_beside_real_go(gate_binary: Path) -> None:
    rows = list(gate.time_rows(gate_binary, sizes=(1_000, 5_000), pairs=2))
    assert [(r.what, r.size) for r in rows] == [("hit", 1_000), ("miss", 1_000), ("hit", 5_000), ("miss", 5_000)]
    for r in rows:
        assert 0.5 < r.model_ns < 5_000
        assert 0.5 < r.go_ns < 5_000
        assert r.ratio.low <= r.ratio.ratio <= r.ratio.high


def test_sides_that_find_different_keys_are_not_compared(gate_binary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate._GoMap, "time", lambda self: (1, 2))
    with pytest.raises(GoFailed, match="go found 2 of"):
        list(gate.time_rows(gate_binary, sizes=(1_000,), pairs=1))


def test_a_child_without_its_keys(gate_binary: Path) -> None:
    with Child(gate_binary, "gate", {}) as child, child.limited():
        child.send(b"what\n")
        with pytest.raises(GoFailed, match='ended with status 3: gate: unknown command "what"'):
            child.read_line()


def row(low: float, high: float) -> gate.TimeRow:
    return gate.TimeRow("hit", 1_000, 20.0, 20.0, Ratio(1.0, low, high), 5.0, 4.0)


@pytest.mark.usefixtures("oracle_binary")
@pytest.mark.parametrize(
    ("times", "code", "last"),
    [
        ([row(0.9, 1.1)], 0, "ok: 6 rows"),
        ([row(0.9, 1.1), row(1.3, 1.4), row(0.5, 1)], 1, "FAILED: of 8 rows 1 fail, 1 are undecided"),
    ],
)
def test_command(
    times: list[gate.TimeRow],
    code: int,
    last: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """The time rows are given here: what a busy machine measures is no matter of a test."""
    monkeypatch.setattr(gate, "time_rows", lambda *args: iter(times))
    assert main(["verify", "gate", "--json", str(tmp_path / "gate.json")]) == code
    out = capsys.readouterr().out.splitlines()
    assert out[-1] == last
    assert sum(line.endswith("  pass") for line in out) == 6
    written = json.loads((tmp_path / "gate.json").read_text())
    assert (written["schema"], len(written["structure"]), len(written["time"])) == ("gomap.gate/1", 5, len(times))


def test_without_go_the_models_structure_is_shown(
    fake_go: Callable[..., Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_go(version="1.26.0")
    assert main(["verify", "gate"]) == 2
    said = capsys.readouterr()
    assert sum(line.endswith("  pass") for line in said.out.splitlines()) == 5
    assert "nothing was compared with real Go" in said.err
    assert said.err.count("\n") == 1
