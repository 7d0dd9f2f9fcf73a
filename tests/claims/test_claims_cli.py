"""`gomap claims`: what it prints, in narrow and wide terminals, and its exit codes."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import gomap.claims.commands as commands
from gomap.claims import CONFIRMED, SCALES, Finding, Results, entries, entry
from gomap.claims.runner import ClaimResult
from gomap.cli import main

IDS = [e.claim.id for e in entries()]


def output(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int, *words: str) -> str:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main(["claims", *words]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert max(map(len, out.splitlines())) <= columns
    return out


@pytest.mark.parametrize("columns", [80, 120])
def test_list(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    out = output(capsys, monkeypatch, columns, "list")
    assert re.findall(r"^  ([CR]\d\S+)", out, re.M) == IDS
    assert re.findall(r"^(Chapter \d|Remedies)", out, re.M) == ["Chapter 1", "Chapter 2", "Chapter 3", "Chapter 4", "Remedies"]
    assert re.search(r"^  C4.4-bpftrace-method +undecided \(counters\) +refuted", out, re.M)
    assert re.search(r"^  C2.2-load-factor +not run yet +confirmed", out, re.M)
    assert ("obsolete (Swiss)" in out) == (columns == 120)


def test_list_takes_verdicts_from_a_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    f = Finding(CONFIRMED, "Seen.", seconds=1)
    path = tmp_path / "results.json"
    Results("full", {}, {}, [ClaimResult("C2.2-load-factor", f, f)]).save(path)
    out = output(capsys, monkeypatch, 80, "list", "--results", str(path))
    assert re.search(r"^  C2.2-load-factor +confirmed +confirmed \(run\)$", out, re.M)
    assert re.search(r"^  C2.6-evacuate-cpu +not run yet", out, re.M)
    assert "Seen." in output(capsys, monkeypatch, 80, "show", "C2.2", "--results", str(path))


@pytest.mark.parametrize("claim_id", IDS)
def test_show_fits_a_screen(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, claim_id: str) -> None:
    out = output(capsys, monkeypatch, 80, "show", claim_id)
    assert len(out.splitlines()) <= 50
    for label in ("Article", "Real Go", "What Go does", "Model", "Prediction", "Knob", "Workload", "Measured", "Criterion"):
        assert re.search(rf"^{label} +\S", out, re.M)
    assert not re.search(r"\d\n +(%|(ns|µs|ms|s|KB)\b)", out)  # a figure and its unit stay together
    assert not re.search(r"\bR\d\b(?!-)", out.partition("\nRemedy")[2])
    assert " ".join(entry(claim_id).claim.statement.split()) in " ".join(out.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show", "C2.6-evacuate-cp"], "unknown claim 'C2.6-evacuate-cp'; did you mean C2.6-evacuate-cpu"),
        (["run", "C2.6", "grow-demo"], "unknown claim 'grow-demo'; did you mean C1.3-grow-demo"),
        (["run", "C2.6", "--resume"], "--resume needs the file to go on with: --json FILE"),
        (["run", "C1.9", "--json", "/no/such/folder/r.json"], "nothing was run"),
        (["list", "--results", "/no/such/file"], "/no/such/file: No such file or directory"),
        (["list", "--results", __file__], "not results of claims"),
        ([], "arguments are required"),
    ],
)
def test_complaints_are_one_line(capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    assert main(["claims", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert said in err


def test_run_prints_and_keeps_the_verdicts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(SCALES, "quick", SCALES["test"])
    monkeypatch.chdir(tmp_path)
    path = Path("results.json")
    out = output(capsys, monkeypatch, 80, "run", "C2.2", "C4.4", "--quick", "--json", str(path))
    assert "model        CONFIRMED (run): Doublings at exactly" in out
    assert "model        UNDECIDED: needs hardware counters" in out
    assert "CONFIRMED (by source)" in out
    assert "Claims in the model: 1 confirmed, 1 undecided; the same setting twice: 0." in out or "twice: 1" in out
    assert [c["id"] for c in json.loads(path.read_text())["claims"]] == ["C2.2-load-factor", "C4.4-bpftrace-method"]
    again = output(capsys, monkeypatch, 80, "run", "C2.2", "C1.9", "--quick", "--json", str(path), "--resume")
    assert "C2.2-load-factor:" not in again
    assert "C1.9-monitor-metrics: " in again
    assert len(json.loads(path.read_text())["claims"]) == 3


def test_all_is_every_claim() -> None:
    assert [e.claim.id for e in commands._chosen(["all"])] == IDS


def test_ctrl_c_ends_with_130_and_keeps_what_is_finished(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    command = [sys.executable, "-m", "gomap", "claims", "run", "C1.9", "C2.6", "--json", str(path)]
    p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert p.stdout is not None
    assert p.stdout.readline().startswith("C1.9-monitor-metrics")  # and now C2.6 is running
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=60)
    assert (p.returncode, err) == (130, "")
    assert "Interrupted: this is what was finished." in out
    assert [c.id for c in Results.load(path).claims] == ["C1.9-monitor-metrics"]


def test_a_terminal_sees_progress_on_one_line() -> None:
    primary, secondary = pty.openpty()
    env = {**os.environ, "COLUMNS": "80"}
    command = [sys.executable, "-m", "gomap", "claims", "run", "C2.2", "--quick"]
    p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=secondary, env=env)
    os.close(secondary)
    told, until = b"", time.monotonic() + 60
    while time.monotonic() < until and b"opportunities" not in told:
        if not select.select([primary], [], [], 1)[0]:
            if p.poll() is not None:
                break
            continue
        try:
            told += os.read(primary, 4096)
        except OSError:  # the program has ended
            break
    assert p.wait(60) == 0
    assert p.stdout is not None
    p.stdout.close()
    os.close(primary)
    text = told.decode()
    assert re.search(r"\[ *\d+%, \d+ (s|min) left\] C2.2-load-factor: filling a map\[str\]", text)
    assert "\n" not in text
    assert all(len(line) <= 80 + len("\x1b[K") for line in text.split("\r"))
