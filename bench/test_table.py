"""Is the table right? All of it on tiny maps, and what it says of a ratio. How fast anything is, it does not ask."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.peers import PEERS
from bench.table import text
from bench.table.__main__ import main
from bench.table.aims import MIXES, PAUSE, SINGLE
from bench.table.concurrent import OURS, Found, run_round
from bench.table.inputs import Single, draw_keys, write_operations, write_single
from bench.table.lines import Line
from bench.table.plot import curves
from bench.table.programs import Failed, Program, build_driver
from bench.table.single import LIMIT, check_round
from gomap.lab import Uniform, Zipf
from gomap.lab.machine import two_cores

GO_MAPS = {"Go sync.Map", "Go RWMutex map"}


@pytest.fixture(scope="module")
def driver() -> Path:
    return build_driver()


def run(tmp_path: Path, *options: str) -> dict[str, Any]:
    kept = tmp_path / "table.json"
    assert main(["--quick", "--repeats", "1", "--json", str(kept), *options]) == 0
    found: dict[str, Any] = json.loads(kept.read_text())
    assert found["schema"] == "gomap.table/1"
    assert {"gomap", "Python", "numpy"} <= found["versions"].keys()
    return found


def peers_of(found: dict[str, Any], group: str) -> set[str]:
    return {line["peer"] for line in found["lines"] if line["group"] == group}


def absent(found: dict[str, Any], *names: str) -> set[str]:
    return {name for name in names if name in found["absent"]}


def test_one_thread(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each round is checked by the table itself: here it is that there is a line for each row and peer."""
    found = run(tmp_path, "--only", "single")
    assert peers_of(found, "single") | absent(found, "Go classic", "Go swiss") == {
        "Go classic",
        "Go swiss",
        "the machine's limit",
    }
    rows = {line["row"] for line in found["lines"] if line["peer"] in ("Go classic", "Go swiss")}
    assert rows == {row.name for row in SINGLE} or absent(found, "Go classic", "Go swiss")
    assert all(len(line["ours"]) == len(line["theirs"]) == 1 and min(line["ours"]) > 0 for line in found["lines"])
    assert all(len(line["page_faults_per_operation"]) == 2 for line in found["lines"])
    assert found["bytes_per_entry"]["gomap, int64"]["1000"] > 16
    printed = capsys.readouterr().out.splitlines()
    assert max(map(len, printed)) <= text.WIDTH
    assert printed[-1].endswith("of the least")


@pytest.mark.skipif(two_cores() is None, reason="two threads need two cores")
def test_two_threads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = run(tmp_path, "--only", "concurrent,growth")
    there = peers_of(found, "concurrent")
    assert there ^ peers_of(found, "growth") <= {"std-rwlock", PAUSE, LIMIT}
    assert {line["row"] for line in found["lines"] if line["peer"] == LIMIT} == {"read only"}
    assert there | absent(found, *PEERS) == {*PEERS, LIMIT, *(GO_MAPS if "Go swiss" not in found["absent"] else ())}
    rates = [line for line in found["lines"] if line["unit"] == "operations/s" and line["group"] == "concurrent"]
    assert {line["row"] for line in rates} == {mix.name for mix in MIXES}
    assert sum(line["best"] for line in rates) == len(MIXES)
    assert len(found["round_trips"]) == len(MIXES) + 1
    assert min(trip["ns"] for trip in found["round_trips"]) > 1
    assert max(map(len, capsys.readouterr().out.splitlines())) <= text.WIDTH


def test_from_python(tmp_path: Path) -> None:
    found = run(tmp_path, "--only", "python,per-key")
    batches = {"[d[k] for k in keys]", "pandas get_indexer", "hirola", "polars join"}
    assert peers_of(found, "python") | absent(found, *batches) == batches
    assert {"dict", "30 ms"} <= peers_of(found, "per-key") <= {"dict", "cereggii", "30 ms"}


@pytest.mark.parametrize("bad", [["--only", "nobody"], ["--sizes", "many"], ["--sizes", "1"], ["--repeats", "0"]], ids=str)
def test_bad_usage(bad: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(bad)
    assert ended.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_round_that_found_something_else_is_refused(driver: Path, tmp_path: Path) -> None:
    keys = write_single(tmp_path, "int64", 100, 250)
    program = Program("gomap", driver)
    try:
        program.ask("single", "int64", 100, tmp_path)
        for row in ("get_hit", "get_many_miss", "overwrite", "insert_many", "pair_many", "iterate"):
            told = program.ask("time", row)
            check_round(row, told, keys)
            for place in (2, 3):  # one hit more, another sum
                told[place] += 1
                with pytest.raises(Failed, match=row):
                    check_round(row, told, keys)
                told[place] -= 1
        with pytest.raises(Failed, match="no such row"):
            program.ask("time", "nothing")
        with pytest.raises(Failed, match="does not hold as many keys"):
            program.ask("single", "int64", 101, tmp_path)
    finally:
        program.close()


def test_gets_that_miss_are_refused(driver: Path, tmp_path: Path) -> None:
    """The streams ask for keys that the map was not given."""
    write_operations(tmp_path, 1_000, 1 << 10, 0, Uniform(), 1_000)
    np.fromfile(tmp_path / "keys", np.int64)[:999].tofile(tmp_path / "keys")
    program = Program("gomap", driver)
    try:
        program.ask("shared", "own:8", tmp_path)
        with pytest.raises(Failed, match="missed their key"):
            run_round(program, 5, False, (-1, -1))
    finally:
        program.close()


def test_a_program_that_ends_is_told(driver: Path) -> None:
    program = Program("gomap", driver)
    program.close()
    with pytest.raises((Failed, ValueError)):
        program.ask("memory")


def test_keys_differ() -> None:
    keys = draw_keys(200_000, 3)
    assert len(np.unique(keys)) == len(keys)
    assert keys.min() >= 0
    assert keys.max() < 1 << 54


def test_inputs_are_what_they_should_be(tmp_path: Path) -> None:
    keys = write_single(tmp_path / "one", "int64", 1_000, 2_500)
    present, asked, absent_keys, elems = (
        np.fromfile(tmp_path / "one" / name, np.int64) for name in ("present", "asked", "absent", "elems")
    )
    assert (present[elems] == asked).all()
    assert len(np.unique(asked[:1_000])) == 1_000
    assert not np.isin(absent_keys, present).any()
    assert keys == Single(tmp_path / "one", "int64", 1_000, 2_500, int(elems.sum()))
    write_operations(tmp_path / "two", 1_000, 1 << 14, 5, Zipf(0.99), 100)
    all_keys = np.fromfile(tmp_path / "two" / "keys", np.int64)
    streams = [np.fromfile(tmp_path / "two" / f"stream.{i}", np.int64) for i in range(2)]
    assert all(np.isin(stream >> 1, all_keys[:100]).all() for stream in streams)
    assert all(0.03 < (stream & 1).mean() < 0.07 for stream in streams)
    assert (streams[0] != streams[1]).any()


def line(ours: float, theirs: float, measure: str = "ns", least: float | None = 2.0, aim: float | None = 3.0) -> Line:
    return Line("single", "row", 1_000, "peer", measure, (ours,) * 5, (theirs,) * 5, least, aim)


def test_verdicts() -> None:
    assert [line(10, of).verdict for of in (31, 29, 19)] == ["aim", "least", "short"]
    assert [line(of, 10, "rate").verdict for of in (31, 29, 19)] == ["aim", "least", "short"]
    assert [line(10, of, least=None).verdict for of in (31, 29)] == ["aim", "below"]
    assert line(10, 29, least=None, aim=None).verdict == ""
    assert text.summary_text([line(10, 31), line(10, 29), line(10, 19), line(10, 1, least=None)]).startswith(
        "4 ratios asked for: 1"
    )


def test_the_better_way_of_go_counts() -> None:
    """And its tail with it, though the other's is lower."""
    found = Found()
    for rate, tail, pinned in ((10.0, 5.0, True), (20.0, 50.0, False)):
        found.add(pinned, {"rate": rate})
        found.add(pinned, {"p99.9": tail})
    assert found.best("rate", more=True, share=1.0) == (20.0,)
    assert found.best("p99.9", more=False, share=1.0) == (50.0,)
    assert found.ways(best_only=False) == (False, True)
    found.add(False, {"rate": 1000.0})
    assert found.ways(best_only=False) == (False,)  # pinned, it is hopeless


def test_curves() -> None:
    lines = [Line("threads", f"{t} threads", 1_000, "peer", "rate", (t * 2e6,), (t * 1e6,)) for t in (1, 8)]
    assert curves(lines, OURS) == {OURS: {1: 2.0, 8: 16.0}, "peer": {1: 1.0, 8: 8.0}}


def test_every_ratio_of_one_thread_has_a_least_below_its_aim() -> None:
    wanted = [aim for row in SINGLE for of in (row.classic, row.swiss) for aim in of.values()]
    assert len(wanted) == 2 * (4 * 4 + 7 + 4 + 4)
    assert all(aim.least is not None and aim.aim is not None and 1 < aim.least < aim.aim for aim in wanted)
