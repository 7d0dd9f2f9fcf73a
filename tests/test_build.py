"""The build: its flags, and one sentence with the fix where something it needs is missing."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def build(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "setup.py", "build_ext", "--build-temp", str(tmp_path / "t"), "--build-lib", str(tmp_path / "l")]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True)


def test_a_missing_compiler_is_one_sentence(tmp_path: Path) -> None:
    pytest.importorskip("setuptools")
    done = build(tmp_path, CC="/nonexistent/cc -pthread")
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("gomap needs a C compiler and '/nonexistent/cc' is not there: install one")
    assert "Traceback" not in done.stderr


def test_missing_headers_are_one_sentence(tmp_path: Path) -> None:
    pytest.importorskip("setuptools")
    argv = ["setup.py", "build_ext", "--build-temp", str(tmp_path / "t"), "--build-lib", str(tmp_path / "l")]
    code = (
        "import sys, sysconfig; real = sysconfig.get_path\n"
        f"sysconfig.get_path = lambda name, *a, **k: {str(tmp_path)!r} if name == 'include' else real(name, *a, **k)\n"
        f"sys.argv = {argv!r}\n"
        "exec(compile(open('setup.py').read(), 'setup.py', 'exec'))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("gomap needs Python's headers")
    assert "apt-get install python3-dev" in last


def test_no_x86_header_outside_a_condition() -> None:
    for path in (ROOT / "csrc").rglob("*.[ch]"):
        depth = 0
        for line in path.read_text().splitlines():
            if line.startswith("#if"):
                depth += 1
            elif line.startswith("#endif"):
                depth -= 1
            elif "immintrin.h" in line or "emmintrin.h" in line:
                assert depth >= 1, f"{path}: {line}"


def test_folders_depend_downwards_only() -> None:
    order = ["base", "map", "sync", "sched", "heap", "lab"]
    for path in (ROOT / "csrc").rglob("*.[ch]"):
        if path.parent.name not in order:
            continue
        for line in path.read_text().splitlines():
            if line.startswith('#include "') and "/" in line:
                folder = line.split('"')[1].partition("/")[0]
                assert order.index(folder) <= order.index(path.parent.name), f"{path}: {line}"


def test_the_core_never_prints_or_aborts() -> None:
    for path in (ROOT / "csrc").rglob("*.[ch]"):
        text = path.read_text()
        for call in ("printf(", "abort(", "exit(", "assert(", "perror("):
            assert call not in text.replace("_Static_assert(", ""), f"{path}: {call}"


def test_warnings_are_errors_only_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    flags = runpy.run_path(str(ROOT / "gomap" / "_build.py"))["compile_flags"]
    monkeypatch.setenv("GOMAP_WERROR", "1")
    assert "-Werror" in flags()
    for off in ("", "0"):
        monkeypatch.setenv("GOMAP_WERROR", off)
        assert "-Werror" not in flags()
