"""The page in a browser: it draws, logs nothing, fetches nothing, and fits."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser, browser
from synthetic import DRAWN, synthetic

from gomap.report import write_page

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")

CHARTS = DRAWN + 2
"""Two of the series are in two claims."""
DRAWN_ALL = f"document.querySelectorAll('.chart[data-drawn=yes] svg').length === {CHARTS}"


@pytest.fixture(scope="module")
def one() -> Iterator[Browser]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, browser(Path(profile)) as b:
        yield b


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(synthetic(), tmp_path_factory.mktemp("page"))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_draws_in_silence(one: Browser, path: Path, width: int, dark: bool) -> None:
    one.console.clear()
    one.requests.clear()
    one.open(path, width=width, dark=dark)
    assert one.js("document.querySelectorAll('.chart').length") == CHARTS
    assert one.js("document.querySelectorAll('.chart svg').length") < CHARTS  # only what is in view
    for i in range(CHARTS):
        one.js(f"document.querySelectorAll('.chart')[{i}].scrollIntoView()")
        one.wait(f"document.querySelectorAll('.chart')[{i}].dataset.drawn === 'yes'")
    assert one.js(DRAWN_ALL)
    assert one.js(
        "[...document.querySelectorAll('.chart svg')].every(s => s.querySelector('.mark-line path, .mark-rect path, "
        ".mark-symbol path'))"
    )
    assert one.js("document.documentElement.scrollWidth") <= width
    ground = one.js("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(20, 23, 27)" if dark else "rgb(255, 255, 255)")
    assert one.console == []
    assert {r for r in one.requests if not r.startswith("data:")} == {path.as_uri()}


def test_printing_draws_everything(one: Browser, path: Path) -> None:
    one.open(path)
    assert one.pdf().startswith(b"%PDF")
    assert one.js(DRAWN_ALL)


def choose(one: Browser, name: str, value: str) -> None:
    one.js(
        f"(s => {{ s.value = '{value}'; s.dispatchEvent(new Event('input', {{bubbles: true}})); }})"
        f"(document.querySelector('[name={name}]'))"
    )


def test_filters(one: Browser, path: Path) -> None:
    one.open(path)
    shown = "[...document.querySelectorAll('#claims-table tbody tr')].filter(r => r.offsetHeight).length"
    assert one.js(shown) == 59
    choose(one, "chapter", "3")
    assert one.js(shown) == 11
    assert one.js("document.querySelector('output').textContent") == "11 of 59 claims"
    choose(one, "model", "refuted")
    assert one.js(shown) == 0


def test_without_javascript_the_numbers_are_there(one: Browser, path: Path) -> None:
    one.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        one.open(path)
        assert one.js("document.querySelector('#filters').offsetHeight") == 0
        assert one.js("document.querySelectorAll('.chart svg').length") == 0
        assert one.js("document.querySelectorAll('figure details table').length") == CHARTS + 1  # and one without a picture
    finally:
        one.call("Emulation.setScriptExecutionDisabled", value=False)
