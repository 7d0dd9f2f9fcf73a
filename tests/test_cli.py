"""The command line: what it prints, its exit codes, its one-line complaints."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gomap import __version__
from gomap.cli import main
from gomap.lab import PRESETS, ReplayResult, Result
from gomap.variants import VARIANTS

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
    assert json.loads(out.read_text())["schema"] == "gomap.replay/2"


def test_run_writes_what_it_is_asked_for(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("altair")
    files = {name: tmp_path / f"out.{name}" for name in ("json", "hgrm", "hlog", "plot")}
    options = [word for name, path in files.items() for word in (f"--{name}", str(path))]
    assert main(["run", "--preset", "churn", "--size", "2000", "--ops", "150000", "--seed", "1", *options]) == 0
    text = capsys.readouterr().out
    for words in ("150,000 operations", "Latency (from call to return", "Where the time of delete went", "The slowest", "rest"):
        assert words in text
    assert max(map(len, text.splitlines())) <= 150
    r = Result.from_json(files["json"].read_text())
    assert r.total == 150_000
    assert "#[Max" in files["hgrm"].read_text()
    assert {p.name for p in tmp_path.glob("*.hgrm")} == {"out.hgrm", "out.delete.hgrm", "out.assign_new.hgrm"}
    assert files["hlog"].read_text().count("Tag=") == 2
    page = files["plot"].read_text()
    assert "http" not in page.replace("http://www.w3.org", "").replace("https://vega.github.io/schema", "")[:2000]
    assert "Latency by percentile" in page


def test_replay_on_threads_tells_where_growth_was(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", SHIPPED, *OPTIONS, "--threads", "2", "--rate", "300000", "--seed", "1"]) == 0
    growing = capsys.readouterr().out
    assert main(["replay", SHIPPED, *OPTIONS, "--threads", "2", "--rate", "300000", "--seed", "1", "--hint", "40000"]) == 0
    presized = capsys.readouterr().out
    causes = ("array allocation", "evacuation", "second evacuation")
    table = growing[growing.index("Where the time of assign went") : growing.index("Growth")]
    assert all(re.search(rf"^  {cause} ", table, re.M) for cause in causes)
    assert "12 -> 13" in growing
    assert "Growth: none while measuring" in presized
    assert not any(re.search(rf"^  {cause} ", presized, re.M) for cause in causes)


def test_compare_prints_ratios(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "c.json"
    assert main(["compare", "--size", "1000", "--ops", "20000", "--repeats", "2", "--json", str(out)]) == 0
    text = capsys.readouterr().out
    for words in ("Medians of 2 runs each", "plain (2)", "throughput", "get p99", "  x "):
        assert words in text
    assert json.loads(out.read_text())["schema"] == "gomap.comparison/1"


@pytest.mark.parametrize("rate", [[], ["--rate", "3"]])
def test_ctrl_c_prints_what_was_measured(rate: list[str]) -> None:
    command = [sys.executable, "-m", "gomap", "run", "--duration", "60", "--size", "10", *rate]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    wait_for_thread(process.pid)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    assert "Interrupted: this is what was measured until then." in out
    assert err == ""


def wait_for_thread(pid: int) -> None:
    """Until the process has its measuring thread: the main one, the one that called the core, a worker."""
    for _ in range(2000):
        if len(os.listdir(f"/proc/{pid}/task")) >= 3:
            return
        time.sleep(0.01)
    raise AssertionError("no thread was started")


def test_a_warning_names_the_sentence_of_go(capsys: pytest.CaptureFixture[str]) -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two CPUs")
    assert main(["run", "--threads", "2", "--mix", "assign_new=50,delete=50", "--duration", "0.3"]) == 0
    assert 'fatal error: concurrent map writes"' in capsys.readouterr().out


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
        ["run", "--mix", "get=90"],
        ["run", "--mix", "get"],
        ["run", "--rate", "-5"],
        ["run", "--keys", "zipf:0"],
        ["run", "--threads", "999"],
        ["run", "--preset", "x"],
        ["run", "--variant", "x"],
        ["run", "--ops", "0"],
        ["run", "--ops", "5", "--duration", "1"],
        ["run", "--size", "-1"],
        ["run", "--key", "int16"],
        ["run", "--arrivals", "x"],
        ["run", "--hgrm", "x.hgrm", "--sample", "0"],
        ["run", "--plot", "/nonexistent/x.html"],
        ["replay", SHIPPED, "--threads", "2"],
        ["replay", SHIPPED, *OPTIONS, "--threads", "999"],
        ["replay", SHIPPED, *OPTIONS, "--rate", "0"],
        ["replay", SHIPPED, "--key-column", "block", "--threads", "2"],
        ["compare", "--variants", "plain,x"],
        ["compare", "--repeats", "0"],
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
    for command in ("run", "replay", "compare", "verify", "inspect"):
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


def test_every_variant_runs_and_tells_of_growth(capsys: pytest.CaptureFixture[str]) -> None:
    for name in VARIANTS:
        assert main(["run", "--variant", name, "--preset", "rapid-grow", "--ops", "20000"]) == 0
        out = capsys.readouterr().out
        assert "Growth: none" not in out or name in ("syncmap", "hashtrie")  # they have no table that grows
        assert out.startswith(f"{name}: ")


def test_help_states_the_presets(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--help"]) == 0
    out = capsys.readouterr().out
    assert all(p.stated in out for p in PRESETS.values())
