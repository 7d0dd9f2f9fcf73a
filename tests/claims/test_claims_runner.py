"""Running claims: what is finished is kept, whatever happens."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gomap.claims import CONFIRMED, REFUTED, SCALES, UNDECIDED, Context, Entry, Finding, Results, entry, run_claims
from gomap.claims.runner import Progress
from gomap.errors import BadValue, MissingTool

TEST = SCALES["test"]
FOUND = Finding(CONFIRMED, "It was seen.")


class Claims:
    """Claims of the tests' own, which count how often each was run."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def make(self, number: int, does: Callable[[Context], Finding] | None = None, *, go: bool = False) -> Entry:
        e = Entry(replace(entry("C2.6").claim, id=f"C9.{number}-made-up"))

        def experiment(ctx: Context) -> Finding:
            self.ran.append(e.claim.id)
            return FOUND if does is None else does(ctx)

        (e.go if go else e.model)(experiment)
        return e


def unmeasured(number: str) -> Entry:
    """A claim of the catalogue, as if there were no experiment for it."""
    return Entry(entry(number).claim)


def ctrl_c(ctx: Context) -> Finding:
    raise KeyboardInterrupt


def fails(ctx: Context) -> Finding:
    return Finding(CONFIRMED, str([][1]))


def without_tool(ctx: Context) -> Finding:
    raise MissingTool("no Go toolchain: pip install 'gomap[go]'")


@pytest.fixture
def claims() -> Claims:
    return Claims()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.json"


def test_results_json_is_what_others_read(claims: Claims, path: Path) -> None:
    e = claims.make(1)
    results = run_claims([unmeasured("C1.9"), e, unmeasured("C4.4")], TEST, path=path)
    d = json.loads(path.read_text())
    assert set(d) == {"version", "scale", "machine", "noise", "begun", "interrupted", "claims"}
    assert d["machine"]["cpu_model"]
    assert datetime.fromisoformat(d["begun"]).utcoffset() == timedelta(0)
    assert 0 < d["noise"]["low"] <= d["noise"]["ratio"] <= d["noise"]["high"]
    assert [c["id"] for c in d["claims"]] == ["C1.9-monitor-metrics", "C4.4-bpftrace-method", "C9.1-made-up"]
    assert [c["model"]["reason"] for c in d["claims"]] == ["needs real Go", "needs hardware counters", "It was seen."]
    assert [c["go"]["verdict"] for c in d["claims"]] == [REFUTED, REFUTED, CONFIRMED]
    assert [c["model"]["by"] for c in d["claims"]] == ["nothing", "nothing", "experiment"]
    assert all(c["go"]["by"] == "source" for c in d["claims"])
    assert Results.load(path).to_json() == results.to_json()


def test_an_experiment_that_raises_is_undecided_and_the_others_go_on(claims: Claims, path: Path) -> None:
    todo = [claims.make(1, fails), claims.make(2), claims.make(3, fails, go=True)]
    results = run_claims(todo, TEST, path=path)
    first, second, third = results.claims
    assert (first.model.verdict, first.model.reason) == (
        UNDECIDED,
        "The experiment failed: IndexError: list index out of range",
    )
    assert second.model.verdict == CONFIRMED
    assert third.go.verdict == UNDECIDED
    assert not results.interrupted


def test_an_error_of_gomap_s_is_its_own_sentence(claims: Claims) -> None:
    def refused(ctx: Context) -> Finding:
        raise BadValue("no memory\nfor this")

    assert run_claims([claims.make(1, refused)], TEST).claims[0].model.reason == "The experiment failed: no memory for this"


def test_real_go_falls_back_to_the_source_without_a_toolchain(claims: Claims) -> None:
    results = run_claims([claims.make(1, without_tool, go=True), claims.make(2, without_tool)], TEST)
    go, model = results.claims[0].go, results.claims[1].model
    assert (go.verdict, go.by) == (CONFIRMED, "source")
    assert "42, 39 and 58 %" in go.reason
    assert "(Not run here: no Go toolchain" in go.reason
    assert (model.verdict, model.by) == (UNDECIDED, "nothing")
    assert "no Go toolchain" in model.reason


def test_ctrl_c_keeps_what_is_finished_and_a_resume_runs_the_rest_once(claims: Claims, path: Path) -> None:
    todo = [claims.make(1), claims.make(2), claims.make(3, ctrl_c), claims.make(4)]
    results = run_claims(todo, TEST, path=path)
    assert results.interrupted
    assert [c.id for c in Results.load(path).claims] == ["C9.1-made-up", "C9.2-made-up"]
    assert Results.load(path).interrupted
    begun = Results.load(path).begun
    again = [claims.make(1), claims.make(2), claims.make(3), claims.make(4)]
    claims.ran.clear()
    resumed = run_claims([*again, again[3]], TEST, path=path, resume=True)
    assert claims.ran == ["C9.3-made-up", "C9.4-made-up"]
    assert not Results.load(path).interrupted
    assert resumed.begun == begun
    assert [c.id for c in resumed.claims] == [f"C9.{i}-made-up" for i in (1, 2, 3, 4)]
    claims.ran.clear()
    more = run_claims([*again, unmeasured("C1.9")], TEST, path=path, resume=True)
    assert claims.ran == []
    assert more.claims[0].id == "C1.9-monitor-metrics"  # the order of the catalogue, whatever was run first
    run_claims(again[:1], TEST, path=path)
    assert claims.ran == ["C9.1-made-up"]  # without resume: afresh
    assert len(Results.load(path).claims) == 1


def test_a_failed_experiment_is_not_run_again_either(claims: Claims, path: Path) -> None:
    run_claims([claims.make(1, fails)], TEST, path=path)
    run_claims([claims.make(1, fails)], TEST, path=path, resume=True)
    assert claims.ran == ["C9.1-made-up"]


def test_the_file_is_there_after_each_claim(claims: Claims, path: Path) -> None:
    seen: list[int] = []

    def looks(ctx: Context) -> Finding:
        seen.append(len(Results.load(path).claims))
        return FOUND

    finished: list[str] = []
    run_claims(
        [claims.make(1), claims.make(2, looks), claims.make(3, looks)],
        TEST,
        path=path,
        finished=lambda c: finished.append(c.id),
    )
    assert seen == [1, 2]
    assert finished == ["C9.1-made-up", "C9.2-made-up", "C9.3-made-up"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_file_before(
    claims: Claims, path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    run_claims([claims.make(1)], TEST, path=path)
    before = path.read_text()

    def full(*given: object) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space"):
        run_claims([claims.make(2)], TEST, path=path)
    assert path.read_text() == before
    assert list(path.parent.iterdir()) == [path]


def test_what_cannot_be_resumed(claims: Claims, path: Path) -> None:
    run_claims([claims.make(1)], TEST, path=path)
    with pytest.raises(BadValue, match=r"is of a test run and this is a quick one"):
        run_claims([claims.make(2)], SCALES["quick"], path=path, resume=True)
    d = json.loads(path.read_text())
    d["machine"]["cpu_model"] = "Z80"
    path.write_text(json.dumps(d))
    with pytest.raises(BadValue, match=r"another machine \(Z80"):
        run_claims([claims.make(2)], TEST, path=path, resume=True)
    for text, words in (
        ("{", "not results"),
        ("[]", "not results"),
        ('{"version": 99}', "version 99"),
        ('{"version": 1}', "not res"),
    ):
        path.write_text(text)
        with pytest.raises(BadValue, match=words) as error:
            run_claims([claims.make(2)], TEST, path=path, resume=True)
        assert str(path) in str(error.value)
    assert claims.ran == ["C9.1-made-up"]


def test_a_folder_that_is_not_there_is_said_before_anything_runs(claims: Claims, tmp_path: Path) -> None:
    with pytest.raises(BadValue, match="nothing was run"):
        run_claims([claims.make(1)], TEST, path=tmp_path / "no" / "results.json")
    assert claims.ran == []


def test_progress_rises_to_the_end_and_tells_the_time_left(claims: Claims) -> None:
    def halfway(ctx: Context) -> Finding:
        ctx.say("half", 0.5)
        return FOUND

    told: list[Progress] = []
    run_claims([claims.make(i, halfway) for i in (1, 2, 3, 4)], TEST, progress=told.append)
    assert [p.part for p in told] == [0.125, 0.375, 0.625, 0.875]
    assert told[0].left_s == pytest.approx(3.5 * TEST.claim_s)  # nothing is known yet: the scale's allowance
    assert all(p.left_s < told[0].left_s for p in told[1:])
    assert {p.doing for p in told} == {"half"}


def test_where_time_runs_short_each_claim_has_a_part_of_what_is_left(claims: Claims, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gomap.claims.runner.measure_noise", lambda ctx: {"pairs": 1})  # it takes time, too
    short, given = replace(TEST, all_s=100.0, claim_s=1000.0), []

    def note(ctx: Context) -> Finding:
        given.append(ctx.deadline - ctx.started)
        return FOUND

    run_claims([claims.make(i, note) for i in (1, 2, 3, 4)], short)
    # Twice a fourth of what is left, a third, a half: these take next to no time of their own.
    assert all(200.0 / n - 20.0 < s <= 200.0 / n for n, s in zip((4, 3, 2, 1), given, strict=True))
    assert short.share(-1.0, 3) == 0.0
    assert SCALES["full"].share(1650.0, 3) == SCALES["full"].claim_s


def test_the_noise_is_measured_only_where_something_is(claims: Claims) -> None:
    assert run_claims([unmeasured("C1.9")], TEST).noise == {}
    assert run_claims([claims.make(1)], TEST).noise["pairs"] == TEST.pairs
