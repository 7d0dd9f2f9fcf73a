"""The command line: what it prints, its exit codes, its one-line complaints."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gomap import __version__
from gomap.cli import main
from gomap.lab import ReplayResult

SHIPPED = str(Path(__file__).parent / "data" / "cloudphysics-io.csv.gz")
OPTIONS = ["--key-column", "lbn", "--op-column", "op", "--op-map", "28=get,2a=assign"]


def test_replay_prints_a_report(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    assert main(["replay", SHIPPED, *OPTIONS, "--seed", "1", "--json", str(out)]) == 0
    text = capsys.readouterr().out
    for words in ("113,872 operations, int64 keys", "hit rate of gets: 41.48%", "12 -> 13", "Overflow chains", "p99.9", "max"):
        assert words in text
    assert max(map(len, text.splitlines())) <= 150
    result = ReplayResult.from_json(out.read_text())
    assert result.operations == {"get": 46_974, "assign": 66_898}
    assert json.loads(out.read_text())["schema"] == "gomap.replay/1"


def test_python_m_gomap_is_gomap() -> None:
    done = subprocess.run([sys.executable, "-m", "gomap", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"gomap {__version__}\n"


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["fly"],
        ["replay"],
        ["replay", SHIPPED, "--fly"],
        ["replay", SHIPPED, "--hint", "x"],
        ["replay", SHIPPED, *OPTIONS, "--hint", "-1"],
        ["replay", SHIPPED, *OPTIONS, "--hint", str(10**15)],
        ["replay", SHIPPED, *OPTIONS, "--hasher", "md5"],
        ["replay", SHIPPED, *OPTIONS, "--seed", "-1"],
        ["replay", SHIPPED, "--key-column", "lbn", "--op-column", "op", "--op-map", "28"],
        ["replay", SHIPPED, "--format", "json"],
        ["replay", SHIPPED, *OPTIONS, "--json", "/nonexistent/x.json"],
        ["verify"],
        ["verify", "vectors"],
        ["verify", "vectors", "/nonexistent"],
        ["inspect", "--keys", "-3"],
    ],
    ids=" ".join,
)
def test_bad_usage_is_one_line_and_exit_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert err.startswith("gomap: ")
    assert err.count("\n") == 1
    assert "Traceback" not in out + err


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for command in ("replay", "verify", "inspect"):
        assert command in out


def test_ctrl_c_exits_130(tmp_path: Path) -> None:
    trace = tmp_path / "long.csv"
    trace.write_text("".join(f"{i}\n" for i in range(2_000_000)))
    command = [sys.executable, "-m", "gomap", "replay", str(trace), "--key-column", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(0.8)  # well inside the reading of the trace; whenever it lands, the exit code is 130
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    assert "Traceback" not in err


def test_a_terminal_without_greek_letters() -> None:
    command = [sys.executable, "-m", "gomap", "replay", SHIPPED, *OPTIONS]
    done = subprocess.run(command, env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "\\xb5s" in done.stdout


def test_a_closed_pipe_is_no_error() -> None:
    command = f"{sys.executable} -m gomap inspect --keys 5000 | head -1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_a_progress_bar_shows_on_a_terminal_only() -> None:
    pytest.importorskip("rich")
    command = [sys.executable, "-m", "gomap", "replay", SHIPPED, *OPTIONS]
    assert subprocess.run(command, capture_output=True, check=True).stderr == b""
    mine, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=theirs, env=environment, check=True)
    os.close(theirs)
    assert b"replaying" in os.read(mine, 1 << 16)
    os.close(mine)


def test_without_rich_there_is_no_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert main(["replay", SHIPPED, *OPTIONS]) == 0
    assert capsys.readouterr().err == ""
