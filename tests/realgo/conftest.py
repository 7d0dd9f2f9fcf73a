"""Go's programs built once; skipped with the reason where there is no Go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gomap.errors import GoUnavailable
from gomap.realgo import build_go, find_go


@pytest.fixture(scope="session")
def oracle_binary(go_cache: Path) -> Path:
    try:
        return build_go("oracle", "classic")
    except GoUnavailable as e:
        pytest.skip(str(e))


@pytest.fixture(scope="session")
def real_go() -> None:
    try:
        find_go()
    except GoUnavailable as e:
        pytest.skip(str(e))


@pytest.fixture
def fake_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Makes a program that says it is a Go of some version and does `build` by a piece of shell script, with the name of the
    binary to make in $out; it is what GOMAP_GO names. The cache is empty."""

    def make(build: str = "echo content > $out; chmod +x $out", version: str = "1.25.5") -> Path:
        path = tmp_path / "fake-go"
        path.write_text(
            f"#!/bin/sh\nif [ $1 = version ]; then echo go version go{version} linux/amd64; exit; fi\n"
            f'while [ "$1" != -o ]; do shift; done\nout=$2\n{build}\n'
        )
        path.chmod(0o755)
        monkeypatch.setenv("GOMAP_GO", str(path))
        monkeypatch.setenv("GOMAP_CACHE", str(tmp_path / "cache"))
        return path

    return make
