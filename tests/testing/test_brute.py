"""The core's check against every order of short histories (brute.c): the same verdict, and what is left is a violation."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from sanitized import COMPILER, ROOT

CSRC = ROOT / "csrc"
FLAGS = ["-std=gnu11", "-O1"]
BASE = [CSRC / "base" / f"{name}.c" for name in ("alloc", "clock", "rng", "thread")]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the check stands on, compiled once."""
    if not COMPILER:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("base")
    subprocess.run([*COMPILER, *FLAGS, f"-I{CSRC}", "-c", *map(str, BASE)], cwd=folder, check=True)
    return sorted(map(str, folder.glob("*.o")))


def brute(folder: Path, base: list[str], histories: int, *, instead: Path = CSRC) -> subprocess.CompletedProcess[str]:
    """instead: a folder whose files are taken before those of csrc."""
    check = instead / "lab" / "linear.c"
    sources = [str(ROOT / "tests" / "testing" / "brute.c"), str(check if check.exists() else CSRC / "lab" / "linear.c")]
    command = [*COMPILER, *FLAGS, f"-I{instead}", f"-I{CSRC}", *sources, *base, "-o", str(folder / "brute"), "-lm", "-lpthread"]
    subprocess.run(command, check=True)
    return subprocess.run([str(folder / "brute"), str(histories), "1"], capture_output=True, text=True, timeout=600)


def test_against_every_order(base: list[str], tmp_path: Path, pytestconfig: pytest.Config) -> None:
    n = pytestconfig.getoption("--linear-small")
    done = brute(tmp_path, base, n)
    assert done.returncode == 0, done.stdout
    ok, violations = map(int, done.stdout.split())
    assert ok + violations == n
    assert min(ok, violations) > n // 5


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("lab/history.h", "if (found != (held->present && held->value == e->expected))", "if (found && !held->present)"),
        ("lab/linear.c", "return (int)x->is_end - (int)y->is_end;", "return (int)y->is_end - (int)x->is_end;"),
        ("lab/linear.c", "s->quiet = gm_event_changes(&s->events[event]) ?", "s->quiet = s->events[event].op > 3 ?"),
    ],
    ids=["a comparison that does not compare", "equal stamps do not overlap", "stores are taken for loads"],
)
def test_a_mistake_in_the_check_is_noticed(file: str, old: str, new: str, base: list[str], tmp_path: Path) -> None:
    text = (ROOT / "csrc" / file).read_text()
    assert text.count(old) == 1
    changed = tmp_path / "csrc" / file
    changed.parent.mkdir(parents=True)
    changed.write_text(text.replace(old, new))
    assert brute(tmp_path, base, 20_000, instead=tmp_path / "csrc").returncode == 1
