"""What the suites share: sizes, and a `--quick` option that makes them a smoke test."""

from __future__ import annotations

import pytest

SIZES = (1_000, 100_000, 1_000_000)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="the smallest size only")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "size" in metafunc.fixturenames:
        sizes = SIZES[:1] if metafunc.config.getoption("--quick") else SIZES
        metafunc.parametrize("size", sizes, ids=[f"1e{len(str(n)) - 1}" for n in sizes])
