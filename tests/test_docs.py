"""The README and docs: their examples run, their commands are those of the check, their figures and lists are the program's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import gomap
import gomap.lab
import gomap.testing
from gomap.cli import main
from gomap.variants import VARIANTS

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


DOCS = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
KIT = "testing-hypothesis.md"  # its examples print what is to be looked at, or are a file of tests
OPTIONAL = ("cereggii",)


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def run_example(code: str, folder: Path) -> None:
    for name in OPTIONAL:
        if f"import {name}" in code:
            pytest.importorskip(name, reason=f"{name} is not installed: this example is of a package that gomap does not need")
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=folder)


@pytest.mark.parametrize("code", blocks("python"))
def test_python_examples_run(code: str, tmp_path: Path) -> None:
    run_example(code, tmp_path)


@pytest.mark.parametrize(
    ("page", "code"), [(page, code) for page, text in DOCS.items() if page != KIT for code in blocks("python", text)]
)
def test_examples_of_the_docs_run(page: str, code: str, tmp_path: Path) -> None:
    run_example(code, tmp_path)


def test_the_docs_tell_all_public_names() -> None:
    for module in (gomap, gomap.lab, gomap.testing):
        missing = [name for name in module.__all__ if f"| `{name}` | " not in DOCS["api.md"]]
        assert not missing, (module.__name__, missing)
    listed = re.findall(r"^\| `(\w+)` \|", DOCS["api.md"], re.M)
    assert set(listed) <= {name for module in (gomap, gomap.lab, gomap.testing) for name in module.__all__}


def test_the_docs_tell_of_each_variant_what_the_table_does() -> None:
    for name, v in VARIANTS.items():
        assert f"| `{name}` | {v.consistency} | {v.progress} |" in DOCS["consistency.md"]


def test_links_of_the_docs_lead_somewhere() -> None:
    for page, text in DOCS.items():
        for link in re.findall(r"\]\(([^)#]+?)\)", text):
            assert (ROOT / "docs" / link).exists(), (page, link)


def test_examples_of_the_testing_kit_run(capsys: pytest.CaptureFixture[str]) -> None:
    strategies, machine, fuzzing, _ = blocks("python", DOCS[KIT])
    for code in (strategies, fuzzing):
        exec(compile(code, "example", "exec"), {"__name__": "example"})
    capsys.readouterr()
    exec(compile(machine, "example", "exec"), {"__name__": "example"})
    assert re.match(r"\S.* right is .*\n\n    m = Forgetful\(\)\n(    .*\n){1,3}$", capsys.readouterr().out)


def test_the_example_of_the_pytest_plugin_runs(tmp_path: Path) -> None:
    (tmp_path / "test_example.py").write_text(blocks("python", DOCS[KIT])[-1])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_example.py"]
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}  # no worker of anything
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=alone)
    assert "4 passed" in done.stdout, done.stdout + done.stderr
    assert "p99.9" in done.stdout


def test_the_second_command_replays_the_shipped_trace(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = blocks("sh")[1].partition("&& gomap ")[2].split()
    monkeypatch.chdir(ROOT)
    assert main(command) == 0
    out = capsys.readouterr().out
    growths = re.findall(r"ms +([0-9,]+  +\d+ -> \d+  \w+) ", README)
    causes = re.findall(r"^  ([a-z ]+?)  +[0-9.]+ [mµn]?s  ", README, re.M)
    assert growths
    told = [line.split() for line in out.splitlines()]
    assert all(any(row.split() == line[2:7] for line in told) for row in growths)
    always = {
        "array allocation",
        "evacuation",
        "second evacuation",
        "rest",
    }  # preempted: only where somebody else wants the CPU
    assert always <= set(causes)
    assert all(re.search(rf"^  {cause}  ", out, re.M) for cause in always)
    assert main([*command, "--hint", "40000"]) == 0
    assert "evacuation" not in capsys.readouterr().out


def test_the_check_runs_the_readme_s_commands() -> None:
    ci = (ROOT / ".ci" / "run").read_text()
    install, report = blocks("sh")[0].strip().split(" && ")
    assert install.replace("pip install '.[", "pip install -q '.[") in ci
    assert report in ci
    install, test = blocks("sh")[3].strip().split(" && ")
    assert install.replace("pip install", "pip install -q") in ci
    assert f"{test} 2>&1" in ci


def test_pictures_are_there() -> None:
    for path in re.findall(r"!\[.*\]\((.*)\)", README):
        assert (ROOT / path).stat().st_size > 10_000


def test_figures_of_the_vectors_are_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "vectors", str(ROOT / "tests" / "vectors")]) == 0
    out = capsys.readouterr().out
    for figure in ("207,423 op", "112,705 hashes", "34,425 digests"):
        assert figure in out
        assert figure.removesuffix(" op") in README
    mutants = (ROOT / "tests" / "mutants.py").read_text()
    assert f"plants {len(re.findall(r'^    Mutant[(]', mutants, re.M))} mistakes" in README
