"""The page: whole and well formed whatever the results are, nothing fetched, nothing from data taken for HTML."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import altair
import pytest
from synthetic import ALL_SERIES, BARS, BROKEN, DRAWN, EVIL, TIMELINE, WIDE_BARS, synthetic

import gomap.report as report
from gomap.claims import REFUTED, SCALES, VERDICTS, Finding, Number, Results, Series, entries, entry
from gomap.claims.runner import ClaimResult
from gomap.cli import main
from gomap.report.causes import CAUSES
from gomap.report.charts import figure_of, spec
from gomap.report.html import el, raw_text
from gomap.report.page import page

VOID = {"meta", "input", "br", "link"}


class Page(HTMLParser):
    """What is in a page. Elements that are not closed in their order, or ids that come twice, are an error."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.tags: Counter[str] = Counter()
        self.scripts: list[str] = []
        self.data: list[Any] = []
        self.text: list[str] = []
        self.handlers: list[str] = []
        self._json = False
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        found = dict(attrs)
        if "id" in found:
            assert found["id"] not in self.ids
            self.ids.add(str(found["id"]))
        if tag == "a":
            self.links.append(str(found["href"]))
        self.fetched += [str(found[a]) for a in ("src", "srcset", "data", "poster", "action") if a in found]
        self.fetched += [str(found["href"])] if tag == "link" else []
        self.handlers += [a for a in found if a.startswith("on")]
        self._json = found.get("type") == "application/json"
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            (self.data if self._json else self.scripts).append(json.loads(data) if self._json else data)
        elif self.open and self.open[-1] != "style":
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


@pytest.fixture(scope="module")
def text() -> str:
    return page(synthetic(), entries())


@pytest.fixture(scope="module")
def parsed(text: str) -> Page:
    return Page(text)


# ------------------------------------------------------------------ the page


def test_every_claim_has_a_section_and_a_row(parsed: Page, text: str) -> None:
    for e in entries():
        assert e.claim.id in parsed.ids
        assert " ".join(e.claim.statement.split()) in parsed.words
    assert text.count("data-chapter=") == len(entries()) == 59
    assert {link[1:] for link in parsed.links if link.startswith("#")} <= parsed.ids
    for verdict in VERDICTS:
        assert f'data-model="{verdict}"' in text


def test_the_answer_comes_first_with_what_is_measured_and_what_is_missing(parsed: Page) -> None:
    words = parsed.words
    answer = words[words.index("The answer") : words.index("A claim has two verdicts")]
    for cause in CAUSES:
        assert cause.title in answer
    assert "41.2 % (38 to 44) time in evacuation while a map only grows" in answer
    assert "71 ns (65 ns to 80 ns)" in answer
    assert "the response is not monotone" in answer  # undecided: why
    assert "not run yet (gomap claims run C3.7-sysmon-period)" in answer  # not measured: what would
    assert "The same setting twice already spreads" in answer  # the noise is not passed off as a size
    assert "1.01" not in answer


def test_a_cause_shows_the_marked_figure_of_real_go_measured_here() -> None:
    """Also where the verdict is by source: the first number would be another, and the model has one too."""
    results = synthetic()
    numbers = (Number("yields", 9.0), Number("longest get beside busy goroutines", 81e6, "ns", headline=True))
    read = Finding(REFUTED, "A list. Measured here: 81 ms.", numbers, by="source and numbers")
    plain = read.with_(numbers=(Number("turns of a loop", 20e6, "ns"),))
    by_number = {"C1.8": read, "C3.7": plain}
    results.claims = [
        ClaimResult(c.id, c.model, by_number.get(c.id.partition("-")[0], c.go)) for c in results.claims if c.id.startswith("C")
    ]
    words = Page(page(results, entries())).words
    answer = words[words.index("The answer") : words.index("A claim has two verdicts")]
    assert "81 ms longest get beside busy goroutines (claim C1.8 , real Go : ✗ refuted )" in answer
    assert "20 ms turns of a loop (claim C3.7 , real Go : ✗ refuted )" in answer
    assert "9 yields" not in answer
    assert words.count("numbers from here") == 2
    assert "by its source and recorded runs; the numbers were measured here" in words


def test_every_cause_can_be_measured_here() -> None:
    for c in CAUSES:
        measuring = [entry(number) for number in c.measured_by]
        assert any(e.on_go is not None or e.on_model is not None for e in measuring), c.title


def test_the_machine_and_the_noise_are_there(parsed: Page) -> None:
    words = parsed.words
    for said in ("AMD EPYC <7763>", "Linux 6.18", "gcc 12.2.0 -O2", "0123abc+", "1 (0.985 to 1.02), in 4 pairs", "quick"):
        assert said in words
    assert "24 November 2026, 17:20 UTC" in words
    assert "Governor the system does not say" in words
    assert "C9.9-of-a-later-version" in words


def test_nothing_from_data_becomes_html(parsed: Page, text: str) -> None:
    assert " ".join(EVIL.split()) in parsed.words
    assert "img" not in parsed.tags
    assert parsed.handlers == []
    evil = Series("bars", EVIL, EVIL, ({"name": EVIL, "value": 1.0, EVIL: 2},))
    one = Page(figure_of(evil))
    assert one.scripts == []
    assert one.data[0]["data"]["values"][0]["name"] == EVIL
    assert 'x="&lt;&quot;"' in el("p", x='<"')
    with pytest.raises(ValueError, match="cannot stand"):
        raw_text("script", "</SCRIPT>")


def test_one_bundle_and_nothing_fetched(parsed: Page, text: str) -> None:
    assert len(parsed.scripts) == 2  # the bundle, and the page's own
    assert sum(len(s) > 100_000 for s in parsed.scripts) == 1
    assert parsed.fetched == []
    css = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in css
    assert "@import" not in css
    assert "default-src &#x27;none&#x27;" in text
    bundle = max(map(len, parsed.scripts))
    assert len(text) - bundle < 600_000
    assert bundle < 2_000_000


def test_headings_and_tables_are_real(parsed: Page) -> None:
    assert parsed.tags["h1"] == 1
    assert parsed.tags["h2"] == 8
    assert parsed.tags["caption"] == parsed.tags["table"] == parsed.tags["thead"]
    assert parsed.tags["figcaption"] == parsed.tags["figure"]


def test_results_with_nothing_in_them() -> None:
    empty = Page(page(Results("full", {}, {}), entries()))
    assert "0 of 59 claims have been run" in empty.words
    assert "date not recorded" in empty.words
    assert "Noise floor throughput of the same setting twice: not measured" in empty.words


def test_an_interrupted_run_says_so() -> None:
    results = synthetic()
    results.interrupted = True
    assert "This run was interrupted" in Page(page(results, entries())).words
    assert "This run was interrupted" not in Page(page(synthetic(), entries())).words


# ------------------------------------------------------------------ pictures


@pytest.mark.parametrize("series", ALL_SERIES, ids=lambda s: s.title)
def test_pictures_are_vega_lite_and_tables_hold_the_numbers(series: Series) -> None:
    drawn = spec(series)
    if drawn is not None:
        altair.Chart.from_dict(drawn)  # by the schema
        json.dumps(drawn, allow_nan=False)
    one = Page(figure_of(series))
    assert one.tags["table"] == bool(series.rows)
    assert len(one.data) == (drawn is not None)


def test_what_is_drawn() -> None:
    assert sum(spec(s) is not None for s in ALL_SERIES) == DRAWN
    band = spec(TIMELINE)["layer"][0]["data"]["values"]
    assert [(g["from"], g["to"]) for g in band] == [(80.0, 110.0), (160.0, 298.0)]  # the last one goes on to the end
    assert spec(BARS)["layer"][0]["encoding"]["x"]["scale"] == {"zero": True}
    assert spec(WIDE_BARS)["layer"][0]["encoding"]["x"]["scale"]["type"] == "log"
    assert [row["name"] for row in spec(BROKEN)["data"]["values"]] == ["b"]


def test_a_long_time_line_keeps_its_slowest_rows_and_growths() -> None:
    words = Page(figure_of(TIMELINE)).words
    assert "40 of 153 rows" in words
    assert words.count("grow_start") == 2
    assert words.count("90.9 µs") == 4  # 900 ns and 90 µs, every fortieth row


# ------------------------------------------------------------------ the command


def test_a_run_from_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(SCALES, "quick", SCALES["test"])
    monkeypatch.setattr(report, "entries", lambda: (entry("C2.2"), entry("C2.6")))
    folder = tmp_path / "new" / "report"
    assert main(["report", "--quick", "-o", str(folder)]) == 0
    out, err = capsys.readouterr()
    assert out.endswith(f"Page: {folder / 'index.html'}\n")
    assert err == ""
    results = Results.load(folder / "results.json")
    assert [c.id for c in results.claims] == ["C2.2-load-factor", "C2.6-evacuate-cpu"]
    shown = Page((folder / "index.html").read_text(encoding="utf-8"))
    assert "Entries at which a map doubled" in shown.words
    assert results.claims[1].model.reason.split(";")[0] in shown.words.replace("\u00a0", " ")
    assert len(shown.data) == sum(len(c.model.series) for c in results.claims)
    before = results.to_json()
    assert main(["report", "--quick", "-o", str(folder), "--resume"]) == 0
    assert Results.load(folder / "results.json").to_json() == before  # nothing was run again


def test_from_draws_and_leaves_other_files_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, folder = tmp_path / "r.json", tmp_path / "out"
    synthetic().save(source)
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    assert main(["report", "--from", str(source), "-o", str(folder)]) == 0
    assert sorted(p.name for p in folder.iterdir()) == ["index.html", "notes.txt"]
    assert (folder / "notes.txt").read_text() == "mine"
    assert "2 confirmed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from", "/no/such/file"], "No such file"),
        (["--from", __file__], "not results of claims"),
        (["--from", "x", "--quick"], "--from runs nothing"),
        (["-o", "/proc/nowhere"], "/proc/nowhere"),
    ],
)
def test_complaints_are_one_line(capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    assert main(["report", *words]) == 2
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert said in err


def test_without_the_extra_nothing_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    assert main(["report", "-o", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == "gomap: the report needs vl-convert-python: pip install 'gomap[lab]'\n"
    assert not (tmp_path / "out").exists()


def test_ctrl_c_writes_the_page_of_what_is_finished(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    command = [sys.executable, "-m", "gomap", "report", "--quick", "-o", str(tmp_path)]
    p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 120
    while not path.exists() and p.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    os.kill(p.pid, signal.SIGINT)  # it has minutes before it
    out, err = p.communicate(timeout=60)
    assert (p.returncode, err) == (130, "")
    assert out.startswith("Interrupted: the page shows what was finished.")
    results = Results.load(path)
    assert results.interrupted
    assert 0 < len(results.claims) < len(entries())
    shown = Page((tmp_path / "index.html").read_text(encoding="utf-8"))
    assert re.search(rf"\b{len(results.claims)} of 59 claims have been run", shown.words)
